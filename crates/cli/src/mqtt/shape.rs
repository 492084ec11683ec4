//! What a received message looks like on standard output.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use ::client::{Message, PayloadFormat};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use super::json;
use crate::visible::{visible, visible_json};

/// How messages are printed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag; clap refuses two of them")]
pub(crate) struct ShapeArgs {
    /// One line per message: %t topic, %p payload, %j JSON; see below
    #[arg(short = 'F', long, value_name = "FORMAT", value_parser = parse)]
    format: Option<Format>,
    /// One JSON object per message, with all its properties: pub --jsonl reads it back
    #[arg(long)]
    json: bool,
    /// The topic in front of each payload
    #[arg(short, long)]
    verbose: bool,
    /// Payloads alone, with nothing between them
    #[arg(long)]
    raw: bool,
    /// Payloads that end with NUL instead of a newline, for xargs -0
    #[arg(short = '0', long)]
    null: bool,
}

/// A format string, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Topic,
    Payload,
    PayloadBase64,
    PayloadHex,
    Length,
    QoS,
    Retain,
    Time,
    Json,
    ContentType,
    ResponseTopic,
    Correlation,
    Expiry,
    PayloadFormat,
    Headers,
}

/// The decision, made once.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    format: Format,
    /// Behind each message.
    end: &'static str,
    target: Target,
}

/// A terminal gets nothing that could drive it, everything else the bytes as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Terminal,
    Elsewhere,
}

impl ShapeArgs {
    pub(super) fn shape(&self) -> Shape {
        let field = |field| Piece::Field(field);
        let payload = || Format(vec![field(Field::Payload)]);
        let (format, end) = match &self.format {
            Some(format) => (format.clone(), "\n"),
            None if self.json => (Format(vec![field(Field::Json)]), "\n"),
            None if self.verbose => {
                (Format(vec![field(Field::Topic), Piece::Text(" ".to_owned()), field(Field::Payload)]), "\n")
            }
            None if self.raw => (payload(), ""),
            None if self.null => (payload(), "\0"),
            None => (payload(), "\n"),
        };
        // Who asks for the bytes gets them.
        let is_plain = self.raw || self.null || !std::io::stdout().is_terminal();
        Shape { format, end, target: if is_plain { Target::Elsewhere } else { Target::Terminal } }
    }
}

impl Shape {
    /// Appends a message that came at this time.
    pub(super) fn write(&self, out: &mut Vec<u8>, message: &Message, time: &str) {
        for piece in &self.format.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field(Field::Json) => {
                    let start = out.len();
                    json::write(out, message, time);
                    if self.target == Target::Terminal {
                        let line = visible_json(out.get(start..).unwrap_or_default());
                        out.truncate(start);
                        out.extend_from_slice(line.as_bytes());
                    }
                }
                Piece::Field(field) => self.write_bytes(out, &field.bytes(message, time)),
            }
        }
        out.extend_from_slice(self.end.as_bytes());
    }

    fn write_bytes(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        if self.target == Target::Elsewhere {
            out.extend_from_slice(bytes);
            return;
        }
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if number > 0 {
                out.push(b'\n');
            }
            out.extend_from_slice(visible(line).as_bytes());
        }
    }
}

impl Field {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            't' => Self::Topic,
            'p' => Self::Payload,
            'b' => Self::PayloadBase64,
            'x' => Self::PayloadHex,
            'l' => Self::Length,
            'q' => Self::QoS,
            'r' => Self::Retain,
            'I' => Self::Time,
            'j' => Self::Json,
            'C' => Self::ContentType,
            'R' => Self::ResponseTopic,
            'D' => Self::Correlation,
            'E' => Self::Expiry,
            'F' => Self::PayloadFormat,
            'P' => Self::Headers,
            _ => return None,
        })
    }

    /// What it is of this message; nothing if the message does not have it.
    fn bytes<'m>(self, message: &'m Message, time: &'m str) -> std::borrow::Cow<'m, [u8]> {
        let properties = &message.properties;
        let text = |text: &'m Option<String>| text.as_deref().unwrap_or_default().as_bytes();
        let number = |number: u64| number.to_string().into_bytes();
        match self {
            Self::Topic => message.topic.as_bytes().into(),
            Self::Payload => message.payload.as_slice().into(),
            Self::PayloadBase64 => STANDARD.encode(&message.payload).into_bytes().into(),
            Self::PayloadHex => hex(&message.payload).into_bytes().into(),
            Self::Length => message.payload.len().to_string().into_bytes().into(),
            Self::QoS => number(message.qos as u64).into(),
            Self::Retain => number(message.retain.into()).into(),
            Self::Time => time.as_bytes().into(),
            Self::Json => {
                let mut line = Vec::new();
                json::write(&mut line, message, time);
                line.into()
            }
            Self::ContentType => text(&properties.content_type).into(),
            Self::ResponseTopic => text(&properties.response_topic).into(),
            Self::Correlation => properties.correlation_data.as_deref().unwrap_or_default().into(),
            Self::Expiry => properties.expiry_s.map_or(Vec::new(), |s| number(s.into())).into(),
            Self::PayloadFormat => {
                let told = properties.payload_format;
                told.map_or(Vec::new(), |told| number((told == PayloadFormat::Text).into())).into()
            }
            Self::Headers => {
                let pairs: Vec<_> =
                    properties.user.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                pairs.join(" ").into_bytes().into()
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("memory takes everything");
    }
    text
}

/// Takes a format string apart.
fn parse(text: &str) -> Result<Format, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '%' || letter == '\\') {
            (_, false) => plain.push(letter),
            ('%', _) => match letters.next() {
                Some('%') => plain.push('%'),
                Some(letter) => {
                    let field = Field::of(letter).ok_or_else(|| format!("%{letter} is none of {LETTERS}"))?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Field(field));
                }
                None => return Err("a % at the end: %% is a percent sign".to_owned()),
            },
            _ => plain.push(match letters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('0') => '\0',
                Some('\\') => '\\',
                _ => return Err("a \\ is followed by n, t, 0 or \\".to_owned()),
            }),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(Format(pieces))
}

const LETTERS: &str = "%t %p %b %x %l %q %r %I %j %C %R %D %E %F %P %%";

/// What the help says about `--format`.
pub(super) const FORMAT_HELP: &str = "\
Format, with the letters of mosquitto_sub where it has the same:
  %t topic          %p payload         %b payload as base64  %x payload as hex
  %l its length     %q QoS             %r retain             %I time of arrival
  %C content type   %R response topic  %D correlation data   %E expiry in seconds
  %F payload format %P user properties as NAME:VALUE         %j all of it as JSON
  %% percent sign   \\n newline  \\t tab  \\0 NUL  \\\\ backslash";

#[cfg(test)]
mod tests {
    use super::*;
    use ::client::{MessageProperties, QoS};

    fn shown(format: &str, message: &Message, target: Target) -> String {
        let shape = Shape { format: parse(format).unwrap(), end: "\n", target };
        let mut out = Vec::new();
        shape.write(&mut out, message, "NOW");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_of_a_message() {
        let message = Message {
            retain: true,
            properties: MessageProperties {
                payload_format: Some(PayloadFormat::Text),
                expiry_s: Some(60),
                content_type: Some("text/plain".into()),
                response_topic: Some("r".into()),
                correlation_data: Some(b"id".to_vec()),
                user: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
            },
            ..Message::new("a/b", "hi").qos(QoS::ExactlyOnce)
        };
        for (format, expected) in [
            ("%t %p", "a/b hi"),
            ("%I|%q%r|%l|%x|%b|%%", "NOW|21|2|6869|aGk=|%"),
            ("%C %R %D %E %F %P", "text/plain r id 60 1 a:1 a:2"),
            ("\\t\\n\\\\é", "\t\n\\é"),
            ("", ""),
        ] {
            assert_eq!(shown(format, &message, Target::Elsewhere), format!("{expected}\n"), "{format}");
        }
        let bare = Message::new("t", "");
        assert_eq!(shown("[%p%C%R%D%E%F%P]", &bare, Target::Elsewhere), "[]\n");
        let line = shown("%j", &bare, Target::Elsewhere);
        assert_eq!(line, "{\"topic\":\"t\",\"payload\":\"\",\"time\":\"NOW\",\"qos\":0,\"retain\":false}\n");
    }

    #[test]
    fn a_terminal_is_not_driven() {
        let message = Message::new("\x1bt", "one\n\x1b[2J");
        assert_eq!(shown("%t %p", &message, Target::Terminal), "\\x1bt one\n\\x1b[2J\n");
        assert_eq!(shown("%t %p", &message, Target::Elsewhere), "\x1bt one\n\x1b[2J\n");
        let message = Message::new("t", "\u{202e}");
        assert!(shown("%j", &message, Target::Terminal).contains("\"\\u202e\""));
    }

    #[test]
    fn formats_that_are_none() {
        for format in ["%", "a%", "%y", "\\", "\\q"] {
            assert!(parse(format).is_err(), "{format}");
        }
        for letter in LETTERS.split(' ') {
            assert!(parse(letter).is_ok(), "{letter}");
            assert!(FORMAT_HELP.contains(&format!("{letter} ")), "{letter}");
        }
    }
}
