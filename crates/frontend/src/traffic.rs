//! What went through a station's connections: plain counters, read as a snapshot.
//!
//! What the broker tells of itself is left out, so that no figure grows because it was told.

use broker::Run;

use crate::station::Station;

/// What connections have said and been told since the station began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Clients that have said who they are and were let in.
    pub greeted: u64,
    /// MQTT packets of every kind, and messages of text publishers.
    pub received: u64,
    /// MQTT packets that were sent, but for those with messages.
    pub answers: u64,
    pub sent: Sent,
    /// Sessions whose time was over before their client came back.
    pub expired: u64,
}

/// Messages on their way to sockets, each as often as it was encoded or what was encoded was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    pub messages: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Bytes of the broker's own messages, which are not among the others, as they go to sockets.
    pub own_bytes: u64,
}

impl Sent {
    /// Messages of a run, with so many bytes of payload, have become `bytes` for a socket.
    #[inline]
    pub(crate) fn count(&mut self, run: &Run, messages: u32, payload_bytes: u64, bytes: usize) {
        if run.publisher().is_broker() {
            self.own_bytes += bytes as u64;
            return;
        }
        self.messages += u64::from(messages);
        self.payload_bytes += payload_bytes;
    }

    fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.payload_bytes += other.payload_bytes;
        self.own_bytes += other.own_bytes;
    }
}

impl Traffic {
    /// Adds another station's.
    pub fn add(&mut self, other: &Self) {
        self.greeted += other.greeted;
        self.received += other.received;
        self.answers += other.answers;
        self.sent.add(&other.sent);
        self.expired += other.expired;
    }
}

impl Station {
    /// What went through its connections.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let mut traffic = self.env.traffic;
        traffic.sent.add(&self.env.encoder.sent);
        traffic.sent.add(&self.env.publishes.sent);
        traffic.sent.add(&self.env.streams.sent);
        traffic
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use broker::{ConnId, Gauge};
    use wire::mqtt::Version;

    use super::*;
    use crate::packets::packet;
    use crate::stage::Stage;
    use crate::{Event, Limits, ReadEnd, Rules, Spoken, TopicPrompt};

    struct Scene(Stage);

    impl Scene {
        fn new() -> Self {
            let limits = Arc::new(Limits::default());
            let rules = Rules { limits, spoken: Spoken::AnyProtocol, topic_prompt: TopicPrompt::Off };
            Self(Stage::new(rules, &Gauge::new()))
        }

        fn connect(&mut self, slot: u32) -> ConnId {
            let conn = ConnId { slot, generation: 0 };
            self.0.connect(conn);
            conn
        }

        fn sends(&mut self, conn: ConnId, packets: &[&str]) {
            let bytes: Vec<u8> = packets.iter().flat_map(|text| packet(Version::V5, text).unwrap()).collect();
            self.0.send(conn, &bytes, ReadEnd::Drained);
        }

        fn says(&mut self, conn: ConnId, text: &str) {
            self.0.send(conn, text.as_bytes(), ReadEnd::Drained);
        }

        /// What was counted since the time before.
        fn since(&self, before: &mut Traffic) -> Traffic {
            let now = self.0.station.traffic();
            let less = |now: Sent, before: Sent| Sent {
                messages: now.messages - before.messages,
                payload_bytes: now.payload_bytes - before.payload_bytes,
                own_bytes: now.own_bytes - before.own_bytes,
            };
            let since = Traffic {
                greeted: now.greeted - before.greeted,
                received: now.received - before.received,
                answers: now.answers - before.answers,
                sent: less(now.sent, before.sent),
                expired: now.expired - before.expired,
            };
            *before = now;
            since
        }
    }

    fn sent(messages: u64, payload_bytes: u64) -> Sent {
        Sent { messages, payload_bytes, own_bytes: 0 }
    }

    #[test]
    fn everything_is_counted_where_it_comes_and_goes() {
        let (mut scene, mut before) = (Scene::new(), Traffic::default());
        let [ann, one, two, publisher] = [0, 1, 2, 3].map(|slot| scene.connect(slot));
        scene.sends(ann, &["CONNECT 5 ann clean", "SUBSCRIBE #1 ; news qos=2", "PINGREQ"]);
        let expected = Traffic { greeted: 1, received: 3, answers: 3, ..Traffic::default() };
        assert_eq!(scene.since(&mut before), expected);
        scene.says(one, "sub:news\n");
        scene.says(two, "sub:news\n");
        let expected = Traffic { greeted: 2, ..Traffic::default() };
        assert_eq!(scene.since(&mut before), expected, "a hello is no message");
        // Both are sent the same bytes, which are encoded once; MQTT's are others.
        scene.says(publisher, "pub:news\nseven..\nfour\n");
        let expected = Traffic { greeted: 1, received: 2, sent: sent(6, 33), ..Traffic::default() };
        assert_eq!(scene.since(&mut before), expected);
        scene.sends(ann, &["PUBLISH news qos=1 #1 : x"]);
        let expected = Traffic { received: 1, answers: 1, sent: sent(3, 3), ..Traffic::default() };
        assert_eq!(scene.since(&mut before), expected);
    }

    #[test]
    fn who_says_everything_at_once_was_there() {
        let (mut scene, mut before) = (Scene::new(), Traffic::default());
        let ann = scene.connect(0);
        scene.sends(ann, &["CONNECT 5 ann clean", "PUBLISH a : x", "DISCONNECT 0x00"]);
        let expected = Traffic { greeted: 1, received: 3, answers: 1, ..Traffic::default() };
        assert_eq!(scene.since(&mut before), expected);
        assert_eq!(scene.0.station.census(), crate::Census::default());
    }

    #[test]
    fn sessions_are_absent_and_then_over() {
        let mut scene = Scene::new();
        let ann = scene.connect(0);
        scene.sends(ann, &["CONNECT 5 ann clean session-expiry=60"]);
        let counts = |scene: &Scene| {
            let census = scene.0.station.census();
            (census.clients, census.absent, scene.0.station.traffic().expired)
        };
        assert_eq!(counts(&scene), (1, 0, 0));
        scene.0.close(ann);
        assert_eq!(counts(&scene), (0, 1, 0));
        scene.0.pass(Duration::from_secs(61));
        assert_eq!(counts(&scene), (0, 0, 1));
    }

    /// Whoever hears what the broker tells does not make it tell more.
    #[test]
    fn what_the_broker_tells_is_counted_apart_and_shown_to_nobody() {
        let (mut scene, mut before) = (Scene::new(), Traffic::default());
        let [ann, bob, text] = [0, 1, 2].map(|slot| scene.connect(slot));
        for (conn, id) in [(ann, "ann"), (bob, "bob")] {
            scene.sends(conn, &[&format!("CONNECT 5 {id} clean"), "SUBSCRIBE #1 ; $SYS/# qos=2"]);
        }
        scene.says(text, "sub:$SYS/#\n");
        scene.since(&mut before);
        let received = |scene: &Scene| scene.0.received.values().map(Vec::len).sum::<usize>();
        let so_far = received(&scene);
        scene.0.tell("$SYS/broker/uptime", "10 seconds");
        let own_bytes = (received(&scene) - so_far) as u64;
        let expected = Traffic { sent: Sent { own_bytes, ..Sent::default() }, ..Traffic::default() };
        assert!(own_bytes > 90, "all three hear it");
        assert_eq!(scene.since(&mut before), expected);
        assert_eq!(scene.0.station.shard().stats().accepted, 0);
        let is_shown = |event: &Event| matches!(event, Event::Published { .. } | Event::NotShown(_));
        scene.0.pass(Duration::from_secs(5));
        assert!(!scene.0.events.iter().any(is_shown));
    }
}
