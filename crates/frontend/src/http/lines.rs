//! Several messages in one body: a JSON object per line.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use broker::{Charge, Gauge, Marks, Publisher, Use};
use serde::Deserialize;
use wire::http::Status;

use crate::env::Env;
use crate::http::answers::Problem;
use crate::http::request;

/// What one call may cost, about.
const WORK_MAX: u64 = 100_000;
/// A message of its own run, read from JSON.
const LINE_WORK: u64 = 4000;

/// A body whose messages are published one after the other.
#[derive(Debug)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where the next one begins.
    at: usize,
    /// Lines that were read.
    number: u32,
    published: u32,
    _charge: Charge,
}

/// One line: what a stream of JSON shows, as far as a publisher may say it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    topic: String,
    payload: Option<String>,
    payload_b64: Option<String>,
    #[serde(default)]
    retain: bool,
    #[serde(default)]
    qos: u32,
    content_type: Option<String>,
}

impl Lines {
    pub(super) fn new(bytes: Vec<u8>, gauge: &Gauge) -> Self {
        let charge = gauge.charge(Use::Unfinished, bytes.capacity());
        Self { bytes, at: 0, number: 0, published: 0, _charge: charge }
    }

    /// Publishes the next ones. Returns how many there were once all are published.
    ///
    /// # Errors
    /// For the first line that is no message; those before it are published.
    pub(super) fn publish_some(
        &mut self,
        env: &mut Env,
        publisher: &Arc<Publisher>,
        count: &mut u64,
    ) -> Result<Option<u32>, Problem> {
        let spent_max = env.spent + WORK_MAX;
        while let Some(rest) = self.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            if env.spent >= spent_max {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default().trim_ascii();
            self.at += end + 1;
            self.number += 1;
            env.spent += LINE_WORK + end as u64;
            if line.is_empty() {
                continue;
            }
            let message = read(line).map_err(|detail| self.problem(&detail))?;
            self.publish(env, publisher, message, *count)?;
            *count += 1;
            self.published += 1;
        }
        Ok(Some(self.published))
    }

    fn publish(
        &self,
        env: &mut Env,
        publisher: &Arc<Publisher>,
        line: Line,
        number: u64,
    ) -> Result<(), Problem> {
        let topic = request::topic(&line.topic).map_err(|problem| self.problem(&problem.detail))?;
        let payload = match (line.payload, line.payload_b64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => {
                BASE64.decode(base64).map_err(|_| self.problem("payload_b64 is no base64"))?
            }
            _ => return Err(self.problem("either payload or payload_b64")),
        };
        let qos = request::qos(line.qos).map_err(|problem| self.problem(&problem.detail))?;
        if line.retain && !payload.is_empty() && !env.shard.may_retain(&topic) {
            env.shard.refuse();
            return Err(self.problem("no room to retain another message"));
        }
        let properties = line.content_type.and_then(|text| request::content_type(text.as_bytes()));
        let marks = Marks { qos, retain: line.retain, properties, ..Marks::default() };
        env.traffic.received += 1;
        env.publish_one(publisher, &topic, number, payload.into(), marks);
        Ok(())
    }

    /// What is wrong with the line that was read last.
    fn problem(&self, detail: &str) -> Problem {
        let Self { number, published, .. } = self;
        let detail = format!("Line {number}: {detail}. The {published} messages before it are published");
        Problem::new(Status::BAD_REQUEST, detail)
    }
}

fn read(line: &[u8]) -> Result<Line, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}
