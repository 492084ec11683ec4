//! What a client says of itself in its CONNECT.

use std::fmt;
use std::time::Duration;

use wire::mqtt::{Connect, Packet, Properties, Property, PropertyWriter, Version, encode};

use crate::limits::{ANSWER_TIME, PACKET_BYTES_MAX, RECEIVE_MAX};
use crate::message::{MessageError, check_length};

/// Who connects, and what it asks for. Every connection of one client says the same, but for the
/// clean start.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Empty if the server is to choose one.
    pub client_id: String,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    pub start: Start,
    /// Seconds for which the server keeps what belongs to this client after a connection is lost;
    /// `u32::MAX` means for ever.
    pub session_expiry_s: u32,
    /// Seconds after which a silent client shows that it is there; 0 means never.
    pub keep_alive_s: u16,
    /// Whether the server is to say where replies may go; see `Connected::response_information`.
    pub replies: Replies,
    /// Bytes of the longest packet that this client takes.
    pub packet_bytes_max: u32,
    /// Time for the server to answer the CONNECT.
    pub answer_time: Duration,
}

/// What becomes of a session that the server still has when a client connects for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It is thrown away.
    Clean,
    /// It goes on.
    Resume,
}

/// Whether a client needs a place for replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    Unwanted,
    Wanted,
}

impl ConnectOptions {
    /// A client with this id and nothing to be kept for it.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            user: None,
            password: None,
            start: Start::Clean,
            session_expiry_s: 0,
            keep_alive_s: 60,
            replies: Replies::Unwanted,
            packet_bytes_max: PACKET_BYTES_MAX,
            answer_time: ANSWER_TIME,
        }
    }

    pub(crate) fn check(&self) -> Result<(), MessageError> {
        check_length("the client id", self.client_id.len())?;
        check_length("the user name", self.user.as_ref().map_or(0, String::len))?;
        check_length("the password", self.password.as_ref().map_or(0, Vec::len))?;
        let mut packet = Vec::new();
        self.encode(&mut packet, Start::Clean);
        let frame = wire::mqtt::frame(&packet)?.ok_or(wire::mqtt::DecodeError::Truncated)?;
        wire::mqtt::decode_connect(frame.first, packet.get(frame.head_len..).unwrap_or_default())?;
        Ok(())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>, start: Start) {
        let mut bytes = Vec::new();
        let packet = Connect {
            version: Version::V5,
            clean_start: start == Start::Clean,
            keep_alive: self.keep_alive_s,
            client_id: &self.client_id,
            will: None,
            user_name: self.user.as_deref(),
            password: self.password.as_deref(),
            properties: self.properties(&mut bytes),
        };
        encode(out, Version::V5, &Packet::Connect(packet));
    }

    fn properties<'b>(&self, bytes: &'b mut Vec<u8>) -> Properties<'b> {
        let mut writer = PropertyWriter::new(bytes);
        if self.session_expiry_s > 0 {
            writer.put(&Property::SessionExpiry(self.session_expiry_s));
        }
        if self.replies == Replies::Wanted {
            writer.put(&Property::RequestResponseInformation(true));
        }
        writer.put(&Property::ReceiveMaximum(RECEIVE_MAX));
        // 0 would be an error of protocol.
        writer.put(&Property::MaximumPacketSize(self.packet_bytes_max.max(1)));
        writer.finish()
    }
}

impl fmt::Debug for ConnectOptions {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("client_id", &self.client_id)
            .field("user", &self.user)
            .field("start", &self.start)
            .field("session_expiry_s", &self.session_expiry_s)
            .field("keep_alive_s", &self.keep_alive_s)
            .field("replies", &self.replies)
            .field("packet_bytes_max", &self.packet_bytes_max)
            .field("answer_time", &self.answer_time)
            .finish_non_exhaustive()
    }
}
