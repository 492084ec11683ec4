//! What MQTT clients hear, packet by packet, and whether it may be so.

use std::num::NonZeroU16;

use wire::mqtt::{Packet, Publish, Reason, Version, decode, frame};

use crate::check::expected;
use crate::client::mqtt::{Due, FlightState, Got, Stage};
use crate::client::mqtt_words::{self as words, Kind, SUBSCRIBE_ID};
use crate::record::MqttHeard;
use crate::world::World;

impl World {
    /// Takes the whole packets of what a client has read.
    pub(crate) fn hear_packets(&mut self, id: usize) {
        let Some(owner) = self.clients[id].owner else { return };
        let bytes = std::mem::take(&mut self.clients[id].received);
        let version = self.version_of(owner);
        let mut rest = bytes.as_slice();
        loop {
            let head = match frame(rest) {
                Ok(Some(head)) if head.len() <= rest.len() => head,
                Ok(_) => break,
                Err(error) => {
                    self.saw(owner, "lines", format!("no packet: {error}"));
                    break;
                }
            };
            let (packet, after) = rest.split_at(head.len());
            rest = after;
            match decode(version, head.first, &packet[head.head_len..]) {
                Ok(packet) => self.take_packet(owner, id, &packet),
                Err(error) => self.saw(owner, "lines", format!("a packet that is none: {error}")),
            }
        }
        self.clients[id].received = rest.to_vec();
        self.goes_on(owner);
    }

    fn take_packet(&mut self, owner: usize, id: usize, packet: &Packet<'_>) {
        let person = self.person(owner);
        if person.conn != id || person.gave_up {
            return self.take_late(owner, packet);
        }
        match packet {
            Packet::ConnAck(ack) if ack.reason == Reason::SUCCESS => {
                let index = self.mark().index;
                self.person(owner).taken_on_at = index;
                self.was_taken_on(owner, ack);
            }
            Packet::Publish(publish) => self.take_publish(owner, publish),
            Packet::PubAck(ack) => self.take_ack(owner, Kind::Ack, ack.packet_id, ack.reason),
            Packet::PubRec(ack) => self.take_ack(owner, Kind::Rec, ack.packet_id, ack.reason),
            Packet::PubComp(ack) => self.take_ack(owner, Kind::Comp, ack.packet_id, ack.reason),
            Packet::PubRel(ack) => {
                let person = self.person(owner);
                let (known, is_first) = (person.held.remove(&ack.packet_id), person.earlier == 0);
                if !known && is_first {
                    self.saw(owner, "resend", format!("PUBREL of {}, which it does not hold", ack.packet_id));
                }
                self.owe(owner, Kind::Comp, ack.packet_id);
            }
            Packet::SubAck(ack) => {
                let mark = self.mark();
                let asked = self.person(owner).wishes.subscribes.as_ref().map(|(_, qos)| *qos);
                if ack.packet_id != SUBSCRIBE_ID
                    || Some(ack.reasons) != asked.as_ref().map(std::slice::from_ref)
                {
                    self.saw(owner, "lines", format!("a SUBACK that says {:?}", ack.reasons));
                }
                self.person(owner).has_suback = true;
                if let Some(audit) = self.record.audits.get_mut(&owner) {
                    audit.stood = true;
                }
                self.record.mqtt.get_mut(&owner).expect("a person has a record").stood.get_or_insert(mark);
            }
            Packet::Disconnect(disconnect) => {
                let raced = self.person(owner).raced && disconnect.reason == Reason::SESSION_TAKEN_OVER;
                let told = raced || disconnect.reason == Reason::SERVER_SHUTTING_DOWN && self.is_draining();
                if !told {
                    self.saw(owner, "closed", format!("told to go: 0x{:02x}", disconnect.reason.0));
                }
            }
            other => self.saw(owner, "lines", format!("{other:?}")),
        }
    }

    /// Something that its server wrote to a connection that this client has given up.
    fn take_late(&mut self, owner: usize, packet: &Packet<'_>) {
        let Packet::Publish(publish) = packet else { return };
        let Some((by, number)) = expected::mark_in(publish.payload) else { return };
        let message = self.record.publishers.get(&by).and_then(|one| one.messages.get(number));
        let accepted = message.filter(|message| message.again == 0).and_then(|message| message.accepted);
        let person = &self.persons[&owner];
        let is_taken_on = person.stage == Stage::Connected;
        if is_taken_on && accepted.is_some_and(|accepted| accepted.index >= person.taken_on_at) {
            self.saw(owner, "takeover", format!("#{by}.{number}# came to a connection that was taken over"));
        }
    }

    fn take_publish(&mut self, owner: usize, publish: &Publish<'_>) {
        if self.record.audits.contains_key(&owner) {
            return self.take_retained(owner, publish);
        }
        let Some((by, number)) = expected::mark_in(publish.payload) else {
            return self.saw(owner, "lines", "a message without a mark".to_owned());
        };
        let Some(sender) = self.record.publishers.get(&by) else {
            return self.saw(owner, "lines", format!("nobody sent #{by}.{number}#"));
        };
        let message = sender.messages.get(number);
        let is_same = message.is_some_and(|message| message.payload == publish.payload);
        let repeats = message.is_some_and(|message| message.again > 0);
        if !is_same || sender.topic != publish.topic || publish.retain {
            return self.saw(owner, "lines", format!("#{by}.{number}# does not look as it should"));
        }
        let qos = publish.qos as u8;
        let heard = MqttHeard { publisher: by, number, qos, dup: publish.dup };
        let Some(id) = publish.packet_id else { return self.heard(owner, heard) };
        self.check_window(owner, id);
        // A member may be given once more, as something new, what it lost with a connection.
        let is_member = self.record.group.as_ref().is_some_and(|group| group.members.contains(&owner));
        if !repeats && (!is_member || qos != 1) {
            self.check_again(owner, heard, id);
        }
        match qos {
            1 => {
                self.owe(owner, Kind::Ack, id);
                self.heard(owner, heard);
            }
            _ => {
                self.owe(owner, Kind::Rec, id);
                let is_new = self.person(owner).held.insert(id);
                if !is_new && !publish.dup {
                    self.saw(owner, "resend", format!("{id} is held and used for #{by}.{number}#"));
                }
                if is_new {
                    self.heard(owner, heard);
                }
            }
        }
    }

    /// One of those who look at what is retained.
    fn take_retained(&mut self, owner: usize, publish: &Publish<'_>) {
        if let Some(id) = publish.packet_id {
            let kind = if publish.qos as u8 == 1 { Kind::Ack } else { Kind::Rec };
            self.owe(owner, kind, id);
            if kind == Kind::Rec && !self.person(owner).held.insert(id) {
                return;
            }
        }
        if self.is_draining() || self.person(owner).stage != Stage::Connected {
            return; // everyone goes, and wills are published
        }
        let audit = self.record.audits.get_mut(&owner).expect("the caller looked");
        let before = audit.found.insert(publish.topic.to_owned(), publish.payload.to_vec());
        if before.is_some() || !publish.retain {
            let what = format!("{} comes twice or not as a retained message", publish.topic);
            self.saw(owner, "retained", what);
        }
    }

    fn heard(&mut self, owner: usize, heard: MqttHeard) {
        self.record.mqtt.get_mut(&owner).expect("a person has a record").heard.push(heard);
    }

    /// No more is under way than the client has said.
    fn check_window(&mut self, owner: usize, id: NonZeroU16) {
        let person = self.person(owner);
        let most = usize::from(person.wishes.receive_max.unwrap_or(u16::MAX));
        let is_new = person.outstanding.insert(id);
        let count = person.outstanding.len();
        if !is_new {
            self.saw(owner, "window", format!("{id} is sent again on one connection"));
        }
        if count > most {
            self.saw(owner, "window", format!("{count} messages are under way, {most} may be"));
        }
    }

    /// What is sent again has the id that it had, and comes in order before all that is new.
    fn check_again(&mut self, owner: usize, heard: MqttHeard, id: NonZeroU16) {
        let MqttHeard { publisher, number, dup, .. } = heard;
        let person = self.person(owner);
        let known = person.got.get(&(publisher, number)).copied();
        let wrong = match (dup, known) {
            (false, None) => {
                person.again_at = None;
                None
            }
            (false, Some(_)) => Some("is sent again without a word"),
            (true, _) if person.earlier == 0 => Some("is sent again on the first connection"),
            (true, _) if person.again_at.is_none() => Some("is sent again after something new"),
            (true, None) => {
                person.again_at = Some(u64::MAX);
                None
            }
            (true, Some(got)) if got.id != id => Some("has another id than before"),
            (true, Some(got)) if person.again_at > Some(got.place) => Some("is sent again out of order"),
            (true, Some(got)) => {
                person.again_at = Some(got.place);
                None
            }
        };
        let place = person.next_place();
        person.got.entry((publisher, number)).or_insert(Got { id, place });
        if let Some(wrong) = wrong {
            self.saw(owner, "resend", format!("#{publisher}.{number}# {wrong}"));
        }
    }

    /// Owes an acknowledgement.
    fn owe(&mut self, owner: usize, kind: Kind, id: NonZeroU16) {
        let most_ns = self.person(owner).wishes.ack_max_ns;
        let delay_ns = if most_ns > 0 { self.whims.below(most_ns) } else { 0 };
        let at_ns = self.now_ns + delay_ns;
        let person = self.person(owner);
        let at_ns = person.dues.back().map_or(at_ns, |last| at_ns.max(last.at_ns));
        person.dues.push_back(Due { at_ns, kind, id });
    }

    /// The server has acknowledged something.
    fn take_ack(&mut self, owner: usize, kind: Kind, id: NonZeroU16, reason: Reason) {
        let person = self.person(owner);
        let is_sure = person.earlier > 0 && kind == Kind::Comp && person.wishes.version == Version::V5;
        let first = person.first_flight(kind).filter(|place| person.flights[*place].id == id);
        if reason != Reason::SUCCESS && !is_sure {
            self.saw(owner, "acks", format!("{kind:?} of {id} says 0x{:02x}", reason.0));
        }
        let Some(place) = first else {
            return self.saw(owner, "acks", format!("{kind:?} of {id}, which is not the next"));
        };
        let person = self.person(owner);
        let (version, number) = (person.wishes.version, person.flights[place].number);
        if kind == Kind::Rec {
            person.flights[place].state = FlightState::Released;
            self.person_says(owner, words::ack(version, Kind::Rel, id), Vec::new());
        } else {
            person.flights.remove(place);
        }
        if self.record.publishers[&owner].messages[number].accepted.is_none() {
            self.saw(owner, "acks", format!("{kind:?} of {id}, which no station was handed"));
        }
    }
}
