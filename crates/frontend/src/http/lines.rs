//! Several messages in one body: a JSON object per line.

use std::sync::Arc;

use broker::{Charge, Gauge, Publisher, Use};
use wire::http::Status;

use crate::env::Env;
use crate::http::answers::Problem;
use crate::http::said::{self, Said};

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
            let said = serde_json::from_slice(line).map_err(|error| said::malformed(error.to_string()));
            let (topic, payload, marks) = said
                .and_then(|said: Said| said.message(env))
                .map_err(|declined| self.problem(&declined.counted(env)))?;
            env.traffic.received += 1;
            env.publish_one(publisher, &topic, *count, payload.into(), marks);
            *count += 1;
            self.published += 1;
        }
        Ok(Some(self.published))
    }

    /// What is wrong with the line that was read last.
    fn problem(&self, detail: &str) -> Problem {
        let Self { number, published, .. } = self;
        let detail = format!("Line {number}: {detail}. The {published} messages before it are published");
        Problem::new(Status::BAD_REQUEST, detail)
    }
}

#[cfg(test)]
mod tests {
    use broker::{ConnId, Now, ShardId};
    use bytes::Bytes;

    use crate::link::Chunk;
    use crate::{Handover, Limits, ReadEnd, Rules, Spoken, Station, StationConfig, TopicPrompt, web_words};

    /// What those who hear them cost was not seen before the call was over.
    #[test]
    fn a_call_publishes_fewer_of_them_if_more_hear_them() {
        let limits = std::sync::Arc::new(Limits::default());
        let rules = std::rc::Rc::new(Rules {
            limits: limits.clone(),
            spoken: Spoken::AnyProtocol,
            topic_prompt: TopicPrompt::Off,
        });
        let mut station = Station::new(StationConfig {
            own: ShardId(0),
            shards: 1,
            limits,
            seed: 1,
            home_seed: 1,
            epoch: 1,
            web: std::sync::Arc::default(),
            gauge: broker::Gauge::new(),
        });
        let now = Now::default();
        let mut says = |slot: u32, bytes: &[u8]| {
            let conn = ConnId { slot, generation: 0 };
            if !bytes.is_empty() {
                let handover = Handover::accepted(([127, 0, 0, 1], 1).into(), now.mono);
                station.adopt(now, conn, handover, &rules);
            }
            let chunk = Chunk { bytes: Bytes::copy_from_slice(bytes), pinned_bytes: bytes.len() };
            station.receive(now, conn, chunk, ReadEnd::Drained);
            station.take_work()
        };
        for slot in 0..200 {
            says(slot, b"sub:#\n");
        }
        let line = r#"{"topic":"a","payload":"x"}"#;
        let words = format!("POST /t ; content-type: application/x-ndjson : {}", [line; 60].join("\n"));
        let begun = says(200, &web_words::request(&words).unwrap());
        assert!((50_000..150_000).contains(&begun), "one call costs {begun}");
        assert!((50_000..150_000).contains(&says(200, b"")), "so does the next");
    }
}
