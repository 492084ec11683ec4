//! Who may ask from a browser, with the header fields that browsers send.

mod support;

use support::{Curl, Got, Server, Start};

/// What Chrome sends with any request of a page.
const CHROME: &[&str] = &[
    "Connection: keep-alive",
    "sec-ch-ua-platform: \"Linux\"",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "sec-ch-ua: \"Google Chrome\";v=\"131\", \"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\"",
    "sec-ch-ua-mobile: ?0",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
];
/// And Firefox.
const FIREFOX: &[&str] = &[
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Connection: keep-alive",
    "Priority: u=4",
];
/// Safari before it had `Sec-Fetch-Site`.
const OLD_SAFARI: &[&str] = &[
    "Accept-Encoding: gzip, deflate",
    "Connection: keep-alive",
    "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Safari/605.1.15",
    "Accept-Language: en-us",
];

#[track_caller]
fn ask(curl: Curl, path: &str, (browser, fields): (&[&str], &[&str]), more: &[&str]) -> Got {
    let fields = browser.iter().chain(fields).flat_map(|field| ["-H", field]);
    let args: Vec<&str> = more.iter().copied().chain(fields).collect();
    curl.run(path, &args)
}

/// A name of this machine, as a page of the server's own would be asked under.
fn own(server: &Server) -> String {
    format!("Host: localhost:{}", server.port())
}

#[test]
fn pages_of_others_neither_publish_nor_hear() {
    let server = Server::start(2);
    let Some(curl) = Curl::to(server.port(), "pages_of_others_neither_publish_nor_hear") else { return };
    let own = own(&server);
    let site = "Sec-Fetch-Site: cross-site";
    let origin = "Origin: https://evil.example";
    let any = "Accept: */*";
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str]);
    let cases: [Case<'_>; 9] = [
        // fetch(…, {method: 'POST', mode: 'no-cors', body: 'x'})
        (
            "/t/a",
            CHROME,
            &[any, origin, site, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty"],
            &["-d", "x"],
        ),
        ("/t/a", OLD_SAFARI, &[any, origin], &["-d", "x"]),
        // A form, and one in a frame without an origin.
        (
            "/t/a",
            FIREFOX,
            &[origin, site, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
            &["-d", "x"],
        ),
        (
            "/t/a",
            CHROME,
            &["Origin: null", site, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
            &["-d", "x"],
        ),
        // new EventSource(…)
        ("/t/a", CHROME, &["Accept: text/event-stream", origin, site, "Sec-Fetch-Mode: cors"], &[]),
        // <img>, <script> and a link.
        (
            "/t/a?poll",
            FIREFOX,
            &["Accept: image/avif,*/*", site, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"],
            &[],
        ),
        ("/t/a?poll", CHROME, &[any, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"], &[]),
        (
            "/t/a?poll",
            FIREFOX,
            &["Accept: text/html,*/*;q=0.8", site, "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1"],
            &[],
        ),
        // Another port of this machine is another's page.
        ("/t/a", CHROME, &[any, "Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"], &["-d", "x"]),
    ];
    for (path, browser, fields, more) in cases {
        let fields = [fields, &[&*own]].concat();
        let got = ask(curl, path, (browser, &fields), more);
        assert_eq!((got.status, &*got.content_type), (403, "application/problem+json"), "{fields:?}");
    }
    assert_eq!(curl.run("/t/a?last=9&poll=1", &[]).body, "", "nothing was published");
}

#[test]
fn a_name_that_is_not_this_server_s_is_refused() {
    let server = Server::start(2);
    let Some(curl) = Curl::to(server.port(), "a_name_that_is_not_this_server_s_is_refused") else { return };
    // A page whose name was made to lead here: to its browser it is of one site with this server.
    let rebound =
        ["Host: evil.example:8071", "Origin: http://evil.example:8071", "Sec-Fetch-Site: same-origin"];
    for (path, more) in
        [("/t/a", &["-d", "x"][..]), ("/t/a?poll", &[]), ("/ws", &[]), ("/api/v1/clients", &[])]
    {
        let got = ask(curl, path, (CHROME, &rebound), more);
        assert_eq!((got.status, &*got.content_type), (421, "application/problem+json"), "{path}");
    }
    for host in ["Host: 127.0.0.1", "Host: [::1]:8071", "Host: LOCALHOST", "Host: app.localhost:80"] {
        assert_eq!(curl.run("/t/a?poll", &["-H", host]).status, 200, "{host}");
    }
    for host in
        ["Host: localhost.evil.example", "Host: 127.0.0.1.evil.example", "Host: localhost@evil.example"]
    {
        assert_ne!(curl.run("/t/a?poll", &["-H", host]).status, 200, "{host}");
    }
}

#[test]
fn pages_of_the_server_and_those_that_are_allowed_may() {
    let test = "pages_of_the_server_and_those_that_are_allowed_may";
    let server = Start::with(&["--shards", "2"]).env("TIDINGS_HTTP_ORIGINS", "https://app.example").run();
    let Some(curl) = Curl::to(server.port(), test) else { return };
    let own = own(&server);
    let same = format!("Origin: http://localhost:{}", server.port());
    let fields = [&*own, &*same, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Accept: */*"];
    assert_eq!(ask(curl, "/t/a", (CHROME, &fields), &["-d", "1"]).status, 200);
    let (app, site) = ("Origin: https://app.example", "Sec-Fetch-Site: cross-site");
    // fetch(…, {method: 'PUT'}) asks before.
    let asks = [
        &*own,
        app,
        site,
        "Access-Control-Request-Method: PUT",
        "Access-Control-Request-Headers: content-type",
    ];
    let got = ask(curl, "/t/a", (CHROME, &asks), &["-X", "OPTIONS", "-v"]);
    assert_eq!(got.status, 204);
    let allows = |words: &str| got.errors.to_lowercase().contains(words);
    assert!(allows("< access-control-allow-origin: https://app.example\r\n"), "{}", got.errors);
    assert!(allows("< access-control-allow-methods: ") && allows("put"), "{}", got.errors);
    assert!(allows("< access-control-allow-headers: content-type"), "{}", got.errors);
    let got = ask(curl, "/t/a", (FIREFOX, &[&own, app, site]), &["-T", "-", "-v"]);
    assert_eq!(got.status, 200);
    assert!(got.errors.contains("< access-control-allow-origin: https://app.example\r\n"), "{}", got.errors);
    // An answer that refuses may be read, too.
    let got = ask(curl, "/t/a%23", (CHROME, &[&own, app, site]), &["-d", "x", "-v"]);
    assert_eq!(got.status, 400);
    assert!(got.errors.contains("< access-control-allow-origin: https://app.example\r\n"), "{}", got.errors);
    let got = ask(curl, "/t/a", (CHROME, &[&own, "Origin: https://app.example.evil", site]), &["-d", "x"]);
    assert_eq!(got.status, 403);
}

/// A browser's handshake tells the page's origin, and nothing else protects a WebSocket.
#[test]
fn a_websocket_of_another_page_is_refused() {
    let server = Server::start(2);
    let Some(curl) = Curl::to(server.port(), "a_websocket_of_another_page_is_refused") else { return };
    let own = own(&server);
    let handshake = [
        &*own,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol: mqtt",
    ];
    for path in ["/ws", "/mqtt"] {
        for origin in ["Origin: https://evil.example", "Origin: null", "Origin: http://localhost:1"] {
            let fields = [&handshake[..], &[origin]].concat();
            let got = ask(curl, path, (&CHROME[1..], &fields), &[]);
            assert_eq!(
                (got.status, &*got.content_type),
                (403, "application/problem+json"),
                "{path} {origin}"
            );
        }
    }
    let same = format!("Origin: http://localhost:{}", server.port());
    let mut client = server.connect();
    let fields: String = handshake.iter().chain([&&*same]).map(|field| format!("{field}\r\n")).collect();
    client.send(format!("GET /ws HTTP/1.1\r\n{fields}\r\n"));
    client.assert_line("HTTP/1.1 101 Switching Protocols\r");
}
