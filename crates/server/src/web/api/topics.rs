//! `/api/v1/topics`: topics with history, and the last message of each.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::{Run, TopicRow, WallTime, Wanted};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use topic::{Filter, TopicName};

use super::super::problem::Problem;
use super::super::view::View;
use super::merge::Merge;
use super::paging;
use crate::inquiry::Inquiry;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Asked {
    prefix: Option<String>,
    filter: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in super::super) struct Topics {
    topics: Vec<Topic>,
    next: Option<String>,
    missing_shards: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    messages_kept: u64,
    messages_total: u64,
    bytes: usize,
    last: Last,
    shards: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Last {
    time: String,
    payload: Payload,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Payload {
    bytes: usize,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// A topic with what all shards keep of it.
#[derive(Debug)]
struct Found {
    row: TopicRow,
    shards: Vec<u8>,
}

pub(in super::super) async fn topics(
    State(view): State<Arc<View>>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Topics>, Problem> {
    let Query(Asked { prefix, filter, limit, cursor }) = asked?;
    let wanted = wanted(prefix, filter)?;
    let cursor = cursor.map(|text| TopicName::parse(&text)).transpose();
    let cursor = cursor.map_err(|_| Problem::bad_request("no answer had this cursor"))?;
    let page = paging::begin(&view, &request.into_parts().0, limit).await?;
    let mut merge = Merge::new(cursor, page.rows);
    while merge.goes_on() && Instant::now() < page.until {
        let after = merge.behind();
        let ask = |answer| Inquiry::Topics { wanted: wanted.clone(), after: after.clone(), answer };
        let pages = view.asking.all(ask).await;
        merge.take(pages, |row| row.name.clone(), add);
    }
    let merged = merge.finish();
    let payload_bytes_max = view.limits.web_payload_bytes_max;
    Ok(Json(Topics {
        topics: merged.rows.into_iter().map(|(_, found)| describe(&found, payload_bytes_max)).collect(),
        next: merged.next.map(|name| name.to_string()),
        missing_shards: merged.missing,
    }))
}

fn wanted(prefix: Option<String>, filter: Option<String>) -> Result<Wanted, Problem> {
    match (prefix, filter) {
        (Some(_), Some(_)) => Err(Problem::bad_request("prefix and filter exclude each other")),
        (prefix, None) => Ok(Wanted::Beginning(prefix.unwrap_or_default())),
        (None, Some(filter)) => {
            let filter = Filter::parse(&filter);
            filter.map(Wanted::Matching).map_err(|error| Problem::bad_request(format!("filter: {error}")))
        }
    }
}

fn add(before: Option<Found>, shard: u8, row: TopicRow) -> Found {
    let Some(Found { row: mut sum, mut shards }) = before else {
        return Found { row, shards: vec![shard] };
    };
    sum.messages_kept += row.messages_kept;
    sum.messages_total += row.messages_total;
    sum.bytes += row.bytes;
    if row.last.time() > sum.last.time() {
        sum.last = row.last;
    }
    shards.push(shard);
    Found { row: sum, shards }
}

fn describe(found: &Found, payload_bytes_max: usize) -> Topic {
    let Found { row, shards } = found;
    Topic {
        name: row.name.to_string(),
        messages_kept: row.messages_kept,
        messages_total: row.messages_total,
        bytes: row.bytes,
        last: Last { time: time(row.last.time()), payload: last_payload(&row.last, payload_bytes_max) },
        shards: shards.clone(),
    }
}

fn time(at: WallTime) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
}

fn last_payload(run: &Run, bytes_max: usize) -> Payload {
    payload(run.payload(run.len() - 1), bytes_max)
}

/// The beginning of a payload, as text if that is text so far.
fn payload(whole: &[u8], bytes_max: usize) -> Payload {
    let shown = whole.get(..bytes_max).unwrap_or(whole);
    let truncated = shown.len() < whole.len();
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // A character that the end has cut.
        Err(error) if truncated && error.error_len().is_none() => {
            std::str::from_utf8(shown.get(..error.valid_up_to()).unwrap_or_default()).ok()
        }
        Err(_) => None,
    };
    let base64 = text.is_none().then(|| STANDARD.encode(shown));
    Payload { bytes: whole.len(), truncated, text: text.map(str::to_owned), base64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_text_if_it_is_and_never_long() {
        let check = |whole: &[u8], truncated, text: Option<&str>, base64: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let expected =
                Payload { bytes: whole.len(), truncated, text: owned(text), base64: owned(base64) };
            assert_eq!(payload(whole, 4), expected);
        };
        check(b"", false, Some(""), None);
        check(b"four", false, Some("four"), None);
        check(b"fiver", true, Some("five"), None);
        check("abcé".as_bytes(), true, Some("abc"), None);
        check(b"abc\xc3", false, None, Some("YWJjww=="));
        check(b"\xff\0", false, None, Some("/wA="));
    }
}
