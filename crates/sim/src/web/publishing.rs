//! What clients of the web publish: in requests and in frames, alone, pipelined and several at once, in
//! bodies cut anywhere; and what is to be refused.

use crate::client::{Meaning, Step, Unit, words};
use crate::limits::{MS, Swarm};
use crate::net::Cut;
use crate::record::{Fate, Message, PublisherRecord, Request};
use crate::rng::Rng;
use crate::web::{Speaks, parse};
use crate::world::World;

/// Steps that may wait in front of one more.
const STEPS_MAX: usize = 4;
/// Requests that are written at once, at most.
const PIPELINED_MAX: usize = 12;
/// Messages of one request, at most: more than one call publishes.
const LINES_MAX: usize = 60;
/// What a line or a frame has around its payload, at most, and how much longer the payload becomes.
const AROUND_BYTES_MAX: usize = 110;
const JSON_FACTOR: usize = 3;
/// The number in the payload of what is to be refused: no message has it, so nobody may hear it.
const NO_NUMBER: usize = 1_000_000;

/// What a client has to publish.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) topic: String,
    /// Messages that it has not sent.
    left: u64,
    /// Requests that wait for their answers, at most.
    window: usize,
    /// Those that do.
    owed: usize,
    send_at_ns: u64,
    pause_max_ns: u64,
    /// Percent of what it sends that is to be refused.
    wrong_percent: u64,
    references: u64,
    line: Line,
}

/// Whether its connection takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// Its server closes it behind what was said.
    Ending,
}

impl Publishing {
    pub(super) fn draw(rng: &mut Rng, swarm: &Swarm) -> Self {
        Self {
            topic: words::topic(rng),
            left: rng.range(0, swarm.load.messages_max / 2),
            window: rng.pick(&[1, 3, 30]),
            owed: 0,
            send_at_ns: 0,
            pause_max_ns: swarm.load.pause_max_ns.min(4 * MS),
            wrong_percent: rng.pick(&[0, 2, 10]),
            references: 0,
            line: Line::Open,
        }
    }

    /// It begins on a connection, on which so much has been asked.
    pub(super) fn begins(&mut self, owed: usize) {
        (self.owed, self.line) = (owed, Line::Open);
    }

    /// Nothing more comes on its connection.
    pub(super) fn ends(&mut self) {
        self.line = Line::Ending;
    }

    /// Whether it was said that nothing more comes on its connection.
    pub(super) fn has_ended(&self) -> bool {
        self.line == Line::Ending
    }

    /// Whether all is sent, and what was sent on its connection is answered.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0 && self.owed == 0
    }

    pub(super) fn was_answered(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    /// When it sends more, if it may.
    pub(super) fn sends_at_ns(&self) -> Option<u64> {
        let sends = self.left > 0 && self.owed < self.window && self.line == Line::Open;
        sends.then_some(self.send_at_ns)
    }
}

impl World {
    /// Has a client publish something, if it is time for that.
    pub(super) fn web_publishes(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let web = self.web.get_mut(&owner).expect("an owner is a client of the web");
        let (conn, speaks) = (web.conn, web.speaks);
        let Some(publishing) = &mut web.publishes else { return };
        if publishing.sends_at_ns().is_none_or(|at_ns| at_ns > now_ns) {
            return;
        }
        publishing.send_at_ns = now_ns + 1 + self.whims.below(publishing.pause_max_ns);
        if self.clients[conn].plan.len() > STEPS_MAX {
            return;
        }
        let mut draft = Draft {
            rng: &mut self.whims,
            bytes_max: self.swarm.limits.message_bytes_max,
            conn,
            publishing,
            record: self.record.publishers.get_mut(&conn).expect("who publishes has a record"),
            bytes: Vec::new(),
            meanings: Vec::new(),
        };
        let count = if draft.rng.percent(40) { draft.rng.size(2, PIPELINED_MAX) } else { 1 };
        for _ in 0..count {
            if draft.publishing.sends_at_ns().is_none() {
                break;
            }
            match speaks {
                Speaks::Frames => draft.frame(),
                _ => draft.request(),
            }
        }
        let Draft { bytes, meanings, .. } = draft;
        self.clients[conn].plan.push_back(Step::Send(Unit { bytes, meanings, cut: Cut::Anywhere }));
        self.schedule_step(conn);
    }
}

/// What is written at once.
struct Draft<'a> {
    rng: &'a mut Rng,
    bytes_max: usize,
    conn: usize,
    publishing: &'a mut Publishing,
    record: &'a mut PublisherRecord,
    bytes: Vec<u8>,
    meanings: Vec<(usize, Meaning)>,
}

impl Draft<'_> {
    /// One request, whatever it holds.
    fn request(&mut self) {
        if self.rng.percent(self.publishing.wrong_percent) {
            return self.wrong_request();
        }
        let first = self.record.messages.len();
        let is_last = self.rng.percent(2);
        let end = if is_last { "Connection: close\r\n" } else { "" };
        if self.rng.percent(25) {
            let count = if self.rng.percent(20) { LINES_MAX } else { self.rng.size(1, 6) };
            let body = self.lines(count);
            self.put_lines(end, &body);
        } else {
            let number = self.message(self.bytes_max);
            let message = &self.record.messages[number];
            let (payload, qos) = (message.payload.clone(), message.qos);
            let query = if qos == 1 { "?qos=1" } else { self.rng.pick(&["", "", "?qos=0"]) };
            let kind = self.rng.pick(&["", "", "", "Content-Type: text/plain\r\n"]);
            let method = self.rng.pick(&["POST", "PUT"]);
            let target = format!("{method} /t/{}{query}", percent_encoded(&self.publishing.topic));
            self.put(&target, &format!("{kind}{end}"), &payload);
        }
        self.says(first);
        self.asks(first, None, Fate::Accepted);
        if is_last {
            self.last_word();
        }
    }

    /// One that is refused: the connection ends with it, whatever stands behind it.
    fn wrong_request(&mut self) {
        let (first, stray) = (self.record.messages.len(), self.stray(0));
        let topic = percent_encoded(&self.publishing.topic);
        let status = match self.rng.below(6) {
            0 => {
                self.put("POST /t/a/%23", "", &stray);
                400
            }
            1 => {
                self.put(&format!("PUT /t/{topic}?qos=2"), "", &stray);
                400
            }
            2 => {
                self.put("POST /t/$SYS/x", "", &stray);
                403
            }
            3 => {
                let more = self.rng.size(1, 300);
                let body = self.stray(self.bytes_max + more);
                self.put(&format!("POST /t/{topic}"), "", &body);
                413
            }
            _ => {
                // What stands before the wrong line counts.
                let count = self.rng.size(0, 3);
                let mut body = self.lines(count);
                if body.last().is_some_and(|byte| *byte != b'\n') {
                    body.push(b'\n');
                }
                let wrong = ["{\"topic\":\"a\"}\n", "{\"topic\":\"#\",\"payload\":\"\"}", "x\n{}"];
                body.extend_from_slice(self.rng.pick(&wrong).as_bytes());
                self.put_lines("", &body);
                400
            }
        };
        self.says(first);
        self.asks(first, None, Fate::Refused(Some(status)));
        self.last_word();
        if self.rng.percent(50) {
            self.put(&format!("POST /t/{topic}"), "", &stray);
        }
    }

    /// One message of `/ws`, or of what it does not take.
    fn frame(&mut self) {
        if self.rng.percent(self.publishing.wrong_percent) {
            return self.wrong_frame();
        }
        let number = self.message(self.bytes_max);
        let object = self.object(number);
        let reference = self.reference();
        let says = reference.map_or(String::new(), |number| format!(",\"ref\":{number}"));
        self.put_frame(&format!("{{\"op\":\"publish\",{object}{says}}}"));
        self.says(number);
        if reference.is_some() {
            self.asks(number, reference, Fate::Accepted);
        }
    }

    fn wrong_frame(&mut self) {
        let topic = serde_json::to_string(&self.publishing.topic).expect("text is JSON");
        let stray = String::from_utf8(self.stray(0)).expect("a mark is text");
        if self.rng.percent(20) {
            self.put_frame(&format!("{{\"op\":\"publish\",\"topic\":{topic},\"payload\":\"{stray}\"}}}}"));
            return self.last_word();
        }
        let wrong = match self.rng.below(4) {
            0 => format!("\"topic\":\"a/#\",\"payload\":\"{stray}\""),
            1 => format!("\"topic\":{topic},\"payload\":\"{stray}\",\"qos\":2"),
            2 => format!("\"topic\":{topic},\"payload\":\"{stray}\",\"payload_b64\":\"\""),
            _ => {
                let more = self.rng.size(1, 9);
                let long = String::from_utf8(self.stray(self.bytes_max + more)).expect("letters");
                format!("\"topic\":{topic},\"payload\":\"{long}\"")
            }
        };
        let reference = self.reference();
        let says = reference.map_or(String::new(), |number| format!("\"ref\":{number},"));
        self.put_frame(&format!("{{\"op\":\"publish\",{says}{wrong}}}"));
        self.asks(self.record.messages.len(), reference, Fate::Refused(None));
    }

    fn reference(&mut self) -> Option<u64> {
        self.publishing.references += 1;
        self.rng.percent(80).then_some(self.publishing.references)
    }

    /// So many messages as lines, or as many as fit.
    fn lines(&mut self, count: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for _ in 0..count {
            let room = self.bytes_max.saturating_sub(body.len() + AROUND_BYTES_MAX) / JSON_FACTOR;
            // Many of them are short.
            let room = if count > 6 { room.min(24) } else { room };
            if self.publishing.left == 0 || room < 24 {
                break;
            }
            let number = self.message(room);
            let object = self.object(number);
            body.extend_from_slice(format!("{{{object}}}").as_bytes());
            body.extend_from_slice(self.rng.pick(&[&b"\n"[..], b"\n", b"\r\n", b"\n\n"]));
        }
        if self.rng.percent(30) && body.ends_with(b"}\n") {
            body.pop();
        }
        body
    }

    /// A message as the members of an object.
    fn object(&mut self, number: usize) -> String {
        let Message { payload, qos, .. } = &self.record.messages[number];
        let text = std::str::from_utf8(payload).ok().filter(|_| self.rng.percent(85));
        let payload = match text {
            Some(text) => format!("\"payload\":{}", serde_json::to_string(text).expect("text is JSON")),
            None => format!("\"payload_b64\":\"{}\"", base64(payload)),
        };
        let qos = if *qos == 1 { ",\"qos\":1" } else { "" };
        let topic = serde_json::to_string(&self.publishing.topic).expect("text is JSON");
        format!("\"topic\":{topic},{payload}{qos}")
    }

    /// One more message, of at most so many bytes; returns its number.
    fn message(&mut self, length_max: usize) -> usize {
        let number = self.record.messages.len();
        let mut payload = format!("#{}.{number}#", self.conn).into_bytes();
        let room = length_max.saturating_sub(payload.len());
        let length = match self.rng.below(20) {
            0 => room,
            1 => self.rng.size(0, room),
            _ => self.rng.skewed(0, room.min(200)),
        };
        payload.extend(words::filler(self.rng, length));
        if length > 0 && self.rng.percent(5) {
            payload.pop();
            payload.push(b'\n');
        }
        self.publishing.left = self.publishing.left.saturating_sub(1);
        self.record.messages.push(Message::new(payload, self.rng.pick(&[0, 0, 1])));
        number
    }

    /// What nobody may hear, of at least so many bytes.
    fn stray(&self, bytes: usize) -> Vec<u8> {
        let mut payload = format!("#{}.{NO_NUMBER}#", self.conn).into_bytes();
        payload.resize(payload.len().max(bytes), b'y');
        payload
    }

    /// What was written says the messages from this one on.
    fn says(&mut self, first: usize) {
        let end = self.bytes.len();
        self.meanings
            .extend((first..self.record.messages.len()).map(|number| (end, Meaning::Message(number))));
    }

    /// What was written wants an answer for the messages from this one on.
    fn asks(&mut self, first: usize, reference: Option<u64>, fate: Fate) {
        let messages = first..self.record.messages.len();
        self.record.talk.requests.push(Request { messages, reference, fate });
        self.publishing.owed += 1;
    }

    fn last_word(&mut self) {
        self.publishing.ends();
        self.meanings.push((self.bytes.len(), Meaning::LastWord));
    }

    fn put_lines(&mut self, fields: &str, body: &[u8]) {
        let kinds = ["application/x-ndjson", "application/jsonl", "Application/X-NDJSON; charset=utf-8"];
        let fields = format!("Content-Type: {}\r\n{fields}", self.rng.pick(&kinds));
        self.put("POST /t", &fields, body);
    }

    /// A request with a body, in one of the ways to say where that ends.
    fn put(&mut self, target: &str, fields: &str, body: &[u8]) {
        let expects = if self.rng.percent(5) { "Expect: 100-continue\r\n" } else { "" };
        let head = format!("{target} HTTP/1.1\r\nHost: localhost\r\n{fields}{expects}");
        self.bytes.extend_from_slice(head.as_bytes());
        if self.rng.percent(60) {
            self.bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            return self.bytes.extend_from_slice(body);
        }
        self.bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let (mut rest, mut extension) = (body, self.rng.pick(&["", "", ";a=b"]));
        while !rest.is_empty() {
            let (data, after) = rest.split_at(self.rng.size(1, rest.len()));
            rest = after;
            let size = format!("{:x}{}\r\n", data.len(), std::mem::take(&mut extension));
            self.bytes.extend_from_slice(size.as_bytes());
            self.bytes.extend_from_slice(data);
            self.bytes.extend_from_slice(b"\r\n");
        }
        let end = self.rng.pick(&["0\r\n\r\n", "0\r\n\r\n", "0\r\nx: y\r\n\r\n"]);
        self.bytes.extend_from_slice(end.as_bytes());
    }

    /// A message of `/ws`, whole or in fragments, with a ping between them.
    fn put_frame(&mut self, text: &str) {
        let bytes = text.as_bytes();
        if self.rng.percent(70) {
            return self.bytes.extend(parse::masked(parse::WHOLE_TEXT, bytes));
        }
        let (begin, rest) = bytes.split_at(self.rng.size(0, bytes.len()));
        let (middle, end) = rest.split_at(self.rng.size(0, rest.len()));
        self.bytes.extend(parse::masked(parse::FIRST_OF_TEXT, begin));
        self.bytes.extend(parse::masked(parse::GOES_ON, middle));
        if self.rng.percent(30) {
            self.bytes.extend(parse::masked(parse::PING, b"?"));
        }
        self.bytes.extend(parse::masked(parse::LAST, end));
    }
}

/// A topic as it stands in a path.
fn percent_encoded(topic: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/';
    let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    topic.bytes().map(byte).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
            text.push(if at <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::expected::from_base64;

    #[test]
    fn what_is_encoded_can_be_read() {
        for bytes in [&b""[..], b"a", b"ab", b"abc", b"\xff\x00\x80\n"] {
            assert_eq!(from_base64(&base64(bytes)).unwrap(), bytes);
            assert_eq!(base64(bytes).len() % 4, 0);
        }
        assert_eq!(percent_encoded("é/b"), "%C3%A9/b");
    }
}
