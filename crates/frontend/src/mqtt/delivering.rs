//! What a client gets: answers, what it has not acknowledged, and what its session has queued.

use std::num::NonZeroU16;
use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Delivery, Introduced, Qos, Run, SessionId, Slice};
use wire::mqtt::{Property, PropertyWriter, PublishHead};

use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::CloseReason;
use crate::link::Link;
use crate::mqtt::Client;
use crate::mqtt::aliases::Naming;
use crate::mqtt::encode::Style;
use crate::mqtt::filters::{From, Matched, RetainFlag};
use crate::mqtt::publishing::{has_properties, wire_qos};
use crate::mqtt::sessions::{ClientKey, Session};
use crate::mqtt::window::{Retain, Unacked, Window};
use wire::past::write_time;

/// Messages under way to one client while memory is short.
const SPARING_WINDOW: usize = 16;
/// What stands in front of a payload, about.
const HEAD_BYTES: usize = 64;

/// How the messages of a slice are sent.
#[derive(Clone, Copy)]
struct Manner<'a> {
    qos: Qos,
    retain: Retain,
    extent: Extent,
    identifiers: &'a Arc<[u32]>,
    naming: Naming,
    /// Properties besides those that they were published with.
    told: &'a [u8],
}

/// Whether the client may have them already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    New,
    Again,
}

impl Client {
    pub(super) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        if !self.answers.is_idle() {
            let (answers, version) = (&mut self.answers, self.version);
            let written = link.out.append(&mut env.pool, |own| answers.write(own, version, size.bytes));
            env.traffic.answers += written;
            return Delivered::Something;
        }
        if link.ending {
            return Delivered::Nothing;
        }
        if let Some(id) = self.next_again() {
            self.send_again(link, env, id);
            return Delivered::Something;
        }
        let is_sparing = env.is_sparing(&link.rules.limits);
        let session = session_of(env, self.key);
        let (core, shared) = (session.core, session.window.shared());
        let mut most = self.free(&session.window, link);
        if is_sparing {
            most = most.min(SPARING_WINDOW.saturating_sub(session.window.span()));
        }
        // Before anything is taken: the groups give while this is on its way. Not more than what may go
        // back to them at once, if the client does.
        let shared_max = usize::try_from(env.limits.core.share_messages_max).unwrap_or(usize::MAX);
        let room = most.min(shared_max.saturating_sub(shared));
        if env.shard.offer_room(core, room) {
            link.list_to_write(env);
        }
        if most == 0 {
            if self.next_qos(env, core) > Qos::AtMostOnce {
                return Delivered::Nothing; // an acknowledgement goes on with it
            }
            most = usize::MAX;
        }
        // What stands in front of each message counts as well: a part of many short ones is mostly that.
        let most = u32::try_from(most.min(size.bytes / HEAD_BYTES).max(1)).unwrap_or(u32::MAX);
        match env.shard.poll_delivery(env.now, core, most, size.bytes) {
            Some(Delivery::Messages(slice)) => self.send(link, env, slice),
            Some(Delivery::Gap(_)) if planted::is(Bug::LostUncounted) => {}
            Some(Delivery::Gap(count)) => self.lose(count),
            // What is to be sent again waits for acknowledgements, and so does the end.
            None if env.draining && !env.shard.is_asking(core) && self.resend.is_empty() => {
                return Delivered::End(CloseReason::Shutdown);
            }
            None => return Delivered::Nothing,
        }
        Delivered::Something
    }

    /// How many messages may be sent that are to be acknowledged (MQTT5-4.9.0-2).
    fn free(&self, window: &Window, link: &Link) -> usize {
        if window.run_bytes() > link.rules.limits.core.queue_bytes_max {
            return 0;
        }
        let receive_max = if planted::is(Bug::IgnoreReceiveMax) { u16::MAX } else { self.receive_max };
        let of_client = usize::from(receive_max).saturating_sub(self.outstanding);
        let inflight_max = link.rules.limits.inflight_max;
        // The oldest may be all that is not acknowledged: its client goes on when it is.
        let of_ids = (2 * inflight_max).saturating_sub(window.span());
        let of_server = inflight_max.saturating_sub(window.len()).min(of_ids);
        of_client.min(of_server)
    }

    /// At which quality of service the next message is due; the lowest if there is none.
    fn next_qos(&self, env: &mut Env, core: SessionId) -> Qos {
        let Some((run, asked_by)) = env.shard.peek_delivery(core) else { return Qos::AtMostOnce };
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        let matched = session.filters.matched(run.topic(), self.published_by(run), asked_by);
        matched.qos.map_or(Qos::AtMostOnce, |most| run.marks().qos.min(most))
    }

    fn published_by(&self, run: &Run) -> From {
        let (publisher, own) = (run.publisher(), &self.publisher);
        let is_own = publisher.name == own.name && publisher.introduced == own.introduced;
        if is_own { From::Itself } else { From::Another }
    }

    /// What a client with properties is told besides those that messages were published with: who
    /// published them and when, if they do not say.
    fn introduction(&self, run: &Run) -> Vec<u8> {
        let (mut properties, publisher) = (Vec::new(), run.publisher());
        if has_properties(self.version)
            && publisher.introduced == Introduced::ByBroker
            && let Some(addr) = publisher.addr
        {
            let name = publisher.name.as_deref();
            let shown = name.map_or_else(|| addr.to_string(), |name| format!("{name}@{addr}"));
            let mut time = Vec::new();
            write_time(&mut time, run.time().0);
            PropertyWriter::new(&mut properties)
                .put(&Property::User("publisher", &shown))
                .put(&Property::User("time", &String::from_utf8_lossy(&time)));
        }
        properties
    }

    /// It does not get so many messages.
    fn lose(&mut self, count: u64) {
        self.lost += count;
        self.untold += count;
    }

    /// … and how many messages are missing in front of the next one.
    fn gap(&self) -> Option<Vec<u8>> {
        if self.untold == 0 || !has_properties(self.version) {
            return None;
        }
        let mut properties = Vec::new();
        PropertyWriter::new(&mut properties).put(&Property::User("gap", &self.untold.to_string()));
        Some(properties)
    }

    fn next_again(&mut self) -> Option<NonZeroU16> {
        if self.outstanding >= usize::from(self.receive_max) {
            return None;
        }
        self.resend.pop_front()
    }

    fn send_again(&mut self, link: &mut Link, env: &mut Env, id: NonZeroU16) {
        let session = session_of(env, self.key);
        match session.window.get(id).cloned() {
            None | Some(Unacked::Release(_)) => {}
            Some(Unacked::Publish { slice, qos, retain, identifiers }) => {
                let run = slice.run.run();
                let told = self.introduction(run);
                let (extent, naming) = (Extent::Again, Naming::Plain);
                let manner = Manner { qos, retain, extent, identifiers: &identifiers, naming, told: &told };
                self.set_head(env, run, &manner);
                if env.publishes.packet_len(run.payload(slice.skip).len()) > self.packet_bytes_max {
                    self.lose(1); //= MQTT5-3.1.2-25
                    session_of(env, self.key).window.give_up(id);
                    return;
                }
                self.outstanding += 1;
                let mut id = id;
                if planted::is(Bug::ResendNewIds) {
                    let window = &mut session_of(env, self.key).window;
                    window.give_up(id);
                    id = window.send(slice.clone(), qos, retain, Arc::clone(&identifiers));
                }
                env.publishes.one(&slice.run, slice.skip, Some(id), &mut link.out, &mut env.pool);
            }
        }
    }

    /// Sends what the core has given: all of it, since it has given no more than there is room for.
    fn send(&mut self, link: &mut Link, env: &mut Env, mut slice: Slice) {
        let run = Arc::clone(slice.run.run());
        if run.is_expired(env.now.mono) {
            return; //= MQTT5-3.3.2-5
        }
        let from = self.published_by(&run);
        let session = session_of(env, self.key);
        let Matched { qos, retain, identifiers } =
            session.filters.matched(run.topic(), from, slice.asked_by).clone();
        env.spent += session.filters.take_spent();
        let Some(qos) = qos.map(|most| run.marks().qos.min(most)) else { return };
        let is_set = slice.retained || (run.marks().retain && retain == RetainFlag::AsPublished);
        let retain = if is_set { Retain::Set } else { Retain::Clear };
        let (extent, naming) = (Extent::New, Naming::Plain);
        let plain = Manner { qos, retain, extent, identifiers: &identifiers, naming, told: &[] };
        if let Some(gap) = self.gap() {
            // In front of the first message, and of no other; not if that became too large for it.
            let first = Slice { end: slice.skip + 1, ..slice.clone() };
            let told = [self.introduction(&run), gap].concat();
            let manner = Manner { told: &told, ..plain };
            self.set_head(env, &run, &manner);
            if env.publishes.packet_len(run.payload(slice.skip).len()) <= self.packet_bytes_max {
                self.untold = 0;
                self.send_all(link, env, &first, &manner, None);
                slice.skip += 1;
            }
        }
        if slice.is_empty() {
            return;
        }
        let style = Style { version: self.version, retain: retain == Retain::Set };
        let is_common = identifiers.is_empty() && run.marks().expires.is_none();
        let style = Some(style).filter(|_| is_common && self.packet_bytes_max == usize::MAX);
        let naming = self.naming(link, env, &run);
        let style = style.filter(|_| naming == Naming::Plain);
        if qos == Qos::AtMostOnce
            && let Some(bytes) = style.and_then(|style| env.publishes.find(&slice, style))
        {
            return link.out.push(bytes);
        }
        let told = self.introduction(&run);
        let mut manner = Manner { naming, told: &told, ..plain };
        self.set_head(env, &run, &manner);
        if let Naming::Introduced(number) = naming {
            manner.naming = self.introduce(link, env, &mut slice, &manner, number);
            if slice.is_empty() {
                return;
            }
            self.set_head(env, &run, &manner);
        }
        self.send_all(link, env, &slice, &manner, style);
    }

    /// How the topic of a run goes to this client.
    fn naming(&mut self, link: &Link, env: &Env, run: &Run) -> Naming {
        let Some(aliases) = &mut self.sent_aliases else { return Naming::Plain };
        match aliases.naming(run.topic()) {
            Naming::Introduced(_) if env.is_short_of_sessions(&link.rules.limits) => Naming::Plain,
            naming => naming,
        }
    }

    /// Sends the first message of a slice, with the topic and the number that stands for it from
    /// then on, under the head that was set; returns how the others go. If both are too large for
    /// the client nothing is sent: the topic alone may not be.
    fn introduce(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        slice: &mut Slice,
        manner: &Manner<'_>,
        number: NonZeroU16,
    ) -> Naming {
        let run = Arc::clone(slice.run.run());
        if env.publishes.packet_len(run.payload(slice.skip).len()) > self.packet_bytes_max {
            return Naming::Plain;
        }
        let first = Slice { end: slice.skip + 1, ..slice.clone() };
        self.send_all(link, env, &first, manner, None);
        self.sent_aliases.iter_mut().for_each(|aliases| aliases.introduce(run.topic(), number));
        slice.skip += 1;
        Naming::Numbered(number)
    }

    /// Sends a slice under the head that was set.
    fn send_all(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        slice: &Slice,
        manner: &Manner<'_>,
        style: Option<Style>,
    ) {
        let Manner { qos, retain, identifiers, .. } = *manner;
        if qos == Qos::AtMostOnce && self.packet_bytes_max == usize::MAX {
            return env.publishes.all(slice, style, &mut link.out, &mut env.pool);
        }
        for index in slice.skip..slice.end {
            if env.publishes.packet_len(slice.run.run().payload(index).len()) > self.packet_bytes_max {
                self.lose(1); //= MQTT5-3.1.2-25
                continue;
            }
            let id = (qos > Qos::AtMostOnce).then(|| {
                self.outstanding += 1;
                let one = Slice { skip: index, end: index + 1, ..slice.clone() };
                session_of(env, self.key).window.send(one, qos, retain, Arc::clone(identifiers))
            });
            env.publishes.one(&slice.run, index, id, &mut link.out, &mut env.pool);
        }
        if qos > Qos::AtMostOnce {
            env.mqtt.settle(self.key);
        }
    }

    fn set_head(&self, env: &mut Env, run: &Run, manner: &Manner<'_>) {
        let marks = run.marks();
        let expiry = marks.expires.filter(|_| has_properties(self.version));
        let left = |at: broker::Instant| u32::try_from(at.since(env.now.mono).as_secs()).unwrap_or(u32::MAX);
        let both;
        let properties = match marks.properties.as_deref().unwrap_or_default() {
            [] => manner.told,
            own if manner.told.is_empty() => own,
            own => {
                both = [own, manner.told].concat();
                &both
            }
        };
        let (topic, alias) = match manner.naming {
            Naming::Plain => (run.topic().as_str(), None),
            Naming::Introduced(number) => (run.topic().as_str(), Some(number.get())),
            Naming::Numbered(number) => ("", Some(number.get())),
        };
        let head = PublishHead {
            dup: manner.extent == Extent::Again && !planted::is(Bug::ResendUnmarked),
            qos: wire_qos(manner.qos),
            retain: manner.retain == Retain::Set,
            topic,
            packet_id: None,
            alias,
            //= MQTT5-3.3.2-6
            expiry: expiry.map(left),
            subscription_ids: manner.identifiers,
            properties,
        };
        env.publishes.set(self.version, &head);
    }
}

/// A client has its session as long as its connection lives.
fn session_of(env: &mut Env, key: ClientKey) -> &mut Session {
    env.mqtt.get_mut(key).expect("a client has its session")
}
