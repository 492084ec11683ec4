//! Why a frame was refused. Always the peer's fault; after each of these the connection ends.

use thiserror::Error;

use super::CloseCode;

/// One variant per cause; the text is short enough for the reason of a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("a reserved bit is set")]
    ReservedBits,
    #[error("the opcode is unknown")]
    Opcode,
    #[error("a control frame is fragmented")]
    ControlFragmented,
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    #[error("a frame of a client is not masked")]
    NotMasked,
    #[error("a frame of a server is masked")]
    Masked,
    #[error("the length has more bytes than it needs")]
    LengthForm,
    #[error("the length has more than 63 bits")]
    LengthTopBit,
    #[error("there is no message to go on with")]
    NothingToContinue,
    #[error("a message begins inside of another one")]
    Unfinished,
    #[error("the message is too long")]
    MessageTooLong,
    #[error("the text is not UTF-8")]
    Utf8,
    /// One byte, which is no code.
    #[error("the close frame has half a code")]
    CloseLength,
    #[error("the code of the close frame is none that may be sent")]
    CloseCode,
    #[error("the reason of the close frame is not UTF-8")]
    CloseReason,
}

impl DecodeError {
    /// What a close frame says about it.
    #[must_use]
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooLong => CloseCode::MESSAGE_TOO_BIG,
            Self::Utf8 | Self::CloseReason => CloseCode::INVALID_PAYLOAD,
            Self::ReservedBits
            | Self::Opcode
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::NotMasked
            | Self::Masked
            | Self::LengthForm
            | Self::LengthTopBit
            | Self::NothingToContinue
            | Self::Unfinished
            | Self::CloseLength
            | Self::CloseCode => CloseCode::PROTOCOL_ERROR,
        }
    }
}
