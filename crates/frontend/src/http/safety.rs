//! Who may ask from a browser.
//!
//! A page of any site can send requests to a server on the machine where the browser runs. Two checks
//! keep it from being heard: `Host` is a name of this server, which a page that has its own name resolved
//! to this address cannot say; and the page that asks, which a browser tells, is of this server or of an
//! origin that the operator names. Who is no browser says neither, and is let in.

use wire::http::{Authority, Head, Host, Origin, Status};

use crate::http::answers::Problem;

/// What an operator allows beyond the server's own pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebAccess {
    /// Names under which it is asked, besides those of the machine itself and any address; `*`: all.
    pub hosts: Vec<String>,
    /// Origins whose pages may ask, as `https://example.org`; `*`: all.
    pub origins: Vec<String>,
}

/// What is asked of the server, as far as pages of others go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// For something to look at: a link from elsewhere may lead here.
    ToLook,
    /// To publish, to hear, or for anything else.
    ForMore,
}

/// Whether the request may be made. Returns the origin that is to be allowed to read the answer, if the
/// page is not this server's.
pub(super) fn check<'a>(head: &Head<'a>, access: &WebAccess, asks: Asks) -> Result<Option<&'a str>, Problem> {
    let host = head.host.filter(|host| !host.is_empty());
    let host = host.and_then(|host| Authority::parse(host.as_bytes()));
    if let Some(host) = host {
        check_host(host.host, access)?;
    }
    if let Some(origin) = head.headers.first("origin") {
        return check_origin(origin, host, access);
    }
    let site = head.headers.first("sec-fetch-site").unwrap_or_default();
    let is_link = asks == Asks::ToLook
        && head.headers.first("sec-fetch-mode") == Some(b"navigate")
        && matches!(head.method, "GET" | "HEAD");
    match site {
        b"" | b"none" | b"same-origin" => Ok(None),
        _ if is_link => Ok(None),
        _ => Err(Problem::new(
            Status::FORBIDDEN,
            "A page of another site may not ask this. To let its origin, set http_origins",
        )),
    }
}

fn check_host(host: Host<'_>, access: &WebAccess) -> Result<(), Problem> {
    // An address cannot be another site's name for this one.
    let Host::Name(name) = host else { return Ok(()) };
    let is_allowed = |allowed: &String| allowed == "*" || allowed.eq_ignore_ascii_case(name);
    if host.is_loopback() || access.hosts.iter().any(is_allowed) {
        return Ok(());
    }
    let detail = format!("This server is not known as {name}. If it is, set http_hosts = \"{name}\"");
    Err(Problem::new(Status::MISDIRECTED_REQUEST, detail))
}

fn check_origin<'a>(
    origin: &'a [u8],
    host: Option<Authority<'_>>,
    access: &WebAccess,
) -> Result<Option<&'a str>, Problem> {
    let parsed = Origin::parse(origin);
    if let (Some(origin), Some(host)) = (parsed, host)
        && origin.is_of(host)
    {
        return Ok(None);
    }
    let text = std::str::from_utf8(origin).unwrap_or("(not text)");
    let is_allowed = |allowed: &String| allowed == "*" || allowed.eq_ignore_ascii_case(text);
    if access.origins.iter().any(is_allowed) {
        return Ok(Some(text));
    }
    let detail = match parsed {
        Some(_) => format!("Pages of {text} may not ask this. To let them, set http_origins = \"{text}\""),
        None => "This page has no origin that could be allowed".to_owned(),
    };
    Err(Problem::new(Status::FORBIDDEN, detail))
}
