//! `tidings pub`: one message, or as many as standard input has.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::client::{Message, Reconnect, SessionEnd};
use clap::Args;
use clap::error::ErrorKind;

use super::args::{MessageArgs, ServerArgs, duration};
use super::json;
use super::records::{self, Found, Records};
use super::session::Session;
use crate::ending::Ending;

/// Publish over MQTT 5, to any broker
///
/// With QoS 1 or 2 it succeeds only once the server has taken over every message. A server that is lost is
/// tried again for as long as --timeout says, and gets again what it has not acknowledged.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
pub(crate) struct PubArgs {
    /// Topic to publish to
    topic: Option<String>,
    /// Payload; - or nothing: all of standard input; '' for an empty one
    message: Option<String>,
    /// Topic, as mosquitto_pub takes it
    #[arg(short = 't', long = "topic", value_name = "TOPIC")]
    topic_option: Option<String>,
    /// Payload, as mosquitto_pub takes it
    #[arg(short = 'm', long = "message", value_name = "MESSAGE", conflicts_with = "message")]
    message_option: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    /// Have the server keep it for later subscribers
    #[arg(short, long)]
    retain: bool,
    /// Publish it N times
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Wait between two messages
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    interval: Duration,
    /// Give up when nothing could be sent or was acknowledged for this long
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    properties: MessageArgs,
    /// Topic for replies
    #[arg(long, value_name = "TOPIC", help_heading = "Message")]
    response_topic: Option<String>,
    /// What a reply has to carry
    #[arg(long, value_name = "TEXT", help_heading = "Message")]
    correlation_data: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is read instead of the command line.
#[derive(Debug, Clone, Args)]
#[group(multiple = false, conflicts_with_all = ["message_option", "count"])]
struct InputArgs {
    /// Each line of standard input is a message
    #[arg(short = 'l', long)]
    lines: bool,
    /// What ends with NUL on standard input is a message
    #[arg(short = '0', long)]
    null: bool,
    /// Each line of standard input is a message as sub --json prints it; options say what a line does not
    #[arg(long)]
    jsonl: bool,
    /// The content of this file is the message
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Where payloads come from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Given(String),
    File(PathBuf),
    Whole,
    Records(Kind),
}

/// What standard input has many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lines,
    Nulls,
    Json,
}

/// Runs one `tidings pub`. What goes wrong is reported on standard error and is in the exit code.
pub(crate) fn run(args: &PubArgs) -> ExitCode {
    let (topic, source) = match args.parse() {
        Ok(parsed) => parsed,
        Err(usage) => usage.exit(),
    };
    match publish(args, topic, source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.conclude(),
    }
}

impl PubArgs {
    /// Topic and source: a topic that was given as an option makes room for the message.
    fn parse(&self) -> Result<(&str, Source), clap::Error> {
        let usage = |words: &str| Err(clap::Error::raw(ErrorKind::ValueValidation, format!("{words}\n")));
        let (topic, message) = match (&self.topic_option, &self.topic, &self.message) {
            (None, topic, message) => (topic, message),
            (Some(_), message, None) => (&self.topic_option, message),
            (Some(_), ..) => return usage("two topics: one behind -t and one without"),
        };
        let message = self.message_option.as_ref().or(message.as_ref());
        let input = &self.input;
        let of_input = [
            (input.lines, Source::Records(Kind::Lines)),
            (input.null, Source::Records(Kind::Nulls)),
            (input.jsonl, Source::Records(Kind::Json)),
        ];
        let mut of_input = of_input.into_iter().filter(|(is_given, _)| *is_given).map(|(_, source)| source);
        let source = of_input.next().or(input.file.clone().map(Source::File));
        let source = match (source, message.map(String::as_str)) {
            (Some(_), Some(_)) => {
                return usage("a message on the command line and another source of messages");
            }
            (Some(source), None) => source,
            (None, Some("-")) => Source::Whole,
            (None, Some(text)) => Source::Given(text.to_owned()),
            (None, None) if std::io::stdin().is_terminal() => {
                return usage("no message: give one, '' for an empty one, or - to type it");
            }
            (None, None) => Source::Whole,
        };
        match topic {
            Some(topic) => Ok((topic, source)),
            None if source == Source::Records(Kind::Json) => Ok(("", source)),
            None => usage("no topic"),
        }
    }

    fn message(&self, topic: &str, payload: Vec<u8>) -> Message {
        let mut message = self.properties.message(topic, payload);
        message.retain = self.retain;
        message.properties.response_topic.clone_from(&self.response_topic);
        message.properties.correlation_data = self.correlation_data.clone().map(String::into_bytes);
        message
    }
}

/// What is published.
enum Input {
    One(Vec<u8>),
    Many(Kind),
}

fn publish(args: &PubArgs, topic: &str, source: Source) -> Result<(), Ending> {
    let input = match source {
        Source::Given(text) => Input::One(text.into_bytes()),
        Source::File(path) => Input::One(
            std::fs::read(&path)
                .map_err(|error| Ending::Failed(format!("cannot read {}: {error}", path.display())))?,
        ),
        Source::Whole => Input::One(records::read_whole()?),
        Source::Records(kind) => Input::Many(kind),
    };
    let options = args.server.options()?;
    let reconnect = if args.server.no_reconnect { Reconnect::Never } else { Reconnect::Within(args.timeout) };
    let (mut session, _) = Session::open(args.server.address(), options, reconnect)?;
    let of_payload = |payload| Ok(args.message(topic, payload));
    let published = match input {
        Input::One(payload) => repeat(args, &mut session, &args.message(topic, payload)),
        Input::Many(Kind::Lines) => copy(args, &mut session, b'\n', of_payload),
        Input::Many(Kind::Nulls) => copy(args, &mut session, 0, of_payload),
        Input::Many(Kind::Json) => {
            let default = args.message(topic, Vec::new());
            copy(args, &mut session, b'\n', |line| json::read(&line, &default))
        }
    };
    if let Err(Ending::Signal(_)) = published {
        drop(session.close(SessionEnd::Discard));
        return published;
    }
    // What was sent before something went wrong is to arrive.
    let settled = session.settle(args.timeout);
    published.and(settled)?;
    session.close(SessionEnd::Discard)
}

fn repeat(args: &PubArgs, session: &mut Session, message: &Message) -> Result<(), Ending> {
    for number in 0..args.count {
        if number > 0 {
            pause(session, args.interval)?;
        }
        session.publish(message, args.timeout)?;
    }
    Ok(())
}

/// Publishes what standard input has, until its end.
fn copy(
    args: &PubArgs,
    session: &mut Session,
    end: u8,
    message: impl Fn(Vec<u8>) -> anyhow::Result<Message>,
) -> Result<(), Ending> {
    let records = Records::read(end, session.waker())
        .map_err(|error| Ending::Failed(format!("cannot read the input: {error}")))?;
    let mut count: u64 = 0;
    loop {
        match records.next()? {
            Found::Piece(piece) => {
                count += 1;
                let message = message(piece).map_err(|error| {
                    Ending::Failed(format!("line {count} of the input is no message: {error:#}"))
                })?;
                session.publish(&message, args.timeout)?;
                pause(session, args.interval)?;
            }
            // Nobody writes to a publisher.
            Found::Nothing => drop(session.next(None)?),
            Found::End => return Ok(()),
        }
    }
}

fn pause(session: &mut Session, time: Duration) -> Result<(), Ending> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        session.next(Some(until))?;
    }
    Ok(())
}

const USAGE: &str = "\
tidings pub [OPTIONS] <TOPIC> [MESSAGE|-]
       tidings pub [OPTIONS] <TOPIC> --lines|--null|--file <FILE>
       tidings pub [OPTIONS] [TOPIC] --jsonl";

const AFTER_HELP: &str = "\
Examples:
  tidings pub kitchen/temperature 21.5
  tidings pub -q 1 -r -H unit:C kitchen/temperature 21.5
  tail -f app.log | tidings pub logs/app --lines
  tidings sub --json '#' | tidings pub -s other-server --jsonl

Exit codes:
  0         done; with QoS 1 or 2 everything has arrived
  1         something may not have arrived
  2         wrong option
  3         cannot connect
  4         refused by the server
  130, 143  ended by Ctrl+C, SIGTERM";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: PubArgs,
    }

    fn check(line: &[&str]) -> String {
        let words = ["pub"].iter().chain(line);
        let parsed = Command::try_parse_from(words)
            .and_then(|command| command.args.parse().map(|(topic, source)| format!("{topic:?} {source:?}")));
        parsed.unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn topics_and_messages_in_either_spelling() {
        for (line, expected) in [
            (&["a", "b"][..], "\"a\" Given(\"b\")"),
            (&["-t", "a", "b"], "\"a\" Given(\"b\")"),
            (&["-t", "a", "-m", "b"], "\"a\" Given(\"b\")"),
            (&["a", "-m", "b"], "\"a\" Given(\"b\")"),
            (&["a", ""], "\"a\" Given(\"\")"),
            (&["a", "-"], "\"a\" Whole"),
            (&["a", "--lines"], "\"a\" Records(Lines)"),
            (&["-t", "a", "-l"], "\"a\" Records(Lines)"),
            (&["a", "-0"], "\"a\" Records(Nulls)"),
            (&["--jsonl"], "\"\" Records(Json)"),
            (&["--jsonl", "a"], "\"a\" Records(Json)"),
            (&["a", "-f", "/x"], "\"a\" File(\"/x\")"),
        ] {
            assert_eq!(check(line), expected, "{line:?}");
        }
    }

    #[test]
    fn usage_errors() {
        for (line, part) in [
            (&["--lines"][..], "no topic"),
            (&["-t", "a", "b", "c"], "two topics"),
            (&["a", "b", "--lines"], "another source"),
            (&["a", "b", "-m", "c"], "cannot be used with"),
            (&["a", "--lines", "--jsonl"], "cannot be used with"),
            (&["a", "--lines", "--count", "2"], "cannot be used with"),
            (&["a", "b", "-q", "3"], "use 0, 1 or 2"),
            (&["a", "b", "-H", "x"], "use NAME:VALUE"),
            (&["a", "b", "--expiry", "soon"], "use a time"),
            (&["a", "b", "--count", "0"], "0 is not in"),
            (&["a", "b", "-s", "mqtts://x"], "no TLS"),
        ] {
            let complaint = check(line);
            assert!(complaint.contains(part), "{line:?}: {complaint}");
        }
    }
}
