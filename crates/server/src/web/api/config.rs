//! `/api/v1/config`: the configuration in force, and what gave each value.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::administer::Administrator;
use super::super::view::View;
use crate::config::{Source, explain};

#[derive(Debug, Serialize)]
pub(in super::super) struct Config {
    file: Option<String>,
    values: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Value {
    key: String,
    value: String,
    source: &'static str,
    origin: String,
}

pub(in super::super) async fn config(_: Administrator, State(view): State<Arc<View>>) -> Json<Config> {
    let settings = view.settings.borrow();
    let values = explain(&settings).into_iter().map(|told| Value {
        key: told.key,
        value: told.value,
        source: match told.source {
            Source::Default => "default",
            Source::File => "file",
            Source::Environment => "environment",
            Source::CommandLine => "command_line",
        },
        origin: told.origin,
    });
    let file = settings.config_file.as_ref().map(|path| path.display().to_string());
    Json(Config { file, values: values.collect() })
}
