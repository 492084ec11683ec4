//! What an operator gets to see; data, not text. All foreign text is still raw here.

use std::net::SocketAddr;

use broker::Origin;
use bytes::Bytes;
use topic::{Filter, TopicName};
use wire::sniff::Sniffed;

use crate::mqtt::Violation;

/// Something worth a line on a console or in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A connection has begun to speak, or was asked to.
    Connected { addr: SocketAddr },
    /// A connection said that it publishes.
    Publisher { id: Origin, addr: SocketAddr, name: Option<Box<str>>, topic: TopicName },
    /// A connection's subscription stands, to this filter and so many others.
    Subscriber { id: Origin, addr: SocketAddr, name: Option<Box<str>>, filter: Filter, others: usize },
    /// An MQTT client has connected.
    Client { id: Origin, addr: SocketAddr, name: Box<str>, resumed: bool },
    /// A message was published.
    Published {
        /// Where its publisher comes from.
        addr: SocketAddr,
        /// The publisher's own name.
        name: Option<Box<str>>,
        topic: TopicName,
        payload: Bytes,
    },
    /// So many messages were published and not shown.
    NotShown(u64),
    /// A connection is over, or will be once its last bytes are written.
    Closing { id: Origin, addr: SocketAddr, reason: CloseReason },
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it, or it broke.
    Gone,
    /// It took nothing for a long time although something waited for it.
    Untaken,
    /// It had closed its sending half and has heard the history that it asked for.
    HistoryRead,
    /// The client said `terminate`.
    Terminated,
    /// The hello was refused with this line.
    Refused(String),
    /// No hello within the time for it.
    Silent,
    /// A message over the limit.
    TooLong,
    /// No memory for the rest of an unfinished message.
    OutOfMemory,
    /// The first bytes began a protocol that this listener does not speak.
    Foreign(Sniffed),
    /// It broke a rule of its protocol.
    Violation(Violation),
    /// What it sends over WebSocket is refused with this close code, for this reason.
    BadFrame { code: u16, detail: String },
    /// Its request over HTTP is refused with this status, for this reason.
    BadRequest { status: u16, detail: String },
    /// Another connection has its client id now.
    TakenOver,
    /// The operator said so.
    Kicked,
    /// The server shuts down.
    Shutdown,
}
