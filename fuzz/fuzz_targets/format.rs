//! Any name, topic and payload in every format. Input: eight bytes of time, then name, topic and
//! payload with a newline between them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz::line::{Told, is_dangerous, lines, read_json, read_plain};
use wire::text::{Format, Frame, Sender, Source, TimeField, gap_line};

const FORMATS: [Format; 5] =
    [Format::From, Format::FromTopic, Format::Tuple, Format::TupleTopic, Format::Json];

fuzz_target!(|bytes: &[u8]| {
    let Some((time, rest)) = bytes.split_first_chunk::<8>() else { return };
    let mut parts = rest.splitn(3, |b| *b == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let name = String::from_utf8_lossy(part());
    let topic = String::from_utf8_lossy(part());
    let payload = part();
    let time_ms = u64::from_le_bytes(*time);
    let sender = Sender {
        topic: &topic,
        // The broker itself has none.
        addr: time_ms.is_multiple_of(2).then(|| "[2001:db8::1]:50123".parse().expect("an address")),
        name: (!name.is_empty()).then_some(name.as_ref()),
        time_ms,
        source: Source([time_ms; 4]),
    };
    for format in FORMATS {
        for time in [TimeField::Shown, TimeField::Hidden] {
            check_line(format, time, payload, &sender);
        }
        check_gap(format, time_ms);
    }
});

fn check_line(format: Format, time: TimeField, payload: &[u8], sender: &Sender<'_>) {
    let mut frame = Frame::new();
    frame.set(format, time, sender);
    // A run's frame is made once, and its lines are written one behind the other.
    let mut out = b"before\n".to_vec();
    frame.write_line(&mut out, payload, sender.time_ms);
    for payload_bytes_max in [4, 5, 7, 64] {
        let (mut parts, mut from) = (b"before\n".to_vec(), None);
        loop {
            from = frame.write_part(&mut parts, payload, sender.time_ms, from, payload_bytes_max);
            if from.is_none() {
                break;
            }
        }
        assert_eq!(parts, out, "parts of {payload_bytes_max} bytes");
    }
    let lines = lines(&out);
    let ["before", line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
    assert!(line.len() < frame.bytes() + 6 * payload.len().max(1));
    if format == Format::Json {
        assert!(!line.chars().any(is_dangerous), "drives a terminal: {line:?}");
        assert_eq!(read_json(line), Told::Message(payload.to_vec()));
        let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(object["topic"].as_str(), Some(sender.topic));
        assert_eq!(object.get("name").and_then(|name| name.as_str()), sender.name);
    } else {
        let told = Told::Message(line.as_bytes().to_vec());
        assert_eq!(read_plain(line), told, "no message looks like a gap");
    }
}

fn check_gap(format: Format, dropped: u64) {
    let text = gap_line(format, dropped);
    let lines = lines(text.as_bytes());
    let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
    if format == Format::Json {
        assert_eq!(read_json(line), Told::Gap(dropped));
    } else {
        assert_eq!(read_plain(line), Told::Gap(dropped));
    }
}
