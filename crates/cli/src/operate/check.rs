//! `tidings check`: whether a message that is published is heard, for those who must know by a program's exit code.
//!
//! A server may say that it is well and not be: so a message goes the way of all others.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::client::{
    Client, ConnectOptions, Event, Message, News, QoS, Reconnect, SessionEnd, Subscription, random,
};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::answers::Readiness;
use super::api::{Api, ApiError};
use super::args::ServerArgs;
use super::place::Place;
use crate::ending::report;
use crate::printed::printed;

/// Check that a server serves: publish a message and hear it
///
/// For cron, containers and load balancers. Asks /readyz, then publishes one message to a topic and waits for
/// it. Prints one line.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CheckArgs {
    /// How the message goes; several with commas between
    #[arg(long, value_enum, value_name = "PROTO", value_delimiter = ',', default_value = "http")]
    proto: Vec<Proto>,
    /// Topic of the message
    #[arg(long, value_name = "TOPIC", default_value = "tidings/check", value_parser = plain_topic)]
    topic: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Proto {
    Http,
    Mqtt,
}

/// Checks. Whatever is wrong is one sentence on standard error and exit code 1.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let until = Instant::now() + args.server.timeout;
    match check(args, until) {
        Ok(line) => printed(&line),
        Err(words) => {
            report(&words.0);
            ExitCode::FAILURE
        }
    }
}

/// Why it does not serve: for people, as programs want no more than that.
struct Failure(String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn check(args: &CheckArgs, until: Instant) -> Result<String, Failure> {
    let place = &args.server.server;
    check_ready(place, &api(place, until)?)?;
    let mut ways = Vec::new();
    for proto in &args.proto {
        let (name, time) = match proto {
            Proto::Http => ("HTTP", over_http(&api(place, until)?, &args.topic)?),
            Proto::Mqtt => ("MQTT", over_mqtt(place, &args.topic, until)?),
        };
        ways.push(format!("{:.2} ms over {name}", time.as_secs_f64() * 1e3));
    }
    Ok(format!("ok: {} at {place}\n", ways.join(", ")))
}

/// Whoever asks for what is left of the time.
fn api(place: &Place, until: Instant) -> Result<Api, Failure> {
    let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    let left = left.ok_or_else(|| Failure(format!("{place} was not checked in time")))?;
    Ok(Api::new(place.clone(), left))
}

fn check_ready(place: &Place, api: &Api) -> Result<(), Failure> {
    let Readiness { ready, reasons } = api.readiness()?;
    if ready {
        return Ok(());
    }
    let reasons: Vec<_> = reasons.into_iter().map(|reason| reason.detail).collect();
    Err(Failure(format!("{place} does not serve: {}", reasons.join("; "))))
}

fn over_http(api: &Api, topic: &str) -> Result<Duration, Failure> {
    #[derive(Deserialize)]
    struct Heard {
        payload: Option<String>,
    }
    let stream = api.listen(topic)?;
    let payload = unique();
    let began = Instant::now();
    api.publish(topic, &payload)?;
    // Others may check as well, and events are no messages.
    for line in BufReader::new(stream.take(HEARD_BYTES_MAX)).lines() {
        let line = line.map_err(|error| match api.stream_error(error) {
            ApiError::Silent { place, .. } => unheard(&place, "HTTP"),
            error => error.into(),
        })?;
        let heard: Option<Heard> = serde_json::from_str(&line).ok();
        if heard.and_then(|heard| heard.payload).is_some_and(|heard| heard == payload) {
            return Ok(began.elapsed());
        }
    }
    Err(Failure(format!("{} ended the stream before the message came", api.place())))
}

fn over_mqtt(place: &Place, topic: &str, until: Instant) -> Result<Duration, Failure> {
    let payload = unique();
    let mut options = ConnectOptions::new(&payload);
    options.answer_time = until.saturating_duration_since(Instant::now());
    let (mut client, _) = Client::connect(place.address().clone(), options, Reconnect::Never)?;
    let answers = client.subscribe(&Subscription::to(topic, QoS::AtLeastOnce))?;
    if let Some(refusal) = answers.iter().find(|answer| answer.reason.is_error()) {
        return Err(Failure(format!("{place} refuses the subscription: {refusal}")));
    }
    let began = Instant::now();
    client.publish(&Message::new(topic, payload.clone()).qos(QoS::AtLeastOnce))?;
    while let Some(news) = client.next(Some(until))? {
        match news {
            News::Event(Event::Message(message, receipt)) => {
                client.acknowledge(receipt);
                if message.payload == payload.as_bytes() {
                    let time = began.elapsed();
                    client.disconnect(SessionEnd::Discard)?;
                    return Ok(time);
                }
            }
            News::Event(Event::Published(_, ::client::Outcome::Refused(refusal))) => {
                return Err(Failure(format!("{place} refuses the message: {refusal}")));
            }
            News::Event(_) | News::Lost(_) => {}
        }
    }
    Err(unheard(place, "MQTT"))
}

fn unheard(place: &Place, proto: &str) -> Failure {
    Failure(format!("{place} accepted a message over {proto}, and it was not heard in time"))
}

/// A payload, or a client id, that no other check has.
fn unique() -> String {
    format!("tidings-check-{:016x}", random())
}

/// A topic that stands in a path as it is.
fn plain_topic(text: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    let is_topic = !text.is_empty()
        && text.chars().all(is_plain)
        && !text.split('/').any(|level| matches!(level, "." | ".."));
    if is_topic { Ok(text.to_owned()) } else { Err("use letters, digits and / - _ . ~") }
}

const AFTER_HELP: &str = "\
The topic keeps its last messages, as every topic does: one topic for all checks keeps few.

Exit codes:
  0  the message was heard; the line says after which time
  1  it was not, or the server is not ready; the line says why
  2  wrong option";

/// What others may publish to the topic meanwhile.
const HEARD_BYTES_MAX: u64 = 64 << 20;
