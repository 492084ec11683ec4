//! A message as a client says it in JSON, in a line of a body or over WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use broker::{Marks, MessageRefusal};
use serde::Deserialize;
use topic::TopicName;

use crate::declined::Declined;
use crate::env::Env;
use crate::http::request;

/// A message that is not let in, and a sentence about it.
pub(crate) type Unsaid = Declined<MessageRefusal, String>;

/// What a feed shows, as far as a publisher may say it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) topic: String,
    pub(crate) payload: Option<String>,
    pub(crate) payload_b64: Option<String>,
    #[serde(default)]
    pub(crate) retain: bool,
    #[serde(default)]
    pub(crate) qos: u32,
    pub(crate) content_type: Option<String>,
}

impl Said {
    /// What is to be published, if it may be.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub(crate) fn message(self, env: &Env) -> Result<(TopicName, Vec<u8>, Marks), Unsaid> {
        let topic = request::topic(&self.topic).map_err(|declined| declined.map(|problem| problem.detail))?;
        let payload = match (self.payload, self.payload_b64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => {
                BASE64.decode(base64).map_err(|_| malformed("payload_b64 is no base64"))?
            }
            _ => return Err(malformed("either payload or payload_b64")),
        };
        if payload.len() > env.limits.message_bytes_max {
            let detail = format!("message too long: limit is {} bytes", env.limits.message_bytes_max);
            return Err(Unsaid::new(MessageRefusal::TooLarge, detail));
        }
        let qos = request::qos(self.qos).map_err(|problem| malformed(problem.detail))?;
        if self.retain && !payload.is_empty() && !env.shard.may_retain(&topic) {
            return Err(Unsaid::new(MessageRefusal::RetainedFull, "no room to retain another message"));
        }
        let properties = self.content_type.and_then(|text| request::content_type(text.as_bytes()));
        Ok((topic, payload, Marks { qos, retain: self.retain, properties, ..Marks::default() }))
    }
}

/// What stands where a message should is none.
pub(super) fn malformed(detail: impl Into<String>) -> Unsaid {
    Unsaid::new(MessageRefusal::Malformed, detail)
}
