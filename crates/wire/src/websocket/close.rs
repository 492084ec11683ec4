//! Why a connection is closed (RFC 6455 7.4).

use super::DecodeError;

/// The number in a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    pub const NORMAL: Self = Self(1000);
    pub const GOING_AWAY: Self = Self(1001);
    pub const PROTOCOL_ERROR: Self = Self(1002);
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    pub const INVALID_PAYLOAD: Self = Self(1007);
    pub const POLICY_VIOLATION: Self = Self(1008);
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    pub const INTERNAL_ERROR: Self = Self(1011);
    pub const SERVICE_RESTART: Self = Self(1012);
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Whether it may stand in a frame: one that IANA lists and that is not kept for what no frame said
    /// (1004 to 1006, 1015), or one that libraries and applications may choose.
    #[must_use]
    pub fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// What the payload of a close frame says: nothing, or a code and a reason.
pub(super) fn parse(payload: &[u8]) -> Result<(Option<CloseCode>, &str), DecodeError> {
    if payload.is_empty() {
        return Ok((None, ""));
    }
    let (code, reason) = payload.split_first_chunk().ok_or(DecodeError::CloseLength)?;
    let code = CloseCode(u16::from_be_bytes(*code));
    if !code.may_be_sent() {
        return Err(DecodeError::CloseCode);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| DecodeError::CloseReason)?;
    Ok((Some(code), reason))
}
