//! The command line of `tidings client`, and what it asks for, checked.

use clap::Args;
use clap::error::ErrorKind;

use super::hello::{Opening, Options, Replay, Request, Side};

/// Publish or subscribe from a terminal or a pipe.
///
/// With a ROLE it begins at once: a publisher types messages behind `PUB: `, a subscriber sees them as
/// `Server: [...]`. Without one the server asks for the role.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ClientArgs {
    /// Name or address of the server
    pub(super) host: String,
    /// Port of the server
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: u16,
    /// PUBLISHER (PUB) or SUBSCRIBER (SUB), in any letter case [default: the server asks]
    #[arg(value_parser = parse_side)]
    role: Option<Side>,
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
    /// Give up when the server is lost (subscribers otherwise reconnect)
    #[arg(long)]
    no_reconnect: bool,
}

/// What to do when the server of a subscriber is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loyalty {
    /// Connect again, with growing pauses.
    Reconnect,
    /// Say so and end.
    GiveUp,
}

impl ClientArgs {
    /// What is to be said to the server.
    ///
    /// # Errors
    /// A usage error, if the server could only refuse it.
    pub(super) fn request(&self) -> Result<Request, clap::Error> {
        let usage = |words: String| clap::Error::raw(ErrorKind::ValueValidation, words + "\n");
        let opening = match self.role {
            Some(side) => Opening::Given { side, topic: self.topic.clone() },
            None => Opening::Asked,
        };
        let last = self.last.map(Replay::Last);
        let replay = last.or_else(|| self.since.clone().map(Replay::Since));
        let request = Request {
            opening,
            options: Options { name: self.name.clone(), replay, time: self.time, json: self.json },
        };
        request.check().map_err(usage)?;
        Ok(request)
    }

    pub(super) fn loyalty(&self) -> Loyalty {
        if self.no_reconnect { Loyalty::GiveUp } else { Loyalty::Reconnect }
    }
}

fn parse_side(word: &str) -> Result<Side, String> {
    Side::parse(word).ok_or_else(|| "use PUBLISHER (PUB) or SUBSCRIBER (SUB)".to_owned())
}

const AFTER_HELP: &str = "\
`terminate`, the end of input (Ctrl+D) and Ctrl+C end the session. Input that is no terminal is sent line by line; \
a subscriber heeds only the word `terminate` in it and outlives its end. Messages go to standard output, everything \
else to standard error unless standard output is a terminal.

Without TOPIC and options exactly `pub` or `sub` is sent, which every server of this family understands. A subscriber \
that began with --last or --since and lost its server asks for what was published since the loss when it is back.

Exit status:
  0    ended by `terminate`, by the end of input, by the server, or by the reader of our output
  1    the server was lost, or not everything was sent
  2    wrong arguments
  3    cannot connect
  4    the server refused the role, the topic or an option
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
        let request = Command::try_parse_from(words).and_then(|c| c.client.request());
        match request {
            Ok(request) => match request.hello() {
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
        assert_eq!(check("localhost 8071 pub --name alice"), "pub name=alice\n");
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
            ("localhost 8071 pub --name a\u{a0}b", "--name"),
            ("localhost 8071 pub --name a\x07", "--name"),
            ("localhost 8071 sub a\tb", "blank"),
        ] {
            let complaint = check(line);
            assert!(complaint.starts_with("error") && complaint.contains(part), "{line}: {complaint}");
        }
    }
}
