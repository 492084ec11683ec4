//! The ways to publish and to hear that only Tidings has: HTTP, Server-Sent Events, JSON over WebSocket, and lines that
//! are answered. One side of a load is plain text where the other one is measured.

mod answers;
mod events;
mod frames;
mod greeting;
mod objects;

use std::fmt;
use std::num::NonZeroU16;

use clap::ValueEnum;
use wire::websocket::Opcode;

use super::head::Head;
use super::payload::{Layout, NEWLINE, fixed_topic_name};

pub(super) use answers::{Answers, Phase};
pub(super) use events::EventCheck;
pub(super) use frames::FrameCheck;
pub(super) use greeting::greet;
pub use greeting::subscriber_hello;
pub(super) use objects::JSON_TAIL;

/// How a load is published and heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// What subscribers hear.
    pub heard: Heard,
    /// What publishers send.
    pub published: Published,
    /// Messages that a publisher may have unanswered.
    pub unanswered_max: NonZeroU16,
}

/// What subscribers hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Lines of the text protocol.
    Lines,
    /// Server-Sent Events, from `GET /t/TOPIC?format=sse`.
    Events,
    /// JSON in frames of a WebSocket, from `/ws`.
    Frames,
}

/// What publishers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Published {
    /// Lines, which nobody answers
    #[value(name = "text")]
    Lines,
    /// Lines, each of which is answered with OK
    #[value(name = "text-ack")]
    AckedLines,
    /// Requests POST /t/TOPIC on a connection that is kept
    #[value(name = "http")]
    Posts,
    /// JSON over WebSocket, answered as `ref` asks for
    #[value(name = "ws")]
    Frames,
}

impl Forms {
    /// What stands before the payload of each message that is published to a topic.
    pub(super) fn published_head(self, topic: &str, payload_bytes: usize) -> Head {
        match self.published {
            Published::Lines | Published::AckedLines => Head::constant(Vec::new()),
            Published::Posts => Head::constant(
                format!(
                    "POST /t/{topic} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {payload_bytes}\r\n\r\n"
                )
                .into_bytes(),
            ),
            Published::Frames => {
                let json = format!("{{\"op\":\"publish\",\"ref\":1,\"topic\":\"{topic}\",\"payload\":\"");
                Head::constant(json.into_bytes()).in_frame(Opcode::Text, payload_bytes, self.published_tail())
            }
        }
    }

    /// How they are laid out.
    pub(super) fn layout(self, payload_bytes: usize) -> Layout {
        let head = self.published_head(&fixed_topic_name(0), payload_bytes);
        head.layout(payload_bytes, self.published_tail())
    }

    fn published_tail(self) -> &'static str {
        match self.published {
            Published::Lines | Published::AckedLines => NEWLINE,
            Published::Posts => "",
            Published::Frames => "\"}",
        }
    }

    /// What follows a payload that is heard.
    pub(super) fn heard_tail(self) -> &'static str {
        match self.heard {
            Heard::Lines => NEWLINE,
            Heard::Events | Heard::Frames => JSON_TAIL,
        }
    }
}

impl fmt::Display for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let published = match self.published {
            Published::Lines => "text",
            Published::AckedLines => "text with ack=1",
            Published::Posts => "HTTP",
            Published::Frames => "WebSocket JSON",
        };
        let heard = match self.heard {
            Heard::Lines => "text",
            Heard::Events => "SSE",
            Heard::Frames => "WebSocket JSON",
        };
        write!(f, "{published} to {heard}")
    }
}
