//! Why a request was refused. Always the peer's fault; after each of these the connection ends, since
//! nobody knows where the next request begins.

use thiserror::Error;

use super::Status;

/// One variant per cause; the text is a sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadError {
    #[error("A line of the head does not end with CR LF.")]
    LineEnd,
    /// More than the one empty line that RFC 9112 2.2 lets a server skip.
    #[error("The request begins with empty lines.")]
    EmptyLines,
    /// Not three words with one blank between them.
    #[error("The request line is malformed.")]
    RequestLine,
    #[error("The target of the request is malformed.")]
    Target,
    #[error("This server is no proxy: CONNECT is not served.")]
    Connect,
    #[error("Only HTTP/1.1 and HTTP/1.0 are spoken here.")]
    Version,
    #[error("The target of the request is too long.")]
    TargetTooLong,
    #[error("The head of the request is too long.")]
    HeadTooLong,
    #[error("The request has too many header fields.")]
    TooManyHeaders,
    /// Also a folded line and a blank before the colon.
    #[error("The name of a header field is malformed.")]
    HeaderName,
    #[error("The value of a header field has a control character.")]
    HeaderValue,
    #[error("The field Host is missing.")]
    NoHost,
    #[error("The field Host is there twice.")]
    HostTwice,
    #[error("The host is malformed.")]
    Host,
    /// Not digits alone, too large a number, a list, or there twice.
    #[error("The field Content-Length is malformed.")]
    ContentLength,
    #[error("Content-Length and Transfer-Encoding exclude each other.")]
    LengthAndCoding,
    #[error("HTTP/1.0 has no Transfer-Encoding.")]
    CodingInHttp10,
    #[error("Chunked is the only transfer coding that is understood.")]
    TransferCoding,
    #[error("The only expectation that can be met is 100-continue.")]
    Expectation,
}

impl HeadError {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::LineEnd
            | Self::EmptyLines
            | Self::RequestLine
            | Self::Target
            | Self::HeaderName
            | Self::HeaderValue
            | Self::NoHost
            | Self::HostTwice
            | Self::Host
            | Self::ContentLength
            | Self::LengthAndCoding
            | Self::CodingInHttp10 => Status::BAD_REQUEST,
            Self::TargetTooLong => Status::URI_TOO_LONG,
            Self::Expectation => Status::EXPECTATION_FAILED,
            Self::HeadTooLong | Self::TooManyHeaders => Status::HEADER_FIELDS_TOO_LARGE,
            Self::Connect | Self::TransferCoding => Status::NOT_IMPLEMENTED,
            Self::Version => Status::VERSION_NOT_SUPPORTED,
        }
    }
}

/// Why a body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    #[error("The body is too large.")]
    TooLarge,
    /// No hexadecimal digits, or something else behind them than an extension.
    #[error("The size of a chunk is malformed.")]
    ChunkSize,
    /// More than sixteen digits.
    #[error("The size of a chunk is too large a number.")]
    ChunkSizeOverflow,
    /// Also a chunk that is longer than it said.
    #[error("A line of the chunked body does not end with CR LF.")]
    LineEnd,
    #[error("The chunked body has a control character beside its data.")]
    Control,
    #[error("The extensions of the chunks are too long.")]
    ExtensionsTooLong,
    #[error("The trailer of the body is too long.")]
    TrailerTooLong,
}

impl BodyError {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::TooLarge => Status::CONTENT_TOO_LARGE,
            Self::TrailerTooLong => Status::HEADER_FIELDS_TOO_LARGE,
            Self::ChunkSize
            | Self::ChunkSizeOverflow
            | Self::LineEnd
            | Self::Control
            | Self::ExtensionsTooLong => Status::BAD_REQUEST,
        }
    }
}

/// Why a path or a query cannot be decoded: 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PercentError {
    #[error("A percent sign is not followed by two hexadecimal digits.")]
    Escape,
    #[error("What is escaped is not UTF-8.")]
    Utf8,
}
