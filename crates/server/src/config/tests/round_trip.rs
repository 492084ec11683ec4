//! What is printed reads back, and what changed is named.

use super::super::{Settings, changes, defaults_toml, print};
use super::{TemporaryFile, start, words};

#[test]
fn what_is_printed_reads_back() {
    for line in [
        "",
        "0 --topic-prompt --shards 64 --log-format json",
        "--bind :: --allow-anonymous --connections-max 1 --history-last 0 --history-max 0",
        "--listen tcp://[fe80::1%3]:9 --listen tcp://127.0.0.1:0?topic_prompt=1 --allow-anonymous",
        "--listen mqtt://127.0.0.1:1883 --listen http://127.0.0.1:8080 --listen tcp://127.0.0.1:8071",
        "--queue-max 65537 --memory-max 16777217 --history-max 8388608",
        "--queue-max 64KiB --memory-max 3GiB",
        "--sys-interval 1h30m",
        "--sys-interval 0",
    ] {
        let settings = start(words(line), &[]).unwrap();
        let file = TemporaryFile::new(print(&settings));
        let expected = Settings { config_file: Some(file.0.clone()), ..settings };
        assert_eq!(file.load().unwrap(), expected, "{line}");
    }
}

#[test]
fn the_defaults_are_comments_that_can_be_uncommented() {
    let text = defaults_toml();
    assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
    let uncommented: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .collect();
    assert!(uncommented.contains(&"queue_max = \"4MiB\""), "{uncommented:?}");
    for contents in [uncommented.join("\n"), text] {
        let file = TemporaryFile::new(contents);
        let expected = Settings { config_file: Some(file.0.clone()), ..Settings::default() };
        assert_eq!(file.load().unwrap(), expected);
    }
}

#[test]
fn only_the_log_format_changes_at_run_time() {
    let old = start(words("--shards 4"), &[]).unwrap();
    assert_eq!(changes(&old, &old.clone()), [""; 0]);
    let line = "9000 --topic-prompt --allow-anonymous --shards 8 --log-format json --connections-max 9 \
                --queue-max 1MiB --memory-max 2GiB --history-last 5 --history-max 1MiB --sys-interval 1m";
    assert_eq!(
        changes(&old, &start(words(line), &[]).unwrap()),
        [
            "listener: \"tcp://127.0.0.1:8071\" -> \"tcp://127.0.0.1:9000?topic_prompt=1\" (needs a restart)",
            "allow_anonymous: false -> true (needs a restart)",
            "shards: 4 -> 8 (needs a restart)",
            "log_format: \"text\" -> \"json\"",
            "sys_interval: \"10s\" -> \"60s\" (needs a restart)",
            "limits.connections_max: 65536 -> 9 (needs a restart)",
            "limits.queue_max: \"4MiB\" -> \"1MiB\" (needs a restart)",
            "limits.memory_max: \"1GiB\" -> \"2GiB\" (needs a restart)",
            "limits.history_last: 100 -> 5 (needs a restart)",
            "limits.history_max: \"64MiB\" -> \"1MiB\" (needs a restart)",
        ]
    );
}
