//! A message as one line of JSON, with everything in it, so that `sub --json` into `pub --jsonl` is a copy.
//!
//! A payload that is text stands as `payload`, another one as `payload_b64`; correlation data
//! likewise. What a message does not have is left out.

use ::client::{Message, PayloadFormat, QoS};
use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// A message that came, and when.
#[derive(Serialize)]
struct Written<'a> {
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_b64: Option<String>,
    time: &'a str,
    qos: u8,
    retain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_format: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data_b64: Option<String>,
    /// Pairs, as a name may be there more than once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    headers: &'a [(String, String)],
}

/// The same, as it is read back. Whatever it does not say is as the command line says. A key that nobody
/// writes is an error: it is a typing mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    topic: Option<String>,
    payload: Option<String>,
    payload_b64: Option<String>,
    qos: Option<u8>,
    retain: Option<bool>,
    payload_format: Option<u8>,
    expiry: Option<u32>,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data: Option<String>,
    correlation_data_b64: Option<String>,
    headers: Option<Vec<(String, String)>>,
    // What subscribers of this and of the text protocol are told, and no publisher can say.
    #[serde(rename = "time")]
    _time: Option<IgnoredAny>,
    #[serde(rename = "publisher")]
    _publisher: Option<IgnoredAny>,
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
}

/// Appends a message without a line end. `time` is when it came.
pub(super) fn write(out: &mut Vec<u8>, message: &Message, time: &str) {
    let (payload, payload_b64) = text_or_base64(&message.payload);
    let properties = &message.properties;
    let correlation = properties.correlation_data.as_deref().map(text_or_base64);
    let (correlation_data, correlation_data_b64) = correlation.unwrap_or_default();
    let line = Written {
        topic: &message.topic,
        payload,
        payload_b64,
        time,
        qos: message.qos as u8,
        retain: message.retain,
        payload_format: properties.payload_format.map(|format| u8::from(format == PayloadFormat::Text)),
        expiry: properties.expiry_s,
        content_type: properties.content_type.as_deref(),
        response_topic: properties.response_topic.as_deref(),
        correlation_data,
        correlation_data_b64,
        headers: &properties.user,
    };
    serde_json::to_writer(out, &line).expect("strings and numbers, into memory");
}

fn text_or_base64(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

/// Reads a message. `default` has what the line does not say; a topic if it is not empty.
///
/// # Errors
/// Why the line is none.
pub(super) fn read(line: &[u8], default: &Message) -> anyhow::Result<Message> {
    let line: Read = serde_json::from_slice(line)?;
    let mut message = default.clone();
    message.payload = bytes("payload", line.payload, line.payload_b64)?
        .context("no payload: use payload or payload_b64")?;
    message.topic = line.topic.unwrap_or(message.topic);
    ensure!(!message.topic.is_empty(), "no topic, and none on the command line");
    if let Some(qos) = line.qos {
        message.qos = QoS::of(qos).context("qos is 0, 1 or 2")?;
    }
    message.retain = line.retain.unwrap_or(message.retain);
    let properties = &mut message.properties;
    match line.payload_format {
        None => {}
        Some(0) => properties.payload_format = Some(PayloadFormat::Bytes),
        Some(1) => properties.payload_format = Some(PayloadFormat::Text),
        Some(_) => bail!("payload_format is 0 or 1"),
    }
    let correlation = bytes("correlation_data", line.correlation_data, line.correlation_data_b64)?;
    properties.correlation_data = correlation.or(properties.correlation_data.take());
    properties.expiry_s = line.expiry.or(properties.expiry_s);
    properties.content_type = line.content_type.or(properties.content_type.take());
    properties.response_topic = line.response_topic.or(properties.response_topic.take());
    if let Some(headers) = line.headers {
        properties.user = headers;
    }
    Ok(message)
}

fn bytes(key: &'static str, text: Option<String>, base64: Option<String>) -> anyhow::Result<Option<Vec<u8>>> {
    match (text, base64) {
        (Some(_), Some(_)) => bail!("both {key} and {key}_b64"),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(base64)) => {
            STANDARD.decode(base64).map(Some).with_context(|| format!("{key}_b64 is not base64"))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::client::MessageProperties;
    use proptest::prelude::*;

    fn text(message: &Message) -> String {
        let mut out = Vec::new();
        write(&mut out, message, "2026-11-22T12:00:00.123Z");
        String::from_utf8(out).unwrap()
    }
    fn message() -> impl Strategy<Value = Message> {
        let bytes = || prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)];
        let properties = (
            prop_oneof![Just(None), Just(Some(PayloadFormat::Bytes)), Just(Some(PayloadFormat::Text))],
            any::<Option<u32>>(),
            any::<Option<String>>(),
            any::<Option<String>>(),
            proptest::option::of(bytes()),
            any::<Vec<(String, String)>>(),
        );
        let properties =
            properties.prop_map(|(format, expiry, content, response, correlation, user)| MessageProperties {
                payload_format: format,
                expiry_s: expiry,
                content_type: content,
                response_topic: response,
                correlation_data: correlation,
                user,
            });
        (".{1,20}", bytes(), 0..3_u8, any::<bool>(), properties).prop_map(
            |(topic, payload, qos, retain, properties)| {
                let qos = QoS::of(qos).unwrap();
                Message { topic, payload, qos, retain, properties }
            },
        )
    }

    #[test]
    fn lines_as_they_are_written() {
        let mut message = Message::new("a/b", "x").qos(QoS::AtLeastOnce);
        assert_eq!(
            text(&message),
            r#"{"topic":"a/b","payload":"x","time":"2026-11-22T12:00:00.123Z","qos":1,"retain":false}"#
        );
        message.payload = vec![0xff];
        message.properties.user = vec![("b".into(), "1".into()), ("b".into(), "2".into())];
        assert_eq!(
            text(&message),
            r#"{"topic":"a/b","payload_b64":"/w==","time":"2026-11-22T12:00:00.123Z","qos":1,"retain":false,"headers":[["b","1"],["b","2"]]}"#
        );
    }

    #[test]
    fn what_a_line_does_not_say_is_as_the_command_line_says() {
        let mut default = Message::new("t", "").qos(QoS::ExactlyOnce);
        default.retain = true;
        default.properties.user.push(("a".into(), "b".into()));
        let found = read(br#"{"payload":"x"}"#, &default).unwrap();
        assert_eq!(found, Message { payload: b"x".to_vec(), ..default.clone() });
        let found = read(br#"{"payload":"x","topic":"u","qos":0,"retain":false,"headers":[]}"#, &default);
        assert_eq!(found.unwrap(), Message::new("u", "x"));
    }

    #[test]
    fn lines_that_are_no_message() {
        for (line, part) in [
            ("", "EOF"),
            ("x", "expected"),
            (r#"{"topic":"a","payload":"x","retian":true}"#, "unknown field `retian`"),
            (r#"{"topic":"a"}"#, "no payload"),
            (r#"{"payload":"x"}"#, "no topic"),
            (r#"{"topic":"a","payload":"x","payload_b64":""}"#, "both payload and payload_b64"),
            (r#"{"topic":"a","payload_b64":"?"}"#, "payload_b64 is not base64"),
            (r#"{"topic":"a","payload":"x","qos":3}"#, "qos is"),
            (r#"{"topic":"a","payload":"x","payload_format":2}"#, "payload_format is"),
            (r#"{"topic":"a","payload":"x","expiry":-1}"#, "invalid value"),
            (r#"{"gap":3}"#, "unknown field"),
        ] {
            let error = read(line.as_bytes(), &Message::new("", "")).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_message_comes_back(message in message()) {
            let found = read(text(&message).as_bytes(), &Message::new("default", ""));
            prop_assert_eq!(found.unwrap(), message);
        }
    }
}
