//! `DELETE /api/v1/clients/ID`: ends one connection.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::super::administer::Administrator;
use super::super::problem::Problem;
use super::super::view::View;
use crate::inquiry::{Inquiry, Kicked};
use crate::status;

#[derive(Debug, Serialize)]
pub(in super::super) struct Answer {
    id: String,
}

pub(in super::super) async fn kick(
    _: Administrator,
    State(view): State<Arc<View>>,
    Path(text): Path<String>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let Some(id) = status::id(&text) else {
        return Err(Problem::bad_request("an id looks like 0-17-0").hinting("/api/v1/clients lists them"));
    };
    let shard = usize::from(id.shard.0);
    let kicked = match shard < view.asking.shards() {
        true => view.asking.one(shard, |answer| Inquiry::Kick { conn: id.conn, answer }).await,
        false => Some(Kicked::Nobody),
    };
    match kicked {
        Some(Kicked::Somebody) => Ok((StatusCode::ACCEPTED, Json(Answer { id: id.to_string() }))),
        Some(Kicked::Nobody) => Err(Problem::new(StatusCode::NOT_FOUND, format!("nobody has the id {id}"))
            .hinting("/api/v1/clients lists them")),
        None => {
            let detail = format!("shard {shard} has not answered; it may still end the connection");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}
