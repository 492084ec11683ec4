//! Lists, page by page, up to a limit.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answers::Page;
use super::api::{Api, ApiError};
use crate::ending::{Ending, report};

/// Rows, and what is to be said about those that are not there.
#[derive(Debug)]
pub(super) struct List<Row> {
    pub(super) rows: Vec<Row>,
    /// Open connections, whether or not they match.
    pub(super) total: Option<u64>,
    rest: Rest,
    missing_shards: Vec<u64>,
}

/// What comes behind the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// More than were asked for.
    More,
    /// Nobody knows: looking took too long.
    Unknown,
}

/// Asks for rows and makes a line of JSON of each; what is to be said of them is reported on standard error.
///
/// # Errors
/// Why a page did not come.
pub(super) fn json_lines(
    api: &Api,
    path: &str,
    query: &[(&str, &str)],
    rows_max: usize,
    of: &str,
) -> Result<String, Ending> {
    let list: List<Value> = list(api, path, query, rows_max)?;
    list.remarks(of).iter().for_each(|remark| report(remark));
    Ok(list.rows.iter().map(super::json_line).collect())
}

/// Asks for pages until there are enough rows.
///
/// # Errors
/// Why a page did not come.
pub(super) fn list<Row: DeserializeOwned>(
    api: &Api,
    path: &str,
    query: &[(&str, &str)],
    rows_max: usize,
) -> Result<List<Row>, ApiError> {
    let mut list = List { rows: Vec::new(), total: None, rest: Rest::Nothing, missing_shards: Vec::new() };
    let mut cursor: Option<String> = None;
    // A page may be empty and not the last one: the server has looked for as long as it may.
    for _ in 0..PAGES_MAX {
        let limit = (rows_max - list.rows.len()).min(PAGE_ROWS_MAX).to_string();
        let mut query = query.to_vec();
        query.push(("limit", &limit));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page: Page<Row> = api.get(path, &query)?;
        list.rows.extend(page.rows);
        list.total = page.total;
        list.missing_shards = page.missing_shards;
        // The same cursor again leads nowhere.
        let next = page.next.filter(|next| cursor.as_ref() != Some(next));
        list.rest = match (&next, page.complete) {
            (Some(_), _) if list.rows.len() >= rows_max => Rest::More,
            (Some(_), _) => Rest::Nothing,
            (None, true) => Rest::Nothing,
            (None, false) => Rest::Unknown,
        };
        list.rows.truncate(rows_max);
        if next.is_none() || list.rows.len() >= rows_max {
            return Ok(list);
        }
        cursor = next;
    }
    list.rest = Rest::Unknown;
    Ok(list)
}

impl<Row> List<Row> {
    /// What is to be said about what is not shown; `of` are rows in words.
    pub(super) fn remarks(&self, of: &str) -> Vec<String> {
        let shown = self.rows.len();
        let mut remarks = Vec::new();
        match self.rest {
            Rest::Nothing => {}
            Rest::More => remarks.push(format!("{shown} {of} shown, there are more: --limit N shows N")),
            Rest::Unknown => {
                remarks.push(format!("there may be more {of}: the server had no time to look at all"));
            }
        }
        for shard in &self.missing_shards {
            remarks.push(format!("shard {shard} does not answer: its {of} are missing"));
        }
        remarks
    }
}

/// A server that always has another page has none that matters.
const PAGES_MAX: usize = 100_000;
/// What the server gives at once.
const PAGE_ROWS_MAX: usize = 1000;
