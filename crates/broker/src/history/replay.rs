//! What several shards have read of their history, put together for one subscriber.

use crate::history::{HistoryRequest, Kept};
use crate::memory::{Charge, Gauge, Use};
use crate::planted::{self, Bug};
use crate::queue::PLACE_BYTES;

/// History of one shard on its way to a subscriber, oldest first; charged while it lives. Not as
/// `Use::Replays`: who has the answer of one shard would keep the next one from giving its own.
#[derive(Debug)]
pub struct Replay {
    pub(crate) kept: Vec<Kept>,
    /// Messages that the shard had accepted when it answered: the next one is live.
    pub(crate) accepted: u64,
    /// Whether something that was asked for is not kept any more.
    pub(crate) is_short: bool,
    _charge: Charge,
}

impl Replay {
    pub(crate) fn new(found: Found, accepted: u64, gauge: &Gauge) -> Self {
        let Found { kept, is_short } = found;
        let charge = gauge.charge(Use::Queues, kept.len() * PLACE_BYTES);
        Self { kept, accepted, is_short, _charge: charge }
    }
}

/// What was found of what is kept.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Oldest first.
    pub(crate) kept: Vec<Kept>,
    /// Whether something that was asked for is not kept any more, or is too much.
    pub(crate) is_short: bool,
}

/// Merges what several shards have kept, by time, and cuts it to what was asked for and to
/// `bytes_max`. Within a shard the order stays, even if its clock jumped; where times are
/// equal, later lists are later.
pub(crate) fn merge(lists: Vec<Vec<Kept>>, request: HistoryRequest, bytes_max: usize) -> Found {
    if planted::is(Bug::HistoryUnmerged) {
        return cut(lists.into_iter().flatten().rev(), request, bytes_max);
    }
    let mut lists = lists;
    // From the newest on, so that no more is looked at than is wanted.
    let newest_first = std::iter::from_fn(|| {
        let newest = lists.iter_mut().filter(|list| !list.is_empty());
        newest.max_by_key(|list| list.last().map(|kept| kept.run.time()))?.pop()
    });
    cut(newest_first, request, bytes_max)
}

/// Takes what was asked for of runs that come newest first; the result is oldest first.
pub(crate) fn cut(
    newest_first: impl Iterator<Item = Kept>,
    request: HistoryRequest,
    bytes_max: usize,
) -> Found {
    let mut cut = Cut::new(request, bytes_max);
    let mut taken = Vec::new();
    for kept in newest_first {
        taken.extend(cut.take(kept));
        if cut.is_done() {
            break;
        }
    }
    taken.reverse();
    Found { kept: taken, is_short: cut.is_short() }
}

/// How much of a request is still open, while runs come newest first.
#[derive(Debug)]
pub(crate) struct Cut {
    messages_left: u64,
    bytes_left: Option<usize>,
    from: Option<crate::time::WallTime>,
    after: Option<u64>,
}

impl Cut {
    pub(crate) fn new(request: HistoryRequest, bytes_max: usize) -> Self {
        let messages_left = match request {
            HistoryRequest::None => 0,
            HistoryRequest::Last(count) => {
                u64::from(count) - u64::from(planted::is(Bug::HistoryOneShort) && count > 0)
            }
            HistoryRequest::Since(_) | HistoryRequest::After(_) => u64::MAX,
        };
        let after = match request {
            HistoryRequest::After(place) => Some(place),
            _ => None,
        };
        let from = match request {
            HistoryRequest::Since(from) => Some(from),
            _ => None,
        };
        Self { messages_left, bytes_left: Some(bytes_max), from, after }
    }

    /// What of the next run is wanted. A run that is too old is passed by and costs nothing: the
    /// wall clock may have jumped, and older runs may be of a later time.
    pub(crate) fn take(&mut self, mut kept: Kept) -> Option<Kept> {
        if self.is_done() || self.from.is_some_and(|from| kept.run.time() < from) {
            return None;
        }
        if let Some(after) = self.after {
            let known = after.saturating_sub(kept.run.place_of(0));
            kept.skip = kept.skip.max(u32::try_from(known).unwrap_or(u32::MAX));
            if kept.skip >= kept.run.len() {
                return None;
            }
        }
        // Whole runs only: half of one would still pin all of it.
        self.bytes_left = self.bytes_left.and_then(|left| left.checked_sub(kept.run.cost()));
        self.bytes_left?;
        let extra = kept.messages().saturating_sub(self.messages_left);
        kept.skip += u32::try_from(extra).expect("less than the run holds");
        self.messages_left = self.messages_left.checked_sub(kept.messages()).expect("cut to what is left");
        Some(kept)
    }

    /// Whether something was asked for by its place and left out because it is too much.
    pub(crate) fn is_short(&self) -> bool {
        self.after.is_some() && self.bytes_left.is_none()
    }

    /// Whether nothing more is wanted.
    pub(crate) fn is_done(&self) -> bool {
        self.messages_left == 0 || self.bytes_left.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnId, Origin, ShardId};
    use crate::run::{About, Body, Publisher, RunBuilder};
    use crate::time::WallTime;
    use topic::TopicName;

    fn list(runs: &[(&str, u64)]) -> Vec<Kept> {
        let origin = Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } };
        let publisher = Publisher::for_tests(origin);
        let topic = TopicName::parse("a").unwrap();
        let kept = |(text, time): &(&str, u64)| {
            let mut spans = RunBuilder::default();
            spans.push(0..text.len());
            let body = Body::exact(text.as_bytes().to_vec().into());
            let run = spans.finish(
                About { topic: &topic, publisher: &publisher, time: WallTime(*time), number: 0 },
                body,
                &Gauge::new(),
            );
            Kept { run: run.into(), skip: 0, retained: false, asked_by: None }
        };
        runs.iter().map(kept).collect()
    }

    fn check(lists: &[&[(&str, u64)]], request: HistoryRequest, bytes_max: usize, expected: &str) {
        let merged = merge(lists.iter().map(|runs| list(runs)).collect(), request, bytes_max);
        let texts: Vec<&str> = merged
            .kept
            .iter()
            .flat_map(|kept| kept.run.payloads(kept.skip))
            .map(|payload| std::str::from_utf8(payload).unwrap())
            .collect();
        assert_eq!(texts.join(" "), expected);
    }

    #[test]
    fn merging_keeps_each_shards_order_even_if_its_clock_jumped() {
        let lists: [&[_]; 2] = [&[("1", 10), ("2", 5), ("3", 30)], &[("4", 7), ("5", 20), ("6", 40)]];
        check(&lists, HistoryRequest::Last(9), usize::MAX, "1 2 4 5 3 6");
        check(&lists, HistoryRequest::Last(2), usize::MAX, "3 6");
        check(&[&[("1", 7)], &[("2", 7)], &[("3", 7)]], HistoryRequest::Last(9), usize::MAX, "1 2 3");
    }

    /// What is too old is passed by, wherever it stands: after a jump back of the clock the
    /// older part of the log is of a later time. It used to count against the bound in bytes.
    #[test]
    fn since_takes_whatever_is_of_that_time_or_later() {
        let log = [("1", 50), ("2", 10), ("3", 11), ("4", 60)];
        check(&[&log], HistoryRequest::Since(WallTime(50)), usize::MAX, "1 4");
        let two_runs = 2 * list(&log)[0].run.cost();
        check(&[&log], HistoryRequest::Since(WallTime(50)), two_runs, "1 4");
        check(&[&log], HistoryRequest::Since(WallTime(50)), two_runs - 1, "4");
    }
}
