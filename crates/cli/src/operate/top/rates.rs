//! What happened per second between two looks.

use std::collections::{HashMap, VecDeque};

use super::super::answers::{Page, Shard, Status, Topic};

/// What went through between two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) accepted: f64,
    pub(super) delivered: f64,
    pub(super) received_bytes: f64,
    pub(super) sent_bytes: f64,
    pub(super) lost: f64,
}

impl Rates {
    /// `None` if the server was started in between, or no time has passed.
    pub(super) fn between(before: &Status, after: &Status) -> Option<Self> {
        let seconds = seconds(before, after)?;
        let rate = |of: fn(&Status) -> u64| per_second(of(before), of(after), seconds);
        Some(Self {
            accepted: rate(|status| status.messages.accepted_total),
            delivered: rate(|status| status.messages.delivered_total),
            received_bytes: rate(|status| status.bytes.received_total),
            sent_bytes: rate(|status| status.bytes.sent_total),
            lost: rate(|status| status.messages.lost_total),
        })
    }

    /// As the server has it, over a longer time.
    pub(super) fn told(status: &Status) -> Self {
        let rates = &status.rates;
        Self {
            accepted: rates.accepted,
            delivered: rates.delivered,
            received_bytes: rates.received_bytes,
            sent_bytes: rates.sent_bytes,
            lost: 0.0,
        }
    }
}

/// Seconds of the server's own clock from one look to the next; `None` if it is another run of it.
pub(super) fn seconds(before: &Status, after: &Status) -> Option<f64> {
    let seconds = after.uptime_seconds - before.uptime_seconds;
    (before.started_at == after.started_at && seconds > 0.0).then_some(seconds)
}

fn per_second(before: u64, after: u64, seconds: f64) -> f64 {
    // A shard that does not answer may make a sum fall.
    after.saturating_sub(before) as f64 / seconds
}

/// Messages per second of each topic; `None` for one that was not there before.
pub(super) fn of_topics(before: &Page<Topic>, after: &Page<Topic>, seconds: f64) -> Vec<Option<f64>> {
    let totals: HashMap<&str, u64> =
        before.rows.iter().map(|topic| (topic.name.as_str(), topic.messages_total)).collect();
    let rate = |topic: &Topic| {
        let before = totals.get(topic.name.as_str())?;
        Some(per_second(*before, topic.messages_total, seconds))
    };
    after.rows.iter().map(rate).collect()
}

/// What a shard did per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ShardRates {
    pub(super) accepted: f64,
    pub(super) delivered: f64,
    /// Of each second, the part in which it had something to do.
    pub(super) busy: f64,
}

/// What each shard did; `None` for one that was not there before.
pub(super) fn of_shards(before: &[Shard], after: &[Shard], seconds: f64) -> Vec<Option<ShardRates>> {
    let rate = |shard: &Shard| {
        let before = before.iter().find(|before| before.shard == shard.shard)?;
        let rate = |of: fn(&Shard) -> u64| per_second(of(before), of(shard), seconds);
        let turns = shard.turns.seconds_total - before.turns.seconds_total;
        Some(ShardRates {
            accepted: rate(|shard| shard.messages.accepted_total),
            delivered: rate(|shard| shard.messages.delivered_total),
            busy: (turns / seconds).clamp(0.0, 1.0),
        })
    };
    after.iter().map(rate).collect()
}

/// The last rates, the newest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History(VecDeque<Rates>);

impl History {
    pub(super) fn push(&mut self, rates: Rates) {
        self.0.truncate(LOOKS_MAX - 1);
        self.0.push_front(rates);
    }

    pub(super) fn newest(&self) -> Rates {
        self.0.front().copied().unwrap_or_default()
    }

    pub(super) fn of(&self, of: fn(&Rates) -> f64) -> Vec<u64> {
        self.0.iter().map(|rates| of(rates).round() as u64).collect()
    }
}

/// More than the columns of any terminal.
const LOOKS_MAX: usize = 1024;
