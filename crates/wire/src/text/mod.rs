//! The line protocol of the two founding documents (docs/protocol/text.md).
//!
//! `hello` reads what a client says first, `lines` finds the messages in what a
//! publisher sends, `format` writes what a subscriber gets and `around` what stands around
//! each payload.

mod around;
mod format;
mod hello;
mod lines;

pub use format::{Format, Frame, LinePart, Sender, Source, TimeField, gap_line};
pub use hello::{Hello, HelloError, Role, RoleWord, Spelling, parse_hello, role_word};
pub use lines::{Line, begins_terminate, is_blank, is_terminate, next_line, utf8_tail};

/// What a silent client gets to see.
pub const ROLE_PROMPT: &str = "Enter your role (PUBLISHER/SUBSCRIBER) : ";
/// What a prompted client gets to see where the listener asks for topics.
pub const TOPIC_PROMPT: &str = "Enter topic : ";
/// What a prompted subscriber gets once it is subscribed.
pub const WAITING_LINE: &str = "Waiting for messages...\n";
/// What a publisher gets per accepted message if it said `ack=1`.
pub const OK_LINE: &str = "OK\n";
/// The word that ends a connection, from either side.
pub const TERMINATE_LINE: &str = "terminate\n";
