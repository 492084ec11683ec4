//! Messages that have begun and not ended, and what they may take of the memory.
//!
//! Over their bound only the one that began first is read on, so that it can end and make room;
//! everyone else is read a little at a time, and whoever has begun a long message waits. If the
//! first one does not end for a while, it is refused: it must not hold the others up.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use broker::planted::{self, Bug};
use broker::{ConnId, Instant, MessageRefusal, Now, Use};

use crate::event::CloseReason;
use crate::station::{Action, Station};

/// How long the first one may keep the others waiting without getting on: long enough to read
/// what it has sent, so short that hundreds that never end are through in a few seconds.
const PATIENCE: Duration = Duration::from_millis(25);
/// What counts as getting on.
const PROGRESS_BYTES: usize = 4 * 1024;

/// One shard's unfinished messages that are long enough to count.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// By when they began.
    all: BTreeSet<(Instant, ConnId)>,
    /// Connections that wait for memory.
    waiting: VecDeque<ConnId>,
    /// The one that is read on while memory is short, and when its time is over.
    turn: Option<Turn>,
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    conn: ConnId,
    until: Instant,
    /// How long its message was when this began.
    bytes: usize,
}

impl Unfinished {
    /// A message begins, perhaps behind one of the same connection that has ended: whoever ends
    /// messages gets on, however little there is of the next one.
    pub(crate) fn began(&mut self, now: Instant, conn: ConnId) {
        self.all.insert((now, conn));
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.conn == conn) {
            (turn.until, turn.bytes) = (now.after(PATIENCE), 0);
        }
    }

    pub(crate) fn ended(&mut self, since: Instant, conn: ConnId) {
        self.all.remove(&(since, conn));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.turn.map(|turn| turn.until)
    }

    fn first(&self) -> Option<(Instant, ConnId)> {
        self.all.first().copied()
    }
}

impl Station {
    /// Whether a read of this connection is to bring `unfinished_bytes_free` at most: memory for
    /// long messages is short, or the budget is spent and every publisher is read once more before
    /// it waits.
    #[must_use]
    pub fn reads_little(&self, conn: ConnId) -> bool {
        let is_first = || self.env.unfinished.first().is_some_and(|(_, first)| first == conn);
        (self.is_short() && !is_first()) || self.env.gauge.used() > self.env.limits.core.memory_bytes_max
    }

    /// A connection may have begun or ended a long message: lets it wait if there is no memory
    /// for it, or the others go on if there is.
    pub(crate) fn bound_unfinished(&mut self, now: Now, conn: ConnId) {
        if !self.is_short() {
            self.resume_waiting();
            return;
        }
        let Some((_, first)) = self.env.unfinished.first() else { return };
        self.begin_turn(now, first);
        if first != conn
            && let Some(connection) = self.connection(conn)
            && connection.link.unfinished.is_some()
            && !std::mem::replace(&mut connection.link.starved, true)
        {
            self.env.unfinished.waiting.push_back(conn);
        }
    }

    /// The time of the first one may be over: then it is refused, and the next one is read on.
    pub(crate) fn look_at_unfinished(&mut self, now: Now) {
        let Some(turn) = self.env.unfinished.turn.take_if(|turn| turn.until <= now.mono) else { return };
        if !self.is_short() {
            self.resume_waiting(); // another shard has made room
            return;
        }
        let first = self.env.unfinished.first().map(|(_, first)| first);
        if first == Some(turn.conn) && self.unfinished_bytes(turn.conn) < turn.bytes + PROGRESS_BYTES {
            self.env.shard.refuse(MessageRefusal::OutOfMemory);
            self.end(now, turn.conn, CloseReason::OutOfMemory);
        }
        if self.is_short()
            && let Some((_, next)) = self.env.unfinished.first()
            && !planted::is(Bug::RefuseAndStop)
        {
            self.begin_turn(now, next);
        }
    }

    /// It is the first one's turn, unless it is already.
    fn begin_turn(&mut self, now: Now, first: ConnId) {
        if self.env.unfinished.turn.is_none_or(|turn| turn.conn != first) {
            let bytes = self.unfinished_bytes(first);
            self.env.unfinished.turn = Some(Turn { conn: first, until: now.mono.after(PATIENCE), bytes });
        }
        self.feed(first);
    }

    fn unfinished_bytes(&mut self, conn: ConnId) -> usize {
        self.connection(conn).map_or(0, |connection| connection.link.carry.len() + connection.held_bytes())
    }

    /// Lets a connection be read on that waited for memory.
    fn feed(&mut self, conn: ConnId) {
        if let Some(connection) = self.connection(conn)
            && std::mem::take(&mut connection.link.starved)
        {
            self.env.actions.push_back(Action::Read(conn));
        }
    }

    fn resume_waiting(&mut self) {
        while let Some(conn) = self.env.unfinished.waiting.pop_front() {
            if !planted::is(Bug::NeverResume) {
                self.feed(conn);
            }
        }
        self.env.unfinished.turn = None;
    }

    fn is_short(&self) -> bool {
        self.env.gauge.used_for(Use::Unfinished) > self.env.limits.unfinished_bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::stage::Stage;
    use crate::station::StationConfig;
    use crate::{ReadEnd, Rules, Spoken, TopicPrompt};
    use broker::{Gauge, ShardId};
    use std::sync::Arc;

    #[test]
    fn over_the_budget_everyone_is_read_a_little() {
        let gauge = Gauge::new();
        let limits = Arc::new(Limits::default());
        let budget = limits.core.memory_bytes_max;
        let own = ShardId(0);
        let station = Station::new(StationConfig {
            own,
            shards: 1,
            limits,
            seed: 1,
            home_seed: 1,
            epoch: 1,
            web: Arc::default(),
            gauge: gauge.clone(),
        });
        let conn = ConnId { slot: 0, generation: 0 };
        let mut charge = gauge.charge(Use::Runs, budget);
        assert!(!station.reads_little(conn));
        charge.set(budget + 1);
        assert!(station.reads_little(conn));
    }

    /// Found by the simulator: where other shards held the memory, the time of a message that had
    /// ended ran on, and the next one of the same publisher was refused for it.
    #[test]
    fn who_ends_messages_gets_on() {
        let gauge = Gauge::new();
        let limits = Limits::default();
        // Another shard holds all that may be unfinished.
        let _others = gauge.charge(Use::Unfinished, limits.unfinished_bytes_max);
        let rules =
            Rules { limits: limits.into(), spoken: Spoken::AnyProtocol, topic_prompt: TopicPrompt::Off };
        let mut stage = Stage::new(rules, &gauge);
        let conn = ConnId { slot: 0, generation: 0 };
        stage.connect(conn);
        stage.send(conn, b"pub a\n", ReadEnd::Drained);
        let long = [b'x'; 2000];
        stage.send(conn, &long, ReadEnd::Drained);
        for line_end in [&b"\n"[..], b"\nshort\n"] {
            stage.pass(PATIENCE * 3 / 5);
            stage.send(conn, &[line_end, &long].concat(), ReadEnd::Drained);
        }
        stage.pass(PATIENCE * 4 / 5);
        assert_eq!(stage.received.get(&conn).map(Vec::as_slice), Some(&b""[..]));
        stage.pass(PATIENCE / 5);
        let refusal = b"Out of memory for messages: try again later\n";
        assert_eq!(stage.received.get(&conn).map(Vec::as_slice), Some(&refusal[..]));
    }
}
