//! Why a text is not a topic name or not a filter. Always the peer's fault.

use thiserror::Error;

/// One variant per cause; the first cause found is reported, in the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TopicError {
    /// No character at all.
    #[error("topic is empty")]
    Empty,
    /// More than [`TOPIC_BYTES_MAX`](crate::TOPIC_BYTES_MAX) bytes.
    #[error("topic is too long")]
    TooLong,
    /// More than [`TOPIC_LEVELS_MAX`](crate::TOPIC_LEVELS_MAX) levels.
    #[error("topic has too many levels")]
    TooDeep,
    /// A control character: U+0000 to U+001F, U+007F to U+009F.
    #[error("topic has a control character")]
    ControlCharacter,
    /// `+` or `#` in a topic name.
    #[error("topic name has a wildcard")]
    Wildcard,
    /// `+` that is not a whole level, or `#` that is not the whole last level of a filter.
    #[error("wildcard is misplaced")]
    MisplacedWildcard,
}
