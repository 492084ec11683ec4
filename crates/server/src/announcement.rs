//! What standard output says first: where the server listens, and to people where there is a page.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use frontend::Spoken;

use crate::config::ListenerSettings;

pub(crate) fn print(listeners: &[ListenerSettings]) {
    let mut out = io::stdout().lock();
    for ListenerSettings { addr, .. } in listeners {
        // Nobody may be reading; the log has it as well.
        drop(writeln!(out, "tidings {} listening on {addr}", env!("CARGO_PKG_VERSION")));
    }
    if let Some(url) = page(listeners).filter(|_| out.is_terminal()) {
        drop(writeln!(out, "in a browser: {url}"));
    }
    drop(out.flush());
}

/// Where a browser on this machine finds the live page.
fn page(listeners: &[ListenerSettings]) -> Option<String> {
    let listener = listeners.iter().find(|listener| listener.spoken != Spoken::Mqtt)?;
    let authority = match (listener.addr, listener.addr.ip()) {
        (SocketAddr::V4(addr), _) if [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].contains(addr.ip()) => {
            format!("localhost:{}", addr.port())
        }
        (addr, IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => format!("localhost:{}", addr.port()),
        (addr, _) => addr.to_string(),
    };
    Some(format!("http://{authority}/"))
}

#[cfg(test)]
mod tests {
    use frontend::TopicPrompt;

    use super::*;

    #[test]
    fn the_page_is_on_the_first_listener_that_has_one() {
        let on = |spoken, addr: &str| ListenerSettings {
            addr: addr.parse().unwrap(),
            spoken,
            topic_prompt: TopicPrompt::Off,
        };
        let mqtt = on(Spoken::Mqtt, "127.0.0.1:1883");
        assert_eq!(page(&[mqtt]), None);
        for (addr, url) in [
            ("127.0.0.1:8071", "http://localhost:8071/"),
            ("0.0.0.0:80", "http://localhost:80/"),
            ("[::]:8071", "http://localhost:8071/"),
            ("[::1]:8071", "http://[::1]:8071/"),
            ("192.0.2.1:8071", "http://192.0.2.1:8071/"),
        ] {
            for spoken in [Spoken::AnyProtocol, Spoken::Http] {
                assert_eq!(page(&[mqtt, on(spoken, addr)]).as_deref(), Some(url));
            }
        }
    }
}
