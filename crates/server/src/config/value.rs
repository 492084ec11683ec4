//! Values from text, the same for the file, the environment and the command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use frontend::{Spoken, TopicPrompt};
use thiserror::Error;
use wire::past::span;

use super::{AnonymousAccess, ListenerSettings, LogFormat};

/// Why a text is not a value of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Neither an address nor localhost.
    #[error("expected an IP address or localhost")]
    Host,
    /// Not an address with a port.
    #[error("expected a URL such as tcp://127.0.0.1:8071 or mqtt://[::1]:1883")]
    Url,
    /// Another scheme than tcp, mqtt and http.
    #[error("only tcp:// (any protocol), mqtt:// and http:// can be listened on")]
    Scheme,
    /// Something other than `topic_prompt=1` behind the question mark.
    #[error("all that may follow the address is ?topic_prompt=1")]
    UrlOption,
    /// The same where the text protocol is not spoken.
    #[error("nothing may follow the address of mqtt:// or http://")]
    UrlOptionElsewhere,
    /// Not a number, or not one in these bounds.
    #[error("expected a number from {min} to {max}")]
    Number {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Not a size.
    #[error("expected a size such as 2MiB, 8G or 1048576")]
    Size,
    /// Below what the server can work with.
    #[error("expected at least {}", size_text(*.min))]
    SizeTooSmall {
        /// The least.
        min: usize,
    },
    /// Above what the server can count.
    #[error("expected at most {}", size_text(BYTES_MAX))]
    SizeTooBig,
    /// Not a time of whole seconds, or too long a one.
    #[error("expected a time of whole seconds such as 10s or 1m, at most {}s", .max.as_secs())]
    Time {
        /// The most.
        max: Duration,
    },
    /// Not names of hosts.
    #[error("expected names of hosts such as tidings.example, or *")]
    Names,
    /// Not origins.
    #[error("expected origins such as https://tidings.example, or *")]
    Origins,
    /// Not a yes or no.
    #[error("expected true or false")]
    Switch,
    /// Not a log format.
    #[error("expected text or json")]
    LogFormat,
}

/// A listener's URL, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListenUrl {
    pub(super) addr: SocketAddr,
    pub(super) spoken: Spoken,
    /// None where the URL does not mention it.
    pub(super) topic_prompt: Option<TopicPrompt>,
}

impl From<ListenUrl> for ListenerSettings {
    fn from(url: ListenUrl) -> Self {
        Self {
            addr: url.addr,
            spoken: url.spoken,
            topic_prompt: url.topic_prompt.unwrap_or(TopicPrompt::Off),
        }
    }
}

/// Names with commas between them; none is none.
pub(super) fn names(text: &str) -> Result<Vec<String>, ValueError> {
    let is_name = |name: &str| {
        let authority = wire::http::Authority::parse(name.as_bytes());
        name == "*" || authority.is_some_and(|authority| authority.port.is_none())
    };
    list(text, is_name).ok_or(ValueError::Names)
}

/// Origins with commas between them; none is none.
pub(super) fn origins(text: &str) -> Result<Vec<String>, ValueError> {
    let is_origin = |origin: &str| origin == "*" || wire::http::Origin::parse(origin.as_bytes()).is_some();
    list(text, is_origin).ok_or(ValueError::Origins)
}

fn list(text: &str, is_meant: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| is_meant(item).then(|| item.to_owned())).collect()
}

pub(super) fn host(text: &str) -> Result<IpAddr, ValueError> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(text).parse().map_err(|_| ValueError::Host)
}

pub(super) fn listen_url(text: &str) -> Result<ListenUrl, ValueError> {
    let (scheme, rest) = text.split_once("://").ok_or(ValueError::Url)?;
    let spoken = match scheme.to_ascii_lowercase().as_str() {
        "tcp" => Spoken::AnyProtocol,
        "mqtt" => Spoken::Mqtt,
        "http" => Spoken::Http,
        _ => return Err(ValueError::Scheme),
    };
    let (authority, query) = match rest.split_once('?') {
        Some((authority, query)) => (authority, Some(query)),
        None => (rest, None),
    };
    let addr = address(authority.strip_suffix('/').unwrap_or(authority))?;
    let Some(query) = query else { return Ok(ListenUrl { addr, spoken, topic_prompt: None }) };
    if spoken != Spoken::AnyProtocol {
        return Err(ValueError::UrlOptionElsewhere);
    }
    let Some(("topic_prompt", wanted)) = query.split_once('=') else { return Err(ValueError::UrlOption) };
    let wanted = topic_prompt(wanted).map_err(|_| ValueError::UrlOption)?;
    Ok(ListenUrl { addr, spoken, topic_prompt: Some(wanted) })
}

fn address(text: &str) -> Result<SocketAddr, ValueError> {
    // First as a whole: the standard library also knows the zone of a link-local address.
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    match text.rsplit_once(':') {
        Some((name, number)) if name.eq_ignore_ascii_case("localhost") => {
            let port = self::number(number, 0..=u16::MAX).map_err(|_| ValueError::Url)?;
            Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        }
        _ => Err(ValueError::Url),
    }
}

pub(super) fn topic_prompt(text: &str) -> Result<TopicPrompt, ValueError> {
    Ok(if switch(text)? { TopicPrompt::On } else { TopicPrompt::Off })
}

pub(super) fn allow_anonymous(text: &str) -> Result<AnonymousAccess, ValueError> {
    Ok(if switch(text)? { AnonymousAccess::Everywhere } else { AnonymousAccess::Loopback })
}

fn switch(text: &str) -> Result<bool, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ValueError::Switch),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, ValueError> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(ValueError::LogFormat),
    }
}

pub(super) fn number<N>(text: &str, bounds: RangeInclusive<N>) -> Result<N, ValueError>
where
    N: Copy + PartialOrd + TryFrom<u64> + Into<u64>,
{
    let (min, max) = ((*bounds.start()).into(), (*bounds.end()).into());
    let value = text.parse::<u64>().ok().and_then(|value| N::try_from(value).ok());
    value.filter(|value| bounds.contains(value)).ok_or(ValueError::Number { min, max })
}

/// A letter alone is a power of 1024, as in the options of most servers; `MB` is what disks and
/// networks mean by it, a power of 1000.
pub(super) fn size(text: &str, bytes_min: usize) -> Result<usize, ValueError> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default().trim_start();
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => KIB,
        "m" | "mib" => MIB,
        "g" | "gib" => GIB,
        "kb" => 1000,
        "mb" => 1000 * 1000,
        "gb" => 1000 * 1000 * 1000,
        _ => return Err(ValueError::Size),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::Size);
    }
    // What is left to go wrong is a number too long for the type.
    let count = digits.parse::<usize>().map_err(|_| ValueError::SizeTooBig)?;
    match count.checked_mul(scale) {
        Some(bytes) if bytes < bytes_min => Err(ValueError::SizeTooSmall { min: bytes_min }),
        Some(bytes) if bytes <= BYTES_MAX => Ok(bytes),
        _ => Err(ValueError::SizeTooBig),
    }
}

/// A time of whole seconds, as clients write one that has passed: `90`, `90s`, `5m`, `1h30m`.
pub(super) fn seconds(text: &str, max: Duration) -> Result<Duration, ValueError> {
    let time = span(text).filter(|time| *time <= max && time.subsec_nanos() == 0);
    time.ok_or(ValueError::Time { max })
}

/// The shortest text that [`size`] reads back.
pub(super) fn size_text(bytes: usize) -> String {
    for (scale, unit) in [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")] {
        if bytes >= scale && bytes.is_multiple_of(scale) {
            return format!("{}{unit}", bytes / scale);
        }
    }
    bytes.to_string()
}

pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;
const GIB: usize = 1024 * MIB;

/// The broker adds an eighth to a size; this leaves it room on every platform.
const BYTES_MAX: usize = usize::MAX / 4 / GIB * GIB;
