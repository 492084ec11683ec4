//! WebSocket on one connection (docs/protocol/websocket.md): frames to what is spoken in them, and back.
//!
//! `/mqtt` is MQTT as on a socket of its own: payloads of binary frames are its bytes, wherever frames
//! end, and what is written at once is one frame. `/ws` is JSON, a message each (`json`).

mod json;

use broker::{MessageRefusal, Refusal, Resumed, SubscriptionId};
use bytes::{Buf as _, Bytes};
use wire::websocket::{
    CloseCode, DecodeError, Decoder, Event, Kind, Opcode, Part, Peer, write_close, write_frame,
};

use crate::census::RoleName;
use crate::connection::{Next, Taken};
use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::CloseReason;
use crate::link::{Chunk, Link, ReadEnd};
use crate::mqtt::Mqtt;
use json::Json;

/// What one call may cost, about, in nanoseconds of a slow core.
const WORK_MAX: u64 = 100_000;
/// A frame, or a part of one.
const FRAME_WORK: u64 = 150;
/// Bytes of payload that MQTT is given at once, behind what it waits for the rest of.
const GIVEN_BYTES: usize = 64 * 1024;

/// What is spoken in the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    Mqtt,
    Json,
}

/// One connection that speaks WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocket {
    decoder: Decoder,
    /// Payload that was decoded and is not taken.
    data: Vec<u8>,
    /// So much of it is a packet whose rest is still to come.
    begun_bytes: usize,
    /// Whether it goes to another shard once what was promised is written.
    is_held: bool,
    /// The last ping, which is to be answered (RFC 6455 5.5.3).
    ping: Option<Box<[u8]>>,
    /// The client's own close frame, once it has come.
    closed: Option<CloseCode>,
    /// Why it ends behind what was decoded: nothing is read any more.
    ends: Option<CloseReason>,
    /// The server's, until it is written behind everything else.
    close: Option<Vec<u8>>,
    speaks: Speaks,
}

/// One that goes to the shard where its MQTT client id lives: what it has said of its CONNECT.
#[derive(Debug)]
pub(crate) struct Moving {
    decoder: Decoder,
    data: Vec<u8>,
    closed: Option<CloseCode>,
    ends: Option<CloseReason>,
}

impl Moving {
    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        self.data.capacity()
    }
}

#[derive(Debug)]
enum Speaks {
    Mqtt(Box<Mqtt>),
    Json(Box<Json>),
}

impl WebSocket {
    /// What follows a handshake.
    pub(crate) fn new(inside: Inside, message_bytes_max: usize) -> Self {
        let (speaks, bytes_max) = match inside {
            // A stream: what is in a message of it has bounds of its own.
            Inside::Mqtt => (Speaks::Mqtt(Box::new(Mqtt::new())), i64::MAX as u64),
            // Escapes and base64 make more of it.
            Inside::Json => (Speaks::Json(Box::default()), 2 * message_bytes_max as u64),
        };
        Self::with(Decoder::new(Peer::Client, bytes_max), Vec::new(), speaks)
    }

    fn with(decoder: Decoder, data: Vec<u8>, speaks: Speaks) -> Self {
        Self {
            decoder,
            data,
            begun_bytes: 0,
            is_held: false,
            ping: None,
            closed: None,
            ends: None,
            close: None,
            speaks,
        }
    }

    /// It goes to another shard.
    pub(crate) fn moving(self) -> Moving {
        let Self { decoder, data, closed, ends, .. } = self;
        Moving { decoder, data, closed, ends }
    }

    /// It has come from another shard.
    pub(crate) fn arrived(Moving { decoder, data, closed, ends }: Moving) -> Self {
        Self { closed, ends, ..Self::with(decoder, data, Speaks::Mqtt(Box::new(Mqtt::new()))) }
    }

    /// Takes its part of a chunk.
    pub(crate) fn receive(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        chunk: &Chunk,
        read_end: ReadEnd,
    ) -> Taken {
        let mut used = 0;
        let spent_max = env.spent + WORK_MAX;
        let next = loop {
            let bytes = chunk.bytes.get(used..).unwrap_or_default();
            if bytes.is_empty() || self.ends.is_some() {
                used = chunk.bytes.len();
                break Next::GoOn;
            }
            if env.spent >= spent_max || (self.is_mqtt() && self.data.len() >= self.begun_bytes + GIVEN_BYTES)
            {
                break Next::Again;
            }
            match self.frame(link, env, bytes) {
                Ok(taken) => used += taken,
                Err(reason) => self.ends = Some(reason),
            }
        };
        // What stood in front of the end is taken before it.
        let given = if self.is_mqtt() { self.give(link, env, read_end) } else { Next::GoOn };
        self.is_held = matches!(given, Next::Move(_)) && !(link.out.is_empty() && self.is_said());
        let next = match (given, next) {
            // It is written here: the answer to the handshake, perhaps a pong.
            _ if self.is_held => Next::GoOn,
            (Next::GoOn | Next::Published, Next::Again) => Next::Again,
            (Next::GoOn | Next::Published, _) if self.ends.is_some() => {
                self.ends.take().map_or(Next::GoOn, Next::End)
            }
            (given, _) => given,
        };
        Taken { used, next }
    }

    /// Takes a part of a frame; how many bytes of it.
    fn frame(&mut self, link: &mut Link, env: &mut Env, bytes: &[u8]) -> Result<usize, CloseReason> {
        let before = self.data.len();
        let decoded = self.decoder.decode(bytes, &mut self.data);
        if matches!(decoded, Err(DecodeError::MessageTooLong)) {
            env.shard.refuse(MessageRefusal::TooLarge);
        }
        let decoded = decoded.map_err(broken)?;
        let used = decoded.used;
        env.spent += FRAME_WORK + used as u64 / crate::work::BYTES_PER_UNIT;
        match decoded.event {
            None | Some(Event::Pong(_)) => {}
            Some(Event::Ping(payload)) => {
                self.ping = Some(payload.into());
                link.list_to_write(env);
            }
            Some(Event::Close(code, _)) => {
                self.closed = Some(code.unwrap_or(CloseCode::NORMAL));
                return Err(CloseReason::Gone);
            }
            Some(Event::Data(kind, part)) => match (&mut self.speaks, kind) {
                (Speaks::Mqtt(_), Kind::Binary) => {}
                (Speaks::Json(json), Kind::Text) => {
                    if part == Part::Last {
                        let message = std::mem::take(&mut self.data);
                        json.take(link, env, &message).map_err(refused)?;
                    }
                }
                (Speaks::Mqtt(_), Kind::Text) => {
                    self.data.truncate(before);
                    return Err(unsupported("MQTT comes in binary frames"));
                }
                (Speaks::Json(_), Kind::Binary) => return Err(unsupported("JSON comes in text frames")),
            },
        }
        Ok(used)
    }

    /// Gives MQTT what was decoded.
    fn give(&mut self, link: &mut Link, env: &mut Env, read_end: ReadEnd) -> Next {
        let Speaks::Mqtt(mqtt) = &mut self.speaks else { return Next::GoOn };
        loop {
            let data = std::mem::take(&mut self.data);
            let pinned_bytes = data.capacity();
            let chunk = Chunk { bytes: Bytes::from(data), pinned_bytes };
            let Taken { used, next } = mqtt.receive(link, env, &chunk, read_end);
            let mut rest = chunk;
            rest.bytes.advance(used);
            self.data = rest.into_kept();
            self.begun_bytes = match next {
                Next::GoOn if used > 0 && !self.data.is_empty() => continue,
                Next::GoOn | Next::Published => self.data.len(),
                _ => 0,
            };
            return next;
        }
    }

    fn is_mqtt(&self) -> bool {
        matches!(self.speaks, Speaks::Mqtt(_))
    }

    /// Whether there is something to do without more bytes.
    pub(crate) fn has_data(&self) -> bool {
        self.is_mqtt() && (!self.data.is_empty() || self.ends.is_some())
    }

    /// Whether it waits for what is written, and then goes on without more bytes.
    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Bytes that were decoded and wait for the rest of their message.
    pub(crate) fn held_bytes(&self) -> usize {
        self.data.capacity()
    }

    /// Whether another shard may have it: it is where its MQTT client id lives.
    pub(crate) fn may_move(&self) -> bool {
        matches!(&self.speaks, Speaks::Mqtt(mqtt) if !mqtt.is_connected())
    }

    /// The time of the deadline has come.
    pub(crate) fn timeout(&mut self, link: &mut Link, env: &mut Env) -> Taken {
        match &mut self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.timeout(link, env),
            Speaks::Json(json) => {
                json.beat(link, env);
                Taken::nothing()
            }
        }
    }

    pub(crate) fn accepted(&mut self, link: &mut Link, env: &mut Env, upto: u64) {
        match &mut self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.accepted(link, env, upto),
            Speaks::Json(json) => json.accepted(link, env, upto),
        }
    }

    pub(crate) fn subscribed(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        id: SubscriptionId,
        resumed: Resumed,
    ) {
        match &mut self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.subscribed(link, env, id),
            Speaks::Json(json) => json.subscribed(link, env, id, resumed),
        }
    }

    pub(crate) fn refused(&mut self, link: &mut Link, env: &mut Env, id: SubscriptionId, why: Refusal) {
        match &mut self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.refused(link, env, id, why),
            Speaks::Json(json) => json.refused(link, env, id, why),
        }
    }

    /// Encodes the next thing.
    pub(crate) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        // It may stand between the frames of a message.
        if let Some(payload) = self.ping.take() {
            let mut frame = Vec::with_capacity(payload.len() + 2);
            write_frame(&mut frame, Opcode::Pong, &payload);
            link.out.append_frame(frame);
            return Delivered::Something;
        }
        let delivered = match &mut self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.deliver(link, env, size),
            Speaks::Json(json) => json.deliver(link, env, size),
        };
        if matches!(delivered, Delivered::Nothing)
            && self.speaks.is_said()
            && let Some(close) = self.close.take()
        {
            link.out.append_frame(close);
            return Delivered::Something;
        }
        delivered
    }

    /// It ends, or has.
    pub(crate) fn over(&mut self, link: &mut Link, env: &mut Env, reason: &CloseReason) {
        if let Speaks::Mqtt(mqtt) = &mut self.speaks {
            mqtt.over(link, env, reason);
        }
        let (code, words) = close_code(reason, self.closed);
        let mut frame = Vec::new();
        write_close(&mut frame, code, &words);
        self.close = Some(frame);
    }

    /// Its socket takes nothing: what was begun or promised is given up.
    pub(crate) fn give_up(&mut self) {
        (self.ping, self.close) = (None, None);
        match &mut self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.give_up(),
            Speaks::Json(json) => json.give_up(),
        }
    }

    /// Whether nothing is begun or promised.
    pub(crate) fn is_said(&self) -> bool {
        self.ping.is_none() && self.close.is_none() && self.speaks.is_said()
    }

    /// Bytes that are promised for what the client has sent.
    pub(crate) fn owed_bytes(&self) -> usize {
        match &self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.owed_bytes(),
            Speaks::Json(json) => json.owed_bytes(),
        }
    }

    /// Whether a deadline is there to see what the client says.
    pub(crate) fn is_greeting(&self) -> bool {
        self.is_mqtt()
    }

    /// Whether what it sends is messages.
    pub(crate) fn publishes(&self) -> bool {
        match &self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.is_connected(),
            Speaks::Json(_) => true,
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        match &self.speaks {
            Speaks::Mqtt(mqtt) => mqtt.lost(),
            Speaks::Json(_) => 0,
        }
    }

    pub(crate) fn role(&self) -> RoleName {
        match &self.speaks {
            Speaks::Mqtt(mqtt) if mqtt.is_connected() => RoleName::Client,
            Speaks::Mqtt(_) => RoleName::Unknown,
            Speaks::Json(json) => json.role(),
        }
    }

    pub(crate) fn name_and_topic(&self) -> (Option<Box<str>>, String) {
        match &self.speaks {
            Speaks::Mqtt(mqtt) => (mqtt.client_id(), String::new()),
            Speaks::Json(json) => (None, json.filters()),
        }
    }
}

impl Speaks {
    fn is_said(&self) -> bool {
        match self {
            Self::Mqtt(mqtt) => mqtt.is_said(),
            Self::Json(json) => json.is_said(),
        }
    }
}

fn broken(error: DecodeError) -> CloseReason {
    CloseReason::BadFrame { code: error.close_code().0, detail: error.to_string() }
}

fn refused(detail: String) -> CloseReason {
    CloseReason::BadFrame { code: CloseCode::POLICY_VIOLATION.0, detail }
}

fn unsupported(detail: &str) -> CloseReason {
    CloseReason::BadFrame { code: CloseCode::UNSUPPORTED_DATA.0, detail: detail.to_owned() }
}

/// What the server's close frame says.
fn close_code(reason: &CloseReason, closed: Option<CloseCode>) -> (CloseCode, String) {
    let (code, words) = match reason {
        _ if closed.is_some() => (closed.unwrap_or(CloseCode::NORMAL), ""),
        CloseReason::BadFrame { code, detail } => return (CloseCode(*code), detail.clone()),
        CloseReason::Shutdown => (CloseCode::GOING_AWAY, "shutdown"),
        CloseReason::TooLong => (CloseCode::MESSAGE_TOO_BIG, "message too long"),
        CloseReason::OutOfMemory => (CloseCode::TRY_AGAIN_LATER, "no memory for the rest of a message"),
        CloseReason::Kicked => (CloseCode::POLICY_VIOLATION, "the operator said so"),
        CloseReason::Violation(_) => (CloseCode::PROTOCOL_ERROR, "MQTT says why"),
        _ => (CloseCode::NORMAL, ""),
    };
    let code = if code.may_be_sent() { code } else { CloseCode::NORMAL };
    (code, words.to_owned())
}

#[cfg(test)]
mod tests {
    use broker::{ConnId, Gauge};
    use wire::mqtt::Version;
    use wire::websocket::Opcode;

    use crate::packets::packet;
    use crate::stage::Stage;
    use crate::{Limits, ReadEnd, Rules, Spoken, TopicPrompt, web_words};

    /// It was never read on once more than two reads of it had been decoded.
    #[test]
    fn a_packet_of_mqtt_may_be_longer_than_what_is_given_at_once() {
        let rules = Rules {
            limits: Limits::default().into(),
            spoken: Spoken::AnyProtocol,
            topic_prompt: TopicPrompt::Off,
        };
        let mut stage = Stage::new(rules, &Gauge::new());
        let conn = ConnId { slot: 0, generation: 0 };
        stage.connect(conn);
        stage.send(conn, &web_words::handshake("/mqtt"), ReadEnd::Drained);
        let publish = format!("PUBLISH a qos=1 #7 : {}", "x".repeat(5 * super::GIVEN_BYTES));
        let words = ["CONNECT 5 ann clean", &publish];
        let packets: Vec<u8> = words.iter().flat_map(|text| packet(Version::V5, text).unwrap()).collect();
        for read in web_words::frame(Opcode::Binary, &packets).chunks(super::GIVEN_BYTES) {
            stage.send(conn, read, ReadEnd::Drained);
        }
        let received = stage.received.get(&conn).unwrap().escape_ascii().to_string();
        assert!(received.ends_with(r"\x82\x04@\x02\x00\x07"), "{received}");
    }
}
