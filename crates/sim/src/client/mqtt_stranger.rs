//! Strangers that begin as MQTT does and go on as it does not.

use std::num::NonZeroU16;

use wire::mqtt::{Packet, Version, decode, decode_connect, frame};

use crate::client::mqtt::{Goes, Wishes};
use crate::client::mqtt_words::{self as words, Again, Kind, Outgoing};
use crate::client::{Client, Reader, Role, Step, Unit, draw_addr, draw_begin, draw_station};
use crate::limits::{MS, Swarm};
use crate::net::Cut;
use crate::record::StrangerRecord;
use crate::rng::Rng;

/// What they publish to and hear: nobody else does.
const TOPIC: &str = "$m/x";
const FILTER: &str = "$m/#";

/// Draws one.
pub(super) fn draw(rng: &mut Rng, swarm: &Swarm, id: usize) -> (Client, StrangerRecord) {
    let (station, capacity) = (draw_station(rng, swarm), rng.size(64, 4096));
    let (addr, begins_ns) = (draw_addr(rng, id), draw_begin(rng, swarm));
    let mut client = Client::new(Role::Stranger, station, addr, begins_ns, Reader::Fast, capacity);
    let version = rng.pick(&[Version::V311, Version::V5]);
    let connect = words::connect(&wishes(rng, version, id), id, 0);
    let mut is_closed = true;
    let bytes = match rng.below(6) {
        // Half a CONNECT.
        0 => connect[..rng.size(1, connect.len() - 1)].to_vec(),
        1 => [connect.as_slice(), &connect].concat(),
        // A length that nobody will ever send.
        2 => [connect.as_slice(), b"\x30\xff\xff\xff\x7f\x00"].concat(),
        // It wants to hear everything and acknowledges nothing.
        3 => {
            client.reader = Reader::Never { from_ns: rng.below(2_000 * MS) };
            is_closed = false;
            [connect, words::subscribe(version, "#", 2)].concat()
        }
        // Much to do in one read.
        4 => {
            is_closed = false;
            let one = rng.pick(&[&b"\xc0\x00"[..], b"\x62\x02\x00\x01", b"\x40\x02\x00\x01"]);
            let many = if rng.percent(50) {
                one.repeat(rng.size(33, 300))
            } else {
                words::subscribe(version, FILTER, 1).repeat(rng.size(2, 60))
            };
            [connect, many].concat()
        }
        _ => {
            is_closed = false;
            let packets = [connect, ordinary(rng, version)].concat();
            mutated(rng, &packets)
        }
    };
    client.plan.push_back(Unit::send(bytes, Vec::new(), Cut::Anywhere));
    if rng.percent(20) {
        is_closed = false;
        client.plan.push_back(Step::Pause(rng.below(600 * MS)));
        client.plan.push_back([Step::Close, Step::Reset, Step::HalfClose][rng.index(3)].clone());
    }
    (client, StrangerRecord::new(is_closed.then(String::new)))
}

fn wishes(rng: &mut Rng, version: Version, id: usize) -> Wishes {
    Wishes {
        version,
        client_id: format!("m{id}"),
        expiry_s: rng.pick(&[0, 4]),
        receive_max: None,
        subscribes: None,
        window: 0,
        ack_max_ns: 0,
        pause_max_ns: None,
        will_delay_s: None,
        goes: Goes::Politely,
    }
}

/// Packets as a client may send them.
fn ordinary(rng: &mut Rng, version: Version) -> Vec<u8> {
    let mut bytes = words::subscribe(version, FILTER, 2);
    for number in 1..=rng.below(8) {
        let id = NonZeroU16::new(u16::try_from(number).expect("few")).expect("at least 1");
        let qos = rng.pick(&[0, 1, 2]);
        let outgoing = Outgoing {
            topic: TOPIC,
            payload: b"whatever",
            qos,
            id: (qos > 0).then_some(id),
            is_again: Again::No,
            retain: false,
            expiry_s: None,
        };
        let kind = rng.pick(&[Kind::Ack, Kind::Rec, Kind::Rel, Kind::Comp]);
        match rng.below(3) {
            0 => bytes.extend(words::publish(version, &outgoing)),
            1 => bytes.extend(words::ack(version, kind, id)),
            _ => bytes.extend(b"\xc0\x00"),
        }
    }
    bytes
}

/// The same with a few mistakes, none of which makes it say something that others hear.
fn mutated(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    loop {
        let mut wrong = bytes.to_vec();
        for _ in 0..rng.size(1, 4) {
            let at = rng.index(wrong.len());
            let byte = u8::try_from(rng.below(256)).expect("a byte");
            match rng.below(5) {
                0 => wrong[at] ^= 1 << rng.below(8),
                1 => wrong[at] = byte,
                2 => wrong.insert(at, byte),
                3 if wrong.len() > 1 => drop(wrong.remove(at)),
                _ => wrong.truncate(at.max(1)),
            }
        }
        if wrong.first() == Some(&0x10) && is_private(&wrong) {
            return wrong;
        }
    }
}

/// Whether nobody else hears what these packets say, nor would hear a will, nor is taken over.
fn is_private(bytes: &[u8]) -> bool {
    let (mut rest, mut version) = (bytes, None);
    while let Ok(Some(head)) = frame(rest) {
        let Some(body) = rest.get(head.head_len..head.len()) else { return true };
        match version {
            None => match decode_connect(head.first, body) {
                Ok(connect) if connect.will.is_some() || connect.client_id.starts_with('c') => return false,
                Ok(connect) => version = Some(connect.version),
                Err(_) => return true,
            },
            Some(version) => match decode(version, head.first, body) {
                Ok(Packet::Publish(publish)) if !publish.topic.starts_with("$m/") => return false,
                Ok(Packet::Publish(publish)) if publish.retain => return false,
                Ok(Packet::Subscribe(subscribe)) => {
                    if subscribe.filters.iter().any(|(filter, _)| !filter.starts_with("$m/")) {
                        return false;
                    }
                }
                Ok(_) => {}
                Err(_) => return true,
            },
        }
        rest = rest.get(head.len()..).unwrap_or_default();
    }
    true
}
