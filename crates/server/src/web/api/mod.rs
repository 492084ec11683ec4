//! The interface in JSON, version 1: `docs/openapi.json` describes it, and a test holds both alike.

pub(super) mod clients;
pub(super) mod config;
pub(super) mod kick;
mod merge;
mod paging;
pub(super) mod shards;
pub(super) mod status;
pub(super) mod subscriptions;
pub(super) mod topics;

use axum::http::header;
use axum::response::IntoResponse;

/// The description, whole.
pub(super) const OPENAPI: &str = include_str!("../../../../../docs/openapi.json");

pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
