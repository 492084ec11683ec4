//! HTTP/1.1 and 1.0 as a server speaks them (RFC 9110, 9112).
//!
//! `head` finds and judges what stands in front of a body, `framing` says where the body ends, `body`
//! takes it out of the stream, `percent` decodes paths and queries, `accept` and `authority` read two
//! fields, `response` writes. Everything that is read is borrowed, and nothing is allocated for what a
//! length claims.
//!
//! Whatever could be read in two ways is refused: two readers that disagree about where a request ends
//! are how requests are smuggled. No connection lives here, and no resource.

mod accept;
mod authority;
mod body;
mod error;
mod framing;
mod head;
mod headers;
mod percent;
mod response;
mod status;
mod target;

pub use accept::best_offer;
pub use authority::{Authority, Host, Origin};
pub use body::{BodyPart, BodyReader};
pub use error::{BodyError, HeadError, PercentError};
pub use framing::Framing;
pub use head::{HEADERS_MAX, Head, Version, parse_head};
pub use headers::{Headers, HeadersIter};
pub use percent::{Pairs, decode, pairs};
pub use response::{LAST_CHUNK, PROBLEM_JSON, write_chunk, write_head, write_problem, write_problem_body};
pub use status::Status;
