//! From CONNECT to CONNACK: which session a client gets, and on which shard.

use std::sync::Arc;
use std::time::Duration;

use broker::planted::{self, Bug};
use broker::{Introduced, Marks, Publisher};
use bytes::Bytes;
use topic::TopicName;
use wire::mqtt::{
    ConnAck, Connect, Kind, Packet, Properties, Property, PropertyWriter, Reason, Version, decode_connect,
    encode, frame,
};

use crate::connection::{Next, Taken};
use crate::env::Env;
use crate::event::{CloseReason, Event};
use crate::link::{Chunk, Link, ReadEnd};
use crate::mqtt::aliases::Sent;
use crate::mqtt::answers::{Answer, Answers};
use crate::mqtt::farewell::{Violation, refusal};
use crate::mqtt::publishing::{kept, qos};
use crate::mqtt::refusing::{Problems, Refused, is_reserved};
use crate::mqtt::sessions::{ClientKey, Will};
use crate::mqtt::window::Window;
use crate::mqtt::{Client, Mqtt, State, number_of_seconds};

/// What a client asks of its session and its connection in CONNECT.
struct Wishes {
    expiry: Duration,
    receive_max: u16,
    packet_bytes_max: usize,
    /// Topics that it can tell by a number.
    aliases: u16,
    problems: Problems,
    responses: Responses,
}

/// Whether a client is told where replies to it may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Responses {
    Told,
    Untold,
}

/// What its session is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    New,
    Resumed,
}

impl Mqtt {
    /// Waits for CONNECT, and takes it where its client id lives.
    pub(super) fn connect(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        chunk: &Chunk,
        read_end: ReadEnd,
    ) -> Taken {
        let bytes = &chunk.bytes;
        let limits = &link.rules.limits;
        // Before the rest of it comes: a length may be claimed and never sent.
        //= MQTT5-3.1.0-1
        if bytes.first().is_some_and(|first| Kind::of(*first) != Some(Kind::Connect)) {
            return ends(Violation::new(Reason::PROTOCOL_ERROR, "no CONNECT"));
        }
        let frame = match frame(bytes) {
            Err(error) => return ends(Violation::from(error)),
            Ok(None) if read_end == ReadEnd::Closed => return gone(),
            Ok(None) => return Taken::nothing(),
            Ok(Some(frame)) => frame,
        };
        if frame.len() > limits.connect_bytes_max {
            return ends(Violation::new(Reason::PACKET_TOO_LARGE, "CONNECT over the limit"));
        }
        let Some(body) = bytes.get(frame.head_len..frame.len()) else {
            return if read_end == ReadEnd::Closed { gone() } else { Taken::nothing() };
        };
        let connect = match decode_connect(frame.first, body) {
            Ok(connect) => connect,
            Err(error) => {
                // Who cannot be understood is told so in the words of the version it may have.
                //= MQTT5-3.1.2-2
                let reason = error.reason();
                if reason == Reason::UNSUPPORTED_PROTOCOL_VERSION {
                    say(link, env, &refusal(Version::V311, usize::MAX, reason, ""));
                }
                return ends(Violation::from(error));
            }
        };
        let assigned;
        let client_id = match connect.client_id {
            //= MQTT311-3.1.3-8
            "" if connect.version != Version::V5 && !connect.clean_start => {
                return refuse(
                    link,
                    env,
                    &connect,
                    Reason::CLIENT_IDENTIFIER_NOT_VALID,
                    "no client id for a session",
                );
            }
            "" => {
                assigned = env.assign_client_id();
                assigned.as_str()
            }
            id if id.len() > limits.client_id_bytes_max => {
                return refuse(
                    link,
                    env,
                    &connect,
                    Reason::CLIENT_IDENTIFIER_NOT_VALID,
                    "client id over the limit",
                );
            }
            id => id,
        };
        let home = env.home(client_id);
        if home != link.id.shard {
            return Taken { used: 0, next: Next::Move(home) };
        }
        env.traffic.received += 1;
        match self.begin(link, env, &connect, client_id) {
            Ok(()) => Taken { used: frame.len(), next: Next::GoOn },
            Err((reason, what)) => refuse(link, env, &connect, reason, what),
        }
    }

    fn begin(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        connect: &Connect<'_>,
        client_id: &str,
    ) -> Result<(), (Reason, &'static str)> {
        let will = will(connect)?;
        let wishes = fulfilled(wishes(connect, link)?, connect, client_id, link)?;
        let publisher = Arc::new(Publisher {
            origin: link.id,
            addr: Some(link.addr),
            name: Some(client_id.into()),
            began: env.now.wall,
            introduced: Introduced::ByItself,
        });
        let (key, found) = session(link, env, connect, client_id, &publisher)?;
        let session = env.mqtt.get_mut(key).expect("it was just found or made");
        session.publisher = Arc::clone(&publisher);
        session.expiry = wishes.expiry;
        session.will = will;
        // What is released does not wait for what is not (MQTT5-4.9.0-3).
        if planted::is(Bug::DropWindow) {
            session.window = Window::default();
        }
        if planted::is(Bug::ForgetReceived) {
            session.received.clear();
        }
        let (released, mut resend) = session.window.unacked();
        if planted::is(Bug::ForgetUnacked) {
            resend.pop_front();
        }
        link.session = Some(session.core);
        env.mqtt.settle(key);
        let aliases = wishes.aliases.min(link.rules.limits.topic_alias_max);
        let mut client = Client {
            version: connect.version,
            key,
            publisher,
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            heard_at: env.now.mono,
            aliases: None,
            sent_aliases: (aliases > 0).then(|| Box::new(Sent::new(aliases, &env.gauge))),
            last_topic: None,
            published: 0,
            receive_max: wishes.receive_max,
            packet_bytes_max: wishes.packet_bytes_max,
            problems: wishes.problems,
            // The client holds what it has not confirmed: that gives its place free, and no other.
            outstanding: released.len(),
            resend,
            answers: Answers::default(),
            asking: None,
            lost: 0,
            untold: 0,
        };
        client.answers.give(connack(connect, &wishes, client_id, found, link));
        for id in released {
            client.answers.give(Answer::PubRel(id, Reason::SUCCESS));
        }
        let keep_alive = client.keep_alive_ends();
        link.set_deadline(env, keep_alive);
        link.list_to_write(env);
        env.events.push(Event::Client {
            id: link.id,
            addr: link.addr,
            name: client_id.into(),
            resumed: found == Found::Resumed,
        });
        self.state = State::Connected(Box::new(client));
        Ok(())
    }
}

/// The session of this client id: what there is of it, or a new one.
fn session(
    link: &Link,
    env: &mut Env,
    connect: &Connect<'_>,
    client_id: &str,
    publisher: &Arc<Publisher>,
) -> Result<(ClientKey, Found), (Reason, &'static str)> {
    let conn = link.id.conn;
    if let Some(key) = env.mqtt.find(client_id) {
        take_over(env, key, connect);
        if !connect.clean_start {
            let core = env.mqtt.get(key).expect("it was found").core;
            env.shard.attach(core, conn);
            env.mqtt.attached(key, conn);
            return Ok((key, Found::Resumed));
        }
        //= MQTT5-3.1.2-4
        let mut session = env.mqtt.remove(key).expect("it was found");
        env.shard.give_back(session.window.take_shared());
        env.shard.close(session.core);
    }
    let limits = &link.rules.limits;
    if env.mqtt.len() >= limits.sessions_max / usize::from(env.shards) || env.is_short_of_sessions(limits) {
        return Err((Reason::QUOTA_EXCEEDED, "too many sessions"));
    }
    let core = env.shard.open(conn);
    let key = env.mqtt.add(client_id, core, conn, Arc::clone(publisher), &env.gauge);
    Ok((key, Found::New))
}

/// A client that is connected already loses its session to the one that comes (MQTT5-3.1.4-3). It
/// may be stuck: nothing here waits for it.
fn take_over(env: &mut Env, key: ClientKey, connect: &Connect<'_>) {
    let session = env.mqtt.get_mut(key).expect("the caller found it");
    let core = session.core;
    // A will is sent if its delay is over, or if its session is (MQTT5-3.1.2-8, MQTT5-3.1.3-9).
    let is_due =
        |will: &mut Box<Will>| will.delay.is_zero() || connect.clean_start || planted::is(Bug::WillAtOnce);
    let will = session.will.take_if(is_due);
    session.will = None;
    let publisher = Arc::clone(&session.publisher);
    if let Some(conn) = session.conn.take() {
        if !planted::is(Bug::KeepOldConnection) {
            env.evicted.push(conn);
        }
        env.shard.detach(core);
    }
    if let Some(will) = will {
        env.publish_will(*will, &publisher);
    }
}

impl Env {
    /// A client has gone without a word.
    pub(crate) fn publish_will(&mut self, will: Will, publisher: &Arc<Publisher>) {
        if planted::is(Bug::WillNever) {
            return;
        }
        let Will { topic, payload, mut marks, expiry, .. } = will;
        marks.expires = expiry.map(|time| self.now.mono.after(time));
        self.publish_one(publisher, &topic, 0, payload, marks);
    }
}

fn will(connect: &Connect<'_>) -> Result<Option<Box<Will>>, (Reason, &'static str)> {
    let Some(will) = &connect.will else { return Ok(None) };
    if is_reserved(will.topic) {
        return Err((Refused::Reserved.reason(), "topics of the server are not for wills"));
    }
    let topic = TopicName::parse(will.topic)
        .map_err(|_| (Reason::TOPIC_NAME_INVALID, "topic of the will is refused"))?;
    let (mut delay, mut expiry) = (0, None);
    for property in will.properties.iter() {
        match property {
            Property::WillDelay(seconds) => delay = seconds,
            Property::MessageExpiry(seconds) => expiry = Some(number_of_seconds(seconds)),
            _ => {}
        }
    }
    Ok(Some(Box::new(Will {
        topic,
        payload: Bytes::copy_from_slice(will.payload),
        marks: Marks {
            qos: qos(will.qos),
            retain: will.retain,
            expires: None,
            properties: kept(will.properties),
        },
        expiry,
        delay: number_of_seconds(delay),
    })))
}

fn wishes(connect: &Connect<'_>, link: &Link) -> Result<Wishes, (Reason, &'static str)> {
    let longest = link.rules.limits.session_time_max;
    let mut wishes = Wishes {
        expiry: Duration::ZERO,
        receive_max: u16::MAX,
        packet_bytes_max: packet_bytes_max(connect),
        aliases: 0,
        problems: Problems::Explained,
        responses: Responses::Untold,
    };
    if connect.version != Version::V5 {
        if !connect.clean_start {
            wishes.expiry = longest;
        }
        return Ok(wishes);
    }
    for property in connect.properties.iter() {
        match property {
            Property::SessionExpiry(seconds) => {
                wishes.expiry = number_of_seconds(seconds).min(longest);
            }
            Property::ReceiveMaximum(count) => wishes.receive_max = count,
            Property::TopicAliasMaximum(count) => wishes.aliases = count,
            Property::RequestProblemInformation(false) => wishes.problems = Problems::Unexplained,
            Property::RequestResponseInformation(true) => wishes.responses = Responses::Told,
            //= MQTT5-4.12.0-1
            Property::AuthMethod(_) => {
                return Err((Reason::BAD_AUTHENTICATION_METHOD, "authentication methods are not supported"));
            }
            _ => {}
        }
    }
    Ok(wishes)
}

/// What can be done of them: a client has to take its CONNACK.
fn fulfilled(
    mut wishes: Wishes,
    connect: &Connect<'_>,
    client_id: &str,
    link: &Link,
) -> Result<Wishes, (Reason, &'static str)> {
    let is_too_long = |wishes: &Wishes| {
        connack(connect, wishes, client_id, Found::New, link).bytes() > wishes.packet_bytes_max
    };
    if is_too_long(&wishes) {
        wishes.responses = Responses::Untold;
    }
    if is_too_long(&wishes) {
        //= MQTT5-3.1.2-24
        return Err((Reason::PACKET_TOO_LARGE, "maximum packet size is below that of CONNACK"));
    }
    Ok(wishes)
}

/// The longest packet that a client takes.
fn packet_bytes_max(connect: &Connect<'_>) -> usize {
    let told = connect.properties.iter().find_map(|property| match property {
        Property::MaximumPacketSize(bytes) => Some(bytes as usize),
        _ => None,
    });
    told.unwrap_or(usize::MAX)
}

/// Where replies to a client may go: this topic and those below it. A client id may have bytes that
/// would make it the topic of another client, or no topic; in their place stands what they are.
fn response_information(client_id: &str) -> String {
    let mut topic = "response/".to_owned();
    for c in client_id.chars() {
        if !c.is_control() && !"/+#%".contains(c) {
            topic.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            topic += &format!("%{byte:02X}");
        }
    }
    topic
}

fn connack(connect: &Connect<'_>, wishes: &Wishes, client_id: &str, found: Found, link: &Link) -> Answer {
    let (mut bytes, mut properties) = (Vec::new(), Vec::new());
    let limits = &link.rules.limits;
    if connect.version == Version::V5 {
        let mut writer = PropertyWriter::new(&mut properties);
        let asked = connect.properties.iter().find_map(|property| match property {
            Property::SessionExpiry(seconds) => Some(number_of_seconds(seconds)),
            _ => None,
        });
        if asked.is_some_and(|time| time > limits.session_time_max) {
            let seconds = u32::try_from(limits.session_time_max.as_secs()).unwrap_or(u32::MAX);
            writer.put(&Property::SessionExpiry(seconds));
        }
        if connect.client_id.is_empty() {
            //= MQTT5-3.1.3-7
            writer.put(&Property::AssignedClientId(client_id));
        }
        writer.put(&Property::ReceiveMaximum(limits.receive_max));
        writer.put(&Property::TopicAliasMaximum(limits.topic_alias_max));
        writer.put(&Property::MaximumPacketSize(u32::try_from(limits.message_bytes_max).unwrap_or(u32::MAX)));
        //= MQTT5-3.1.2-28
        if wishes.responses == Responses::Told {
            writer.put(&Property::ResponseInformation(&response_information(client_id)));
        }
    }
    let properties = match connect.version {
        Version::V5 => Properties::parse(wire::mqtt::Place::ConnAck, &properties).unwrap_or_default(),
        _ => Properties::default(),
    };
    let session_present = found == Found::Resumed && !planted::is(Bug::SessionUntold);
    let connack = ConnAck { session_present, reason: Reason::SUCCESS, properties };
    encode(&mut bytes, connect.version, &Packet::ConnAck(connack));
    Answer::Whole(bytes.into())
}

fn refuse(link: &mut Link, env: &mut Env, connect: &Connect<'_>, reason: Reason, what: &str) -> Taken {
    say(link, env, &refusal(connect.version, packet_bytes_max(connect), reason, what));
    ends(Violation::new(reason, what))
}

fn say(link: &mut Link, env: &mut Env, bytes: &[u8]) {
    env.traffic.answers += 1;
    link.out.append(&mut env.pool, |own| own.extend_from_slice(bytes));
    link.list_to_write(env);
}

fn ends(violation: Violation) -> Taken {
    Taken { used: 0, next: Next::End(CloseReason::Violation(violation)) }
}

fn gone() -> Taken {
    Taken { used: 0, next: Next::End(CloseReason::Gone) }
}
