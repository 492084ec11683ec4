//! What is published, here or on another shard, on its way to everyone who hears it.

use std::sync::Arc;

use topic::FilterId;

use crate::fanout;
use crate::ids::ShardId;
use crate::input::{Mail, Output};
use crate::planted::{self, Bug};
use crate::run::{LocalRun, Run};
use crate::shard::Shard;
use crate::time::{Instant, Now};
use crate::work;

impl Shard {
    pub(super) fn publish(&mut self, now: Now, mut run: Arc<Run>) {
        let place = self.history.accepted();
        Arc::get_mut(&mut run).expect("nobody else has it before it is published").set_place(place);
        self.arrivals.came(self.neighbours.own, place + u64::from(run.len()));
        let conn = run.publisher().origin.conn;
        let body_bytes = run.body_bytes();
        let messages = u64::from(run.len());
        self.stats.accepted += messages;
        self.stats.accepted_bytes += run.payload_bytes(0, run.len());
        if let Some(slot) = self.history.record(now.mono, &run) {
            self.readers.slot_changed(slot);
        }
        self.spread(now.mono, run);
        if let Some(source) = self.sources.get_mut(conn) {
            // What is durable will be accepted when it is on disk; what is not, at once.
            source.accepted += messages;
            self.out.push_back(Output::Accepted { conn, upto: source.accepted });
            source.pause.published(now.mono, body_bytes);
            self.memory.published(now.mono, source, &self.limits, &mut self.out);
        }
    }

    /// Hands a run to everyone who hears it, here and on other shards.
    pub(super) fn spread(&mut self, now: Instant, run: Arc<Run>) {
        let filters = self.interest.route(run.topic());
        // What is retained goes to everyone, interested or not.
        let has_gone = run.marks().retain && self.retain(now, &run);
        if !has_gone {
            self.mail_to_interested(&run, &filters);
        }
        self.spent += work::INPUT;
        let own = self.neighbours.own;
        let run = LocalRun::noted_with(run, self.arrivals.note());
        fanout::deliver(&mut self.receivers(), now, &run, own, &filters);
    }

    fn mail_to_interested(&mut self, run: &Arc<Run>, filters: &[FilterId]) {
        for to in self.interest.remote(filters).iter() {
            self.spent += work::INPUT;
            // The run itself is shared: to another shard goes a reference, whatever it holds.
            self.out.push_back(Output::Mail { to, mail: Mail::Publish(Arc::clone(run)) });
            if planted::is(Bug::MailFirstShardOnly) {
                break;
            }
        }
    }

    /// Retains the last message of a run in every shard; false if there is no room for it.
    fn retain(&mut self, now: Instant, run: &Arc<Run>) -> bool {
        let Some(stamp) = self.retained.stamp(run, &self.limits) else {
            self.stats.not_retained += 1;
            return false;
        };
        self.spent += work::RECORD + run.cost() as u64 / 4;
        // Of its own size: it may lie there for years.
        let keep = || Arc::new(run.compacted(run.len() - 1, self.memory.gauge()));
        let message = (!run.ends_empty()).then(keep);
        for to in self.neighbours.others.iter() {
            self.spent += work::INPUT;
            let (run, message) = (Arc::clone(run), message.clone());
            self.out.push_back(Output::Mail { to, mail: Mail::PublishRetained { run, message, stamp } });
        }
        self.retained.store(now, run.topic(), message, stamp);
        true
    }

    /// Another shard hands on what was published there.
    pub(super) fn publish_from(&mut self, now: Instant, from: ShardId, run: Arc<Run>) {
        let filters = self.interest.route(run.topic());
        if !run.publisher().is_broker() {
            self.arrivals.came(from, run.place_of(run.len()));
        }
        let run = LocalRun::noted_with(run, self.arrivals.note());
        fanout::deliver(&mut self.receivers(), now, &run, from, &filters);
    }
}
