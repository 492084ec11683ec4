//! Publishers: framed or not, with and without name and acks, and every way to go.

use frontend::TopicPrompt;

use crate::client::greeting::{Framing, Greeting, REST_NS};
use crate::client::words;
use crate::client::{Client, Meaning, Reader, Role, Step, Unit, draw_addr, draw_begin, draw_station};
use crate::limits::{MS, Swarm};
use crate::net::Cut;
use crate::record::{First, Message, PublisherRecord, Speaks, Stay, Talk};
use crate::rng::Rng;

/// Draws a publisher.
pub(super) fn draw(rng: &mut Rng, swarm: &Swarm, id: usize) -> (Client, PublisherRecord) {
    let addr = draw_addr(rng, id);
    let reader = if rng.percent(10) { Reader::Never { from_ns: 0 } } else { Reader::Fast };
    // Wide enough for all its acknowledgements to get out while it ends.
    let capacity = rng.size(1, swarm.network.capacity_max).max(32);
    let begins_ns = draw_begin(rng, swarm) / 2;
    let station = draw_station(rng, swarm);
    let mut client = Client::new(Role::Publisher, station, addr, begins_ns, reader, capacity);
    let mut record = PublisherRecord {
        speaks: Speaks::Text,
        addr,
        name: None,
        topic: "broadcast".to_owned(),
        acks: rng.percent(40),
        messages: Vec::new(),
        too_long: false,
        stay: if reader == Reader::Fast { Stay::UntilQuiet } else { Stay::Left },
        received: Vec::new(),
        heard_end: false,
        talk: Talk::default(),
    };
    let mut plan = Vec::new();
    let framing = draw_hello(rng, swarm, &mut record, &mut plan);
    let count = rng.range(0, swarm.load.messages_max);
    if count == 0 {
        plan.push(Step::Pause(REST_NS)); // what follows at once could be the topic
    }
    let mut draft = Draft { rng, swarm, id, record: &mut record, plan: &mut plan };
    while (draft.record.messages.len() as u64) < count {
        match framing {
            Framing::Framed => draft.lines(),
            Framing::Unframed => draft.words(),
        }
        let pause_ns = draft.rng.below(swarm.load.pause_max_ns);
        draft.plan.push(Step::Pause(pause_ns));
    }
    draft.ending(framing);
    client.plan = plan.into();
    (client, record)
}

/// Draws a publisher that has one thing to say, to a topic of its own, and goes.
pub(super) fn draw_passer(rng: &mut Rng, swarm: &Swarm, id: usize) -> (Client, PublisherRecord) {
    let addr = draw_addr(rng, id);
    let station = draw_station(rng, swarm);
    let begins_ns = rng.below(200 * MS);
    let mut client = Client::new(Role::Publisher, station, addr, begins_ns, Reader::Fast, 64);
    let (topic, payload) = (format!("q/{id}"), format!("#{id}.0#").into_bytes());
    let bytes = [format!("pub {topic}\n").as_bytes(), &payload, b"\n"].concat();
    client.plan = [Unit::send(bytes, vec![Meaning::Message(0)], Cut::Whole), Step::Close].into();
    let record = PublisherRecord {
        speaks: Speaks::Text,
        addr,
        name: None,
        topic,
        acks: false,
        messages: vec![Message::new(payload, 0)],
        too_long: false,
        stay: Stay::Left,
        received: Vec::new(),
        heard_end: false,
        talk: Talk::default(),
    };
    (client, record)
}

fn draw_hello(rng: &mut Rng, swarm: &Swarm, record: &mut PublisherRecord, plan: &mut Vec<Step>) -> Framing {
    let (mut hello, _) = words::role(rng, "publisher", "pub");
    let bare = rng.percent(25) && !record.acks;
    let names_topic = !bare && rng.percent(80);
    if names_topic {
        record.topic = words::topic(rng);
        hello += words::separator(rng);
        hello += &record.topic;
    }
    if !bare && rng.percent(30) {
        let name = words::name(rng);
        hello += &format!(" name={name}");
        record.name = Some(name);
    }
    if record.acks {
        hello += " ack=1";
    }
    let asked = swarm.topic_prompt == TopicPrompt::On && !names_topic;
    let topic = asked.then(|| words::topic(rng));
    if let Some(topic) = &topic {
        record.topic = topic.clone();
    }
    let first = if rng.percent(20) { First::Server } else { First::Client };
    let framing = if rng.percent(60) { Framing::Framed } else { Framing::Unframed };
    Greeting { first, framing, hello, topic }.plan(rng, plan);
    if framing == Framing::Unframed && !asked {
        if rng.percent(15) {
            // The newline of the hello comes late, alone.
            plan.push(Step::Pause(if rng.percent(50) { REST_NS } else { MS }));
            plan.push(Unit::send(words::line_end(rng).to_vec(), Vec::new(), Cut::Whole));
            return Framing::Framed;
        }
        if !bare || rng.percent(50) {
            plan.push(Step::Pause(REST_NS));
        }
    }
    framing
}

/// A plan under way.
struct Draft<'a> {
    rng: &'a mut Rng,
    swarm: &'a Swarm,
    id: usize,
    record: &'a mut PublisherRecord,
    plan: &'a mut Vec<Step>,
}

impl Draft<'_> {
    /// One or more framed messages in one write, and perhaps blank lines between them.
    fn lines(&mut self) {
        let count = if self.rng.percent(20) { self.rng.size(2, 30) } else { 1 };
        let (mut bytes, mut meanings) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let length_max = if count > 1 { 60 } else { self.swarm.limits.message_bytes_max };
            let message = self.message(length_max, b"");
            bytes.extend_from_slice(self.payload());
            if count == 1 && bytes.len() == length_max && self.rng.percent(50) {
                // As long as may be, and its end comes later.
                self.plan.push(Unit::send(std::mem::take(&mut bytes), Vec::new(), Cut::Anywhere));
                self.plan.push(Step::Pause(MS));
            }
            bytes.extend_from_slice(words::line_end(self.rng));
            meanings.push((bytes.len(), message));
            if self.rng.percent(5) {
                bytes.extend_from_slice(self.rng.pick(&[&b"\n"[..], b"\r\n", b"  \t\n"]));
            }
        }
        self.plan.push(Step::Send(Unit { bytes, meanings, cut: Cut::Anywhere }));
    }

    /// One write of a client whose reads end its messages.
    fn words(&mut self) {
        let length_max = self.swarm.limits.message_bytes_max;
        // Right behind a bare role word a line would be read as the rest of the hello.
        let is_first = self.record.messages.is_empty();
        match self.rng.below(10) {
            _ if is_first => {
                let message = self.message(length_max, b"");
                let bytes = self.payload().to_vec();
                self.plan.push(Unit::send(bytes, vec![message], Cut::Whole));
            }
            0 => {
                // Cut inside a character: the first part of it belongs to the second message.
                let first = self.message(length_max - 4, b"");
                let mut bytes = self.payload().to_vec();
                let character = self.rng.pick(&["é", "€", "🎉"]);
                let cut = self.rng.size(1, character.len() - 1);
                let (head, tail) = character.as_bytes().split_at(cut);
                bytes.extend_from_slice(head);
                self.plan.push(Unit::send(bytes, vec![first], Cut::Whole));
                let second = self.message(length_max, character.as_bytes());
                let bytes = [tail, &self.payload()[character.len()..]].concat();
                self.plan.push(Unit::send(bytes, vec![second], Cut::Whole));
            }
            1 => {
                // A newline ends a message as well.
                let first = self.message(60, b"");
                let line_end = words::line_end(self.rng);
                let mut bytes = [self.payload(), line_end].concat();
                let newline = bytes.len();
                let second = self.message(60, b"");
                bytes.extend_from_slice(self.payload());
                let meanings = vec![(newline, first), (bytes.len(), second)];
                self.plan.push(Step::Send(Unit { bytes, meanings, cut: Cut::Whole }));
            }
            _ => {
                let message = self.message(length_max, b"");
                let mut bytes = self.payload().to_vec();
                if self.rng.percent(20) {
                    bytes.extend_from_slice(words::line_end(self.rng));
                }
                self.plan.push(Unit::send(bytes, vec![message], Cut::Whole));
            }
        }
    }

    /// How it goes, if it does.
    fn ending(&mut self, framing: Framing) {
        let cut = if framing == Framing::Framed { Cut::Anywhere } else { Cut::Whole };
        match self.rng.below(10) {
            0..=2 => {}
            3 => self.plan.push(Step::HalfClose),
            4 => self.plan.push(Step::Close),
            5 => {
                self.cut_short();
                self.plan.push(Step::Reset);
                self.record.stay = Stay::Left;
            }
            6 if framing == Framing::Framed => {
                self.message(self.swarm.limits.message_bytes_max, b"");
                let end = self.rng.size(1, self.payload().len());
                let bytes = self.payload()[..end].to_vec();
                self.plan.push(Unit::send(bytes, Vec::new(), cut));
                self.plan.push(if self.rng.percent(50) { Step::HalfClose } else { Step::Close });
            }
            7 => {
                let over = self.rng.size(1, 3000);
                self.record.too_long = true;
                self.message(self.swarm.limits.message_bytes_max, b"");
                let mut bytes = self.payload().to_vec();
                bytes.resize(self.swarm.limits.message_bytes_max + over, b'y');
                bytes.push(b'\n');
                self.plan.push(Unit::send(bytes, vec![Meaning::LastWord], cut));
                self.after_the_last_word(cut);
            }
            _ => {
                let mut bytes = words::terminate(self.rng).to_vec();
                if framing == Framing::Framed || self.rng.percent(30) {
                    bytes.extend_from_slice(words::line_end(self.rng));
                }
                self.plan.push(Unit::send(bytes, vec![Meaning::LastWord], cut));
                if self.rng.percent(30) {
                    self.after_the_last_word(cut);
                }
            }
        }
        if self.plan.iter().any(|step| matches!(step, Step::Close | Step::HalfClose)) {
            self.record.stay = Stay::Left;
        }
    }

    /// Something that must not be delivered any more.
    fn after_the_last_word(&mut self, cut: Cut) {
        self.message(60, b"");
        let bytes = [self.payload(), b"\n"].concat();
        self.plan.push(Unit::send(bytes, Vec::new(), cut));
    }

    /// Goes somewhere in the middle instead of at the end.
    fn cut_short(&mut self) {
        let keep = self.rng.size(self.plan.len() / 2, self.plan.len());
        self.plan.truncate(keep);
    }

    fn message(&mut self, length_max: usize, begin: &[u8]) -> Meaning {
        let number = self.record.messages.len();
        let mut payload = begin.to_vec();
        payload.extend_from_slice(format!("#{}.{number}#", self.id).as_bytes());
        let room = length_max.saturating_sub(payload.len());
        let length = match self.rng.below(20) {
            0 => room,
            1 => self.rng.size(0, room),
            _ => self.rng.skewed(0, room.min(200)),
        };
        payload.extend(words::filler(self.rng, length));
        self.record.messages.push(Message::new(payload, 0));
        Meaning::Message(number)
    }

    fn payload(&self) -> &[u8] {
        self.record.messages.last().map_or(&[], |message| &message.payload)
    }
}
