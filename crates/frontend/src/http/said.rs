//! A message as a client says it in JSON, in a line of a body or over WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use broker::Marks;
use serde::Deserialize;
use topic::TopicName;

use crate::env::Env;
use crate::http::request;

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
    pub(crate) fn message(self, env: &mut Env) -> Result<(TopicName, Vec<u8>, Marks), String> {
        let topic = request::topic(&self.topic).map_err(|problem| problem.detail)?;
        let payload = match (self.payload, self.payload_b64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => {
                BASE64.decode(base64).map_err(|_| "payload_b64 is no base64".to_owned())?
            }
            _ => return Err("either payload or payload_b64".to_owned()),
        };
        if payload.len() > env.limits.message_bytes_max {
            return Err(format!("message too long: limit is {} bytes", env.limits.message_bytes_max));
        }
        let qos = request::qos(self.qos).map_err(|problem| problem.detail)?;
        if self.retain && !payload.is_empty() && !env.shard.may_retain(&topic) {
            env.shard.refuse();
            return Err("no room to retain another message".to_owned());
        }
        let properties = self.content_type.and_then(|text| request::content_type(text.as_bytes()));
        Ok((topic, payload, Marks { qos, retain: self.retain, properties, ..Marks::default() }))
    }
}
