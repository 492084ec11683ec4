//! `/api/v1/subscriptions`: who hears what, by filter.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use broker::FilterRow;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use topic::Filter;

use super::super::problem::Problem;
use super::super::view::View;
use super::merge::Merge;
use super::paging;
use crate::inquiry::Inquiry;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Asked {
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in super::super) struct Subscriptions {
    subscriptions: Vec<Subscription>,
    next: Option<String>,
    missing_shards: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Subscription {
    filter: String,
    sessions: usize,
    by_shard: Vec<OfShard>,
}

#[derive(Debug, Serialize)]
struct OfShard {
    shard: u8,
    sessions: usize,
}

/// A filter in the order in which shards list them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InOrder(Filter);

impl Ord for InOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.in_order(&other.0)
    }
}

impl PartialOrd for InOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Filter> for InOrder {
    fn from(filter: Filter) -> Self {
        Self(filter)
    }
}

pub(in super::super) async fn subscriptions(
    State(view): State<Arc<View>>,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Json<Subscriptions>, Problem> {
    let Query(Asked { limit, cursor }) = asked?;
    let cursor = cursor.map(|text| Filter::parse(&text)).transpose();
    let cursor = cursor.map_err(|_| Problem::bad_request("no answer had this cursor"))?;
    let page = paging::begin(&view, &request.into_parts().0, limit).await?;
    let mut merge = Merge::new(cursor.map(InOrder), page.rows);
    while merge.goes_on() && Instant::now() < page.until {
        let after = merge.behind().map(|InOrder(filter)| filter);
        let ask = |answer| Inquiry::Filters { after: after.clone(), answer };
        let pages = view.asking.all(ask).await;
        merge.take(pages, |row| InOrder(row.filter.clone()), add);
    }
    let merged = merge.finish();
    Ok(Json(Subscriptions {
        subscriptions: merged.rows.into_iter().map(|(_, row)| row).collect(),
        next: merged.next.map(|InOrder(filter)| filter.to_string()),
        missing_shards: merged.missing,
    }))
}

fn add(before: Option<Subscription>, shard: u8, row: FilterRow) -> Subscription {
    let FilterRow { filter, sessions } = row;
    let none = || Subscription { filter: filter.to_string(), sessions: 0, by_shard: Vec::new() };
    let mut subscription = before.unwrap_or_else(none);
    subscription.sessions += sessions;
    subscription.by_shard.push(OfShard { shard, sessions });
    subscription
}
