//! Lines for the operator: console or log, text or JSON, never in the way of a shard.
//!
//! Shards hand events to a bounded channel and go on; one thread prints. What finds no place
//! is counted, and the count is printed. An output that fails (full disk, closed pipe) costs
//! its lines and nothing else.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use frontend::{CloseReason, Event};
use serde_json::{Map, Value, json};
use wire::printable::{Label, Printable, is_control};

use crate::config::LogFormat;
use crate::listener::Loads;

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

/// One line to be.
#[derive(Debug)]
pub(crate) enum Note {
    Event(Event),
    Line(Level, String),
    /// An answer to a command that was typed: shown as it is.
    Answer(String),
    /// Says when everything before it is printed.
    Flush(std::sync::mpsc::Sender<()>),
}

/// Where shards and the control thread put their events.
#[derive(Debug, Clone)]
pub(crate) struct EventSink {
    notes: SyncSender<(jiff::Timestamp, Note)>,
    dropped: Arc<AtomicU64>,
}

impl EventSink {
    /// A sink for at most `notes_max` waiting notes, and its other end.
    pub(crate) fn new(notes_max: usize) -> (Self, Notes) {
        let (sender, receiver) = sync_channel(notes_max);
        let dropped = Arc::new(AtomicU64::new(0));
        (Self { notes: sender, dropped: Arc::clone(&dropped) }, Notes { receiver, dropped })
    }

    /// Hands events over; drops and counts what finds no place.
    pub(crate) fn send(&self, events: Vec<Event>) {
        for event in events {
            self.note(Note::Event(event));
        }
    }

    pub(crate) fn line(&self, level: Level, text: impl Into<String>) {
        self.note(Note::Line(level, text.into()));
    }

    pub(crate) fn note(&self, note: Note) {
        if let Err(TrySendError::Full(_)) = self.notes.try_send((jiff::Timestamp::now(), note)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The other end of an [`EventSink`].
#[derive(Debug)]
pub(crate) struct Notes {
    receiver: Receiver<(jiff::Timestamp, Note)>,
    dropped: Arc<AtomicU64>,
}

/// The format in use; SIGHUP may change it.
#[derive(Debug, Clone)]
pub(crate) struct SharedFormat(Arc<AtomicU8>);

impl SharedFormat {
    pub(crate) fn new(format: LogFormat) -> Self {
        let shared = Self(Arc::default());
        shared.set(format);
        shared
    }

    pub(crate) fn set(&self, format: LogFormat) {
        self.0.store(u8::from(format == LogFormat::Json), Ordering::Relaxed);
    }

    fn is_json(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

/// Where lines go.
pub(crate) enum Screen {
    /// A terminal on which someone may be typing.
    Console(Box<dyn rustyline::ExternalPrinter + Send>),
    /// Standard error, with time and level.
    Log(SharedFormat),
}

/// Prints until every sink is gone. How many are online is read when a line is printed.
pub(crate) fn print(notes: &Notes, mut output: Screen, loads: &Loads) {
    while let Ok((time, note)) = notes.receiver.recv() {
        let online = loads.connections();
        let dropped = notes.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let text = format!("{dropped} lines were not shown: the output was too slow");
            write(&mut output, time, &Note::Line(Level::Warn, text), online);
        }
        match note {
            Note::Flush(done) => {
                done.send(()).ok();
            }
            note => write(&mut output, time, &note, online),
        }
    }
}

fn write(output: &mut Screen, time: jiff::Timestamp, note: &Note, online: usize) {
    // A line that cannot be written is lost: there is nowhere to say so.
    match output {
        Screen::Console(printer) => drop(printer.print(format!("{}\n", describe(note, online)))),
        Screen::Log(format) => {
            let line =
                if format.is_json() { json_line(time, note, online) } else { text_line(time, note, online) };
            drop(std::io::stderr().lock().write_all(line.as_bytes()));
        }
    }
}

fn text_line(time: jiff::Timestamp, note: &Note, online: usize) -> String {
    let level = match level(note) {
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    };
    format!("{time:.3} {level} {}\n", describe(note, online))
}

fn json_line(time: jiff::Timestamp, note: &Note, online: usize) -> String {
    let mut object = Map::new();
    object.insert("time".into(), json!(format!("{time:.3}")));
    object.insert("level".into(), json!(format!("{:?}", level(note)).to_lowercase()));
    if let Note::Event(event) = note {
        fields(event, online, &mut object);
    }
    object.insert("message".into(), json!(describe(note, online)));
    // serde_json leaves DEL, C1 and bidirectional controls as they are; a log may be looked at in
    // a terminal. Controls stand only inside strings, where an escape means the same.
    let mut line = String::new();
    for c in Value::Object(object).to_string().chars() {
        match c {
            c if is_control(c) => {
                line.extend(c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")))
            }
            c => line.push(c),
        }
    }
    line.push('\n');
    line
}

fn level(note: &Note) -> Level {
    match note {
        Note::Line(level, _) => *level,
        Note::Event(Event::Closing { reason, .. }) => match reason {
            CloseReason::Gone
            | CloseReason::HistoryRead
            | CloseReason::Terminated
            | CloseReason::Shutdown => Level::Info,
            _ => Level::Warn,
        },
        _ => Level::Info,
    }
}

/// The note as a person reads it: one line without control characters.
fn describe(note: &Note, online: usize) -> String {
    match note {
        Note::Line(_, text) => Printable::new(text.as_bytes(), usize::MAX).to_string(),
        Note::Answer(text) => text.clone(),
        Note::Flush(_) => String::new(),
        Note::Event(event) => describe_event(event, online),
    }
}

fn describe_event(event: &Event, online: usize) -> String {
    match event {
        Event::Connected { addr } => format!("Client connected: {addr} ({online} online)"),
        Event::Publisher { id, addr, name, topic } => {
            format!("[{}{addr}] Role: PUBLISHER, topic {}, id {id}", at(name), safe(topic.as_str()))
        }
        Event::Subscriber { id, addr, name, filter, others } => {
            let others = if *others == 0 { String::new() } else { format!(" and {others} more") };
            format!("[{}{addr}] Role: SUBSCRIBER, topic {}{others}, id {id}", at(name), safe(filter.as_str()))
        }
        Event::Client { id, addr, name, resumed } => {
            let session = if *resumed { "session resumed" } else { "new session" };
            format!("[{}@{addr}] MQTT, {session}, id {id}", safe(name))
        }
        Event::Published { addr, name, topic, payload } => {
            let topic = match topic.as_str() {
                "broadcast" => String::new(),
                topic => format!("{} | ", safe(topic)),
            };
            let text = Printable::new(payload, usize::MAX);
            format!("[{topic}PUBLISHER {}{addr}]: {text}", at(name))
        }
        Event::NotShown(count) => format!("({count} more messages, not shown)"),
        Event::Closing { id, addr, reason } => {
            format!("Client disconnected: {addr}, id {id}: {}", describe_reason(reason))
        }
    }
}

fn describe_reason(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Gone => "closed by the client".to_owned(),
        CloseReason::Untaken => "took nothing for too long, or its machine does not answer".to_owned(),
        CloseReason::HistoryRead => "heard the history that it asked for".to_owned(),
        CloseReason::Terminated => "said terminate".to_owned(),
        CloseReason::Refused(line) => format!("refused: {}", Printable::new(line.as_bytes(), usize::MAX)),
        CloseReason::Silent => "gave no role".to_owned(),
        CloseReason::TooLong => "message over the limit".to_owned(),
        CloseReason::OutOfMemory => "no memory left for its message".to_owned(),
        CloseReason::Foreign(protocol) => {
            format!("refused: its first bytes begin {}, which is not supported yet", protocol.name())
        }
        CloseReason::Violation(violation) => {
            format!(
                "refused: {} (0x{:02x})",
                Printable::new(violation.what.as_bytes(), usize::MAX),
                violation.code
            )
        }
        CloseReason::BadFrame { code, detail } => {
            format!("refused: {code} {}", Printable::new(detail.as_bytes(), 200))
        }
        CloseReason::BadRequest { status, detail } => {
            format!("refused: {status} {}", Printable::new(detail.as_bytes(), 200))
        }
        CloseReason::TakenOver => "another connection has its client id".to_owned(),
        CloseReason::Kicked => "kicked".to_owned(),
        CloseReason::Shutdown => "server shuts down".to_owned(),
    }
}

fn fields(event: &Event, online: usize, object: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    match event {
        Event::Connected { addr } => {
            put("event", json!("connected"));
            put("addr", json!(addr));
            put("online", json!(online));
        }
        Event::Publisher { id, addr, name, topic } => {
            put("event", json!("publisher"));
            put("id", json!(id.to_string()));
            put("addr", json!(addr));
            put("name", json!(name));
            put("topic", json!(topic.as_str()));
        }
        Event::Subscriber { id, addr, name, filter, others } => {
            put("event", json!("subscriber"));
            put("id", json!(id.to_string()));
            put("addr", json!(addr));
            put("name", json!(name));
            put("topic", json!(filter.as_str()));
            put("other_topics", json!(others));
        }
        Event::Client { id, addr, name, resumed } => {
            put("event", json!("client"));
            put("id", json!(id.to_string()));
            put("addr", json!(addr));
            put("name", json!(name));
            put("resumed", json!(resumed));
        }
        Event::Published { addr, name, topic, payload } => {
            put("event", json!("published"));
            put("addr", json!(addr));
            put("name", json!(name));
            put("topic", json!(topic.as_str()));
            put("payload", json!(String::from_utf8_lossy(payload)));
        }
        Event::NotShown(count) => {
            put("event", json!("not_shown"));
            put("count", json!(count));
        }
        Event::Closing { id, addr, reason } => {
            put("event", json!("disconnected"));
            put("id", json!(id.to_string()));
            put("addr", json!(addr));
            put("reason", json!(describe_reason(reason)));
        }
    }
}

fn at(name: &Option<Box<str>>) -> String {
    name.as_deref().map_or_else(String::new, |name| format!("{}@", safe(name)))
}

fn safe(text: &str) -> Label<'_> {
    Label(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::{ConnId, Origin, ShardId};
    use proptest::prelude::*;
    use topic::{Filter, TopicName};

    fn events(name: &str, topic: &str, payload: &[u8]) -> Vec<Event> {
        let id = Origin { shard: ShardId(0), conn: ConnId { slot: 1, generation: 2 } };
        let addr = "127.0.0.1:50123".parse().unwrap();
        let name: Option<Box<str>> = Some(name.into());
        let refused = String::from_utf8_lossy(payload).into_owned();
        let mut events = vec![
            Event::Connected { addr },
            Event::NotShown(7),
            Event::Closing { id, addr, reason: CloseReason::Refused(refused) },
        ];
        if let Ok(topic) = TopicName::parse(topic) {
            let payload = payload.to_vec().into();
            events.push(Event::Publisher { id, addr, name: name.clone(), topic: topic.clone() });
            events.push(Event::Published { addr, name: name.clone(), topic, payload });
        }
        if let Ok(filter) = Filter::parse(topic) {
            events.push(Event::Subscriber { id, addr, name, filter, others: 2 });
        }
        events
    }

    fn hostile_text() -> impl Strategy<Value = String> {
        "(\\PC|[\\x00-\\x1f\\x7f-\\x9f\u{202a}-\u{202e}\u{2066}-\u{2069}\\]|'@ ]){1,12}"
    }

    proptest! {
        /// Whatever a client says, it makes one line of a log or console, without a control character.
        #[test]
        fn one_event_is_one_line(
            name in hostile_text(),
            topic in hostile_text(),
            payload in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let time = jiff::Timestamp::UNIX_EPOCH;
            for event in events(&name, &topic, &payload) {
                let note = Note::Event(event);
                for line in [text_line(time, &note, 3), json_line(time, &note, 3)] {
                    let body = line.strip_suffix('\n').expect("a line ends");
                    prop_assert!(!body.chars().any(is_control), "{:?}", body);
                }
                let json: Value = serde_json::from_str(&json_line(time, &note, 3)).unwrap();
                prop_assert!(json.get("message").is_some());
            }
        }
    }

    #[test]
    fn golden_lines() {
        let lines: Vec<String> = events("eve", "a|b", b"x\x1b[2J\ny")
            .into_iter()
            .map(|event| describe(&Note::Event(event), 3))
            .collect();
        assert_eq!(
            lines,
            [
                "Client connected: 127.0.0.1:50123 (3 online)",
                "(7 more messages, not shown)",
                "Client disconnected: 127.0.0.1:50123, id 0-1-2: refused: x\\x1b[2J\\ny",
                "[eve@127.0.0.1:50123] Role: PUBLISHER, topic a\\x7cb, id 0-1-2",
                "[a\\x7cb | PUBLISHER eve@127.0.0.1:50123]: x\\x1b[2J\\ny",
                "[eve@127.0.0.1:50123] Role: SUBSCRIBER, topic a\\x7cb and 2 more, id 0-1-2",
            ]
        );
    }
}
