//! The payload in a JSON line: for `--raw`, exactly the bytes that were published.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// What of a line matters here; a gap has neither.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    payload: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload_b64: Option<Cow<'a, str>>,
}

/// The payload of a message; nothing for any other line.
pub(super) fn payload(line: &[u8]) -> Option<Vec<u8>> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    match (line.payload, line.payload_b64) {
        (Some(text), _) => Some(text.into_owned().into_bytes()),
        (None, Some(base64)) => STANDARD.decode(base64.as_bytes()).ok(),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::text::{Format, Frame, Sender, Source, TimeField, gap_line};

    fn line(payload: &[u8]) -> Vec<u8> {
        let mut frame = Frame::new();
        let addr = Some(([127, 0, 0, 1], 50123).into());
        let sender =
            Sender { topic: "sports", addr, name: Some("alice"), time_ms: 0, source: Source([0; 4]) };
        frame.set(Format::Json, TimeField::Hidden, &sender);
        let mut line = Vec::new();
        frame.write_line(&mut line, payload, 0);
        line
    }

    #[test]
    fn what_is_no_message_has_no_payload() {
        for line in
            [gap_line(Format::Json, 120).as_str(), "[a]: {\"payload\":\"x\"}", "{\"payload\":\"x", "", "7"]
        {
            assert_eq!(payload(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn every_payload_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..100), text in any::<String>()) {
            for published in [&bytes[..], text.as_bytes()] {
                let read_back = payload(&line(published));
                prop_assert_eq!(read_back.as_deref(), Some(published));
            }
        }
    }
}
