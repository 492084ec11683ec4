//! Status codes (RFC 9110, 15) and the words that go with them.

/// What an answer says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u16);

impl Status {
    pub const CONTINUE: Self = Self(100);
    pub const SWITCHING_PROTOCOLS: Self = Self(101);
    pub const OK: Self = Self(200);
    pub const CREATED: Self = Self(201);
    pub const ACCEPTED: Self = Self(202);
    pub const NO_CONTENT: Self = Self(204);
    pub const MOVED_PERMANENTLY: Self = Self(301);
    pub const FOUND: Self = Self(302);
    pub const SEE_OTHER: Self = Self(303);
    pub const NOT_MODIFIED: Self = Self(304);
    pub const TEMPORARY_REDIRECT: Self = Self(307);
    pub const PERMANENT_REDIRECT: Self = Self(308);
    pub const BAD_REQUEST: Self = Self(400);
    pub const UNAUTHORIZED: Self = Self(401);
    pub const FORBIDDEN: Self = Self(403);
    pub const NOT_FOUND: Self = Self(404);
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    pub const NOT_ACCEPTABLE: Self = Self(406);
    pub const REQUEST_TIMEOUT: Self = Self(408);
    pub const CONFLICT: Self = Self(409);
    pub const GONE: Self = Self(410);
    pub const LENGTH_REQUIRED: Self = Self(411);
    pub const PRECONDITION_FAILED: Self = Self(412);
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    pub const URI_TOO_LONG: Self = Self(414);
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self(415);
    pub const EXPECTATION_FAILED: Self = Self(417);
    pub const MISDIRECTED_REQUEST: Self = Self(421);
    pub const UNPROCESSABLE_CONTENT: Self = Self(422);
    pub const UPGRADE_REQUIRED: Self = Self(426);
    pub const TOO_MANY_REQUESTS: Self = Self(429);
    pub const HEADER_FIELDS_TOO_LARGE: Self = Self(431);
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);
    pub const NOT_IMPLEMENTED: Self = Self(501);
    pub const SERVICE_UNAVAILABLE: Self = Self(503);
    pub const VERSION_NOT_SUPPORTED: Self = Self(505);
    pub const INSUFFICIENT_STORAGE: Self = Self(507);

    /// The words of the standard; "Unknown" for a code that is not among those above.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::CONTINUE => "Continue",
            Self::SWITCHING_PROTOCOLS => "Switching Protocols",
            Self::OK => "OK",
            Self::CREATED => "Created",
            Self::ACCEPTED => "Accepted",
            Self::NO_CONTENT => "No Content",
            Self::MOVED_PERMANENTLY => "Moved Permanently",
            Self::FOUND => "Found",
            Self::SEE_OTHER => "See Other",
            Self::NOT_MODIFIED => "Not Modified",
            Self::TEMPORARY_REDIRECT => "Temporary Redirect",
            Self::PERMANENT_REDIRECT => "Permanent Redirect",
            Self::BAD_REQUEST => "Bad Request",
            Self::UNAUTHORIZED => "Unauthorized",
            Self::FORBIDDEN => "Forbidden",
            Self::NOT_FOUND => "Not Found",
            Self::METHOD_NOT_ALLOWED => "Method Not Allowed",
            Self::NOT_ACCEPTABLE => "Not Acceptable",
            Self::REQUEST_TIMEOUT => "Request Timeout",
            Self::CONFLICT => "Conflict",
            Self::GONE => "Gone",
            Self::LENGTH_REQUIRED => "Length Required",
            Self::PRECONDITION_FAILED => "Precondition Failed",
            Self::CONTENT_TOO_LARGE => "Content Too Large",
            Self::URI_TOO_LONG => "URI Too Long",
            Self::UNSUPPORTED_MEDIA_TYPE => "Unsupported Media Type",
            Self::EXPECTATION_FAILED => "Expectation Failed",
            Self::MISDIRECTED_REQUEST => "Misdirected Request",
            Self::UNPROCESSABLE_CONTENT => "Unprocessable Content",
            Self::UPGRADE_REQUIRED => "Upgrade Required",
            Self::TOO_MANY_REQUESTS => "Too Many Requests",
            Self::HEADER_FIELDS_TOO_LARGE => "Request Header Fields Too Large",
            Self::INTERNAL_SERVER_ERROR => "Internal Server Error",
            Self::NOT_IMPLEMENTED => "Not Implemented",
            Self::SERVICE_UNAVAILABLE => "Service Unavailable",
            Self::VERSION_NOT_SUPPORTED => "HTTP Version Not Supported",
            Self::INSUFFICIENT_STORAGE => "Insufficient Storage",
            _ => "Unknown",
        }
    }
}
