//! Whether the process is alive, and whether clients are served: for those who restart it, and for
//! those who send clients to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::view::View;

#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: &'static str,
    uptime_seconds: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    ready: bool,
    reasons: Vec<Reason>,
}

/// What stands in the way.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Reason {
    code: &'static str,
    detail: String,
}

pub(super) async fn health(State(view): State<Arc<View>>) -> Json<Health> {
    Json(Health { status: "alive", uptime_seconds: view.began.elapsed().as_secs_f64() })
}

pub(super) async fn readiness(State(view): State<Arc<View>>) -> (StatusCode, Json<Readiness>) {
    let silent = view.figures().await.silent();
    let reasons = reasons(&view, &silent);
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: reasons.is_empty(), reasons }))
}

fn reasons(view: &View, silent: &[u8]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut say = |code, detail| reasons.push(Reason { code, detail });
    if view.is_draining() {
        say("draining", "it was told to end and delivers what is queued".to_owned());
    }
    for shard in silent {
        say("shard_silent", format!("shard {shard} did not answer within {:?}", view.limits.answer_time));
    }
    let (used, max) = (view.gauge.used(), view.memory_bytes_max());
    if used > max {
        say("memory_over_budget", format!("{used} bytes are used of {max} (memory_max): publishers wait"));
    }
    if view.newcomers.is_paused() {
        say("no_file_descriptors", "no socket could be accepted: no file descriptor or no memory".to_owned());
    }
    reasons
}
