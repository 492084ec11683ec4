//! Every cause, with the one line that an operator reads.

use std::path::Path;

use super::super::{ConfigError, Key, file};
use super::{OsString, TemporaryFile, start, words};

/// Exhaustive, so that a new cause does not compile before it has a name here and, by
/// `every_cause_is_met`, a case below.
fn cause(error: &ConfigError) -> &'static str {
    match error {
        ConfigError::FileMissing { .. } => "FileMissing",
        ConfigError::FileUnreadable { .. } => "FileUnreadable",
        ConfigError::FileTooLong { .. } => "FileTooLong",
        ConfigError::NotText { .. } => "NotText",
        ConfigError::Syntax { .. } => "Syntax",
        ConfigError::UnknownKey { .. } => "UnknownKey",
        ConfigError::WrongType { .. } => "WrongType",
        ConfigError::UrlMissing { .. } => "UrlMissing",
        ConfigError::TopicPromptTwice { .. } => "TopicPromptTwice",
        ConfigError::UnknownVariable { .. } => "UnknownVariable",
        ConfigError::VariableNotText { .. } => "VariableNotText",
        ConfigError::Value { .. } => "Value",
        ConfigError::ListenExcludes { .. } => "ListenExcludes",
        ConfigError::WhichListener { .. } => "WhichListener",
        ConfigError::ListenerTwice { .. } => "ListenerTwice",
        ConfigError::MappedAddress { .. } => "MappedAddress",
        ConfigError::NotLoopback { .. } => "NotLoopback",
        ConfigError::HistoryTooBig { .. } => "HistoryTooBig",
    }
}

/// A mistake in a file, its cause and its message, where F stands for the file.
const FILES: &[(&str, &str, &str)] = &[
    ("shards = ", "Syntax", "F:1:10: not TOML: "),
    ("# ok\nshards = 2\nshards = 3", "Syntax", "F:3:1: not TOML: duplicate key"),
    ("shard = 2", "UnknownKey", "F:1:1: unknown key \"shard\"; did you mean shards?"),
    (
        "[limits]\nqueu_max = 1",
        "UnknownKey",
        "F:2:1: unknown key \"queu_max\"; did you mean limits.queue_max?",
    ),
    ("queue_max = 1", "UnknownKey", "F:1:1: unknown key \"queue_max\"; did you mean limits.queue_max?"),
    ("listen = []", "UnknownKey", "F:1:1: unknown key \"listen\"; did you mean listener?"),
    ("prot = 1", "UnknownKey", "F:1:1: unknown key \"prot\"; did you mean port?"),
    ("[[listener]]\nport = 1", "UnknownKey", "F:2:1: unknown key \"port\"; did you mean listener.url?"),
    ("SHARDS = 1", "UnknownKey", "F:1:1: unknown key \"SHARDS\"; did you mean shards?"),
    (
        "kkk = 1\naaa = 1\nzzz = 1",
        "UnknownKey",
        "F:1:1: unknown key \"kkk\"; `tidings config print --defaults` lists all",
    ),
    (
        "[[listener]]\nurl = \"tcp://[::1]:1\"\nTopic_Prompt = true",
        "UnknownKey",
        "F:3:1: unknown key \"Topic_Prompt\"; did you mean listener.topic_prompt?",
    ),
    ("shards = \"2\"", "WrongType", "F:1:10: shards must be a whole number, found text"),
    ("log_format = true", "WrongType", "F:1:14: log_format must be text in quotes, found true or false"),
    (
        "allow_anonymous = 1",
        "WrongType",
        "F:1:19: allow_anonymous must be true or false, found a whole number",
    ),
    (
        "limits = {queue_max = 2.5}",
        "WrongType",
        "F:1:23: limits.queue_max must be a number of bytes or text such as \"2MiB\", found a number with a point",
    ),
    ("limits = 1", "WrongType", "F:1:10: limits must be a table [limits], found a whole number"),
    (
        "[listener]\nurl = \"tcp://[::1]:1\"",
        "WrongType",
        "F:1:1: listener must be tables [[listener]], found a table",
    ),
    ("listener = [1]", "WrongType", "F:1:13: listener must be tables [[listener]], found a whole number"),
    ("\n[[listener]]\n", "UrlMissing", "F:2:1: this [[listener]] has no url, for example url = "),
    (
        "[[listener]]\nurl = \"tcp://[::1]:1?topic_prompt=1\"\ntopic_prompt = false",
        "TopicPromptTwice",
        "F:3:16: topic_prompt is given in the url and beside it",
    ),
    (
        "port = 1\n[[listener]]\nurl = \"tcp://[::1]:1\"",
        "ListenExcludes",
        "F:3:7: listener.url excludes F:1:8: port: write address, port and ?topic_prompt=1 into the URL",
    ),
    ("port = 65536", "Value", "F:1:8: port: expected a number from 0 to 65535, found \"65536\""),
    ("port = \"1\"", "WrongType", "F:1:8: port must be a whole number, found text"),
    (
        "bind = \"0.0.0.0\"",
        "NotLoopback",
        "F:1:8: refusing to listen on 0.0.0.0:8071 without authentication: ",
    ),
    ("shards = 0", "Value", "F:1:10: shards: expected a number from 1 to 64, found \"0\""),
    ("shards = 0x41", "Value", "F:1:10: shards: expected a number from 1 to 64, found \"65\""),
    ("shards = -1", "Value", "F:1:10: shards: expected a number from 1 to 64, found \"-1\""),
    (
        "sys_interval = true",
        "WrongType",
        "F:1:16: sys_interval must be a number of seconds or text such as \"10s\", found true or false",
    ),
    (
        "sys_interval = \"1500ms\"",
        "Value",
        "F:1:16: sys_interval: expected a time of whole seconds such as 10s or 1m, at most 86400s, found \"1500ms\"",
    ),
    ("sys_interval = \"2d\"", "Value", "F:1:16: sys_interval: expected a time of whole seconds"),
    ("log_format = \"x\\ny\"", "Value", "F:1:14: log_format: expected text or json, found \"x\\ny\""),
    (
        "[limits]\nqueue_max = \"63KiB\"",
        "Value",
        "F:2:13: limits.queue_max: expected at least 64KiB, found \"63KiB\"",
    ),
    (
        "[[listener]]\nurl = \"tcp://example.org:1\"",
        "Value",
        "F:2:7: listener.url: expected a URL such as tcp://127.0.0.1:8071 or mqtt://[::1]:1883, found \"tcp://ex",
    ),
    (
        "[[listener]]\nurl = \"tcp://[::1]:1\"\n[[listener]]\nurl = \"tcp://[::1]:1\"",
        "ListenerTwice",
        "F:4:7: listener.url: [::1]:1 is already in the list",
    ),
    (
        "allow_anonymous = true\n[[listener]]\nurl = \"tcp://0.0.0.0:1\"\n[[listener]]\nurl = \"tcp://127.0.0.1:1\"",
        "ListenerTwice",
        "F:5:7: listener.url: 127.0.0.1:1 and 0.0.0.0:1 of the list exclude each other: one is every",
    ),
    (
        "[[listener]]\nurl = \"tcp://[::ffff:127.0.0.1]:1\"",
        "MappedAddress",
        "F:2:7: listener.url: an IPv4 address is written as one: 127.0.0.1 in place of ::ffff:127.0.0.1",
    ),
    (
        "[[listener]]\nurl = \"tcp://[::]:1\"",
        "NotLoopback",
        "F:2:7: refusing to listen on [::]:1 without authentication: anyone who reaches it could publish and \
         subscribe. To allow that: tidings server --config F --allow-anonymous",
    ),
    (
        "[limits]\nmemory_max = \"16MiB\"\nhistory_max = \"9MiB\"",
        "HistoryTooBig",
        "F:3:15: limits.history_max: history may take half of memory_max (16MiB), so at most 8MiB, found 9MiB",
    ),
];

/// Options, variables, cause and message.
const LINES: &[(&str, &[&str], &str, &str)] = &[
    ("--config /nowhere/t.toml", &[], "FileMissing", "there is no configuration file /nowhere/t.toml"),
    ("", &["TIDINGS_CONFIG=/nowhere/t"], "FileMissing", "there is no configuration file /nowhere/t"),
    (
        "",
        &["TIDINGS_SHARD=2"],
        "UnknownVariable",
        "unknown environment variable \"TIDINGS_SHARD\"; did you mean TIDINGS_SHARDS?",
    ),
    (
        "",
        &["TIDINGS_X=2"],
        "UnknownVariable",
        "unknown environment variable \"TIDINGS_X\"; `tidings server --help` lists all",
    ),
    ("", &["TIDINGS_SHARDS=x"], "Value", "TIDINGS_SHARDS: expected a number from 1 to 64, found \"x\""),
    (
        "--shards 2",
        &["TIDINGS_SHARDS=65"],
        "Value",
        "TIDINGS_SHARDS: expected a number from 1 to 64, found \"65\"",
    ),
    ("", &["TIDINGS_LISTEN=tcp://[::1]:1,"], "Value", "TIDINGS_LISTEN: expected a URL such as "),
    (
        "",
        &["TIDINGS_PORT=tcp://10.0.0.1:1"],
        "Value",
        "TIDINGS_PORT: expected a number from 0 to 65535, found ",
    ),
    ("65536", &[], "Value", "PORT: expected a number from 0 to 65535, found \"65536\""),
    (
        "--bind example.org",
        &[],
        "Value",
        "--bind: expected an IP address or localhost, found \"example.org\"",
    ),
    (
        "--listen https://[::1]:1",
        &[],
        "Value",
        "--listen: only tcp:// (any protocol), mqtt:// and http:// can be listened on, f",
    ),
    (
        "--listen http://[::1]:1?topic_prompt=1",
        &[],
        "Value",
        "--listen: nothing may follow the address of mqtt:// or http://, f",
    ),
    (
        "--listen [::1]:1",
        &[],
        "Value",
        "--listen: expected a URL such as tcp://127.0.0.1:8071 or mqtt://[::1]:1883, fo",
    ),
    ("--listen tcp://127.0.0.1", &[], "Value", "--listen: expected a URL such as "),
    (
        "--listen tcp://[::1]:1?tls=1",
        &[],
        "Value",
        "--listen: all that may follow the address is ?topic_prompt=1, f",
    ),
    (
        "--listen tcp://[::1]:1?topic_prompt=2",
        &[],
        "Value",
        "--listen: all that may follow the address is ?topic_",
    ),
    ("--topic-prompt=maybe", &[], "Value", "--topic-prompt: expected true or false, found \"maybe\""),
    (
        "--connections-max 0",
        &[],
        "Value",
        "--connections-max: expected a number from 1 to 16777216, found \"0\"",
    ),
    (
        "--queue-max 2MX",
        &[],
        "Value",
        "--queue-max: expected a size such as 2MiB, 8G or 1048576, found \"2MX\"",
    ),
    ("--queue-max MiB", &[], "Value", "--queue-max: expected a size such as "),
    ("--queue-max 1.5MiB", &[], "Value", "--queue-max: expected a size such as "),
    ("--queue-max 64KB", &[], "Value", "--queue-max: expected at least 64KiB, found \"64KB\""),
    ("--memory-max 16777215", &[], "Value", "--memory-max: expected at least 16MiB, found \"16777215\""),
    ("--memory-max 99999999999999999999", &[], "Value", "--memory-max: expected at most "),
    ("--memory-max 18446744073709551614", &[], "Value", "--memory-max: expected at most "),
    (
        "9000 --listen tcp://[::1]:1",
        &[],
        "ListenExcludes",
        "--listen excludes PORT: write address, port and ?topic_prompt=1 into the URL",
    ),
    ("--bind ::1 --listen tcp://[::1]:1", &[], "ListenExcludes", "--listen excludes --bind: "),
    ("--topic-prompt --listen tcp://[::1]:1", &[], "ListenExcludes", "--listen excludes --topic-prompt: "),
    (
        "",
        &["TIDINGS_BIND=::1", "TIDINGS_LISTEN=tcp://[::1]:1"],
        "ListenExcludes",
        "TIDINGS_LISTEN excludes TIDINGS_BIND: ",
    ),
    (
        "9000",
        &["TIDINGS_LISTEN=tcp://[::1]:1,tcp://[::1]:2"],
        "WhichListener",
        "PORT: changes one listener, but 2 are configured: use --listen instead",
    ),
    (
        "8071 --bind 0.0.0.0",
        &[],
        "NotLoopback",
        "refusing to listen on 0.0.0.0:8071 without authentication: anyone who reaches it could publish and \
         subscribe. To allow that: tidings server 8071 --bind 0.0.0.0 --allow-anonymous",
    ),
    (
        "--listen tcp://[::1]:1 --listen tcp://10.0.0.1:1?topic_prompt=1 --queue-max 64KiB --allow-anonymous=no",
        &[],
        "NotLoopback",
        "refusing to listen on 10.0.0.1:1 without authentication: anyone who reaches it could publish and \
         subscribe. To allow that: tidings server --queue-max 64KiB --listen 'tcp://[::1]:1' \
         --listen 'tcp://10.0.0.1:1?topic_prompt=1' --allow-anonymous",
    ),
    (
        "--topic-prompt",
        &["TIDINGS_BIND=::"],
        "NotLoopback",
        "TIDINGS_BIND: refusing to listen on [::]:8071 without authentication: anyone who reaches it could \
         publish and subscribe. To allow that: tidings server --topic-prompt --allow-anonymous",
    ),
    (
        "--bind ::ffff:10.0.0.1 --allow-anonymous",
        &[],
        "MappedAddress",
        "--bind: an IPv4 address is written as one: 10.0.0.1 in place of ::ffff:10.0.0.1",
    ),
    (
        "--history-max 513MiB",
        &[],
        "HistoryTooBig",
        "--history-max: history may take half of memory_max (1GiB), so at most 512MiB, found 513MiB",
    ),
];

#[test]
fn every_cause_is_met() {
    let mut met = Vec::new();
    let mut check = |error: ConfigError, expected: &str, message: &str| {
        let shown = error.to_string();
        assert_eq!(cause(&error), expected, "{shown}");
        assert!(shown.starts_with(message), "got      {shown}\nexpected {message}");
        assert!(!shown.contains('\n'), "{shown:?}");
        met.push(cause(&error));
    };
    for (contents, expected, message) in FILES {
        let file = TemporaryFile::new(contents);
        let message = message.replace("F:", &format!("{}:", file.0.display()));
        let message = message.replace(" F ", &format!(" {} ", file.0.display()));
        check(file.load().unwrap_err(), expected, &message);
    }
    for (line, variables, expected, message) in LINES {
        check(start(words(line), variables).unwrap_err(), expected, message);
    }
    let latin1 = TemporaryFile::new(b"# \xc3\xbc gr\xfc\xdfe");
    check(latin1.load().unwrap_err(), "NotText", &format!("{}:1:7: not UTF-8 text", latin1.0.display()));
    let long = TemporaryFile::new("#".repeat(1024 * 1024 + 1));
    let message = format!("the configuration file {} is longer than 1MiB", long.0.display());
    check(long.load().unwrap_err(), "FileTooLong", &message);
    let folder = std::env::temp_dir();
    let message = format!("cannot read the configuration file {}: ", folder.display());
    check(file::read(&folder).unwrap_err(), "FileUnreadable", &message);
    check(not_text(), "VariableNotText", "environment variable TIDINGS_BIND: not UTF-8 text");
    met.sort_unstable();
    met.dedup();
    assert_eq!(met.len(), 18, "{met:?}");
}

#[cfg(unix)]
fn not_text() -> ConfigError {
    use std::os::unix::ffi::OsStringExt;
    let value = OsString::from_vec(vec![0xff]);
    super::load_from(&super::ServerArgs::default(), [("TIDINGS_BIND".into(), value)]).unwrap_err()
}

#[test]
fn any_one_slip_finds_the_key() {
    for key in Key::ONE_LISTENER.into_iter().chain(Key::TOP).chain(Key::LIMITS) {
        let name = key.name();
        for at in 0..name.len() {
            let (head, tail) = name.split_at(at);
            let left_out = format!("{head}{}", tail.get(1..).unwrap());
            let doubled = format!("{head}{}{tail}", tail.get(..1).unwrap());
            for slip in [left_out, doubled] {
                let error = file::layer(Path::new("t"), format!("{slip} = 1").as_bytes()).err().unwrap();
                let expected = format!("t:1:1: unknown key {slip:?}; did you mean {}?", key.path());
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}
