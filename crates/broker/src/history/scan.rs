//! Reading history, a budget's worth at a time.
//!
//! Whoever subscribes with history asks every shard. Few topics that are known by name are
//! read at once, if that is cheap. Everything else walks the log from its end, and one such walk
//! is under way at a time: the others wait in line, and so does everyone while history under way
//! to subscribers takes more memory than it may. What is published during a walk is behind its
//! end and is read last, so the answer is what is kept at the moment when it is given.

use std::collections::{BTreeMap, VecDeque};

use topic::Filter;

use crate::filters::Filters;
use crate::history::replay::{Cut, Found, Replay};
use crate::history::{History, HistoryRequest, Kept, Slot, is_kept};
use crate::ids::{ShardId, SubscriptionId};
use crate::memory::{Gauge, Use};
use crate::planted::{self, Bug};
use crate::work;

/// A log of so few entries is read at once.
const SHORT_LOG: usize = 64;
/// Runs of topics known by name that are read at once: a tenth of a millisecond.
const READ_AT_ONCE: usize = 2000;

/// A subscription, wherever it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asker {
    pub(crate) shard: ShardId,
    pub(crate) subscription: SubscriptionId,
}

/// What a subscriber wants of one shard's history.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) asker: Asker,
    pub(crate) filters: Filters,
    pub(crate) request: HistoryRequest,
}

/// What it gets: what is kept now.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asker: Asker,
    pub(crate) replay: Replay,
}

/// Everyone who waits for history of this shard.
#[derive(Debug)]
pub(crate) struct Readers {
    /// In the order in which they asked.
    line: BTreeMap<u64, Question>,
    tickets: BTreeMap<Asker, u64>,
    next_ticket: u64,
    scan: Option<Scan>,
    answers: VecDeque<Answer>,
    gauge: Gauge,
}

/// One walk through the log.
#[derive(Debug)]
struct Scan {
    question: Question,
    /// Newest first.
    older: Vec<(super::Logged, Kept)>,
    cut: Cut,
    /// The walk goes down from here; `None` when it is done.
    below: Option<u64>,
    /// What came while it walked, oldest first.
    newer: VecDeque<(super::Logged, Kept)>,
    newer_bytes: usize,
    /// Whether that was more than is wanted at all.
    was_flooded: bool,
    seen_to: u64,
    verdicts: Vec<Verdict>,
    /// Slots of topics that are wanted.
    wanted: Vec<Slot>,
}

/// Whether the topic in a slot is one of those that are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Wanted,
    Unwanted,
}

impl Readers {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        Self {
            line: BTreeMap::new(),
            tickets: BTreeMap::new(),
            next_ticket: 0,
            scan: None,
            answers: VecDeque::new(),
            gauge: gauge.clone(),
        }
    }

    /// Takes a question, and answers it at once if that is cheap and there is room.
    pub(crate) fn ask(&mut self, history: &mut History, question: Question, replays_max: usize) {
        if question.request == HistoryRequest::None {
            self.answer(history, question.asker, Found::default());
            return;
        }
        if self.has_room(replays_max)
            && let Some(found) = history.read_named(&question)
        {
            self.answer(history, question.asker, found);
            return;
        }
        self.next_ticket += 1;
        self.tickets.insert(question.asker, self.next_ticket);
        self.line.insert(self.next_ticket, question);
        // Costs less than coming back for it, and answers within the same turn.
        if self.line.len() == 1 && self.scan.is_none() && history.log.len() <= SHORT_LOG {
            self.step(history, u64::MAX, replays_max);
        }
    }

    /// The asker has gone.
    pub(crate) fn cancel(&mut self, asker: Asker) {
        if let Some(ticket) = self.tickets.remove(&asker) {
            self.line.remove(&ticket);
        }
        // Also in the middle of a walk: nobody else waits for what it has found.
        self.scan.take_if(|scan| scan.question.asker == asker);
    }

    /// Another topic came into this slot while a walk may be under way.
    pub(crate) fn slot_changed(&mut self, slot: Slot) {
        if let Some(scan) = &mut self.scan
            && let Some(verdict) = scan.verdicts.get_mut(slot as usize)
        {
            *verdict = Verdict::Unknown;
        }
    }

    /// Whether [`Readers::step`] has something to do now.
    pub(crate) fn has_work(&self, replays_max: usize) -> bool {
        self.scan.is_some() || (!self.line.is_empty() && self.has_room(replays_max))
    }

    /// Whether someone waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.scan.is_none() && self.answers.is_empty()
    }

    /// Goes on reading, for about `budget` units of work.
    pub(crate) fn step(&mut self, history: &mut History, budget: u64, replays_max: usize) {
        if self.scan.is_none() {
            if !self.has_room(replays_max) {
                return;
            }
            let Some((_, question)) = self.line.pop_first() else { return };
            self.tickets.remove(&question.asker);
            if let Some(found) = history.read_named(&question) {
                self.answer(history, question.asker, found);
                return;
            }
            self.scan = Some(Scan::new(question, history));
        }
        let done = self.scan.as_mut().is_some_and(|scan| scan.walk(history, budget));
        if done && let Some(scan) = self.scan.take() {
            let asker = scan.question.asker;
            let found = scan.finish(history);
            history.spent += work::REPLAY_ENTRY * found.kept.len() as u64;
            self.answer(history, asker, found);
        }
    }

    /// The next answer.
    pub(crate) fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// Whether history under way to subscribers leaves room for more.
    fn has_room(&self, replays_max: usize) -> bool {
        self.gauge.used_for(Use::Replays) <= replays_max
    }

    fn answer(&mut self, history: &History, asker: Asker, found: Found) {
        let replay = Replay::new(found, history.accepted(), &self.gauge);
        self.answers.push_back(Answer { asker, replay });
    }
}

impl History {
    /// What is kept of the topics that a question names, oldest first, if they are few and reading
    /// them is cheap. Looks at no more than is wanted.
    fn read_named(&mut self, question: &Question) -> Option<Found> {
        let slots = self.named_like_any(question.filters.as_slice())?;
        let topics = || slots.iter().filter_map(|slot| self.topics[*slot as usize].as_ref());
        let wanted = match question.request {
            HistoryRequest::Last(count) => count as usize,
            _ => usize::MAX,
        };
        if topics().map(|topic| topic.runs.len()).sum::<usize>().min(wanted) > READ_AT_ONCE {
            return None;
        }
        // What is left of each topic, oldest first.
        let mut rests: Vec<_> = topics().map(|topic| topic.runs.iter()).collect();
        let mut looked_at = 0;
        let newest_first = std::iter::from_fn(|| {
            looked_at += 1;
            let newest = rests.iter_mut().max_by_key(|runs| (**runs).clone().next_back().map(|run| run.0))?;
            newest.next_back().map(|(_, kept)| kept.clone())
        });
        let mut found = super::replay::cut(newest_first, question.request, self.bounds.replay_bytes_max);
        found.is_short |= self.has_lost(question.request, &slots);
        self.spent += work::REPLAY_ENTRY * (looked_at + slots.len() as u64);
        Some(found)
    }

    /// The slots of the topics that filters name, if they are few.
    fn named_like_any(&self, filters: &[Filter]) -> Option<Vec<Slot>> {
        let mut slots = Vec::new();
        for filter in filters {
            slots.extend(self.named_like(filter)?);
        }
        slots.sort_unstable();
        slots.dedup();
        Some(slots)
    }

    /// Whether something that is asked for by its place is gone: of these topics, or of one that is
    /// forgotten. Of what a forgotten one was called nothing is known, so it may have been any.
    fn has_lost(&self, request: HistoryRequest, slots: &[Slot]) -> bool {
        let HistoryRequest::After(place) = request else { return false };
        if planted::is(Bug::ResumeUntold) {
            return false;
        }
        let is_gone =
            |slot: &Slot| self.topics[*slot as usize].as_ref().is_some_and(|topic| topic.gone > place);
        // A place that is still to come is none of this shard's.
        self.forgotten > place || place > self.accepted || slots.iter().any(is_gone)
    }
}

impl Scan {
    fn new(question: Question, history: &History) -> Self {
        Self {
            cut: Cut::new(question.request, history.bounds.replay_bytes_max),
            question,
            older: Vec::new(),
            below: Some(history.accepted + 1),
            newer: VecDeque::new(),
            newer_bytes: 0,
            was_flooded: false,
            seen_to: history.accepted,
            verdicts: Vec::new(),
            wanted: Vec::new(),
        }
    }

    /// Walks on; true when everything that is kept now has been seen.
    fn walk(&mut self, history: &mut History, budget: u64) -> bool {
        let mut left = budget;
        // First what has come since: there is little of it, and at the end it must be nothing.
        let start = history.log.partition_point(|logged| logged.sequence <= self.seen_to);
        let start = if planted::is(Bug::MissBehindWalk) { history.log.len() } else { start };
        for index in start..history.log.len() {
            if left == 0 {
                break;
            }
            let logged = history.log[index];
            if let Some(kept) = self.look(history, logged, &mut left) {
                self.push_newer(logged, kept, history.bounds.replay_bytes_max);
            }
            self.seen_to = logged.sequence;
        }
        if let Some(below) = self.below {
            let end = history.log.partition_point(|logged| logged.sequence < below);
            self.below = self.walk_down(history, end, &mut left);
        }
        history.spent += budget - left;
        let caught_up = history.log.back().is_none_or(|last| last.sequence <= self.seen_to);
        self.below.is_none() && (caught_up || planted::is(Bug::MissBehindWalk))
    }

    /// A flood may bring more than is wanted at all while the walk is under way.
    fn push_newer(&mut self, logged: super::Logged, kept: Kept, bytes_max: usize) {
        self.newer_bytes += kept.run.cost();
        self.newer.push_back((logged, kept));
        while self.newer_bytes > bytes_max && self.newer.len() > 1 {
            let (_, oldest) = self.newer.pop_front().expect("more than one");
            self.newer_bytes -= oldest.run.cost();
            self.below = None;
            self.older = Vec::new();
            self.was_flooded = true;
        }
    }

    /// Looks at the log's first `end` entries from the last one on; returns where to go on.
    fn walk_down(&mut self, history: &History, end: usize, left: &mut u64) -> Option<u64> {
        for index in (0..end).rev() {
            let logged = history.log[index];
            // Nothing further down is of a later time.
            let too_old = matches!(self.question.request,
                HistoryRequest::Since(from) if logged.newest < from);
            // Looked at before the budget: the end of a walk must not cost one more step.
            if too_old || self.cut.is_done() {
                return None;
            }
            if *left == 0 {
                return Some(logged.sequence + 1);
            }
            if let Some(kept) = self.look(history, logged, left) {
                self.older.extend(self.cut.take(kept).map(|kept| (logged, kept)));
            }
            // Whatever stands further down ends where this begins.
            if matches!(self.question.request, HistoryRequest::After(place) if logged.sequence <= place) {
                return None;
            }
        }
        None
    }

    /// The run, if it is kept and wanted.
    fn look(&mut self, history: &History, logged: super::Logged, left: &mut u64) -> Option<Kept> {
        *left = left.saturating_sub(work::SCAN);
        if !is_kept(&history.topics, logged) {
            return None;
        }
        let slot = logged.slot as usize;
        let topic = history.topics[slot].as_ref()?;
        if self.verdicts.len() <= slot {
            self.verdicts.resize(slot.max(history.topics.len() - 1) + 1, Verdict::Unknown);
        }
        if self.verdicts[slot] == Verdict::Unknown {
            // Once per topic and walk: names are long, and a topic has many runs.
            *left = left.saturating_sub(work::MATCH);
            let filters = self.question.filters.as_slice();
            *left = left.saturating_sub(work::MATCH * (filters.len() as u64 - 1));
            let wanted = filters.iter().any(|filter| filter.matches(&topic.name));
            self.verdicts[slot] = if wanted { Verdict::Wanted } else { Verdict::Unwanted };
            self.wanted.extend(wanted.then_some(logged.slot));
        }
        (self.verdicts[slot] == Verdict::Wanted).then(|| topic.run(logged.sequence).cloned())?
    }

    /// What was asked for, oldest first.
    fn finish(self, history: &mut History) -> Found {
        let bytes_max = history.bounds.replay_bytes_max;
        // What came meanwhile may have taken the place of what was found first.
        let found = self.newer.into_iter().rev().chain(self.older);
        let still_kept = found.filter(|(logged, _)| is_kept(&history.topics, *logged));
        let newest_first = still_kept.map(|(_, kept)| kept);
        let mut found = super::replay::cut(newest_first, self.question.request, bytes_max);
        // Some of it may have gone while it was read, and what was found so far may have been too much.
        let was_cut = self.cut.is_short() || self.was_flooded;
        let by_place = matches!(self.question.request, HistoryRequest::After(_));
        found.is_short |= (by_place && was_cut) || history.has_lost(self.question.request, &self.wanted);
        history.spent += work::SCAN * self.wanted.len() as u64;
        found
    }
}
