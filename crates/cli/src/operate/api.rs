//! One question over HTTP, and whose fault it is if there is no answer.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, Error, Timeout};

use super::place::Place;
use crate::ending::Ending;

/// A server, asked by one thread.
#[derive(Debug, Clone)]
pub(super) struct Api {
    agent: Agent,
    place: Place,
    timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// Nobody accepts connections there.
    Unreachable { place: Place, why: String },
    /// It takes the connection, and that is all.
    Silent { place: Place, after: Duration },
    /// Whoever answers is no Tidings server.
    Foreign { place: Place, how: String },
    /// The server does not want it.
    Problem { status: StatusCode, problem: Problem },
}

/// What the server says is wrong (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Problem {
    detail: String,
    hint: Option<String>,
}

impl Api {
    pub(super) fn new(place: Place, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout))
            .http_status_as_error(false)
            // The place that was named is asked, and nobody else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("tidings/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), place, timeout }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Asks for what stands at a path.
    ///
    /// # Errors
    /// Why there is no such answer.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, ApiError> {
        let request = self.agent.get(self.place.url(path)).query_pairs(query.iter().copied());
        let (_, body) = self.answer(request.call(), path)?;
        self.parse(&body, path)
    }

    /// Asks for something to be ended.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn delete(&self, path: &str) -> Result<(), ApiError> {
        self.answer(self.agent.delete(self.place.url(path)).call(), path).map(drop)
    }

    /// Asks whether it serves: a server that does not says why.
    ///
    /// # Errors
    /// Why there is no such answer.
    pub(super) fn readiness<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let outcome = self.agent.get(self.place.url(READINESS)).call();
        let (status, body) = self.whole(outcome)?;
        match status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => self.parse(&body, READINESS),
            _ => Err(self.refusal(status, &body, READINESS)),
        }
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn publish(&self, topic: &str, payload: &str) -> Result<(), ApiError> {
        let path = format!("/t/{topic}");
        self.answer(self.agent.post(self.place.url(&path)).send(payload), &path).map(drop)
    }

    /// Begins to hear a topic, a JSON object a line; as soon as the subscription stands.
    ///
    /// # Errors
    /// Why it does not stand.
    pub(super) fn listen(&self, topic: &str) -> Result<impl io::Read + use<>, ApiError> {
        let path = format!("/t/{topic}");
        let request = self.agent.get(self.place.url(&path)).query("format", "ndjson");
        let mut response = request.call().map_err(|error| self.error(&error))?;
        let status = response.status();
        match status.is_success() {
            true => Ok(response.into_body().into_reader()),
            false => {
                let body = self.read(&mut response)?;
                Err(self.refusal(status, &body, &path))
            }
        }
    }

    /// How a stream that this began has ended.
    pub(super) fn stream_error(&self, error: io::Error) -> ApiError {
        self.error(&Error::from(error))
    }

    fn answer(
        &self,
        outcome: Result<Response<Body>, Error>,
        path: &str,
    ) -> Result<(StatusCode, Vec<u8>), ApiError> {
        let (status, body) = self.whole(outcome)?;
        match status.is_success() {
            true => Ok((status, body)),
            false => Err(self.refusal(status, &body, path)),
        }
    }

    fn whole(&self, outcome: Result<Response<Body>, Error>) -> Result<(StatusCode, Vec<u8>), ApiError> {
        let mut response = outcome.map_err(|error| self.error(&error))?;
        Ok((response.status(), self.read(&mut response)?))
    }

    fn read(&self, response: &mut Response<Body>) -> Result<Vec<u8>, ApiError> {
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        body.read_to_vec().map_err(|error| self.error(&error))
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8], path: &str) -> Result<T, ApiError> {
        serde_json::from_slice(body)
            .map_err(|error| self.foreign(format!("its answer to {path} is another one: {error}")))
    }

    /// Tidings says what is wrong; whoever says nothing of the kind is somebody else.
    fn refusal(&self, status: StatusCode, body: &[u8], path: &str) -> ApiError {
        match serde_json::from_slice(body) {
            Ok(problem) => ApiError::Problem { status, problem },
            Err(_) => self.foreign(format!("it answers {} to {path}", status.as_u16())),
        }
    }

    fn foreign(&self, how: String) -> ApiError {
        ApiError::Foreign { place: self.place.clone(), how }
    }

    fn error(&self, error: &Error) -> ApiError {
        let place = self.place.clone();
        match error {
            Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                ApiError::Unreachable { place, why: "no answer in time".to_owned() }
            }
            Error::Timeout(_) => ApiError::Silent { place, after: self.timeout },
            Error::Io(error) if is_of_reading(error.kind()) => {
                ApiError::Foreign { place, how: "it closes the connection instead of an answer".to_owned() }
            }
            Error::Io(error) => ApiError::Unreachable { place, why: without_number(&error.to_string()) },
            Error::HostNotFound => ApiError::Unreachable { place, why: "no such host".to_owned() },
            Error::ConnectionFailed => ApiError::Unreachable { place, why: "nobody there".to_owned() },
            Error::BodyExceedsLimit(_) => {
                ApiError::Foreign { place, how: "its answer is too long".to_owned() }
            }
            error => ApiError::Foreign { place, how: error.to_string() },
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { place, why } => write!(f, "cannot connect to {place}: {why}"),
            Self::Silent { place, after } => {
                write!(f, "{place} has not answered for {} s", after.as_secs_f32())
            }
            Self::Foreign { place, how } => {
                write!(f, "{place} is no Tidings server, or one of another version: {how}")
            }
            Self::Problem { problem, .. } => problem.fmt(f),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        // A path is a hint for those who speak HTTP themselves.
        let hint = self.hint.as_ref().filter(|hint| !hint.starts_with('/'));
        hint.map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl From<ApiError> for Ending {
    fn from(error: ApiError) -> Self {
        let words = error.to_string();
        let ApiError::Problem { status, .. } = error else {
            return match error {
                ApiError::Unreachable { .. } => Self::Unreachable(words),
                _ => Self::Failed(words),
            };
        };
        match status {
            StatusCode::BAD_REQUEST => Self::Usage(words),
            StatusCode::NOT_FOUND => Self::NotFound(words),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => {
                Self::Refused(words)
            }
            _ => Self::Failed(words),
        }
    }
}

/// The words of the system, which say all that its number says.
fn without_number(words: &str) -> String {
    words.split(" (os error ").next().unwrap_or(words).to_owned()
}

/// What goes wrong on a connection that stands.
fn is_of_reading(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// A part of a path: only what cannot be taken for anything else stands as it is.
pub(super) fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

const READINESS: &str = "/readyz";
/// A page of a thousand topics with long names and payloads has a few megabytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
