//! What the checkers judge: who said what, what was accepted when, and who heard which bytes.
//!
//! The world fills it in while it runs; checkers see nothing else, so that they can be fed with
//! histories written by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;

use broker::{MessageRefusal, Refused};

/// The whole story of a seed, as seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) facts: Facts,
    pub(crate) publishers: BTreeMap<usize, PublisherRecord>,
    pub(crate) subscribers: BTreeMap<usize, SubscriberRecord>,
    pub(crate) strangers: BTreeMap<usize, StrangerRecord>,
    pub(crate) mqtt: BTreeMap<usize, MqttRecord>,
    /// Readers over HTTP and WebSocket, by their first connection.
    pub(crate) web: BTreeMap<usize, WebRecord>,
    /// Those who share what a filter brings.
    pub(crate) group: Option<GroupRecord>,
    /// What those were given who came in the end to look at what is retained: topic and payload.
    pub(crate) audits: BTreeMap<usize, Audit>,
    /// Wills that MQTT clients have left, by client.
    pub(crate) wills: BTreeMap<usize, WillRecord>,
    pub(crate) remains: Remains,
}

impl Record {
    /// Whether a message was accepted more than once.
    pub(crate) fn is_repeated(&self, publisher: usize, number: usize) -> bool {
        let publisher = self.publishers.get(&publisher);
        publisher.and_then(|one| one.messages.get(number)).is_some_and(|message| message.again > 0)
    }
}

/// What the checkers must know about the world.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Messages of a topic that one station keeps.
    pub(crate) history_messages_max: u32,
    /// Bytes of history that one subscriber is given.
    pub(crate) replay_bytes_max: usize,
    pub(crate) keeps: Keeps,
    /// Whether whatever a turn brought had room in a queue and in the memory.
    pub(crate) turns_fit: bool,
    /// Messages accepted before the wall clock was first set, if it was.
    pub(crate) first_jump: Option<u64>,
    /// Messages accepted from this one on need not have been delivered when the world ended.
    pub(crate) due_before: u64,
    /// Messages that strangers may have published.
    pub(crate) messages_of_strangers_max: u64,
    /// Whether the server has shut down in the end.
    pub(crate) drained: bool,
    /// Whether everything had the time to come to rest before that.
    pub(crate) rested: bool,
}

/// What is kept of what was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    All,
    Some,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            history_messages_max: 0,
            replay_bytes_max: usize::MAX,
            keeps: Keeps::Some,
            turns_fit: true,
            first_jump: None,
            due_before: u64::MAX,
            messages_of_strangers_max: 0,
            drained: false,
            rested: false,
        }
    }
}

/// A client that publishes; over the web one connection of it.
#[derive(Debug)]
pub(crate) struct PublisherRecord {
    pub(crate) speaks: Speaks,
    pub(crate) addr: SocketAddr,
    pub(crate) name: Option<String>,
    pub(crate) topic: String,
    pub(crate) acks: bool,
    pub(crate) messages: Vec<Message>,
    /// Whether it meant to send a message over the limit.
    pub(crate) too_long: bool,
    pub(crate) stay: Stay,
    pub(crate) received: Vec<u8>,
    /// Whether it saw its connection closed.
    pub(crate) heard_end: bool,
    /// What it asked of its server over the web.
    pub(crate) talk: Talk,
}

/// In which protocol it publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Text,
    Mqtt,
    Web,
}

/// What wants an answer on one connection, and what was answered, both in their order.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    pub(crate) requests: Vec<Request>,
    pub(crate) answers: Vec<Answer>,
}

/// Something that wants an answer.
#[derive(Debug)]
pub(crate) struct Request {
    /// The messages that are accepted with it.
    pub(crate) messages: Range<usize>,
    /// What its answer is known by, besides its place.
    pub(crate) reference: Option<u64>,
    pub(crate) fate: Fate,
}

/// What has to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    /// It is wrong; with this status, where there is one.
    Refused(Option<u16>),
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted {
        reference: Option<u64>,
        /// Of the last message.
        id: Option<String>,
        messages: u64,
    },
    Refused {
        reference: Option<u64>,
        status: Option<u16>,
        /// Messages that stood before what is wrong.
        before: Option<u64>,
    },
    /// This must not be.
    Wrong(String),
}

impl Answer {
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// One message that a publisher meant to send.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) payload: Vec<u8>,
    /// At which quality of service.
    pub(crate) qos: u8,
    /// Whether it is to be kept for who comes later; nothing of it if it is empty.
    pub(crate) retain: bool,
    /// After how many seconds it is worth nothing.
    pub(crate) expiry_s: Option<u32>,
    pub(crate) accepted: Option<Accepted>,
    /// How many more times it was accepted: at QoS 1 its publisher may have sent it again.
    pub(crate) again: u64,
}

impl Message {
    pub(crate) fn new(payload: Vec<u8>, qos: u8) -> Self {
        Self { payload, qos, retain: false, expiry_s: None, accepted: None, again: 0 }
    }
}

impl PublisherRecord {
    /// An MQTT client that has sent messages of these qualities of service to `t`, all accepted.
    #[cfg(test)]
    pub(crate) fn for_tests(sent: &[u8]) -> Self {
        let messages = (0..).zip(sent).map(|(index, qos)| {
            let accepted = Accepted { index, at_ns: 0, wall_ms: 0, station: 0, run_bytes: 0 };
            Message { accepted: Some(accepted), ..Message::new(Vec::new(), *qos) }
        });
        let messages = messages.collect();
        Self { speaks: Speaks::Mqtt, messages, ..Self::of_web(([127, 0, 0, 1], 7).into(), "t") }
    }

    /// One connection over the web, on which nothing has been said.
    pub(crate) fn of_web(addr: SocketAddr, topic: &str) -> Self {
        Self {
            speaks: Speaks::Web,
            addr,
            name: None,
            topic: topic.to_owned(),
            acks: false,
            messages: Vec::new(),
            too_long: false,
            stay: Stay::UntilQuiet,
            received: Vec::new(),
            heard_end: false,
            talk: Talk::default(),
        }
    }

    /// Whether an id is that of this message: it tells the publisher, as every other one does, then which of
    /// its messages it is, where all count and none twice.
    pub(crate) fn is_id(&self, id: &str, number: usize) -> bool {
        let source = self.talk.answers.iter().find_map(|answer| match answer {
            Answer::Accepted { id: Some(id), .. } => id.rsplit_once('-'),
            _ => None,
        });
        let parts: Option<Vec<u64>> = id.split('-').map(|part| part.parse().ok()).collect();
        parts.is_some_and(|parts| parts.len() == 5 && parts.last() == Some(&(number as u64)))
            && source.is_none_or(|(source, _)| id.rsplit_once('-').is_some_and(|(own, _)| own == source))
    }

    /// Whether any of its messages was accepted more than once.
    pub(crate) fn repeats(&self) -> bool {
        self.messages.iter().any(|message| message.again > 0)
    }
}

/// That a station was handed the whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Its place among all accepted messages of the world.
    pub(crate) index: u64,
    pub(crate) at_ns: u64,
    pub(crate) wall_ms: u64,
    /// The station that accepted it: publishers may move.
    pub(crate) station: u8,
    /// What the run that it came in cost at most.
    pub(crate) run_bytes: usize,
}

/// A client that subscribes.
#[derive(Debug)]
pub(crate) struct SubscriberRecord {
    pub(crate) filter: String,
    pub(crate) format: Format,
    pub(crate) shows_time: bool,
    pub(crate) replay: Replay,
    pub(crate) first: First,
    /// Accepted messages and the calendar when its whole hello had been read.
    pub(crate) asked: Option<Mark>,
    /// The same when its station took up its subscription: a hello without a newline settles first.
    pub(crate) began: Option<Mark>,
    /// The same when its subscription stood.
    pub(crate) stood: Option<Mark>,
    /// Whether bytes may have bound by then what is kept, so that something was forgotten early.
    pub(crate) history_cut: bool,
    pub(crate) stay: Stay,
    /// Whether it reads at once whatever comes and there is always room for it.
    pub(crate) keeps_up: bool,
    pub(crate) received: Vec<u8>,
}

/// A reader over HTTP or WebSocket, through all its connections.
#[derive(Debug, Default)]
pub(crate) struct WebRecord {
    pub(crate) filters: Vec<String>,
    /// When its first request had been read, and when it was first told that it hears.
    pub(crate) asked: Option<Mark>,
    pub(crate) stood: Option<Mark>,
    pub(crate) heard: Vec<WebHeard>,
    /// Messages that it was told it lost.
    pub(crate) lost: u64,
    /// How often it was told that something is not kept any more.
    pub(crate) missed: u64,
    pub(crate) breaks: u64,
    /// Whether it keeps its first connection.
    pub(crate) stays: bool,
    /// Whether it did not hear when the server began to shut down, so that it is owed nothing.
    pub(crate) is_absent: bool,
    pub(crate) wrong: Vec<String>,
}

/// A message that it heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebHeard {
    pub(crate) publisher: usize,
    pub(crate) number: usize,
    pub(crate) id: String,
}

/// A point in the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Messages accepted before it.
    pub(crate) index: u64,
    pub(crate) wall_ms: u64,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    From,
    FromTopic,
    Tuple,
    TupleTopic,
    Json,
}

/// What was asked of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replay {
    None,
    Last(u64),
    SinceMs(u64),
}

impl Replay {
    /// Whether a message is older than what was asked for when the question was taken up.
    pub(crate) fn is_too_old(self, began: Mark, one: &Accepted) -> bool {
        matches!(self, Self::SinceMs(span_ms) if one.wall_ms < began.wall_ms.saturating_sub(span_ms))
    }
}

/// Who spoke first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Client,
    Server,
}

/// How long a client was there and listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Until everything was quiet, and it read everything.
    UntilQuiet,
    /// Until the server had drained, and it read everything.
    UntilDrained,
    /// It left, was closed or stopped reading at some time.
    Left,
}

/// An MQTT client, over all its connections.
#[derive(Debug)]
pub(crate) struct MqttRecord {
    /// What it subscribes to, and at which quality of service.
    pub(crate) subscribes: Option<(String, u8)>,
    /// When its station was handed its SUBSCRIBE.
    pub(crate) asked: Option<Mark>,
    /// When it had heard that its subscription stands.
    pub(crate) stood: Option<Mark>,
    pub(crate) stay: Stay,
    /// Whether it reads at once whatever comes, acknowledges nothing and there is always room.
    pub(crate) keeps_up: bool,
    /// Connections that it lost or gave up.
    pub(crate) breaks: u64,
    /// Messages that its server says it did not get.
    pub(crate) lost: u64,
    pub(crate) heard: Vec<MqttHeard>,
    /// What it saw that must not be: which checker, and what.
    pub(crate) wrong: Vec<(&'static str, String)>,
}

/// A shared subscription.
#[derive(Debug, Default)]
pub(crate) struct GroupRecord {
    pub(crate) filter: String,
    pub(crate) qos: u8,
    /// Whether all of them stay where they are.
    pub(crate) is_calm: bool,
    /// The first one stays to the end, on one connection.
    pub(crate) members: Vec<usize>,
    /// Messages that had not been given to anyone in the end.
    pub(crate) waiting: u64,
    /// Whether messages were still on their way to members until then.
    pub(crate) moves: bool,
    /// Whether a connection that its member gave up may have a session, and what it does not acknowledge.
    pub(crate) unsure: bool,
}

impl GroupRecord {
    /// What its members subscribe to.
    pub(crate) fn shared_filter(&self) -> String {
        format!("$share/g/{}", self.filter)
    }
}

/// What is retained, as one client was given it.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) filter: String,
    /// Whether it has heard that its subscription stands.
    pub(crate) stood: bool,
    pub(crate) found: BTreeMap<String, Vec<u8>>,
}

/// What is to become of a client's will, which is retained.
#[derive(Debug, Default)]
pub(crate) struct WillRecord {
    pub(crate) topic: String,
    /// The last one that was to be published.
    pub(crate) expected: Option<Vec<u8>>,
    /// Whether that is not known: a connection broke before it was taken on.
    pub(crate) unsure: bool,
    /// How many there were at most.
    pub(crate) left: u64,
}

/// A message as an MQTT client was given it: at QoS 2 not again under an id that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MqttHeard {
    pub(crate) publisher: usize,
    pub(crate) number: usize,
    pub(crate) qos: u8,
    pub(crate) dup: bool,
}

/// A client that speaks no hello, or none that is accepted.
#[derive(Debug)]
pub(crate) struct StrangerRecord {
    /// How what it gets must end, and that it is closed then; `None` if anything may happen.
    pub(crate) expected: Option<String>,
    /// When its station had read its role and was to ask for a topic.
    pub(crate) asked_topic_ns: Option<u64>,
    pub(crate) received: Vec<u8>,
    pub(crate) heard_end: bool,
}

impl StrangerRecord {
    pub(crate) fn new(expected: Option<String>) -> Self {
        Self { expected, asked_topic_ns: None, received: Vec::new(), heard_end: false }
    }
}

/// What is left when everyone has gone.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Sessions, filters, trie nodes and brakes of each station.
    pub(crate) stations: Vec<[usize; 4]>,
    pub(crate) history_bytes: usize,
    /// What is retained costs so much.
    pub(crate) retained_bytes: usize,
    /// Messages that the stations say they accepted.
    pub(crate) counted: u64,
    /// Messages that they say they gave to connections, and dropped.
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
    /// Messages that they say they did not let in.
    pub(crate) refused: Refused<MessageRefusal>,
    /// Endings for a message that was too long; of who breaks the rules it may have been something else.
    pub(crate) too_long: u64,
    pub(crate) too_long_of_strangers: u64,
    /// Endings for want of memory.
    pub(crate) out_of_memory: u64,
    /// Messages that an operator was shown, or told of in number.
    pub(crate) shown: u64,
    /// Subscriptions that the stations say stand.
    pub(crate) subscriptions: u64,
    /// Connections that there were, endings that an operator was told of, and those still listed.
    pub(crate) connections: u64,
    pub(crate) closings: u64,
    pub(crate) rows: usize,
    pub(crate) gauge_bytes: usize,
    /// The account once the stations themselves have gone.
    pub(crate) gauge_bytes_after: usize,
}
