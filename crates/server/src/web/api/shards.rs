//! `/api/v1/shards`: each shard for itself, to see whether one has more to do than it can.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::figures::ShardFigures;
use super::super::view::View;
use super::status::{Bytes, Connections, Messages, Queued};
use crate::turn_times::{BOUNDS, TurnTimes};

#[derive(Debug, Serialize)]
pub(in super::super) struct Shards {
    shards: Vec<Shard>,
}

#[derive(Debug, Serialize)]
struct Shard {
    shard: u8,
    answers: bool,
    figures_age_seconds: f64,
    connections: Connections,
    sessions_absent: u64,
    subscriptions: u64,
    messages: Messages,
    queued: Queued,
    bytes: Bytes,
    pauses_total: u64,
    history_bytes: usize,
    mail_waiting_bytes: usize,
    turns: Turns,
}

#[derive(Debug, Serialize)]
struct Turns {
    count: u64,
    seconds_total: f64,
    buckets: Vec<Bucket>,
}

#[derive(Debug, Serialize)]
struct Bucket {
    at_most_seconds: f64,
    count: u64,
}

pub(in super::super) async fn shards(State(view): State<Arc<View>>) -> Json<Shards> {
    let figures = view.figures().await;
    Json(Shards { shards: figures.0.iter().map(|figures| shard(&view, figures)).collect() })
}

fn shard(view: &View, figures: &ShardFigures) -> Shard {
    let ShardFigures { report, age, rate } = figures;
    Shard {
        shard: report.shard.0,
        answers: rate.is_some(),
        figures_age_seconds: age.as_secs_f64(),
        connections: (&report.census).into(),
        sessions_absent: report.census.absent,
        subscriptions: report.stats.subscriptions,
        messages: (&report.stats).into(),
        queued: report.stats.queued.into(),
        bytes: Bytes::new(report.bytes, &report.stats),
        pauses_total: report.stats.pauses,
        history_bytes: report.history_bytes,
        mail_waiting_bytes: view.asking.mail_waiting_bytes(usize::from(report.shard.0)),
        turns: (&report.turns).into(),
    }
}

impl From<&TurnTimes> for Turns {
    fn from(times: &TurnTimes) -> Self {
        let mut sum = 0;
        let buckets = BOUNDS.iter().zip(times.counts).map(|(bound, count)| {
            sum += count;
            Bucket { at_most_seconds: bound.as_secs_f64(), count: sum }
        });
        Self { buckets: buckets.collect(), count: times.count(), seconds_total: times.seconds() }
    }
}
