//! `tidings sub`: messages as lines, until there are enough of them.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::client::{
    Message, QoS, Receipt, Reconnect, RetainHandling, SessionEnd, Start, SubscribeOptions, Subscription,
};
use clap::Args;
use clap::error::ErrorKind;

use super::args::{ServerArgs, duration, qos};
use super::session::Session;
use super::shape::{FORMAT_HELP, Shape, ShapeArgs};
use crate::ending::Ending;

/// Subscribe over MQTT 5, to any broker
///
/// Messages go to standard output, everything else to standard error. What was published with QoS 1 or 2 is
/// acknowledged after it was written. A server that is lost is looked for until it is back.
#[derive(Debug, Clone, Args)]
#[command(after_help = after_help(), override_usage = "tidings sub [OPTIONS] <FILTER>...")]
pub(crate) struct SubArgs {
    /// Topics to hear: + stands for one level, # for the rest
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Filter, as mosquitto_sub takes it; repeatable
    #[arg(short = 't', long = "topic", value_name = "FILTER")]
    filter_options: Vec<String>,
    /// Messages come with this QoS at most [default: as they were published]
    #[arg(short, long, value_name = "QOS", default_value = "2", hide_default_value = true, value_parser = qos)]
    qos: QoS,
    /// End after N messages
    #[arg(short = 'C', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time, with exit code 27 unless --count messages came before
    #[arg(short = 'W', long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    /// Begin with the last N messages (of a Tidings server)
    #[arg(long, value_name = "N", conflicts_with = "since")]
    last: Option<u32>,
    /// Begin with the messages of this long ago until now: 90s, 5m, 2d (of a Tidings server)
    #[arg(long, value_name = "AGE", value_parser = age)]
    since: Option<String>,
    /// Share the messages with every other member of this group: each goes to one of them
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Leave out messages that were retained before
    #[arg(short = 'R', long)]
    no_retained: bool,
    /// Keep the subscription on the server for this long after the end; needs --id
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "id")]
    keep: Option<Duration>,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one `tidings sub`. What goes wrong is reported on standard error and is in the exit code.
pub(crate) fn run(args: &SubArgs) -> ExitCode {
    let subscription = args.subscription();
    if subscription.filters.is_empty() {
        clap::Error::raw(ErrorKind::MissingRequiredArgument, "no filter: '#' is every topic\n").exit();
    }
    match subscribe(args, &subscription) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => ending.conclude(),
    }
}

impl SubArgs {
    fn subscription(&self) -> Subscription {
        let options = SubscribeOptions {
            retain_as_published: true,
            retain_handling: if self.no_retained { RetainHandling::Never } else { RetainHandling::Send },
            ..SubscribeOptions::of_qos(self.qos)
        };
        let mut subscription = Subscription::default();
        for filter in self.filters.iter().chain(&self.filter_options) {
            let filter = match &self.group {
                Some(group) => format!("$share/{group}/{filter}"),
                None => filter.clone(),
            };
            subscription = subscription.and(filter, options);
        }
        let history = self.last.map(|count| count.to_string()).or_else(|| self.since.clone());
        subscription.user.extend(history.map(|history| ("history".to_owned(), history)));
        subscription
    }
}

fn subscribe(args: &SubArgs, subscription: &Subscription) -> Result<(), Ending> {
    let until = args.wait.map(|wait| Instant::now() + wait);
    let mut options = args.server.options()?;
    if let Some(keep) = args.keep {
        options.start = Start::Resume;
        options.session_expiry_s = u32::try_from(keep.as_secs()).unwrap_or(u32::MAX);
    }
    let reconnect = if args.server.no_reconnect { Reconnect::Never } else { Reconnect::Always };
    let (mut session, _) = Session::open(args.server.address(), options, reconnect)?;
    session.subscribe(subscription)?;
    let mut printer = Printer::new(args.shape.shape());
    let heard = hear(&mut session, &mut printer, args.count, until);
    // What was written is not to come again.
    if let Some(receipt) = printer.flush()? {
        session.acknowledge(receipt);
    }
    let end = if args.keep.is_some() { SessionEnd::Keep } else { SessionEnd::Discard };
    match heard {
        Ok(()) => session.close(end),
        // The ending is known, whatever the server makes of the goodbye.
        Err(ending @ (Ending::Signal(_) | Ending::Expired | Ending::Done)) => {
            drop(session.close(end));
            Err(ending)
        }
        Err(ending) => Err(ending),
    }
}

/// Prints messages until there were `count` of them.
pub(super) fn hear(
    session: &mut Session,
    printer: &mut Printer,
    count: Option<u64>,
    until: Option<Instant>,
) -> Result<(), Ending> {
    let mut printed = 0;
    while count.is_none_or(|count| printed < count) {
        // Whatever is here already is written together.
        let now = Instant::now();
        let mut found = session.next(Some(now))?;
        if found.is_none() {
            if let Some(receipt) = printer.flush()? {
                session.acknowledge(receipt);
            }
            if until.is_some_and(|until| until <= now) {
                return Err(Ending::Expired);
            }
            found = session.next(until)?;
        }
        if let Some((message, receipt)) = found {
            printer.print(&message, receipt)?;
            printed += 1;
        }
    }
    Ok(())
}

/// Standard output: whole messages, and who is to hear that they are written.
#[derive(Debug)]
pub(super) struct Printer {
    shape: Shape,
    pending: Vec<u8>,
    receipt: Option<Receipt>,
}

impl Printer {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, pending: Vec::new(), receipt: None }
    }

    /// Takes a message that came just now, and writes if there is enough.
    ///
    /// # Errors
    /// How the command ends if standard output is gone.
    pub(super) fn print(&mut self, message: &Message, receipt: Receipt) -> Result<(), Ending> {
        let time = format!("{:.3}", jiff::Timestamp::now());
        self.shape.write(&mut self.pending, message, &time);
        self.receipt = Some(receipt);
        if self.pending.len() >= PENDING_BYTES { self.write() } else { Ok(()) }
    }

    /// Writes what waits; the receipt of the last message that is written, once.
    ///
    /// # Errors
    /// How the command ends if standard output is gone.
    pub(super) fn flush(&mut self) -> Result<Option<Receipt>, Ending> {
        self.write()?;
        Ok(self.receipt.take())
    }

    fn write(&mut self) -> Result<(), Ending> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.pending).and_then(|()| stdout.flush());
        self.pending.clear();
        written.map_err(|error| {
            // Nobody has seen it.
            self.receipt = None;
            match error.kind() {
                // Who reads only the first lines (`| head`) has what they wanted.
                io::ErrorKind::BrokenPipe => Ending::Done,
                _ => Ending::Failed(format!("cannot write the output: {error}")),
            }
        })
    }
}

fn age(text: &str) -> Result<String, &'static str> {
    duration(text).map(|_| text.to_owned())
}

fn after_help() -> String {
    format!("{FORMAT_HELP}\n\n{AFTER_HELP}")
}

const AFTER_HELP: &str = "\
Examples:
  tidings sub kitchen/temperature
  tidings sub -v 'kitchen/#' 'cellar/+/humidity'
  tidings sub --format '%I %t %p' --last 10 '#'
  tidings sub --count 1 --wait 5s door/open || echo nobody came

Exit codes:
  0         --count messages came, or nobody reads the output any more
  1         failed
  2         wrong option
  3         cannot connect
  4         refused by the server
  27        --wait is over
  130, 143  ended by Ctrl+C, SIGTERM";

/// Bytes that are written at once, at least if so many are there.
const PENDING_BYTES: usize = 64 * 1024;
