//! The page at `/`, in a browser, against a real server.

mod support;

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::browser::{ARROW_RIGHT, Browser, CTRL, ENTER, ESCAPE, TAB};
use support::{Server, Start, eventually, scaled};

fn address(server: &Server) -> String {
    format!("http://127.0.0.1:{}/", server.port())
}

/// A browser that shows the page and hears everything.
#[track_caller]
fn open(server: &Server) -> Browser {
    let browser = Browser::start();
    visit(&browser, server);
    browser
}

#[track_caller]
fn visit(browser: &Browser, server: &Server) {
    eventually("a page with all its parts", || {
        browser.visit(&address(server));
        // On a machine that is busy the browser may connect so long before it asks that the server
        // has prompted it for a role.
        let complaints = browser.complaints();
        let is_late = complaints.iter().any(|complaint| complaint.contains("ERR_INVALID_HTTP_RESPONSE"));
        assert!(is_late || complaints.is_empty(), "{complaints:#?}");
        (!is_late).then_some(())
    });
    browser.wait_for("#link", "Connected");
    browser.wait_until("document.getElementById('listening').textContent === 'Listening to #'");
}

#[track_caller]
fn type_and_publish(browser: &Browser, topic: &str, text: &str) {
    browser.click("#topic");
    browser.press(&format!("{CTRL}a"));
    browser.press(topic);
    browser.click("#text");
    browser.press(text);
    browser.click("#send");
    browser.wait_for("#published", &format!("Published to {topic}"));
}

#[track_caller]
fn assert_no_complaints(browser: &Browser) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn two_tabs_and_a_text_client_hear_each_other() {
    let server = Server::start(2);
    let browser = open(&server);
    let first = browser.tab();
    let second = browser.new_tab();
    visit(&browser, &server);
    let mut subscriber = server.client("SUBSCRIBER sports");

    type_and_publish(&browser, "sports", "Goal!");
    let line = subscriber.line();
    assert!(line.starts_with("[sports | FROM ") && line.ends_with("] : Goal!"), "{line}");
    browser.wait_for(".message .payload", "Goal!");
    browser.look_at(&first);
    browser.wait_for(".message .topic", "sports");
    browser.wait_for(".message .payload", "Goal!");

    let mut publisher = server.client("PUBLISHER news");
    publisher.send("from a terminal\n");
    browser.wait_for(".message .payload", "from a terminal");
    browser.wait_for(".message .from", &publisher.addr());
    browser.look_at(&second);
    browser.wait_for(".message .payload", "from a terminal");
    assert_no_complaints(&browser);
}

#[test]
fn what_strangers_send_stays_text() {
    let server = Server::start(1);
    let browser = open(&server);
    let markup = r#"<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"#;
    let json = r#"{"number":12345678901234567890,"markup":"<b>bold</b>","list":[1,2],"empty":{},"more":"............"}"#;
    let mut publisher = server.client("PUBLISHER <b>topic</b>");
    publisher.send(format!("{markup}\n{json}\n"));
    let mut bytes = server.client("PUBLISHER bytes");
    bytes.send(b"\x00\xff\x89PNG\n");
    let mut reversed = server.client("PUBLISHER reversed");
    reversed.send("abc\u{202e}def\n");

    browser.wait_for(".message .payload", markup);
    browser.wait_for(".message .topic", "<b>topic</b>");
    // As it was written, with line breaks.
    browser
        .wait_for(".payload.json", "{\n  \"number\": 12345678901234567890,\n  \"markup\": \"<b>bold</b>\",");
    browser.wait_for(".payload.json", "\"list\": [\n    1,\n    2\n  ],\n  \"empty\": {},");
    browser.wait_for(".payload.binary", "00 ff 89 50 4e 47");
    browser.wait_for(".message .payload", "abc\\u{202e}def");

    browser.click("#tab-topics");
    browser.wait_for("#topics td.excerpt", "{\"number\":12345678901234567890,\"markup\":\"<b>bold</b>\"");
    browser.click("#topics tbody tr button");
    browser.wait_for("#history-list .payload", markup);
    let foreign =
        browser.run("return document.querySelectorAll('li img, li script, li b, td img, td b').length");
    assert_eq!((foreign, browser.run("return document.title")), (json!(0), json!("Tidings")));
    assert_no_complaints(&browser);
}

/// Ten thousand a second: the page answers, keeps few rows, and every message is heard or told to be lost.
#[test]
fn a_flood_does_not_freeze_it() {
    let server = Server::start(2);
    let browser = open(&server);
    let count = scaled(10_000, 40_000);
    let publisher = server.client("PUBLISHER flood");
    let mut sender = publisher.sender();
    let flood = thread::spawn(move || {
        let began = Instant::now();
        for batch in 0..count / 100 {
            let lines: String =
                (0..100).map(|line| format!("{{\"message\":{}}}\n", batch * 100 + line)).collect();
            sender.write_all(lines.as_bytes()).expect("the server reads");
            // Not to wait for anything: this is the rate.
            let due = Duration::from_millis(10 * batch as u64);
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
    });
    let (mut slowest, mut says_so) = (Duration::ZERO, false);
    while !flood.is_finished() {
        let asked = Instant::now();
        let rows = browser.run("return document.querySelectorAll('#messages > li').length");
        let skipped = browser.run("return document.querySelector('#messages .skipped')?.textContent ?? ''");
        slowest = slowest.max(asked.elapsed());
        assert!(rows.as_u64() <= Some(500), "{rows} rows");
        says_so |= skipped.as_str().is_some_and(|text| text.ends_with("came too fast to be shown here"));
    }
    flood.join().expect("everything was sent");
    assert!(slowest < Duration::from_secs(1), "the page took {slowest:?} to answer");
    // "40,000 heard · 38,000 not shown · 12 lost"
    let number =
        |what: &str| format!("Number((/([\\d,]+) {what}/.exec(text) ?? [0, '0'])[1].replaceAll(',', ''))");
    browser.wait_until(&format!(
        "((text) => {} + {} === {count})(document.getElementById('counts').textContent)",
        number("heard"),
        number("lost"),
    ));
    browser.wait_for("#counts", "not shown");
    browser.wait_for("#messages > li:first-child", &format!("{{\"message\": {}}}", count - 1));
    assert!(says_so, "the list does not say that it is not all");
    assert_no_complaints(&browser);
}

#[test]
fn pausing_holds_the_list_and_goes_on_with_the_newest() {
    let server = Server::start(1);
    let browser = open(&server);
    let mut publisher = server.client("PUBLISHER slow");
    publisher.send("before\n");
    browser.wait_for(".message .payload", "before");
    browser.click("#pause");
    // One batch may be on its way; what follows it waits.
    publisher.send("during\n");
    browser.wait_for("#counts", "2 heard");
    publisher.send("held\n");
    browser.wait_for("#counts", "3 heard · paused");
    let shown = browser.run("return document.getElementById('messages').textContent");
    assert!(!shown.as_str().expect("text").contains("held"), "{shown}");
    browser.click("#pause");
    browser.wait_for(".message .payload", "held");
    browser.wait_for(".message .payload", "during");
}

#[test]
fn it_comes_back_after_a_restart_and_says_so() {
    let server = Server::start(2);
    let browser = open(&server);
    browser.wait_for("#version", env!("CARGO_PKG_VERSION"));
    let port = server.port();
    assert!(server.terminate().success());
    browser.wait_for("#link", "trying again");
    browser.wait_for("#notices", "Figures cannot be had");
    assert_eq!(browser.run("return document.getElementById('send').disabled"), json!(true));

    let server = Start::with(&["--shards", "2", "--listen", &format!("tcp://127.0.0.1:{port}")]).run();
    browser.wait_for("#link", "Connected again");
    browser.wait_for("#notices", "The server restarted");
    browser.wait_for("#messages .gap", "the server restarted");
    type_and_publish(&browser, "hello", "again");
    browser.wait_for(".message .payload", "again");
    browser.wait_until("!document.getElementById('notices').innerText.includes('cannot be had')");
    drop(server);
}

#[test]
fn a_client_is_kicked_after_a_question() {
    let server = Server::start(2);
    let browser = open(&server);
    let mut victim = server.client("SUBSCRIBER hall/lights");
    let mut other = server.client("SUBSCRIBER hall");
    browser.click("#client-text");
    browser.press("hall/li");
    browser.wait_until("document.querySelectorAll('#clients tbody tr').length === 1");
    browser.wait_for("#clients tbody", &victim.addr());

    let is_open = "document.getElementById('kick').open";
    browser.click("#clients tbody button");
    browser.wait_for("#kick-who", &victim.addr());
    // A stray Enter, or Escape, keeps it.
    browser.press(ENTER);
    browser.wait_until(&format!("!{is_open}"));
    browser.click("#clients tbody button");
    browser.press(ESCAPE);
    browser.wait_until(&format!("!{is_open}"));
    let mut publisher = server.client("PUBLISHER hall/lights");
    publisher.send("on\n");
    assert!(victim.line().ends_with("] : on"));

    browser.click("#clients tbody button");
    browser.click("#kick-yes");
    victim.rest();
    browser.wait_until(&format!("!{is_open}"));
    browser.wait_until("document.querySelectorAll('#clients tbody tr').length === 1");
    browser
        .wait_until(&format!("!document.getElementById('clients').innerText.includes('{}')", victim.addr()));
    let mut publisher = server.client("PUBLISHER hall");
    publisher.send("dark\n");
    assert!(other.line().ends_with("] : dark"));
    assert_no_complaints(&browser);
}

/// Presses Tab until something has the focus.
#[track_caller]
fn tab_to(browser: &Browser, id: &str) {
    for _ in 0..60 {
        if browser.run("return document.activeElement.id") == json!(id) {
            return;
        }
        browser.press(TAB);
    }
    panic!("Tab does not lead to {id}");
}

#[test]
fn everything_can_be_done_by_keyboard() {
    let server = Server::start(1);
    let browser = open(&server);
    let mut subscriber = server.client("SUBSCRIBER keys");
    tab_to(&browser, "topic");
    browser.press(&format!("{CTRL}a"));
    browser.press("keys");
    tab_to(&browser, "text");
    browser.press("one");
    browser.press(&format!("{CTRL}{ENTER}"));
    assert!(subscriber.line().ends_with("] : one"));
    tab_to(&browser, "send");
    browser.press(ENTER);
    assert!(subscriber.line().ends_with("] : one"));

    tab_to(&browser, "filter");
    browser.press(&format!("{CTRL}a"));
    browser.press("keys/+");
    browser.press(ENTER);
    browser.wait_until("document.getElementById('listening').textContent === 'Listening to keys/+'");
    tab_to(&browser, "tab-clients");
    browser.press(ARROW_RIGHT);
    browser.wait_for("#topics tbody", "keys");
    // The focus stays where it is when the table is written again.
    browser.press(TAB);
    browser.press(TAB);
    browser.press(TAB);
    browser.wait_until("document.activeElement.textContent === 'keys'");
    let mut publisher = server.client("PUBLISHER a");
    publisher.send("first by name\n");
    browser.wait_until("document.querySelectorAll('#topics tbody tr').length === 2");
    browser.wait_until("document.activeElement.textContent === 'keys'");
    browser.press(ENTER);
    browser.wait_for("#history-title", "keys");
    browser.wait_for("#history-list .payload", "one");
    browser.press(ESCAPE);
    browser.wait_until("!document.getElementById('history').open");
    assert_no_complaints(&browser);
}

#[test]
fn a_telephone_does_not_scroll_sideways() {
    let server = Server::start(1);
    let browser = open(&server);
    let mut publisher = server.client(&format!("PUBLISHER {}", "long/".repeat(30)));
    publisher.send(format!("{}\n{}\n", "x".repeat(500), "<b>".repeat(100)));
    browser.wait_for(".message .payload", "xxx");
    for width in [390, 320, 1280] {
        browser.resize(width, 844);
        for tab in ["clients", "topics", "shards", "memory", "settings"] {
            browser.click(&format!("#tab-{tab}"));
            browser.wait_until(&format!("document.querySelector('#{tab} tbody tr')"));
            let size = browser.run("return [innerWidth, document.documentElement.scrollWidth]");
            assert_eq!(size, json!([width, width]), "{tab}");
        }
    }
    assert_no_complaints(&browser);
}

/// A proxy speaks for others: they may look, and not administer.
#[test]
fn whoever_may_not_is_told_why() {
    let server = Server::start(1);
    let browser = open(&server);
    browser.devtools("Network.enable", &json!({}));
    let headers = json!({ "headers": { "x-forwarded-for": "192.0.2.1" } });
    browser.devtools("Network.setExtraHTTPHeaders", &headers);
    browser.click("#tab-settings");
    browser.wait_for("#notices", "Settings cannot be had: only this machine may do that");
    browser.click("#tab-clients");
    browser.wait_until("!document.getElementById('notices').innerText.includes('Settings')");
    browser.wait_until("document.querySelector('#clients tbody button')");
    browser.click("#clients tbody button");
    browser.click("#kick-yes");
    browser.wait_for("#kick-answer", "Not done: only this machine may do that");
    browser.press(ESCAPE);
    type_and_publish(&browser, "hello", "still possible");
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|complaint| complaint.contains("status of 403")), "{complaints:#?}");
}

#[test]
fn a_server_that_says_nothing_is_told_of() {
    let server = Server::start(1);
    let browser = open(&server);
    browser.wait_for("#version", env!("CARGO_PKG_VERSION"));
    server.signal("STOP");
    browser.wait_for("#notices", "Figures cannot be had, those shown are of ");
    browser.wait_for("#notices", "the server takes too long");
    browser.wait_until("document.body.classList.contains('stale')");
    server.signal("CONT");
    eventually("an answer", || {
        let notices = browser.run("return document.getElementById('notices').innerText");
        (notices == json!("")).then_some(())
    });
    type_and_publish(&browser, "hello", "awake");
}
