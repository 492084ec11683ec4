//! Hosts, ports and origins.

use wire::http::{Authority, Host, Origin};

fn parse(text: &str) -> Option<String> {
    let authority = Authority::parse(text.as_bytes())?;
    let host = match authority.host {
        Host::Name(name) => format!("name {name}"),
        Host::V4(address) => format!("v4 {address}"),
        Host::V6(address) => format!("v6 {address}"),
    };
    Some(format!("{host}{}", authority.port.map(|port| format!(" {port}")).unwrap_or_default()))
}

#[test]
fn hosts_and_ports() {
    for (text, expected) in [
        ("a", "name a"),
        ("Example.COM:8080", "name Example.COM 8080"),
        ("a:", "name a"),
        ("a:0", "name a 0"),
        ("a:00080", "name a 80"),
        ("a:65535", "name a 65535"),
        ("my_host-1.local.", "name my_host-1.local."),
        ("127.0.0.1:80", "v4 127.0.0.1 80"),
        ("127.1", "name 127.1"),
        ("1.2.3.4.5", "name 1.2.3.4.5"),
        ("127.0.0.01", "name 127.0.0.01"),
        ("[::1]", "v6 ::1"),
        ("[2001:DB8::1]:443", "v6 2001:db8::1 443"),
        ("[::ffff:1.2.3.4]:", "v6 ::ffff:1.2.3.4"),
    ] {
        assert_eq!(parse(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "",
        ":80",
        "a:b",
        "a:-1",
        "a:+1",
        "a:65536",
        "a:99999999999",
        "a:1:2",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[]",
        "[a]",
        "a b",
        " a",
        "a\t",
        "u@a",
        "a/",
        "a?b",
        "a#b",
        "a%41",
        "ä",
        "a\\",
        "a,b",
        "<a>",
        "[fe80::1%eth0]",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
    assert_eq!(Authority::parse(b"\xff"), None);
}

#[test]
fn loopback() {
    let is_loopback = |text: &str| Authority::parse(text.as_bytes()).expect(text).host.is_loopback();
    for text in [
        "localhost",
        "LocalHost:80",
        "localhost.",
        "a.localhost",
        "a.b.LOCALHOST.:1",
        "127.0.0.1",
        "127.255.0.9:80",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:80",
    ] {
        assert!(is_loopback(text), "{text}");
    }
    for text in [
        "local",
        "localhost.com",
        "notlocalhost",
        "localhost.evil.example",
        "a-localhost",
        "localhost..",
        "128.0.0.1",
        "0.0.0.0",
        "127.0.0.1.example",
        "127.1",
        "[::]",
        "[::2]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
    ] {
        assert!(!is_loopback(text), "{text}");
    }
}

#[test]
fn origins() {
    let is_of = |origin: &str, host: &str| {
        let host = Authority::parse(host.as_bytes()).expect(host);
        Origin::parse(origin.as_bytes()).is_some_and(|origin| origin.is_of(host))
    };
    for (origin, host) in [
        ("http://a", "a"),
        ("http://A.example", "a.EXAMPLE"),
        ("http://a:80", "a"),
        ("http://a", "a:80"),
        ("HTTPS://a", "a:443"),
        ("https://a", "a"),
        ("http://a:8080", "a:8080"),
        ("http://[::1]:8080", "[0::1]:8080"),
        ("http://127.0.0.1:1", "127.0.0.1:1"),
    ] {
        assert!(is_of(origin, host), "{origin} {host}");
    }
    for (origin, host) in [
        ("http://a", "b"),
        ("http://a", "a:8080"),
        ("http://a:8080", "a"),
        ("https://a", "a:80"),
        ("http://a.b", "b"),
        ("http://127.0.0.1", "localhost"),
        ("http://[::1]", "127.0.0.1"),
        ("null", "null"),
        ("", "a"),
        ("a", "a"),
        ("file://a", "a"),
        ("chrome-extension://a", "a"),
        ("http://a/", "a"),
        ("http://u@a", "a"),
        ("http:a", "a"),
    ] {
        assert!(!is_of(origin, host), "{origin} {host}");
    }
}
