//! Attacks over WebSocket: frames that are tiny, many, broken or cut, and clients that change their mind.

use std::time::{Duration, Instant};

use wire::websocket::{Opcode, Part, write_close, write_masked_frame};

use super::field::Field;
use super::sockets::{Goodbye, Readers, Room, Stay, Storm, flood};

/// Four connections flood pings, pongs, empty fragments, and messages of a byte in a frame each.
pub(crate) fn tiny(field: &Field<'_>) -> anyhow::Result<()> {
    let readers = Readers::start(field.door.crowd(1, Room::Usual, |_| "sub tiny\n".to_owned())?)?;
    let until = field.begin();
    let mut frames = Vec::new();
    let publish = r#"{"op":"publish","topic":"tiny","payload":""}"#;
    for _ in 0..1000 {
        for byte in publish.as_bytes() {
            write(&mut frames, Opcode::Ping, Part::Last, &[]);
            let begins = *byte == b'{';
            let opcode = if begins { Opcode::Text } else { Opcode::Continuation };
            let part = if *byte == b'}' { Part::Last } else { Part::More };
            write(&mut frames, opcode, part, &[*byte]);
            if part == Part::More {
                write(&mut frames, Opcode::Continuation, Part::More, &[]);
            }
        }
        write(&mut frames, Opcode::Pong, Part::Last, &[b'x'; 125]);
        write(&mut frames, Opcode::Ping, Part::Last, &[b'x'; 125]);
    }
    // Nobody reads the pongs.
    let flooded = flood(field.door.crowd(4, Room::Tiny, |_| handshake("/ws"))?, &frames, until);
    let messages = readers.lines();
    field.note(format!(
        "{} MiB sent, {} ended, {messages} messages read",
        flooded.bytes >> 20,
        flooded.ended
    ));
    Ok(())
}

/// MQTT in frames of a byte each.
pub(crate) fn mqtt(field: &Field<'_>) -> anyhow::Result<()> {
    let readers = Readers::start(field.door.crowd(1, Room::Usual, |_| "sub tiny\n".to_owned())?)?;
    let until = field.begin();
    let in_frames = |packet: &[u8]| {
        let mut frames = Vec::new();
        packet.iter().for_each(|byte| write(&mut frames, Opcode::Binary, Part::Last, &[*byte]));
        frames
    };
    let hello = |number: usize| {
        let connect =
            [b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02x".as_slice(), &[b'0' + number as u8]].concat();
        [handshake("/mqtt").as_bytes(), &in_frames(&connect)].concat()
    };
    let chunk = in_frames(&b"\x30\x07\x00\x04tinyx\xc0\x00".repeat(1000));
    let flooded = flood(field.door.crowd(4, Room::Usual, hello)?, &chunk, until);
    field.note(format!("{} MiB sent, {} messages read", flooded.bytes >> 20, readers.lines()));
    Ok(())
}

/// Newcomers upgrade and at once close, break off, or send what is no frame, or the beginning of a huge one.
pub(crate) fn handshakes(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let behind = behind();
    let storm =
        Storm { size: 200, stay: Stay::UntilQuiet(Duration::from_millis(10)), goodbye: Goodbye::Reset };
    let stormed = storm.run(&field.door, until, |number| {
        let path = if number % 2 == 0 { "/ws" } else { "/mqtt" };
        [handshake(path).as_bytes(), &behind[number as usize % behind.len()]].concat()
    })?;
    field.note(format!("{} handshakes, {} KiB of answers", stormed.hellos, stormed.bytes >> 10));
    Ok(())
}

/// What stands behind a handshake.
fn behind() -> Vec<Vec<u8>> {
    let mut close = Vec::new();
    write_close(&mut close, wire::websocket::CloseCode::NORMAL, "");
    let mut masked_close = Vec::new();
    write(&mut masked_close, Opcode::Close, Part::Last, b"\x03\xe8");
    let mut text = Vec::new();
    write(&mut text, Opcode::Text, Part::Last, br#"{"op":"subscribe","sub":1,"filters":["x"]}"#);
    let huge =
        |opcode: u8, length: &[u8; 8]| [&[opcode, 0xff][..], length, &[1, 2, 3, 4], &[b'x'; 60_000]].concat();
    let mut all = vec![
        Vec::new(),
        close,
        masked_close.repeat(100),
        b"\x81\x05hello".to_vec(),
        huge(0x81, &[0xff; 8]),
        huge(0x82, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        huge(0x82, &[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]),
        huge(0x81, &[0, 0, 0, 0, 0, 0x20, 0, 0]),
        b"\xf1\x80\x00\x00\x00\x00".to_vec(),
        b"\x8f\x80\x00\x00\x00\x00".to_vec(),
    ];
    // Cut at every byte.
    all.extend((0..text.len()).map(|end| text[..end].to_vec()));
    all
}

/// Connections leave a message of 1 MiB unfinished: of one frame, and of fragments without end.
pub(crate) fn unfinished(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(1000);
    let until = field.begin();
    let crowd = field.door.crowd(size, Room::Usual, |number| match number % 2 {
        0 => [handshake("/ws").as_bytes(), b"\x81\xff\x00\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00"]
            .concat(),
        _ => [handshake("/ws").as_bytes(), b"\x01\x80\x00\x00\x00\x00"].concat(),
    })?;
    let mut chunk = Vec::new();
    write(&mut chunk, Opcode::Continuation, Part::More, &[b'x'; 1000]);
    let flooded = flood(crowd, &chunk, until);
    field.note(format!("{} MiB sent, {} of {size} ended", flooded.bytes >> 20, flooded.ended));
    Ok(())
}

/// Four connections subscribe and unsubscribe, with deep filters and with history, and do not read.
pub(crate) fn churn(field: &Field<'_>) -> anyhow::Result<()> {
    field.door.publish_topics(2000, |number| format!("pub t{number}\nx\n"))?;
    field.until_idle();
    let until = field.begin();
    let stem = "+/".repeat(50);
    let mut frames = Vec::new();
    for number in 0..500 {
        let filters: Vec<String> = (0..15).map(|filter| format!("\"{stem}{filter}/{number}\"")).collect();
        let (filters, sub) = (filters.join(","), number % 90);
        let last = if number % 10 == 0 { ",\"last\":5" } else { "" };
        for words in [
            format!(r##"{{"op":"subscribe","sub":{sub},"filters":[{filters},"#"]{last}}}"##),
            format!(r#"{{"op":"unsubscribe","sub":{sub}}}"#),
        ] {
            write(&mut frames, Opcode::Text, Part::Last, words.as_bytes());
        }
    }
    let half = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
    let unread = flood(field.door.crowd(4, Room::Usual, |_| handshake("/ws"))?, &frames, half);
    // And such as read, so that they go on.
    let storm =
        Storm { size: 20, stay: Stay::UntilQuiet(Duration::from_millis(50)), goodbye: Goodbye::Reset };
    let hello = [handshake("/ws").as_bytes(), &frames].concat();
    let stormed = storm.run(&field.door, until, |_| &hello[..8192])?;
    field.note(format!("{} MiB sent unread; {} came and read", unread.bytes >> 20, stormed.hellos));
    Ok(())
}

fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
}

fn write(frames: &mut Vec<u8>, opcode: Opcode, part: Part, payload: &[u8]) {
    write_masked_frame(frames, opcode, part, [0x12, 0x34, 0x56, 0x78], payload);
}
