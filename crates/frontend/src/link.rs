//! A connection without its protocol: what its socket needs, and what the core said of it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Charge, Instant, Introduced, Origin, Publisher, SessionId, Use, WallTime};
use bytes::Bytes;
use topic::Filter;

use crate::connection::Rules;
use crate::env::Env;
use crate::event::Event;
use crate::half_closed::HalfClosed;
use crate::outgoing::Outgoing;
use crate::station::Action;

/// Bytes of one read, behind what the connection had left over.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub bytes: Bytes,
    /// Size of the allocation that they are a part of.
    pub pinned_bytes: usize,
}

impl Chunk {
    /// What is kept of it: a few bytes of a large read must not keep all of that.
    pub(crate) fn into_kept(self) -> Vec<u8> {
        let fills = self.bytes.len() * 2 >= self.pinned_bytes;
        if fills { self.bytes.into() } else { self.bytes.to_vec() }
    }
}

/// What stands behind a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadEnd {
    /// The read filled its buffer: there may be more at once.
    More,
    /// Nothing more for now.
    Drained,
    /// The peer has closed its side.
    Closed,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts; every combination occurs")]
pub(crate) struct Link {
    pub(crate) id: Origin,
    pub(crate) addr: SocketAddr,
    /// When it was accepted, on whatever shard.
    pub(crate) since: Instant,
    pub(crate) rules: Rc<Rules>,
    pub(crate) out: Outgoing,
    /// Bytes of the last chunk that are not done with.
    pub(crate) carry: Vec<u8>,
    /// What a long carry costs.
    pub(crate) unfinished: Option<Unfinished>,
    pub(crate) deadline: Option<Instant>,
    /// The session that it hears.
    pub(crate) session: Option<SessionId>,
    pub(crate) half_closed: HalfClosed,
    /// Whether the peer has closed its side behind the carry, which is not looked through yet.
    pub(crate) closed_behind: bool,
    /// Whether the core does not want this connection read.
    pub(crate) paused: bool,
    /// Whether it waits for memory to finish its message.
    pub(crate) starved: bool,
    /// Whether it stands in the list of connections to be written.
    pub(crate) listed: bool,
    /// Whether it closes once its last bytes are written.
    pub(crate) ending: bool,
    /// Whether the operator was shown that it is there.
    pub(crate) is_shown: bool,
}

/// An unfinished message that is long enough to count.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// When it began.
    pub(crate) since: Instant,
    charge: Charge,
}

/// What is left over of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// The same message as before, with more of it.
    GoesOn,
    /// The beginning of another one: what stood before it is done with.
    Begins,
    /// No message, and bounded by itself: it does not count.
    Bounded,
}

impl Link {
    pub(crate) fn new(id: Origin, addr: SocketAddr, since: Instant, rules: Rc<Rules>) -> Self {
        Self {
            id,
            addr,
            since,
            rules,
            out: Outgoing::default(),
            carry: Vec::new(),
            unfinished: None,
            deadline: None,
            session: None,
            half_closed: HalfClosed::No,
            closed_behind: false,
            paused: false,
            starved: false,
            listed: false,
            ending: false,
            is_shown: false,
        }
    }

    /// Shows the operator that it is there, once. Whoever only asks the control side something is
    /// not shown: a page and a monitor do so every second, on a connection each time.
    pub(crate) fn show(&mut self, env: &mut Env) {
        if !std::mem::replace(&mut self.is_shown, true) {
            env.events.push(Event::Connected { addr: self.addr });
        }
    }

    /// Shows the operator what it hears from now on.
    pub(crate) fn show_subscriber(&self, env: &mut Env, filters: &[Filter]) {
        if let [filter, others @ ..] = filters {
            let (filter, others) = (filter.clone(), others.len());
            env.events.push(Event::Subscriber { id: self.id, addr: self.addr, name: None, filter, others });
        }
    }

    /// Who publishes on it from now on, whose messages are payloads and nothing else.
    pub(crate) fn publisher(&self, began: WallTime, name: Option<Box<str>>) -> Arc<Publisher> {
        let (origin, addr) = (self.id, Some(self.addr));
        Arc::new(Publisher { origin, addr, name, began, introduced: Introduced::ByBroker })
    }

    /// Sets the time at which the connection is looked at again, whatever happens.
    pub(crate) fn set_deadline(&mut self, env: &mut Env, at: Option<Instant>) {
        if self.deadline == at {
            return;
        }
        if let Some(before) = self.deadline {
            env.deadlines.remove(&(before, self.id.conn));
        }
        env.deadlines.extend(at.map(|at| (at, self.id.conn)));
        self.deadline = at;
    }

    /// There is something to be written to its socket.
    pub(crate) fn list_to_write(&mut self, env: &mut Env) {
        if !std::mem::replace(&mut self.listed, true) {
            env.to_write.push_back(self.id.conn);
        }
    }

    /// Has something written behind everything that waits.
    pub(crate) fn say(&mut self, env: &mut Env, text: &str) {
        self.out.append(&mut env.pool, |own| own.extend_from_slice(text.as_bytes()));
        self.list_to_write(env);
    }

    /// The same for what is always the same: it takes no buffer.
    pub(crate) fn say_fixed(&mut self, env: &mut Env, text: &'static str) {
        self.out.push(Bytes::from_static(text.as_bytes()));
        self.list_to_write(env);
    }

    /// The peer has closed its sending half and goes on to hear, or does so no more.
    pub(crate) fn set_half_closed(&mut self, env: &mut Env, half_closed: HalfClosed) {
        if self.half_closed == half_closed {
            return;
        }
        self.half_closed = half_closed;
        match half_closed {
            HalfClosed::No => env.half_closed.remove(self.id.conn),
            HalfClosed::Hears | HalfClosed::HearsHistory => {
                env.half_closed.add(self.id.conn);
                env.actions.push_back(Action::Watch(self.id.conn));
                // All that it asked for may have been written already.
                self.list_to_write(env);
            }
        }
    }

    /// Keeps what is left over; a long message is counted. What fills most of its allocation keeps
    /// that, so that a long message which comes byte by byte is not copied each time.
    /// What the protocol holds of the message besides counts as well.
    pub(crate) fn keep(&mut self, env: &mut Env, rest: Chunk, leftover: Leftover, held_bytes: usize) {
        let counts = leftover != Leftover::Bounded;
        if planted::is(Bug::LoseCarry) && counts {
            return;
        }
        self.carry = rest.into_kept();
        if !counts || self.carry.len() + held_bytes <= self.rules.limits.unfinished_bytes_free {
            self.forget_unfinished(env);
            return;
        }
        let (now, bytes) = (env.now.mono, self.carry.capacity() + held_bytes);
        match &mut self.unfinished {
            Some(unfinished) => {
                unfinished.charge.set(bytes);
                if leftover == Leftover::Begins {
                    env.unfinished.ended(unfinished.since, self.id.conn);
                    env.unfinished.began(now, self.id.conn);
                    unfinished.since = now;
                }
            }
            None => {
                let charge = env.gauge.charge(Use::Unfinished, bytes);
                self.unfinished = Some(Unfinished { since: now, charge });
                env.unfinished.began(now, self.id.conn);
            }
        }
    }

    /// What was left over is done with.
    pub(crate) fn drop_carry(&mut self, env: &mut Env) {
        self.carry = Vec::new();
        self.forget_unfinished(env);
    }

    fn forget_unfinished(&mut self, env: &mut Env) {
        if let Some(unfinished) = self.unfinished.take() {
            env.unfinished.ended(unfinished.since, self.id.conn);
            if planted::is(Bug::KeepUnfinished) {
                std::mem::forget(unfinished);
            }
        }
    }
}
