//! `tidings req`: a message, and the replies to it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::client::{
    Message, QoS, Receipt, Reconnect, Replies, RetainHandling, SessionEnd, SubscribeOptions, Subscription,
    random,
};
use clap::Args;

use super::args::{MessageArgs, ServerArgs, duration};
use super::records;
use super::session::Session;
use super::shape::{FORMAT_HELP, ShapeArgs};
use super::subscribe::Printer;
use crate::ending::Ending;

/// Publish a request over MQTT 5 and print the reply
///
/// The request tells a response topic of its own and correlation data. What comes there is a reply, unless it
/// carries other correlation data.
#[derive(Debug, Clone, Args)]
#[command(after_help = after_help())]
pub(crate) struct ReqArgs {
    /// Topic to publish the request to
    topic: String,
    /// Payload; - for all of standard input
    message: String,
    /// Wait for N replies
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Give up after this time, with exit code 27
    #[arg(short = 'W', long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    wait: Duration,
    #[command(flatten)]
    properties: MessageArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one `tidings req`. What goes wrong is reported on standard error and is in the exit code.
pub(crate) fn run(args: &ReqArgs) -> ExitCode {
    match request(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.conclude(),
    }
}

fn request(args: &ReqArgs) -> Result<(), Ending> {
    let payload = match args.message.as_str() {
        "-" => records::read_whole()?,
        text => text.as_bytes().to_vec(),
    };
    let until = Instant::now() + args.wait;
    let mut options = args.server.options()?;
    options.replies = Replies::Wanted;
    let reconnect = if args.server.no_reconnect { Reconnect::Never } else { Reconnect::Within(args.wait) };
    let (mut session, connected) = Session::open(args.server.address(), options, reconnect)?;
    let place = connected.response_information.as_deref().unwrap_or(REPLIES);
    let response_topic = format!("{}/{}", place.trim_end_matches('/'), connected.client_id);
    let retain_handling = RetainHandling::Never;
    let reply_options = SubscribeOptions { retain_handling, ..SubscribeOptions::of_qos(QoS::ExactlyOnce) };
    session.subscribe(&Subscription::default().and(response_topic.as_str(), reply_options))?;

    let mut message = args.properties.message(&args.topic, payload);
    let correlation = random().to_be_bytes().to_vec();
    message.properties.response_topic = Some(response_topic);
    message.properties.correlation_data = Some(correlation.clone());
    session.publish(&message, args.wait)?;
    let mut printer = Printer::new(args.shape.shape());
    let mut count = 0;
    let mut last = None;
    while count < args.count {
        let found = session.next(Some(until))?;
        if let Some(refused) = session.rejected() {
            return Err(refused);
        }
        match found {
            Some((reply, receipt)) if is_reply(&reply, &correlation) => {
                printer.print(&reply, receipt)?;
                last = printer.flush()?;
                count += 1;
            }
            Some(_) => {}
            None if Instant::now() >= until => {
                return session.close(SessionEnd::Discard).and(Err(Ending::Expired));
            }
            None => {}
        }
        acknowledge(&mut session, last);
    }
    session.settle(until.saturating_duration_since(Instant::now()))?;
    session.close(SessionEnd::Discard)
}

fn acknowledge(session: &mut Session, receipt: Option<Receipt>) {
    if let Some(receipt) = receipt {
        session.acknowledge(receipt);
    }
}

/// Whether a message on our topic answers our request. Who leaves the correlation data out has no
/// other request to mean.
fn is_reply(message: &Message, correlation: &[u8]) -> bool {
    message.properties.correlation_data.as_deref().is_none_or(|data| data == correlation)
}

fn after_help() -> String {
    format!("{FORMAT_HELP}\n\n{AFTER_HELP}")
}

const AFTER_HELP: &str = "\
Examples:
  tidings req math/add '1 2'
  tidings req --count 3 --json who-is-there ''

Exit codes:
  0         --count replies came
  1         failed
  2         wrong option
  3         cannot connect
  4         refused by the server
  27        --wait is over
  130, 143  ended by Ctrl+C, SIGTERM";

/// Where replies go if the server does not say where.
const REPLIES: &str = "tidings/reply";
