//! What a station says that has happened, and whether it had the right to do it then.

use broker::Origin;
use frontend::{CloseReason, Event};

use crate::check::patience;
use crate::client::Role;
use crate::reached::Reached;
use crate::trace::Kind;
use crate::world::World;

impl World {
    /// Takes a station's events.
    pub(crate) fn note_events(&mut self, site: usize) {
        for event in self.sites[site].station.take_events() {
            match event {
                Event::Subscriber { id: Origin { conn, .. }, .. } => {
                    if let Some(client) = self.sites[site].client_of(conn) {
                        self.stands(client);
                    }
                }
                Event::Published { .. } => self.record.remains.shown += 1,
                Event::NotShown(count) => self.record.remains.shown += count,
                Event::Closing { id: Origin { conn, .. }, reason, .. } => {
                    self.record.remains.closings += 1;
                    self.record.remains.out_of_memory += u64::from(reason == CloseReason::OutOfMemory);
                    self.reached.extend(Reached::ending(&reason));
                    if let Some(client) = self.sites[site].client_of(conn) {
                        self.closes(client, &reason);
                    }
                }
                _ => {}
            }
        }
    }

    /// A subscription stands.
    fn stands(&mut self, id: usize) {
        let (mark, history_cut) = (self.mark(), self.history_cut());
        self.trace.note(self.now_ns, Kind::Stands, id as u64, mark.index, &[]);
        if let Some(subscriber) = self.record.subscribers.get_mut(&id) {
            subscriber.stood = Some(mark);
            subscriber.history_cut = history_cut;
        }
    }

    /// A station ends a connection.
    fn closes(&mut self, id: usize, reason: &CloseReason) {
        let (client, limits, now_ns) = (&self.clients[id], &self.swarm.limits, self.now_ns);
        match reason {
            // It has a time of its own, and a keep alive.
            CloseReason::Silent if client.begins_as_mqtt => {}
            CloseReason::Silent => {
                let asked_topic_ns = self.record.strangers.get(&id).and_then(|one| one.asked_topic_ns);
                if client.role == Role::Stranger && asked_topic_ns.is_some() {
                    self.reached.insert(Reached::SilentTopic);
                }
                let connected_ns = client.connected_ns;
                let silence = patience::Silence { connected_ns, asked_topic_ns, now_ns };
                patience::check_silent(&silence, limits, &mut self.violations);
            }
            CloseReason::TooLong if client.role == Role::Stranger && client.begins_as_mqtt => {
                self.record.remains.too_long_of_strangers += 1;
            }
            CloseReason::TooLong => self.record.remains.too_long += 1,
            CloseReason::OutOfMemory => {
                // Whoever takes its replies slowly is read as slowly.
                let reads = !client.write_blocked && !client.down.is_narrow();
                let waits = client.up.waits_since().filter(|_| reads);
                let bytes = client.lately_handed(now_ns);
                patience::check_refused(now_ns, bytes, waits, &mut self.violations);
            }
            _ => {}
        }
    }
}
