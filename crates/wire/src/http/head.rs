//! The head of a request: request line and header fields, judged.
//!
//! httparse cuts it into words. What it tolerates and the standard does not is refused here: lines that
//! end with LF alone, several empty lines in front. All that the fields say together is judged as well,
//! so that nobody looks at it twice.

use std::mem::MaybeUninit;

use super::HeadError;
use super::authority::Authority;
use super::framing::{Framing, FramingFields};
use super::headers::{Headers, elements};
use super::target::Target;

/// The most header fields that a request may have.
pub const HEADERS_MAX: usize = 64;

/// The version that a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
}

/// A whole head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// As it was sent: methods have letter case.
    pub method: &'a str,
    /// Begins with a slash, or is the asterisk of OPTIONS. Not decoded: see [`decode`](super::decode).
    pub path: &'a str,
    /// Behind the question mark, not decoded: see [`pairs`](super::pairs).
    pub query: Option<&'a str>,
    pub version: Version,
    /// Whom the client means to speak with: the authority of an absolute target, else the field Host. Well
    /// formed if it is not empty; only HTTP/1.0 may say none.
    pub host: Option<&'a str>,
    pub headers: Headers<'a>,
    /// Where the body ends that follows.
    pub framing: Framing,
    /// Whether the client lets the connection serve further requests.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether the client asks for WebSocket (RFC 6455 4.2.1, 3 and 4); the rest of its handshake is
    /// `wire::websocket`'s matter.
    pub wants_websocket: bool,
    /// Bytes of the head: the body begins there.
    pub len: usize,
}

/// The head that `bytes` begin with; `None` if more bytes are needed. The first `scanned` bytes were
/// looked at before, so that a head which arrives in pieces is searched once; 0 is always right. No more
/// than `bytes_max` bytes of head are taken, and no more than that are ever looked at.
///
/// Costs a search for line ends per call, and one walk over the head when it is whole. The verdict does
/// not depend on the pieces.
///
/// # Errors
/// The first mistake that is found; [`HeadError::status`] says how to answer.
pub fn parse_head(bytes: &[u8], scanned: usize, bytes_max: usize) -> Result<Option<Head<'_>>, HeadError> {
    let bytes = bytes.get(..bytes_max).unwrap_or(bytes);
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    match find_end(bytes, start, scanned.max(start))? {
        Some(len) => {
            let head = bytes.get(start..len).ok_or(HeadError::RequestLine)?;
            judge(head, len).map(Some)
        }
        None if bytes.len() < bytes_max => Ok(None),
        None if memchr::memchr(b'\n', bytes.get(start..).unwrap_or_default()).is_none() => {
            Err(HeadError::TargetTooLong)
        }
        None => Err(HeadError::HeadTooLong),
    }
}

/// Where the empty line ends that ends the head which begins at `start`. Lines that end before `from`
/// were looked at.
fn find_end(bytes: &[u8], start: usize, from: usize) -> Result<Option<usize>, HeadError> {
    for at in memchr::memchr_iter(b'\n', bytes.get(from..).unwrap_or_default()) {
        let line = bytes.get(start..from + at).unwrap_or_default();
        match line {
            [.., b'\n', b'\r'] => return Ok(Some(from + at + 1)),
            [b'\r'] => return Err(HeadError::EmptyLines),
            [.., b'\r'] => {}
            _ => return Err(HeadError::LineEnd),
        }
    }
    Ok(None)
}

/// `head` is whole, without an empty line in front; `len` is with it.
fn judge(head: &[u8], len: usize) -> Result<Head<'_>, HeadError> {
    let (request_line, rest) = memchr::memchr(b'\n', head)
        .and_then(|at| head.split_at_checked(at + 1))
        .ok_or(HeadError::RequestLine)?;
    let mut storage = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut storage);
    let parsed_len = parsed.map_err(|error| cause(error, request_line))?;
    // It was searched for its end before, so that there is one end only if both agree.
    if parsed_len != httparse::Status::Complete(head.len()) {
        return Err(HeadError::LineEnd);
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(HeadError::RequestLine);
    };
    let version = if request.version == Some(0) { Version::Http10 } else { Version::Http11 };
    let target = Target::parse(method, target)?;
    let mut fields = Fields::default();
    for header in request.headers.iter() {
        fields.take(header.name, header.value)?;
    }
    let headers = Headers::new(rest.strip_suffix(b"\r\n").unwrap_or_default());
    let wants_upgrade = version == Version::Http11 && fields.says_upgrade;
    Ok(Head {
        method,
        path: target.path,
        query: target.query,
        version,
        host: fields.host(version, target.authority)?,
        keep_alive: fields.keep_alive(version),
        // RFC 9110 10.1.1: from HTTP/1.0 it means nothing.
        expects_continue: version == Version::Http11 && fields.expects_continue,
        wants_websocket: wants_upgrade && headers.has_token("upgrade", "websocket"),
        framing: fields.framing.judge(version)?,
        headers,
        len,
    })
}

/// What the fields say that matter to every request.
#[derive(Debug, Default)]
struct Fields<'a> {
    framing: FramingFields,
    host: Option<&'a [u8]>,
    connection: ConnectionField,
    says_upgrade: bool,
    expects_continue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ConnectionField {
    #[default]
    Silent,
    KeepAlive,
    /// Wins over keep-alive.
    Close,
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &'a [u8]) -> Result<(), HeadError> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            self.framing.content_length(value)?;
        } else if is("transfer-encoding") {
            self.framing.transfer_encoding(value);
        } else if is("host") {
            if self.host.replace(value).is_some() {
                return Err(HeadError::HostTwice);
            }
        } else if is("connection") {
            elements(value).for_each(|option| self.take_option(option));
        } else if is("expect") {
            self.take_expectations(value)?;
        }
        Ok(())
    }

    fn take_option(&mut self, option: &[u8]) {
        if option.eq_ignore_ascii_case(b"close") {
            self.connection = ConnectionField::Close;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            if self.connection == ConnectionField::Silent {
                self.connection = ConnectionField::KeepAlive;
            }
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.says_upgrade = true;
        }
    }

    fn take_expectations(&mut self, value: &[u8]) -> Result<(), HeadError> {
        for expectation in elements(value) {
            if !expectation.eq_ignore_ascii_case(b"100-continue") {
                return Err(HeadError::Expectation);
            }
            self.expects_continue = true;
        }
        Ok(())
    }

    /// RFC 9112 3.2: a missing or malformed Host is refused, even where an absolute target replaces it
    /// (3.2.2).
    fn host(&self, version: Version, authority: Option<&'a str>) -> Result<Option<&'a str>, HeadError> {
        let host = match self.host {
            Some([]) => Some(""),
            Some(value) => {
                Authority::parse(value).ok_or(HeadError::Host)?;
                Some(std::str::from_utf8(value).map_err(|_| HeadError::Host)?)
            }
            None if version == Version::Http11 => return Err(HeadError::NoHost),
            None => None,
        };
        Ok(authority.or(host))
    }

    /// RFC 9112 9.3.
    fn keep_alive(&self, version: Version) -> bool {
        match self.connection {
            ConnectionField::Silent => version == Version::Http11,
            ConnectionField::KeepAlive => true,
            ConnectionField::Close => false,
        }
    }
}

fn cause(error: httparse::Error, request_line: &[u8]) -> HeadError {
    match error {
        httparse::Error::HeaderName => HeadError::HeaderName,
        httparse::Error::HeaderValue => HeadError::HeaderValue,
        httparse::Error::TooManyHeaders => HeadError::TooManyHeaders,
        httparse::Error::Version if says_a_version(request_line) => HeadError::Version,
        httparse::Error::Version | httparse::Error::Status | httparse::Error::Token => HeadError::RequestLine,
        // Of the request line, it is the version that is too long.
        httparse::Error::NewLine if says_a_version(request_line) => HeadError::LineEnd,
        httparse::Error::NewLine => HeadError::RequestLine,
    }
}

/// Whether these are the three words of a request line, in whatever version; the preface of HTTP/2 is.
fn says_a_version(request_line: &[u8]) -> bool {
    let mut words = request_line.split(|byte| *byte == b' ');
    let (Some(_), Some(_), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r', b'\n'] => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}
