//! The command line of `tidings client`, and what it asks for, checked.

use clap::Args;
use clap::error::ErrorKind;

use super::connection::Address;
use super::hello::{Format, Opening, Options, Replay, Request, Side};

/// Publish or subscribe from a terminal or a pipe.
///
/// With a ROLE it begins at once: a publisher types messages behind `PUB: `, a subscriber sees them as
/// `Server: [...]`. Without one the server asks for the role.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP, override_usage = USAGE)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag; clap refuses those that exclude each other"
)]
pub(crate) struct ClientArgs {
    // Not a doc comment: rustdoc would take the address for a link.
    #[arg(help = "Name or address of the server, alone or with its port: localhost:8071, [::1]:8071")]
    host: String,
    /// Port of the server, unless HOST has it; the words behind it then move up by one
    port: Option<String>,
    /// PUBLISHER (PUB) or SUBSCRIBER (SUB), in any letter case [default: the server asks]
    role: Option<String>,
    /// Topic to publish to or filter to hear (`+` one level, `#` the rest) [default: broadcast, or every topic]
    topic: Option<String>,
    /// Name that is shown with your messages
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Begin with the last N messages
    #[arg(long, value_name = "N", conflicts_with = "since")]
    last: Option<u32>,
    /// Begin with the messages of this long ago until now: 90s, 5m, 1h30m, 2d
    #[arg(long, value_name = "AGE")]
    since: Option<String>,
    /// Put the time in front of each message
    #[arg(long)]
    time: bool,
    /// Print one JSON object per message
    #[arg(long)]
    json: bool,
    /// Print the payload alone: the bytes that were published and a newline
    #[arg(long, conflicts_with_all = ["json", "time"])]
    raw: bool,
    /// Have the server confirm each message, and wait for it
    #[arg(long)]
    ack: bool,
    /// End after N messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Reconnect also when the server ended the session, as it does before a restart
    #[arg(long, conflicts_with = "no_reconnect")]
    reconnect: bool,
    /// Give up when the server is lost (subscribers otherwise reconnect)
    #[arg(long)]
    no_reconnect: bool,
}

/// What to do when the server of a subscriber is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loyalty {
    /// Connect again, with growing pauses, unless it said `terminate`.
    Reconnect,
    /// Connect again even then: whoever runs it is about to start it again.
    Return,
    /// Say so and end.
    GiveUp,
}

impl ClientArgs {
    /// Where the server is, and what is to be said to it.
    ///
    /// # Errors
    /// A usage error, if there is no such place or the server could only refuse the rest.
    pub(super) fn parse(&self) -> Result<(Address, Request), clap::Error> {
        let usage = |words: String| clap::Error::raw(ErrorKind::ValueValidation, words + "\n");
        let (address, words) = self.address().map_err(usage)?;
        let request = self.request(words).map_err(usage)?;
        Ok((address, request))
    }

    /// The server, and the role and topic behind it.
    fn address(&self) -> Result<(Address, [Option<&str>; 2]), String> {
        let [second, third, fourth] = [&self.port, &self.role, &self.topic].map(Option::as_deref);
        let (host, port) = split_host(&self.host)?;
        let (port, words) = match (port, second) {
            // Who names a role there has forgotten the port.
            (None, word) if word.is_none_or(|word| Side::parse(word).is_some()) => {
                let joined = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                return Err(format!("no port: use {host} PORT or {joined}:PORT"));
            }
            (None, port) => (port.unwrap_or_default(), [third, fourth]),
            (Some(_), Some(second)) if second.parse::<u16>().is_ok() => {
                return Err(format!("two ports: {} and {second}", self.host));
            }
            (Some(_), _) if fourth.is_some() => {
                return Err(format!("too many words behind {}: a role and a topic at most", self.host));
            }
            (Some(port), role) => (port, [role, third]),
        };
        let number = port.parse().ok().filter(|port| *port > 0);
        let port = number.ok_or_else(|| format!("invalid port \"{port}\": use a number from 1 to 65535"))?;
        Ok((Address { host: host.to_owned(), port }, words))
    }

    fn request(&self, [role, topic]: [Option<&str>; 2]) -> Result<Request, String> {
        let opening = match role {
            Some(role) => Opening::Given { side: parse_side(role)?, topic: topic.map(str::to_owned) },
            None => Opening::Asked,
        };
        let last = self.last.map(Replay::Last);
        let replay = last.or_else(|| self.since.clone().map(Replay::Since));
        let format = match (self.json, self.raw) {
            (true, _) => Format::Json,
            (false, true) => Format::Raw,
            (false, false) => Format::Plain,
        };
        let options = Options { name: self.name.clone(), replay, time: self.time, format, ack: self.ack };
        let request = Request { opening, options };
        request.check()?;
        let only_subscribers = [("--count", self.count.is_some()), ("--reconnect", self.reconnect)];
        match only_subscribers.iter().find(|(_, given)| *given) {
            Some((option, _)) if request.side() == Some(Side::Publisher) => {
                return Err(format!("{option} is for subscribers"));
            }
            _ => {}
        }
        Ok(request)
    }

    /// How many messages a subscriber wants.
    pub(super) fn count(&self) -> Option<u64> {
        self.count
    }

    pub(super) fn loyalty(&self) -> Loyalty {
        match (self.reconnect, self.no_reconnect) {
            (true, _) => Loyalty::Return,
            (false, true) => Loyalty::GiveUp,
            (false, false) => Loyalty::Reconnect,
        }
    }
}

/// A host and the port that is written with it, if one is. Several colons without brackets are an
/// IPv6 address, in which nobody could tell the port.
fn split_host(text: &str) -> Result<(&str, Option<&str>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, rest)) if rest.starts_with(':') => (host, rest.get(1..)),
            _ => return Err(format!("invalid host \"{text}\": use [ADDRESS]:PORT")),
        },
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    match host {
        "" => Err(format!("invalid host \"{text}\": use HOST PORT or HOST:PORT")),
        host => Ok((host, port)),
    }
}

fn parse_side(word: &str) -> Result<Side, String> {
    Side::parse(word)
        .ok_or_else(|| format!("invalid role \"{word}\": use PUBLISHER (PUB) or SUBSCRIBER (SUB)"))
}

const USAGE: &str = "\
tidings client [OPTIONS] <HOST> <PORT> [ROLE] [TOPIC]
       tidings client [OPTIONS] <HOST:PORT> [ROLE] [TOPIC]";

const AFTER_HELP: &str = "\
`terminate`, the end of input (Ctrl+D) and Ctrl+C end the session. Input that is no terminal is sent line by line; \
a subscriber heeds only the word `terminate` in it and outlives its end. Messages go to standard output, everything \
else to standard error unless standard output is a terminal.

Without TOPIC and options exactly `pub` or `sub` is sent, which every server of this family understands. A subscriber \
that began with --last or --since and lost its server asks for what was published since the loss when it is back.

Exit status:
  0    ended by `terminate`, by the end of input, by --count, or by the reader of our output
  1    the server was lost, not everything was sent, or with --ack not everything was confirmed
  2    wrong arguments
  3    cannot connect
  4    the server refused the role, the topic or an option
  6    the server said `terminate`: it shuts down, or its operator ended the session
  130  Ctrl+C, after the server was told; 129 and 143 after SIGHUP and SIGTERM";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        client: ClientArgs,
    }

    /// The hello that these arguments send, or the first line of the complaint.
    fn check(line: &str) -> String {
        let words = std::iter::once("tidings").chain(line.split(' '));
        let request = Command::try_parse_from(words).and_then(|c| c.client.parse());
        match request {
            Ok((_, request)) => match request.hello() {
                Some(hello) => String::from_utf8(hello.bytes).expect("hellos are text"),
                None => "asked".to_owned(),
            },
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn arguments_become_hellos() {
        assert_eq!(check("localhost 8071"), "asked");
        assert_eq!(check("localhost 8071 PUBLISHER"), "pub");
        assert_eq!(check("localhost 8071 Sub"), "sub");
        assert_eq!(check("localhost 8071 sub sports"), "sub:sports\n");
        assert_eq!(check("localhost 8071 sub sports --last 10 --json"), "sub:sports last=10 format=json\n");
        assert_eq!(check("localhost 8071 sub --since 5m --time"), "sub since=5m time=1\n");
        assert_eq!(check("localhost 8071 sub --raw"), "sub format=json\n");
        assert_eq!(check("localhost 8071 pub news --ack"), "pub:news ack=1\n");
        assert_eq!(check("localhost 8071 pub --name alice"), "pub name=alice\n");
    }

    #[test]
    fn host_and_port_are_one_argument_or_two() {
        for (line, address) in [
            ("localhost 8071", "localhost:8071"),
            ("localhost:8071", "localhost:8071"),
            ("10.0.0.1:1 sub", "10.0.0.1:1"),
            ("[::1]:8071 sub sports", "[::1]:8071"),
            ("[::1] 8071", "[::1]:8071"),
            ("::1 8071", "[::1]:8071"),
        ] {
            let words = std::iter::once("tidings").chain(line.split(' '));
            let (parsed, _) = Command::try_parse_from(words).and_then(|c| c.client.parse()).unwrap();
            assert_eq!(parsed.to_string(), address, "{line}");
            assert!(!parsed.host.contains('['), "{line}: brackets are no part of a name");
        }
        assert_eq!(check("localhost:8071 sub sports"), "sub:sports\n");
        assert_eq!(check("[::1]:8071 PUB"), "pub");
        for (line, part) in [
            ("localhost", "no port: use localhost PORT or localhost:PORT"),
            ("::1", "[::1]:PORT"),
            ("::1:8071", "no port"),
            ("localhost: sub", "invalid port \"\""),
            ("localhost:0", "invalid port \"0\""),
            ("localhost:65536", "invalid port \"65536\""),
            ("localhost sub", "no port"),
            ("localhost:8071 8072", "two ports: localhost:8071 and 8072"),
            ("localhost:8071 sub a b", "too many words"),
            (":8071", "invalid host"),
            ("[::1", "invalid host"),
            ("[::1]8071", "invalid host"),
            ("[]:8071", "invalid host"),
        ] {
            let complaint = check(line);
            assert!(complaint.starts_with("error") && complaint.contains(part), "{line}: {complaint}");
        }
    }

    #[test]
    fn what_a_server_could_only_refuse_is_a_usage_error() {
        for (line, part) in [
            ("localhost 8071 listener", "use PUBLISHER"),
            ("localhost 0 sub", "0"),
            ("localhost 8071 pub a/#", "Invalid topic"),
            ("localhost 8071 sub --since soon", "Invalid option"),
            ("localhost 8071 pub --last 3", "--last"),
            ("localhost 8071 pub --json", "--json"),
            ("localhost 8071 pub --raw", "--raw"),
            ("localhost 8071 sub --raw --time", "cannot be used with"),
            ("localhost 8071 pub --reconnect", "--reconnect"),
            ("localhost 8071 pub --count 1", "--count"),
            ("localhost 8071 sub --ack", "--ack"),
            ("localhost 8071 sub --count 0", "--count"),
            ("localhost 8071 sub --reconnect --no-reconnect", "cannot be used with"),
            ("localhost 8071 pub --name a\u{a0}b", "--name"),
            ("localhost 8071 pub --name a\x07", "--name"),
            ("localhost 8071 sub a\tb", "blank"),
        ] {
            let complaint = check(line);
            assert!(complaint.starts_with("error") && complaint.contains(part), "{line}: {complaint}");
        }
    }
}
