//! Conversations as text: what clients send, when, and every byte that they get.
//!
//! The files in `transcripts/` are the tests; to add one, copy one. A transcript begins with
//! `== what it shows` and goes on with a line for each thing that happens:
//!
//! | line | |
//! |---|---|
//! | `alice connects` | from now on there is a client of that name, the first on port 40000 |
//! | `alice > PUB news\n` | it sends this, and the server reads it at once, by itself |
//! | `alice >> PUB` | the same, and the read fills its buffer |
//! | `alice < OK\n` | since it was last looked at it has got this and nothing else |
//! | `alice <` | … nothing |
//! | `alice closes` | it closes its sending half |
//! | `alice breaks` | its socket is gone |
//! | `alice is closed`, `alice is open` | whether the server has closed its socket |
//! | `alice stops reading`, `alice reads` | |
//! | `alice sends PINGREQ` | an MQTT packet, in the words of `packets` |
//! | `alice gets PINGRESP` | the next packet that it has got; with ` …` behind it, it begins so |
//! | `alice gets nothing` | … no packet besides those |
//! | `ann asks POST /t/a ; accept: */* : text` | a request, in the words of `web_words` |
//! | `ann gets 200 …` | the next answer to one |
//! | `ann hears text` | all that a stream or a WebSocket brings since it was last looked at |
//! | `ann upgrades /ws` | the handshake of a WebSocket, and its answer; `sends` and `gets` of MQTT are in frames then |
//! | `ann says {}` | a text message over it; `ann says <ping x>`, `<binary x>`, `<close>` |
//! | `wait 250ms` | time passes, in ms or s |
//! | `topic prompt` | first of all: the listener asks for topics |
//! | `mqtt only`, `http only` | first of all: the listener speaks nothing else |
//! | `limit message_bytes_max 10` | first of all: a bound is made small |
//! | `origins https://a.example`, `hosts a.example` | first of all: who may ask from a browser |
//! | `broker tells $SYS/a text` | the broker publishes that itself |
//! | `broker refused messages too_large 1` | what an operator sees of all refused messages so far, or `subscriptions`; `nothing` if there are none |
//! | `shutdown` | the server shuts down |
//! | `# …` | says why |
//! | `#= MQTT5-3.1.0-2` | the statement of a standard that it shows |
//!
//! `\n`, `\r`, `\t`, `\\` and `\xff` in bytes are what they are in Rust. At the end everybody's
//! socket breaks, and nothing may be left in the core or in the account.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker::{ConnId, Gauge, Reason, Refused};
use wire::mqtt::Version;
use wire::websocket::Opcode;

use crate::limits::Limits;
use crate::packets;
use crate::stage::{Peer, Stage};
use crate::web_words;
use crate::{ReadEnd, Rules, Spoken, TopicPrompt, WebAccess};

/// One transcript under way.
struct Play {
    limits: Limits,
    spoken: Spoken,
    topic_prompt: TopicPrompt,
    access: WebAccess,
    gauge: Gauge,
    /// Set up with the first line that needs it.
    stage: Option<Stage>,
    /// Everyone who has connected, and how much of what each got was looked at.
    clients: BTreeMap<String, (ConnId, usize)>,
    /// Those who speak MQTT.
    versions: BTreeMap<String, Version>,
    /// Those who speak HTTP, and whether it is frames by now.
    web: BTreeMap<String, Web>,
}

/// What was refused, with the reasons that there were.
fn in_words<R: Reason>(refused: &Refused<R>) -> String {
    let counted = refused.by_reason().filter(|(_, count)| *count > 0);
    let words: Vec<String> = counted.map(|(reason, count)| format!("{reason} {count}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// How a client of the web speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Web {
    Requests,
    Frames,
}

impl Play {
    fn new() -> Self {
        Self {
            limits: Limits::default(),
            spoken: Spoken::AnyProtocol,
            topic_prompt: TopicPrompt::Off,
            access: WebAccess::default(),
            gauge: Gauge::new(),
            stage: None,
            clients: BTreeMap::new(),
            versions: BTreeMap::new(),
            web: BTreeMap::new(),
        }
    }

    fn stage(&mut self) -> &mut Stage {
        let Self { stage, limits, spoken, topic_prompt, access, gauge, .. } = self;
        stage.get_or_insert_with(|| {
            let limits = Arc::new(limits.clone());
            let rules = Rules { limits, spoken: *spoken, topic_prompt: *topic_prompt };
            Stage::with_access(rules, access.clone(), gauge)
        })
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        match line {
            "mqtt only" => self.spoken = Spoken::Mqtt,
            "http only" => self.spoken = Spoken::Http,
            "topic prompt" => self.topic_prompt = TopicPrompt::On,
            "shutdown" => self.stage().drain(),
            _ => {
                let (first, rest) = line.split_once(' ').ok_or("no such line")?;
                match first {
                    "wait" => self.stage().pass(time(rest)?),
                    "limit" => self.limit(rest)?,
                    "origins" => self.access.origins.push(rest.to_owned()),
                    "hosts" => self.access.hosts.push(rest.to_owned()),
                    "broker" => self.broker(rest)?,
                    name => self.client(name, rest)?,
                }
            }
        }
        Ok(())
    }

    fn broker(&mut self, line: &str) -> Result<(), String> {
        let (verb, rest) = line.split_once(' ').ok_or("it does something")?;
        let (what, text) = rest.split_once(' ').ok_or("it does that with two things")?;
        if verb == "tells" {
            self.stage().tell(what, text);
            return Ok(());
        }
        let stats = self.stage().station.shard().stats();
        let refused = match (verb, what) {
            ("refused", "messages") => in_words(&stats.refused),
            ("refused", "subscriptions") => in_words(&stats.refused_subscriptions),
            _ => return Err("no such line".to_owned()),
        };
        if refused == text { Ok(()) } else { Err(format!("it refused {what} {refused}")) }
    }

    fn limit(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.split_once(' ').ok_or("a limit has a value")?;
        let value: usize = value.parse().map_err(|_| "a limit is a number")?;
        match name {
            "message_bytes_max" => self.limits.message_bytes_max = value,
            "hello_bytes_max" => self.limits.hello_bytes_max = value,
            "queue_bytes_max" => self.limits.core.queue_bytes_max = value,
            "brake_bytes" => self.limits.core.brake_bytes = value,
            "unfinished_bytes_free" => self.limits.unfinished_bytes_free = value,
            "unfinished_bytes_max" => self.limits.unfinished_bytes_max = value,
            "half_closed_max" => self.limits.half_closed_max = value,
            "replies_bytes_max" => self.limits.replies_bytes_max = value,
            "write_bytes" => self.limits.write_bytes = value,
            "client_id_bytes_max" => self.limits.client_id_bytes_max = value,
            "sessions_max" => self.limits.sessions_max = value,
            "subscriptions_max" => self.limits.subscriptions_max = value,
            "inflight_max" => self.limits.inflight_max = value,
            "connect_bytes_max" => self.limits.connect_bytes_max = value,
            "receive_max" => self.limits.receive_max = u16::try_from(value).map_err(|_| "too many")?,
            "topic_alias_max" => {
                self.limits.topic_alias_max = u16::try_from(value).map_err(|_| "too many")?
            }
            "retained_max" => self.limits.core.retained_max = value,
            "head_bytes_max" => self.limits.head_bytes_max = value,
            "http_filters_max" => self.limits.http_filters_max = value,
            "ws_subscriptions_max" => self.limits.ws_subscriptions_max = value,
            "history_messages_max" => {
                self.limits.core.history_messages_max = u32::try_from(value).map_err(|_| "too many")?;
            }
            "filter_bytes_max" => self.limits.core.filter_bytes_max = value,
            _ => return Err(format!("{name} is not known here")),
        }
        Ok(())
    }

    fn client(&mut self, name: &str, does: &str) -> Result<(), String> {
        if does == "connects" {
            let slot = u32::try_from(self.clients.len()).unwrap();
            let conn = ConnId { slot, generation: 0 };
            self.stage().connect(conn);
            self.clients.insert(name.to_owned(), (conn, 0));
            return Ok(());
        }
        let (conn, looked_at) = *self.clients.get(name).ok_or_else(|| format!("{name} has not connected"))?;
        let (verb, object) = does.split_once(' ').unwrap_or((does, ""));
        if let Some(version) = packets::version_of(object) {
            self.versions.insert(name.to_owned(), version);
        }
        let version = self.versions.get(name).copied().unwrap_or(Version::V5);
        let begins_request = |method: &&str| object.starts_with(method) && object.contains(" HTTP/1.");
        if ["GET ", "POST ", "PUT "].iter().any(begins_request) {
            self.web.entry(name.to_owned()).or_insert(Web::Requests);
        }
        let web = self.web.get(name).copied();
        if let Some(done) = self.web_client(name, (conn, looked_at), (verb, object), web) {
            return done;
        }
        let stage = self.stage();
        match (verb, object) {
            (">", bytes) => stage.send(conn, &unescaped(bytes)?, ReadEnd::Drained),
            (">>", bytes) => stage.send(conn, &unescaped(bytes)?, ReadEnd::More),
            ("closes", "") => stage.send(conn, b"", ReadEnd::Closed),
            ("breaks", "") => {
                stage.close(conn);
                stage.pass(Duration::ZERO);
            }
            ("stops", "reading") => stage.set_peer(conn, Peer::Stuck),
            ("reads", "") => stage.set_peer(conn, Peer::Reads),
            ("is", "closed") if !stage.is_open(conn) => {}
            ("is", "open") if stage.is_open(conn) => {}
            ("is", "closed" | "open") => return Err("it is not".to_owned()),
            ("sends", packet) => stage.send(conn, &packets::packet(version, packet)?, ReadEnd::Drained),
            ("gets", expected) => {
                let received = stage.received.get(&conn).ok_or("it has no socket")?;
                let new = received.get(looked_at..).unwrap_or_default();
                if new.is_empty() && expected == "nothing" {
                    return Ok(());
                }
                let (packet, bytes) = packets::first(version, new)?;
                let is_meant = match expected.strip_suffix(" …") {
                    Some(beginning) => packet.starts_with(beginning),
                    None => packet == expected,
                };
                if !is_meant {
                    return Err(format!("{name} has got: {packet}"));
                }
                self.clients.insert(name.to_owned(), (conn, looked_at + bytes));
            }
            ("<", expected) => {
                let received = stage.received.get(&conn).ok_or("it has no socket")?;
                let new = received.get(looked_at..).unwrap_or_default();
                let all = received.len();
                if new != unescaped(expected)? {
                    return Err(format!("{name} has got: {}", escaped(new)));
                }
                self.clients.insert(name.to_owned(), (conn, all));
            }
            _ => return Err("no such line".to_owned()),
        }
        Ok(())
    }

    /// What only clients of the web do; `None` if it is something else.
    fn web_client(
        &mut self,
        name: &str,
        (conn, looked_at): (ConnId, usize),
        (verb, object): (&str, &str),
        web: Option<Web>,
    ) -> Option<Result<(), String>> {
        let version = self.versions.get(name).copied().unwrap_or(Version::V5);
        let bytes = match (verb, web) {
            ("asks", _) => web_words::request(object),
            ("upgrades", _) => Ok(web_words::handshake(object)),
            ("says", _) => said(object),
            ("sends", Some(Web::Frames)) => {
                packets::packet(version, object).map(|bytes| web_words::frame(Opcode::Binary, &bytes))
            }
            ("gets" | "hears", Some(web)) => {
                let new = self.stage().received.get(&conn)?.get(looked_at..).unwrap_or_default().to_vec();
                return Some(self.web_hears(name, (conn, looked_at), (verb, object), (web, &new)));
            }
            _ => return None,
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => return Some(Err(why)),
        };
        self.stage().send(conn, &bytes, ReadEnd::Drained);
        let web = if verb == "asks" { Web::Requests } else { Web::Frames };
        if verb != "upgrades" {
            self.web.insert(name.to_owned(), web);
            return Some(Ok(()));
        }
        self.web.insert(name.to_owned(), Web::Requests);
        let answered =
            self.web_client(name, (conn, looked_at), ("gets", "101 connection=upgrade"), Some(web));
        self.web.insert(name.to_owned(), Web::Frames);
        answered
    }

    fn web_hears(
        &mut self,
        name: &str,
        (conn, looked_at): (ConnId, usize),
        (verb, expected): (&str, &str),
        (web, new): (Web, &[u8]),
    ) -> Result<(), String> {
        if new.is_empty() && expected == "nothing" {
            return Ok(());
        }
        let is_answer = verb == "gets" && expected.starts_with(|first: char| first.is_ascii_digit());
        let (got, bytes) = match web {
            _ if is_answer => web_words::answer(new)?,
            Web::Requests => (web_words::chunks(new)?, new.len()),
            Web::Frames if verb == "hears" => (web_words::shown(&web_words::frames(new)?), new.len()),
            Web::Frames => {
                let version = self.versions.get(name).copied().unwrap_or(Version::V5);
                let payloads: Vec<u8> =
                    web_words::frames(new)?.into_iter().flat_map(|(_, _, payload)| payload).collect();
                let (packet, bytes) = packets::first(version, &payloads)?;
                if bytes != payloads.len() {
                    return Err(format!("{name} has got more than {packet}"));
                }
                (packet, new.len())
            }
        };
        let is_meant = match expected.strip_suffix(" …") {
            Some(beginning) if verb == "hears" => got.as_bytes().starts_with(&unescaped(beginning)?),
            Some(beginning) => got.starts_with(beginning),
            None if verb == "hears" => got.as_bytes() == unescaped(expected)?,
            None => got == expected,
        };
        if !is_meant {
            return Err(format!("{name} has got: {}", escaped(got.as_bytes())));
        }
        self.clients.insert(name.to_owned(), (conn, looked_at + bytes));
        Ok(())
    }

    /// Everybody goes.
    fn end(mut self) -> Result<(), String> {
        let plain = |name: &String| !self.web.contains_key(name);
        for name in self.versions.clone().into_keys().filter(plain).collect::<Vec<_>>() {
            self.client(&name, "gets nothing")?;
        }
        let conns: Vec<ConnId> = self.clients.values().map(|(conn, _)| *conn).collect();
        let stage = self.stage();
        conns.into_iter().for_each(|conn| stage.close(conn));
        // Nobody's session outlives this.
        stage.pass(Duration::from_secs(120));
        stage.pass(Limits::default().session_time_max);
        let leftovers = stage.station.shard().leftovers();
        if leftovers != [0; 4] || stage.station.poll_timeout().is_some() {
            return Err(format!("somebody is still there when everyone has gone: {leftovers:?}"));
        }
        self.stage = None;
        match self.gauge.used() {
            0 => Ok(()),
            left => Err(format!("{left} bytes are still charged")),
        }
    }
}

/// A message over WebSocket.
fn said(text: &str) -> Result<Vec<u8>, String> {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let Some((what, payload)) = inner.map(|inner| inner.split_once(' ').unwrap_or((inner, ""))) else {
        return Ok(web_words::frame(Opcode::Text, &unescaped(text)?));
    };
    let opcode = match what {
        "ping" => Opcode::Ping,
        "binary" => Opcode::Binary,
        "close" => Opcode::Close,
        _ => return Err(format!("{what} is no frame")),
    };
    Ok(web_words::frame(opcode, &unescaped(payload)?))
}

fn time(text: &str) -> Result<Duration, String> {
    let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.parse().ok(),
        (None, Some(seconds)) => seconds.parse::<u64>().ok().map(|seconds| seconds * 1000),
        (None, None) => None,
    };
    millis.map(Duration::from_millis).ok_or_else(|| format!("{text} is no time"))
}

fn escaped(bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|byte| match byte {
        b'"' | b'\'' => char::from(*byte).to_string(),
        _ => byte.escape_ascii().to_string(),
    });
    escaped.collect()
}

fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, behind)) = rest.split_first() {
        let (meant, behind) = match (byte, behind) {
            (b'\\', [b'n', behind @ ..]) => (b'\n', behind),
            (b'\\', [b'r', behind @ ..]) => (b'\r', behind),
            (b'\\', [b't', behind @ ..]) => (b'\t', behind),
            (b'\\', [b'\\', behind @ ..]) => (b'\\', behind),
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).map_err(|_| "bad digits")?;
                (u8::from_str_radix(digits, 16).map_err(|_| "bad digits")?, behind)
            }
            (b'\\', _) => return Err("no such escape".to_owned()),
            _ => (*byte, behind),
        };
        bytes.push(meant);
        rest = behind;
    }
    Ok(bytes)
}

/// Plays all transcripts of a file; says what went wrong first in each, with its line.
fn play(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("transcripts can be read");
    let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(index, line)| (index + 1, line)).collect();
    let transcripts = lines.split(|(_, line)| line.starts_with("== ")).skip(1);
    let wrong = transcripts.filter_map(|lines| {
        let mut play = Play::new();
        let says = |(_, line): &&(usize, &str)| !line.is_empty() && !line.starts_with('#');
        for (number, line) in lines.iter().filter(says) {
            if let Err(why) = play.line(line) {
                return Some(format!("{}:{number}: {why}", file.display()));
            }
        }
        let (last, _) = lines.last()?;
        play.end().err().map(|why| format!("{}:{last}: {why}", file.display()))
    });
    wrong.collect()
}

#[test]
fn transcripts_are_what_happens() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files = std::fs::read_dir(folder).expect("there are transcripts");
    let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    let wrong: Vec<String> = files.iter().flat_map(|file| play(file)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A chunk of very many runs is taken in parts, and the end of reading stands behind the last of them.
#[test]
fn what_was_sent_before_a_client_closed_is_published() {
    let mut play = Play::new();
    for line in [
        "ann connects",
        "ann sends CONNECT 3.1.1 ann clean",
        "ann gets CONNACK 0x00",
        "ann sends SUBSCRIBE #1 ; last",
        "ann gets SUBACK #1 0x00",
        "bob connects",
        "bob sends CONNECT 3.1.1 bob clean",
    ] {
        assert_eq!(play.line(line), Ok(()), "{line}");
    }
    let topics = (0..3000).map(|number| format!("topic/{number}")).chain(["last".to_owned()]);
    let packets =
        topics.map(|topic| packets::packet(Version::V311, &format!("PUBLISH {topic} : x")).unwrap());
    let (bob, _) = *play.clients.get("bob").unwrap();
    let chunk: Vec<u8> = packets.flatten().collect();
    play.stage().send(bob, &chunk, ReadEnd::Closed);
    assert_eq!(play.line("ann gets PUBLISH last : x"), Ok(()));
    assert_eq!(play.line("bob is closed"), Ok(()));
}

/// A transcript that is wrong is not played as if it were right.
#[test]
fn mistakes_are_found() {
    let mut play = Play::new();
    assert_eq!(play.line("alice connects"), Ok(()));
    for (line, why) in [
        ("bob > x", "bob has not connected"),
        ("alice < OK\\n", "alice has got: "),
        ("alice is closed", "it is not"),
        ("alice sings", "no such line"),
        ("alice > \\y", "no such escape"),
        ("wait 3h", "3h is no time"),
    ] {
        assert_eq!(play.line(line), Err(why.to_owned()));
    }
    assert_eq!(play.line("alice > HELLO\\n"), Ok(()));
    assert!(play.line("alice < ").is_err(), "it was refused");
}
