//! How long a page is, and how long looking for its rows may take.

use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::time::Instant;

use super::super::connection::ListPlace;
use super::super::problem::Problem;
use super::super::view::View;

/// Rows of a page if nobody says how many.
const ROWS_DEFAULT: usize = 100;

/// A page that is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) rows: usize,
    /// When to stop looking.
    pub(super) until: Instant,
}

/// Takes a place among the lists, which the connection gives back when it ends.
///
/// # Errors
/// If no page may have so many rows.
pub(super) async fn begin(view: &View, request: &Parts, limit: Option<usize>) -> Result<Wanted, Problem> {
    let (rows, rows_max) = (limit.unwrap_or(ROWS_DEFAULT), view.limits.web_rows_max);
    if !(1..=rows_max).contains(&rows) {
        return Err(Problem::bad_request(format!("limit is from 1 to {rows_max}, found {rows}")));
    }
    let place = std::sync::Arc::clone(&view.lists).acquire_owned().await;
    let place = place.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server ends"))?;
    request.extensions.get::<ListPlace>().expect("every connection has one").hold(place);
    Ok(Wanted { rows, until: Instant::now() + view.limits.web_walk_time })
}
