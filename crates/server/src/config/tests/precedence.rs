//! Defaults, file, environment, command line: who wins.

use super::super::render::toml;
use super::super::{AnonymousAccess, ConfigError, Key, Settings, TopicPrompt};
use super::{TemporaryFile, addresses, start, words};

/// Key, in the file, variable, option, and the value after each.
const LAYERS: &[(Key, &str, &str, &str, [&str; 3])] = &[
    (Key::Port, "port = 1", "2", "3", ["1", "2", "3"]),
    (
        Key::Bind,
        "bind = '::1'",
        "localhost",
        "--bind 127.0.0.9",
        ["\"::1\"", "\"127.0.0.1\"", "\"127.0.0.9\""],
    ),
    (Key::TopicPrompt, "topic_prompt = true", "0", "--topic-prompt", ["true", "false", "true"]),
    (Key::Shards, "shards = 64", " 2 ", "--shards 3", ["64", "2", "3"]),
    (
        Key::LogFormat,
        "log_format = 'json'",
        "text",
        "--log-format json",
        ["\"json\"", "\"text\"", "\"json\""],
    ),
    (
        Key::HttpHosts,
        "http_hosts = \"a.example\"",
        "b.example,c",
        "--http-hosts *",
        ["\"a.example\"", "\"b.example,c\"", "\"*\""],
    ),
    (
        Key::HttpOrigins,
        "http_origins = \"http://a\"",
        "https://b:1",
        "--http-origins *",
        ["\"http://a\"", "\"https://b:1\"", "\"*\""],
    ),
    (Key::SysInterval, "sys_interval = 1", "2s", "--sys-interval 1m", ["\"1s\"", "\"2s\"", "\"60s\""]),
    (Key::AllowAnonymous, "allow_anonymous = true", "off", "--allow-anonymous", ["true", "false", "true"]),
    (Key::ConnectionsMax, "limits.connections_max = 1", "2", "--connections-max 3", ["1", "2", "3"]),
    (
        Key::QueueMax,
        "limits.queue_max = 65_536",
        "4 mib",
        "--queue-max 65537",
        ["\"64KiB\"", "\"4MiB\"", "65537"],
    ),
    (
        Key::MemoryMax,
        "limits.memory_max = '256MiB'",
        "2GiB",
        "--memory-max 268435457",
        ["\"256MiB\"", "\"2GiB\"", "268435457"],
    ),
    (Key::HistoryLast, "limits.history_last = 0", "1", "--history-last 2", ["0", "1", "2"]),
    (Key::HistoryMax, "limits.history_max = 0", "1", "--history-max 2KiB", ["0", "1", "\"2KiB\""]),
    (
        Key::Listen,
        "[[listener]]\nurl = 'tcp://[::1]:1'\ntopic_prompt = true",
        "tcp://localhost:2, tcp://[::1]:2",
        "--listen TCP://127.0.0.2:3/?topic_prompt=on",
        [
            "\"tcp://[::1]:1?topic_prompt=1\"",
            "\"tcp://127.0.0.1:2,tcp://[::1]:2\"",
            "\"tcp://127.0.0.2:3?topic_prompt=1\"",
        ],
    ),
];

#[test]
fn each_layer_overrides_the_one_below() {
    for &(key, in_file, variable, option, expected) in LAYERS {
        let file = TemporaryFile::new(in_file);
        let config = format!("TIDINGS_CONFIG={}", file.0.display());
        let variable = format!("{}={variable}", key.variable());
        let shown = |line: &str, variables: &[&str]| toml(key, &start(words(line), variables).unwrap());
        assert_eq!(shown("", &[]), toml(key, &Settings::default()), "default of {key:?}");
        assert_eq!(shown("", &[&config]), expected[0], "file over default of {key:?}");
        assert_eq!(shown("", &[&config, &variable]), expected[1], "environment over file of {key:?}");
        assert_eq!(shown(option, &[&config, &variable]), expected[2], "option over environment of {key:?}");
        assert_eq!(shown(option, &[&config]), expected[2], "option over file of {key:?}");
    }
}

#[test]
fn the_option_names_the_file_rather_than_the_variable() {
    let (typed, variable) = (TemporaryFile::new("shards = 1"), TemporaryFile::new("shards = 2"));
    let line = format!("--config {}", typed.0.display());
    let settings = start(words(&line), &[&format!("TIDINGS_CONFIG={}", variable.0.display())]).unwrap();
    assert_eq!((settings.shards, settings.config_file), (1, Some(typed.0.clone())));
}

#[test]
fn port_and_address_change_the_one_listener() {
    let check = |line: &str, variables: &[&str], expected: &[&str]| {
        assert_eq!(addresses(&start(words(line), variables).unwrap()), expected, "{line} {variables:?}");
    };
    check("", &[], &["127.0.0.1:8071"]);
    check("9000", &[], &["127.0.0.1:9000"]);
    check("0", &["TIDINGS_PORT=9000"], &["127.0.0.1:0"]);
    check("--bind ::1", &["TIDINGS_PORT=9000"], &["[::1]:9000"]);
    check("--bind [::1]", &["TIDINGS_BIND=127.0.0.9"], &["[::1]:8071"]);
    check("--bind LocalHost", &["TIDINGS_BIND=127.0.0.9"], &["127.0.0.1:8071"]);
    check("9000", &["TIDINGS_LISTEN=tcp://[::1]:1"], &["[::1]:9000"]);
    check("--listen tcp://[::1]:1", &["TIDINGS_PORT=9000"], &["[::1]:1"]);
    check("--listen tcp://[::1]:0 --listen tcp://[::1]:0", &[], &["[::1]:0", "[::1]:0"]);
    check("--bind 0.0.0.0 --allow-anonymous", &[], &["0.0.0.0:8071"]);
    let both = "--listen tcp://0.0.0.0:1 --listen tcp://[::1]:1 --allow-anonymous";
    check(both, &[], &["0.0.0.0:1", "[::1]:1"]);
    check("--bind 0.0.0.0", &["TIDINGS_ALLOW_ANONYMOUS=1"], &["0.0.0.0:8071"]);
}

#[test]
fn a_prompt_can_be_turned_on_and_off_again() {
    let prompt =
        |line: &str, variables: &[&str]| start(words(line), variables).unwrap().listeners[0].topic_prompt;
    assert_eq!(prompt("", &[]), TopicPrompt::Off);
    assert_eq!(prompt("--topic-prompt", &[]), TopicPrompt::On);
    assert_eq!(prompt("", &["TIDINGS_TOPIC_PROMPT=yes"]), TopicPrompt::On);
    assert_eq!(prompt("--topic-prompt=false", &["TIDINGS_TOPIC_PROMPT=1"]), TopicPrompt::Off);
    assert_eq!(prompt("--bind ::1", &["TIDINGS_LISTEN=tcp://[::1]:1?topic_prompt=1"]), TopicPrompt::On);
}

#[test]
fn some_variables_mean_nothing_to_a_server() {
    let settings = start(
        words(""),
        &[
            "TIDINGS_URL=x",
            "TIDINGS_HTTP_URL=x",
            "TIDINGS_USER=x",
            "TIDINGS_PASSWORD=x",
            "TIDINGS_CONTEXT=x",
            "TIDINGS_NAME=x",
            "TIDINGS_SHARDS=",
            "TIDINGS_TYPO=",
            "tidings_shards=x",
            "PATH=x",
            // Kubernetes, for services called tidings and tidings-web.
            "TIDINGS_SERVICE_HOST=10.0.0.1",
            "TIDINGS_SERVICE_PORT=8071",
            "TIDINGS_SERVICE_PORT_TEXT=8071",
            "TIDINGS_PORT=tcp://10.0.0.1:8071",
            "TIDINGS_PORT_8071_TCP=tcp://10.0.0.1:8071",
            "TIDINGS_PORT_8071_TCP_ADDR=10.0.0.1",
            "TIDINGS_WEB_SERVICE_HOST=10.0.0.2",
            "TIDINGS_WEB_PORT=tcp://10.0.0.2:80",
        ],
    );
    assert_eq!(settings.unwrap(), Settings::default());
    for unknown in ["TIDINGS_SHARD=2", "TIDINGS_WEB_PORT=80"] {
        let error = start(words(""), &["TIDINGS_SERVICE_HOST=10.0.0.1", unknown]).unwrap_err();
        assert!(matches!(error, ConfigError::UnknownVariable { .. }), "{unknown}: {error}");
    }
}

#[test]
fn sizes_have_units() {
    let check = |text: &str, bytes: usize| {
        let line = ["--memory-max", "8GiB", "--history-max", text];
        assert_eq!(start(line, &[]).unwrap().limits.station.core.history_bytes_max, bytes, "{text}");
    };
    for (text, bytes) in
        [("7", 7), ("7b", 7), ("64KiB", 65_536), ("64K", 65_536), ("1MiB", 1 << 20), ("2G", 2 << 30)]
    {
        check(text, bytes);
        check(&text.to_lowercase(), bytes);
    }
    for (text, bytes) in [("64KB", 64_000), ("1MB", 1_000_000), ("1 gb", 1_000_000_000)] {
        check(text, bytes);
    }
}

#[test]
fn bounds_follow_each_other() {
    let limits = |line: &str| start(words(line), &[]).unwrap().limits;
    assert_eq!(limits("--queue-max 64KiB").station.core.brake_bytes, 16 * 1024);
    assert_eq!(limits("--queue-max 1GiB").station.core.brake_bytes, broker::Limits::default().brake_bytes);
    assert_eq!(limits("--memory-max 16MiB").station.core.history_bytes_max, 8 * 1024 * 1024);
    assert_eq!(
        limits("--memory-max 16MiB --history-max 8MiB").station.core.history_bytes_max,
        8 * 1024 * 1024
    );
    assert_eq!(
        limits("--memory-max 2GiB").station.core.history_bytes_max,
        broker::Limits::default().history_bytes_max
    );
    assert_eq!(start(words(""), &[]).unwrap().allow_anonymous, AnonymousAccess::Loopback);
    assert_eq!(limits(""), crate::Limits::default());
}
