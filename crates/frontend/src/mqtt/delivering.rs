//! What a client gets: answers, what it has not acknowledged, and what its session has queued.

use std::num::NonZeroU16;
use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Delivery, Introduced, Qos, Run, SessionId, Slice};
use bytes::Bytes;
use wire::mqtt::{Property, PropertyWriter, PublishHead, Reason, encode_publish_head, publish_len};

use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::CloseReason;
use crate::link::Link;
use crate::mqtt::Client;
use crate::mqtt::answers::Answer;
use crate::mqtt::filters::{From, RetainFlag};
use crate::mqtt::publishing::{has_properties, wire_qos};
use crate::mqtt::window::{Retain, Unacked};
use crate::work;
use wire::past::write_time;

/// A longer payload is not copied: its receivers share it.
const COPIED_BYTES: usize = 2 * 1024;

/// What stands in front of a payload, about.
const HEAD_BYTES: usize = 64;

/// One message as it is sent.
struct Sent<'a> {
    run: &'a Arc<Run>,
    index: u32,
    qos: Qos,
    retain: Retain,
    id: Option<NonZeroU16>,
    is_again: Again,
    identifiers: &'a [u32],
    introduction: &'a [u8],
}

/// Whether the client may have it already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

impl Client {
    pub(super) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        if !self.answers.is_idle() {
            let (answers, version) = (&mut self.answers, self.version);
            link.out.append(&mut env.pool, |own| answers.write(own, version, size.bytes));
            return Delivered::Something;
        }
        if link.ending {
            return Delivered::Nothing;
        }
        if let Some(id) = self.next_again() {
            self.send_again(link, env, id);
            return Delivered::Something;
        }
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        let core = session.core;
        let is_full = session.window.bytes() > link.rules.limits.core.queue_bytes_max;
        let mut most = self.free(session.window.len(), link);
        if most == 0 || is_full {
            if self.next_qos(env, core) > Qos::AtMostOnce {
                return Delivered::Nothing; // an acknowledgement goes on with it
            }
            most = u32::MAX;
        }
        // What stands in front of each message counts as well: a part of many short ones is mostly that.
        let parts = u32::try_from(size.bytes / HEAD_BYTES).unwrap_or(u32::MAX).max(1);
        match env.shard.poll_delivery(env.now, core, most.min(parts), size.bytes) {
            Some(Delivery::Messages(slice)) => self.send(link, env, &slice),
            Some(Delivery::Gap(_)) if planted::is(Bug::LostUncounted) => {}
            Some(Delivery::Gap(count)) => self.lost += count,
            None if env.draining && !env.shard.is_asking(core) => {
                return Delivered::End(CloseReason::Shutdown);
            }
            None => return Delivered::Nothing,
        }
        Delivered::Something
    }

    /// How many messages may be sent that are to be acknowledged (MQTT5-4.9.0-2).
    fn free(&self, under_way: usize, link: &Link) -> u32 {
        let receive_max = if planted::is(Bug::IgnoreReceiveMax) { u16::MAX } else { self.receive_max };
        let of_client = usize::from(receive_max).saturating_sub(self.outstanding);
        let of_server = link.rules.limits.inflight_max.saturating_sub(under_way);
        u32::try_from(of_client.min(of_server)).unwrap_or(u32::MAX)
    }

    /// At which quality of service the next message is due; the lowest if there is none.
    fn next_qos(&self, env: &mut Env, core: SessionId) -> Qos {
        let Some(run) = env.shard.peek_delivery(core) else { return Qos::AtMostOnce };
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        let matched = session.filters.matched(run.topic(), self.published_by(run));
        matched.qos.map_or(Qos::AtMostOnce, |most| run.marks().qos.min(most))
    }

    fn published_by(&self, run: &Run) -> From {
        let (publisher, own) = (run.publisher(), &self.publisher);
        let is_own = publisher.name == own.name && publisher.introduced == own.introduced;
        if is_own { From::Itself } else { From::Another }
    }

    /// What a client with properties is told of a message that has none of its own: who published
    /// it, and when.
    fn introduction(&self, run: &Run) -> Vec<u8> {
        let (mut properties, publisher) = (Vec::new(), run.publisher());
        if has_properties(self.version) && publisher.introduced == Introduced::ByBroker {
            let (name, addr) = (publisher.name.as_deref(), publisher.addr);
            let shown = name.map_or_else(|| addr.to_string(), |name| format!("{name}@{addr}"));
            let mut time = Vec::new();
            write_time(&mut time, run.time().0);
            PropertyWriter::new(&mut properties)
                .put(&Property::User("publisher", &shown))
                .put(&Property::User("time", &String::from_utf8_lossy(&time)));
        }
        properties
    }

    fn next_again(&mut self) -> Option<NonZeroU16> {
        if self.outstanding >= usize::from(self.receive_max) {
            return None;
        }
        self.resend.pop_front()
    }

    fn send_again(&mut self, link: &mut Link, env: &mut Env, id: NonZeroU16) {
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        match session.window.get(id).cloned() {
            None => {}
            Some(Unacked::Release) => {
                // The client holds it until it answers: that gives the place free, and no other.
                self.outstanding += 1;
                self.answers.give(Answer::PubRel(id, Reason::SUCCESS));
            }
            Some(Unacked::Publish { slice, qos, retain }) => {
                self.outstanding += 1;
                let mut id = id;
                if planted::is(Bug::ResendNewIds) {
                    session.window.declined(id);
                    session.window.acknowledged(id);
                    id = session.window.send(slice.clone(), qos, retain);
                }
                let run = slice.run.run();
                let introduction = self.introduction(run);
                let sent = Sent {
                    run,
                    index: slice.skip,
                    qos,
                    retain,
                    id: Some(id),
                    is_again: Again::Yes,
                    identifiers: &[],
                    introduction: &introduction,
                };
                self.append(link, env, &sent);
            }
        }
    }

    /// Sends what the core has given: all of it, since it has given no more than there is room for.
    fn send(&mut self, link: &mut Link, env: &mut Env, slice: &Slice) {
        let run = Arc::clone(slice.run.run());
        if run.is_expired(env.now.mono) {
            return; //= MQTT5-3.3.2-5
        }
        let from = self.published_by(&run);
        let introduction = self.introduction(&run);
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        let matched = session.filters.matched(run.topic(), from).clone();
        let Some(most) = matched.qos else { return };
        let qos = run.marks().qos.min(most);
        let is_set = slice.retained || (run.marks().retain && matched.retain == RetainFlag::AsPublished);
        let retain = if is_set { Retain::Set } else { Retain::Clear };
        for index in slice.skip..slice.end {
            let mut sent = Sent {
                run: &run,
                index,
                qos,
                retain,
                id: None,
                is_again: Again::No,
                identifiers: &matched.identifiers,
                introduction: &introduction,
            };
            let payload_len = run.payload(index).len();
            let longest = NonZeroU16::MAX;
            let head = self.head(&sent, Some(longest).filter(|_| qos > Qos::AtMostOnce), env);
            if publish_len(self.version, &head, payload_len) > self.packet_bytes_max {
                self.lost += 1; //= MQTT5-3.1.2-25
                continue;
            }
            if qos > Qos::AtMostOnce {
                let one = Slice { skip: index, end: index + 1, ..slice.clone() };
                let session = env.mqtt.get_mut(self.key).expect("a client has its session");
                sent.id = Some(session.window.send(one, qos, retain));
                self.outstanding += 1;
            }
            self.append(link, env, &sent);
        }
        if qos > Qos::AtMostOnce {
            env.mqtt.settle(self.key);
        }
    }

    fn head<'a>(&self, sent: &Sent<'a>, id: Option<NonZeroU16>, env: &Env) -> PublishHead<'a> {
        let marks = sent.run.marks();
        let expiry = marks.expires.filter(|_| has_properties(self.version));
        let left = |at: broker::Instant| u32::try_from(at.since(env.now.mono).as_secs()).unwrap_or(u32::MAX);
        PublishHead {
            dup: sent.is_again == Again::Yes && !planted::is(Bug::ResendUnmarked),
            qos: wire_qos(sent.qos),
            retain: sent.retain == Retain::Set,
            topic: sent.run.topic().as_str(),
            packet_id: id,
            alias: None,
            //= MQTT5-3.3.2-6
            expiry: expiry.map(left),
            subscription_ids: sent.identifiers,
            properties: marks.properties.as_deref().unwrap_or(sent.introduction),
        }
    }

    fn append(&self, link: &mut Link, env: &mut Env, sent: &Sent<'_>) {
        let head = self.head(sent, sent.id, env);
        let payload = sent.run.payload(sent.index);
        env.spent += work::LINE + payload.len() as u64 / work::BYTES_PER_UNIT;
        link.out.append(&mut env.pool, |own| {
            encode_publish_head(own, self.version, &head, payload.len());
            if payload.len() <= COPIED_BYTES {
                own.extend_from_slice(payload);
            }
        });
        if payload.len() > COPIED_BYTES {
            link.out.push(shared(sent.run, sent.index));
        }
    }
}

/// A payload as it lies in its run, which it keeps alive.
fn shared(run: &Arc<Run>, index: u32) -> Bytes {
    struct Payload(Arc<Run>, u32);
    impl AsRef<[u8]> for Payload {
        fn as_ref(&self) -> &[u8] {
            self.0.payload(self.1)
        }
    }
    Bytes::from_owner(Payload(Arc::clone(run), index))
}
