//! Configuration seen from outside: what does not start says why in one line, what is printed
//! can be read again, and where a value comes from does not matter.

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use support::{Start, tidings};

fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    tidings().args(args).envs(env.iter().copied()).output().expect("the program starts")
}

/// Does not start: exit code 2, nothing on standard output, exactly this line on standard error.
#[track_caller]
fn check_refused(args: &[&str], env: &[(&str, &str)], line: &str) {
    let output = run(args, env);
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{line}\n"));
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

/// A file for this test alone.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}.toml", std::process::id()));
    fs::write(&path, text).expect("a temporary file");
    path
}

#[test]
fn wrong_arguments() {
    let check = |args: &[&str], line: &str| check_refused(args, &[], line);
    check(&["server", "99999"], "tidings: PORT: expected a number from 0 to 65535, found \"99999\"");
    check(&["server", "http"], "tidings: PORT: expected a number from 0 to 65535, found \"http\"");
    check(
        &["server", "0", "--shards", "65"],
        "tidings: --shards: expected a number from 1 to 64, found \"65\"",
    );
    check(
        &["server", "0", "--shards", "0"],
        "tidings: --shards: expected a number from 1 to 64, found \"0\"",
    );
    check(&["server", "--log-format", "xml"], "tidings: --log-format: expected text or json, found \"xml\"");
    check(&["server", "--queue-max", "1"], "tidings: --queue-max: expected at least 64KiB, found \"1\"");
    check(
        &["server", "0", "--listen", "tcp://127.0.0.1:0"],
        "tidings: --listen excludes PORT: write address, port and ?topic_prompt=1 into the URL",
    );
}

#[test]
fn an_unknown_option_names_the_nearest() {
    let output = run(&["server", "0", "--shard", "2"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("'--shard'") && text.contains("'--shards'"), "{text}");
}

#[test]
fn the_help_names_signals_console_commands_and_exit_codes() {
    let output = run(&["server", "--help"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, after) = text.split_once("Sizes: ").expect("the words after the options");
    for word in [
        "\n  status ",
        "\n  clients ",
        "\n  topics ",
        "\n  kick ID ",
        "\n  help ",
        "\n  exit ",
        "SIGTERM",
        "SIGINT",
        "SIGHUP",
        "log_format",
        "\n  0 ",
        "\n  1 ",
        "\n  2 ",
        "\n  130, 143 ",
        "\n  134 ",
        "64KiB",
    ] {
        assert!(after.contains(word), "{word:?} is not in\n{after}");
    }
    assert!(after.lines().all(|line| line.chars().count() <= 100), "{after}");
}

const REFUSING: &str = "without authentication: anyone who reaches it could publish and subscribe. To allow that: tidings server";

#[test]
fn addresses_that_others_can_reach_need_leave() {
    check_refused(
        &["server", "0", "--bind", "0.0.0.0"],
        &[],
        &format!("tidings: refusing to listen on 0.0.0.0:0 {REFUSING} 0 --bind 0.0.0.0 --allow-anonymous"),
    );
    check_refused(
        &["server", "--listen", "tcp://[::]:9000"],
        &[],
        &format!(
            "tidings: refusing to listen on [::]:9000 {REFUSING} --listen 'tcp://[::]:9000' --allow-anonymous"
        ),
    );
    check_refused(
        &["server", "0"],
        &[("TIDINGS_BIND", "0.0.0.0")],
        &format!("tidings: TIDINGS_BIND: refusing to listen on 0.0.0.0:0 {REFUSING} 0 --allow-anonymous"),
    );
}

/// It passed for loopback, and then binding failed with "Invalid argument".
#[test]
fn an_ipv4_address_in_the_clothes_of_ipv6() {
    let line = |option: &str, ipv4: &str| {
        format!("tidings: {option}: an IPv4 address is written as one: {ipv4} in place of ::ffff:{ipv4}")
    };
    check_refused(&["server", "0", "--bind", "::ffff:127.0.0.1"], &[], &line("--bind", "127.0.0.1"));
    check_refused(
        &["server", "--listen", "tcp://[::ffff:0.0.0.0]:0", "--allow-anonymous"],
        &[],
        &line("--listen", "0.0.0.0"),
    );
}

#[test]
fn with_leave_it_listens_everywhere() {
    let output =
        run(&["config", "check", "0", "--bind", "0.0.0.0", "--allow-anonymous", "--shards", "1"], &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "configuration is good: 0.0.0.0:0 with 1 shard, from no file\n");
    assert!(output.status.success());
}

#[test]
fn the_environment_and_the_command_line_over_it() {
    let check = |args: &[&str], env: &[(&str, &str)], expected: &str| {
        let output = run(args, env);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("configuration is good: {expected}\n"));
        // 1 where something on this machine listens on one of these ports.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    };
    let shards = [("TIDINGS_SHARDS", "3")];
    check(&["config", "check"], &shards, "127.0.0.1:8071 with 3 shards, from no file");
    check(&["config", "check", "--shards", "5"], &shards, "127.0.0.1:8071 with 5 shards, from no file");
    let path = file("layers", "shards = 7\n[[listener]]\nurl = \"tcp://127.0.0.1:9001\"\n");
    let path = path.to_str().expect("text");
    let file = [("TIDINGS_CONFIG", path)];
    check(&["config", "check"], &file, &format!("127.0.0.1:9001 with 7 shards, from {path}"));
    check(&["config", "check", "9002"], &file, &format!("127.0.0.1:9002 with 7 shards, from {path}"));
    check_refused(
        &["server", "0"],
        &[("TIDINGS_SHARDS", "many")],
        "tidings: TIDINGS_SHARDS: expected a number from 1 to 64, found \"many\"",
    );
    check_refused(
        &["server", "0"],
        &[("TIDINGS_SHARD", "2")],
        "tidings: unknown environment variable \"TIDINGS_SHARD\"; did you mean TIDINGS_SHARDS?",
    );
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_place() {
    let path = file("wrong", "shards = 2\nlog_fromat = \"json\"\n");
    let path = path.to_str().expect("text");
    let line = format!("{path}:2:1: unknown key \"log_fromat\"; did you mean log_format?");
    check_refused(&["server", "0", "--config", path], &[], &format!("tidings: {line}"));
    check_refused(&["config", "check", "--config", path], &[], &format!("tidings: {line}"));
    check_refused(
        &["server", "0", "--config", "no/such.toml"],
        &[],
        "tidings: there is no configuration file no/such.toml",
    );
}

#[test]
fn a_check_names_the_address_that_is_in_use_and_disturbs_nobody() {
    let server = Start::with(&["--shards", "1"]).run();
    let mut subscriber = server.client("sub");
    let (taken, next) = (server.port(), server.port().wrapping_add(1));
    let listen = format!("tcp://127.0.0.1:0,tcp://127.0.0.1:{taken}");
    let output = run(&["config", "check", "--shards", "1"], &[("TIDINGS_LISTEN", &listen)]);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!(
            "tidings: cannot listen on 127.0.0.1:{taken}: the port is in use. Another server may be running; \
             try another port: tidings server {next}\n"
        )
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("configuration is good: 127.0.0.1:0 and 127.0.0.1:"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    server.client("pub").send("still here\n");
    assert!(subscriber.line().ends_with("still here"));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let args = ["config", "print", "8072", "--shards", "3", "--queue-max", "1MiB", "--history-last", "7"];
    let printed = run(&args, &[("TIDINGS_LOG_FORMAT", "json")]);
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).expect("text");
    let path = file("printed", &text);
    let again = run(&["config", "print", "--config", path.to_str().expect("text")], &[]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), text);
    for line in ["shards = 3", "log_format = \"json\"", "queue_max = \"1MiB\"", "history_last = 7"] {
        assert!(text.lines().any(|printed| printed == line), "{line} is not in\n{text}");
    }
}

/// The defaults that are printed are those of a server that is told nothing.
#[test]
fn the_printed_defaults_are_the_defaults() {
    let defaults = run(&["config", "print", "--defaults"], &[]);
    let text = String::from_utf8(defaults.stdout).expect("text");
    let uncommented: String = text
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .map(|line| format!("{line}\n"))
        .collect();
    let path = file("defaults", &uncommented);
    let print = |args: &[&str]| run(&[&["config", "print"], args].concat(), &[]).stdout;
    let from_file = print(&["--config", path.to_str().expect("text")]);
    assert_eq!(String::from_utf8_lossy(&from_file), String::from_utf8_lossy(&print(&[])));
    // And what the comments say they are is what they are.
    let mut said = None;
    for line in text.lines() {
        if let Some((_, default)) = line.split_once("[default: ") {
            said = default.split_once(']').map(|(default, _)| default.to_owned());
        } else if let Some((key, value)) = line.split_once(" = ") {
            let value = value.trim_matches('"');
            let said = said.take().filter(|said| said != "one per core");
            assert!(said.as_deref().is_none_or(|said| said == value), "{key} is {value}, not {said:?}");
        }
    }
}

#[test]
fn hup_reads_the_file_again() {
    let path = file("hup", "shards = 2\nlog_format = \"text\"\n");
    let mut server = Start::with(&["--config", path.to_str().expect("text")]).run();
    let mut subscriber = server.client("sub");
    server.signal("HUP");
    server.wait_for_log("INFO configuration read again: nothing changed");

    fs::write(&path, "shards = 3\nlog_format = \"json\"\n").expect("a temporary file");
    server.signal("HUP");
    let line = server.wait_for_log("shards: 2 -> 3 (needs a restart)");
    let value: serde_json::Value = serde_json::from_str(&line).expect("the new format already");
    let message = value["message"].as_str().expect("text");
    assert!(message.contains("log_format: \"text\" -> \"json\""), "{message}");

    fs::write(&path, "shards = \"three\"\n").expect("a temporary file");
    server.signal("HUP");
    let line = server.wait_for_log("configuration kept as it was: ");
    assert!(line.contains("\"level\":\"error\"") && line.contains(":1:10: "), "{line}");

    // Nobody was disconnected meanwhile.
    server.client("pub").send("still here\n");
    assert!(subscriber.line().ends_with("still here"));
    server.assert_alive();
}

#[test]
fn whoever_connects_is_counted() {
    let server = Start::with(&["--shards", "2"]).run();
    let first = server.client("sub");
    let second = server.client("sub");
    server.wait_for_log(&format!("Client connected: {} (1 online)", first.addr()));
    server.wait_for_log(&format!("Client connected: {} (2 online)", second.addr()));
}

#[test]
fn a_json_log_is_json_on_every_line() {
    let server = Start::with(&["--log-format", "json"]).run();
    let mut publisher = server.client("pub name=eve");
    publisher.send("\x1b[2J \"quoted\"\nterminate\n");
    publisher.assert_end();
    server.wait_for_end(&publisher.addr());
    server.wait_for_log("quoted");
    let lines = server.log_lines("");
    let events: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let published = events.iter().find(|event| event["event"] == "published").expect("the message");
    assert_eq!(published["payload"], "\x1b[2J \"quoted\"");
    assert_eq!(published["name"], "eve");
    for event in &events {
        event["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok()).expect("a time");
    }
}
