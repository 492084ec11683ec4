//! What gave which value, as an operator of a running server is told.

use super::super::{Source, explain};
use super::{TemporaryFile, start, words};

#[test]
fn each_value_is_told_with_what_gave_it_last() {
    let file = TemporaryFile::new("shards = 3\nport = 9000\n[limits]\nqueue_max = '1MiB'\n");
    let variables = [&format!("TIDINGS_CONFIG={}", file.0.display()), "TIDINGS_QUEUE_MAX=2MiB"];
    let settings = start(words("--bind ::1 --log-format json"), &variables).unwrap();
    let told = explain(&settings);
    let find = |key: &str| {
        let value = told.iter().find(|value| value.key == key).unwrap();
        (value.value.as_str(), value.source, value.origin.as_str())
    };
    assert_eq!(find("listener"), ("tcp://[::1]:9000", Source::CommandLine, "--bind"));
    assert_eq!(find("log_format"), ("json", Source::CommandLine, "--log-format"));
    assert_eq!(find("limits.queue_max"), ("2MiB", Source::Environment, "TIDINGS_QUEUE_MAX"));
    let place = format!("{}:1:10: shards", file.0.display());
    assert_eq!(find("shards"), ("3", Source::File, place.as_str()));
    assert_eq!(find("limits.memory_max"), ("1GiB", Source::Default, "default"));
    assert_eq!(told.len(), 12);
}

#[test]
fn a_reload_tells_of_what_it_changed_and_of_nothing_else() {
    let mut settings = start(words("--shards 3"), &[]).unwrap();
    settings.take_over(&start(words("--shards 4"), &["TIDINGS_LOG_FORMAT=json"]).unwrap());
    let told = explain(&settings);
    let find = |key: &str| told.iter().find(|value| value.key == key).map(|value| value.origin.as_str());
    assert_eq!((find("log_format"), find("shards")), (Some("TIDINGS_LOG_FORMAT"), Some("--shards")));
    assert_eq!(settings.shards, 3);
}
