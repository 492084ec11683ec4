//! A session's places in groups: how much it has room for, and what is given back.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::group::{GroupName, Hears, Part, Room, ToGroup};
use crate::ids::SubscriptionId;
use crate::input::{Mail, Output};
use crate::slice::Slice;

/// One membership, as its session's shard sees it.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) group: Arc<GroupName>,
    /// Given so far, whatever became of it.
    received: Room,
    /// What the home was told that may be given.
    upto: Room,
    /// Of that, what waits in the session's queue.
    waiting: Room,
    /// Whether it is in the list of those that are to be told of room.
    pub(crate) is_due: bool,
    /// Lost messages of the group that wait in the session's queue to be told of.
    pub(crate) gap: u64,
}

impl Membership {
    pub(crate) fn new(group: Arc<GroupName>) -> Self {
        Self {
            group,
            received: Room::default(),
            upto: Room::default(),
            waiting: Room::default(),
            is_due: false,
            gap: 0,
        }
    }

    /// Something was given; it is for another one if this one does not hear.
    pub(crate) fn received(&mut self, given: Room) {
        self.received.add(given);
    }

    /// … and waits now.
    pub(crate) fn queued(&mut self, given: Room) {
        self.waiting.add(given);
    }

    /// What waited was delivered, dropped or given back.
    pub(crate) fn taken(&mut self, taken: Room) {
        self.waiting.subtract(taken);
    }

    /// Whether half of the room that there may be is used up.
    pub(crate) fn wants_more(&self, most: Room) -> bool {
        let messages = self.upto.messages.saturating_sub(self.received.messages) + self.waiting.messages;
        let bytes = self.upto.bytes.saturating_sub(self.received.bytes) + self.waiting.bytes;
        2 * messages <= most.messages || 2 * bytes <= most.bytes
    }

    /// There is room for so much, apart from what waits: tells the home.
    pub(crate) fn make_room(&mut self, id: SubscriptionId, most: Room, hears: Hears) -> Output {
        let upto = Room {
            messages: self.received.messages + most.messages.saturating_sub(self.waiting.messages),
            bytes: self.received.bytes + most.bytes.saturating_sub(self.waiting.bytes),
        };
        // What was said before may have been used by now: it is not taken back, only not repeated.
        self.upto = upto;
        self.tell(ToGroup::Room { member: id, upto, hears })
    }

    /// Nothing more is to be given.
    pub(crate) fn close(&mut self, id: SubscriptionId, hears: Hears) -> Output {
        self.upto = self.received;
        self.tell(ToGroup::Room { member: id, upto: self.upto, hears })
    }

    pub(crate) fn tell(&self, word: ToGroup) -> Output {
        Output::Mail { to: self.group.home, mail: Mail::Group { group: Arc::clone(&self.group), word } }
    }
}

/// What goes back to the homes of its groups: parts of one run that follow each other are one.
#[derive(Debug, Default)]
pub(crate) struct Returned {
    /// In the order in which they came: mail is sent in the same order in every run.
    groups: Vec<(Arc<GroupName>, Vec<Part>)>,
    places: HashMap<*const GroupName, usize, FixedState>,
}

impl Returned {
    /// Adds a slice that a group gave; the order is that of the group.
    pub(crate) fn add(&mut self, slice: &Slice) {
        let Some(group) = slice.run.group() else { return };
        let new = || {
            self.groups.push((Arc::clone(group), Vec::new()));
            self.groups.len() - 1
        };
        let place = *self.places.entry(Arc::as_ptr(group)).or_insert_with(new);
        let parts = &mut self.groups[place].1;
        let run = slice.run.run();
        match parts.last_mut().filter(|part| Arc::ptr_eq(&part.run, run) && part.end == slice.skip) {
            Some(part) => part.end = slice.end,
            None => parts.push(Part { run: Arc::clone(run), skip: slice.skip, end: slice.end }),
        }
    }

    pub(crate) fn mail(self, out: &mut VecDeque<Output>) {
        for (group, parts) in self.groups {
            let (to, word) = (group.home, ToGroup::Return { parts, gap: 0 });
            out.push_back(Output::Mail { to, mail: Mail::Group { group, word } });
        }
    }
}
