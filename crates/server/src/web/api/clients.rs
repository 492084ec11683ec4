//! `/api/v1/clients`: who is connected, in any of a few orders.
//!
//! In the order of ids a page is looked for from its cursor on, shard by shard. Any other order
//! needs a look at everyone, of whom only those are kept that may stand on the page.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use broker::{ConnId, Origin, ShardId};
use frontend::{ClientRow, ProtocolName, RoleName};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::super::problem::Problem;
use super::super::view::View;
use super::paging;
use crate::inquiry::Inquiry;
use crate::status;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Asked {
    text: Option<String>,
    protocol: Option<Protocol>,
    #[serde(default)]
    sort: Sort,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Text,
    Mqtt,
    Http,
    WebSocket,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    #[default]
    Id,
    Queued,
    Age,
}

#[derive(Debug, Serialize)]
pub(in super::super) struct Clients {
    clients: Vec<Client>,
    total: u64,
    complete: bool,
    next: Option<String>,
    missing_shards: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Client {
    id: String,
    protocol: Protocol,
    role: &'static str,
    name: Option<String>,
    address: String,
    topic: String,
    queued_bytes: usize,
    age_seconds: f64,
}

/// Where a row stands in an order. As a cursor: `KEY.ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key: u64,
    id: Origin,
}

impl Place {
    fn of(row: &ClientRow, sort: Sort) -> Self {
        let key = match sort {
            Sort::Id => 0,
            // The most first.
            Sort::Queued => u64::MAX - row.queued_bytes as u64,
            // The oldest first: shards have one clock.
            Sort::Age => row.since.0,
        };
        Self { key, id: row.id }
    }

    fn parse(text: &str) -> Option<Self> {
        let (key, id) = text.split_once('.')?;
        Some(Self { key: key.parse().ok()?, id: status::id(id)? })
    }

    fn cursor(self) -> String {
        format!("{}.{}", self.key, self.id)
    }
}

/// A page in the making.
#[derive(Debug)]
struct Search {
    text: Option<String>,
    protocol: Option<Protocol>,
    sort: Sort,
    behind: Option<Place>,
    rows_max: usize,
    found: Vec<(Place, Client)>,
    /// Shards that are not looked through, and from which slot on.
    pending: Vec<(usize, u32)>,
    missing: Vec<u8>,
}

pub(in super::super) async fn clients(
    State(view): State<Arc<View>>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Clients>, Problem> {
    let Query(Asked { text, protocol, sort, limit, cursor }) = asked?;
    let behind = cursor.map(|text| Place::parse(&text).ok_or("no answer had this cursor")).transpose();
    let behind = behind.map_err(Problem::bad_request)?;
    if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX) {
        return Err(Problem::bad_request(format!("text has at most {TEXT_CHARS_MAX} characters")));
    }
    let page = paging::begin(&view, &request.into_parts().0, limit).await?;
    let figures = view.figures().await;
    let answering = figures.0.iter().filter(|figures| figures.rate.is_some());
    let total = answering.map(|figures| status::everyone(&figures.report.census)).sum();
    let mut search = Search {
        text: text.map(|text| text.to_lowercase()),
        protocol,
        sort,
        behind,
        rows_max: page.rows,
        found: Vec::new(),
        pending: (0..view.asking.shards()).map(|shard| (shard, 0)).collect(),
        missing: figures.silent(),
    };
    search.skip_what_was_shown();
    while search.goes_on() && Instant::now() < page.until {
        search.look(&view).await;
    }
    Ok(Json(search.finish(total)))
}

const TEXT_CHARS_MAX: usize = 256;

impl Search {
    fn skip_what_was_shown(&mut self) {
        let silent = std::mem::take(&mut self.missing);
        self.pending.retain(|(shard, _)| !silent.iter().any(|silent| usize::from(*silent) == *shard));
        self.missing = silent;
        let Some(Place { id, .. }) = self.behind.filter(|_| self.sort == Sort::Id) else { return };
        let shown = usize::from(id.shard.0);
        self.pending.retain(|(shard, _)| *shard >= shown);
        if let Some((_, from)) = self.pending.iter_mut().find(|(shard, _)| *shard == shown) {
            *from = id.conn.slot;
        }
    }

    fn goes_on(&self) -> bool {
        let is_full = self.sort == Sort::Id && self.found.len() > self.rows_max;
        !self.pending.is_empty() && !is_full
    }

    /// Asks the next shard, or every shard that is not looked through, for some connections.
    async fn look(&mut self, view: &View) {
        let at_once = if self.sort == Sort::Id { 1 } else { self.pending.len() };
        let asked: Vec<(usize, u32)> = self.pending.drain(..at_once).collect();
        let shards: Vec<usize> = asked.iter().map(|(shard, _)| *shard).collect();
        let from = |shard| asked.iter().find(|(asked, _)| *asked == shard).map_or(0, |(_, from)| *from);
        let ask = |shard, answer| Inquiry::Clients { from: from(shard), answer };
        let answers = view.asking.some(&shards, ask).await;
        let mut pending = Vec::new();
        for (shard, answer) in shards.iter().zip(answers) {
            let Some(answer) = answer else {
                self.missing.push(u8::try_from(*shard).unwrap_or(u8::MAX));
                continue;
            };
            if let Some(behind) = answer.page.more_behind {
                pending.push((*shard, behind + 1));
            }
            for row in answer.page.rows {
                self.take(&row, answer.at);
            }
        }
        pending.append(&mut self.pending);
        self.pending = pending;
    }

    fn take(&mut self, row: &ClientRow, at: broker::Instant) {
        let place = Place::of(row, self.sort);
        if self.behind.is_some_and(|behind| place <= behind) || !self.wants(row) {
            return;
        }
        self.found.push((place, describe(row, at)));
        // Of those who cannot stand on the page some wait until it is worth sorting.
        if self.found.len() > 2 * self.rows_max + 64 {
            self.keep_the_first();
        }
    }

    fn wants(&self, row: &ClientRow) -> bool {
        let holds = |text: &str| {
            let in_row = |field: &str| field.to_lowercase().contains(text);
            in_row(&row.id.to_string())
                || row.name.as_deref().is_some_and(in_row)
                || in_row(&row.addr.to_string())
                || in_row(&row.topic)
        };
        self.protocol.is_none_or(|wanted| wanted == protocol(row.protocol))
            && self.text.as_deref().is_none_or(holds)
    }

    /// One more than fit, to know whether there are more.
    fn keep_the_first(&mut self) {
        self.found.sort_unstable_by_key(|(place, _)| *place);
        self.found.truncate(self.rows_max + 1);
    }

    fn finish(mut self, total: u64) -> Clients {
        let is_full = self.sort == Sort::Id && self.found.len() > self.rows_max;
        let complete = self.pending.is_empty() || is_full;
        self.keep_the_first();
        let has_more = self.found.len() > self.rows_max;
        self.found.truncate(self.rows_max);
        let next = match self.pending.first() {
            _ if has_more => self.found.last().map(|(place, _)| *place),
            Some((shard, from)) if self.sort == Sort::Id => before(*shard, *from).or(self.behind),
            _ => None,
        };
        self.missing.sort_unstable();
        self.missing.dedup();
        Clients {
            clients: self.found.into_iter().map(|(_, client)| client).collect(),
            total,
            complete,
            next: next.map(Place::cursor),
            missing_shards: self.missing,
        }
    }
}

/// A place before all ids of a slot and behind those of the slots and shards below, if there are any.
fn before(shard: usize, slot: u32) -> Option<Place> {
    let shard = u8::try_from(shard).unwrap_or(u8::MAX);
    let (shard, slot) = match slot.checked_sub(1) {
        Some(slot) => (shard, slot),
        None => (shard.checked_sub(1)?, u32::MAX),
    };
    let conn = ConnId { slot, generation: u32::MAX };
    Some(Place { key: 0, id: Origin { shard: ShardId(shard), conn } })
}

fn describe(row: &ClientRow, at: broker::Instant) -> Client {
    Client {
        id: row.id.to_string(),
        protocol: protocol(row.protocol),
        role: match row.role {
            RoleName::Publisher => "publisher",
            RoleName::Subscriber => "subscriber",
            RoleName::Client => "client",
            RoleName::Unknown => "unknown",
        },
        name: row.name.as_deref().map(str::to_owned),
        address: row.addr.to_string(),
        topic: row.topic.clone(),
        queued_bytes: row.queued_bytes,
        age_seconds: at.since(row.since).as_secs_f64(),
    }
}

fn protocol(name: ProtocolName) -> Protocol {
    match name {
        ProtocolName::Text => Protocol::Text,
        ProtocolName::Mqtt => Protocol::Mqtt,
        ProtocolName::Http => Protocol::Http,
        ProtocolName::WebSocket => Protocol::WebSocket,
        ProtocolName::Unknown => Protocol::Unknown,
    }
}
