//! The metrics: whether others can read them, and whether what names them names what there is.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Scene;

fn docs(name: &str) -> String {
    let path = format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn scrape(scene: &Scene) -> String {
    let answer = scene.get("/metrics");
    assert_eq!(
        answer.field("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    answer.body
}

/// A sample's value, by its name with its labels.
fn value(scrape: &str, sample: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in\n{scrape}")).parse().unwrap()
}

/// The names of all samples.
fn sample_names(scrape: &str) -> BTreeSet<&str> {
    let samples = scrape.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).collect()
}

#[test]
fn counters_are_those_of_what_happened() {
    let scene = Scene::running();
    let _subscriber = scene.client(1, "SUBSCRIBER news\n");
    scene.json_once("/api/v1/status", |status| status["subscriptions"] == 1);
    let _publisher = scene.client(0, "PUBLISHER other\none\ntwo\n");
    scene.json_once("/api/v1/status", |status| status["messages"]["accepted_total"] == 2);
    let text = scrape(&scene);
    assert_eq!(value(&text, "tidings_messages_accepted_total{shard=\"0\"}"), 2.0);
    assert_eq!(value(&text, "tidings_messages_accepted_total{shard=\"1\"}"), 0.0);
    assert_eq!(value(&text, "tidings_connections{shard=\"1\",role=\"subscriber\"}"), 1.0);
    assert_eq!(value(&text, "tidings_connections_speaking{shard=\"1\",protocol=\"text\"}"), 1.0);
    assert_eq!(value(&text, "tidings_subscriptions{shard=\"1\"}"), 1.0);
    assert_eq!(value(&text, "tidings_shard_answers{shard=\"0\"}"), 1.0);
    let turns = value(&text, "tidings_turn_seconds_count{shard=\"0\"}");
    assert!(turns >= 1.0 && value(&text, "tidings_turn_seconds_bucket{le=\"+Inf\",shard=\"0\"}") == turns);
    assert!(value(&text, "tidings_memory_used_bytes{use=\"messages\"}") > 0.0);
    assert!(!text.contains("news"), "no topic makes a series");
}

/// Each reason is a series from the beginning, so that the first refusal is an increase.
#[test]
fn refusals_are_counted_by_reason() {
    let scene = Scene::running();
    let text = scrape(&scene);
    let messages =
        |reason: &str| format!("tidings_messages_refused_total{{shard=\"0\",reason=\"{reason}\"}}");
    let filters = "tidings_subscriptions_refused_total{shard=\"1\",reason=\"invalid_filter\"}";
    assert_eq!((value(&text, &messages("invalid_topic")), value(&text, filters)), (0.0, 0.0));
    let ask =
        |shard, request: &str| scene.client(shard, format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let _asked =
        [ask(0, "POST /t/a%23"), ask(0, "POST /t/$SYS/a"), ask(0, "POST /t/a+"), ask(1, "GET /t/a%23")];
    let status = scene.json_once("/api/v1/status", |status| {
        status["messages"]["refused_total"] == 3 && status["subscriptions_refused_total"] == 1
    });
    assert_eq!(status["messages"]["refused_by_reason"]["invalid_topic"], 2);
    assert_eq!(status["messages"]["refused_by_reason"]["reserved_topic"], 1);
    assert_eq!(status["subscriptions_refused_by_reason"]["invalid_filter"], 1);
    let text = scrape(&scene);
    let of = |reason| value(&text, &messages(reason));
    assert_eq!((of("invalid_topic"), of("reserved_topic"), of("too_large")), (2.0, 1.0, 0.0));
    assert_eq!(value(&text, filters), 1.0);
}

/// What waits for who is away, on the shard where its session lives.
#[test]
fn what_waits_is_told() {
    let scene = Scene::running();
    // CONNECT of a client that comes back, SUBSCRIBE at QoS 1, DISCONNECT.
    let says = b"\x10\x0f\0\x04MQTT\x04\0\0\0\0\x03ann\x82\x06\0\x01\0\x01a\x01\xe0\0";
    let _ann = scene.client(0, says);
    scene.json_once("/api/v1/status", |status| status["sessions_absent"] == 1);
    let request = "POST /t/a?qos=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n";
    let _publisher = scene.client(1, format!("{request}1{request}2"));
    let status = scene.json_once("/api/v1/status", |status| status["queued"]["messages"] == 2);
    let shards = scene.json("/api/v1/shards");
    let queued = |key: &str| -> Vec<u64> {
        let shards = shards["shards"].as_array().unwrap();
        shards.iter().map(|shard| shard["queued"][key].as_u64().unwrap()).collect()
    };
    let mut messages = queued("messages");
    assert_eq!(queued("bytes").iter().sum::<u64>(), status["queued"]["bytes"].as_u64().unwrap());
    let text = scrape(&scene);
    let of = |shard: usize| value(&text, &format!("tidings_queued_messages{{shard=\"{shard}\"}}"));
    assert_eq!([of(0), of(1)], [messages[0] as f64, messages[1] as f64]);
    messages.sort_unstable();
    assert_eq!(messages, [0, 2], "one session is on one shard");
}

/// The table of the page is printed from a scrape.
#[test]
fn the_page_names_every_metric() {
    let text = scrape(&Scene::running());
    let of = |kind: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("# {kind} "))?.split_once(' '));
        lines.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    let mut table = String::from("| metric | type | labels | what it is |\n|---|---|---|---|\n");
    for ((family, help), (_, kind)) in of("HELP").into_iter().zip(of("TYPE")) {
        let sample = text.lines().find(|line| {
            line.strip_prefix(family.as_str()).is_some_and(|rest| rest.starts_with(['_', '{', ' ']))
        });
        let labels = sample
            .and_then(|sample| sample.split_once('{')?.1.split_once('}'))
            .map_or("", |(labels, _)| labels);
        let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        let labels: Vec<String> =
            names.filter(|name| *name != "le").map(|name| format!("`{name}`")).collect();
        let total = if kind == "counter" { "_total" } else { "" };
        writeln!(table, "| `{family}{total}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    let (begin, end) = ("<!-- metrics -->\n", "<!-- end of metrics -->");
    let page = docs("docs/operations.md");
    let (before, rest) = page.split_once(begin).expect("the page has a place for the table");
    let (printed, after) = rest.split_once(end).expect("the place has an end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = format!("{}/../../docs/operations.md", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(printed, table, "UPDATE_DOCS=1 prints it anew");
}

/// Names of metrics in an expression: words that begin as ours do.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tidings_")).collect()
}

#[test]
fn dashboard_and_alerts_name_what_there_is() {
    let text = scrape(&Scene::running());
    let known = sample_names(&text);
    let dashboard: serde_json::Value = serde_json::from_str(&docs("deploy/grafana-dashboard.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            expressions.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    let panels = expressions.len();
    let alerts = docs("deploy/alerts.yml");
    expressions
        .extend(alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned));
    assert!(panels > 10 && expressions.len() - panels > 5, "they have something to show");
    for expression in &expressions {
        let names = named(expression);
        assert!(!names.is_empty(), "{expression} names no metric");
        for name in names {
            assert!(known.contains(name), "{expression} names {name}, which no scrape has");
        }
    }
    // Each alert has its section for whoever is woken by it.
    let page = docs("docs/operations.md");
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(page.contains(&format!("`{alert}`")), "docs/operations.md says nothing of {alert}");
    }
}

#[test]
fn a_word_that_begins_as_ours_is_a_metric() {
    let names = named("sum by (shard) (rate(tidings_turn_seconds_count{job=\"x\"}[5m])) > tidings_other");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["tidings_other", "tidings_turn_seconds_count"]);
}

/// Whether somebody else's parser takes it, with all that OpenMetrics asks of names, units and buckets.
#[test]
fn the_parser_of_prometheus_reads_a_scrape() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        families = list(parse(sys.stdin.read()))\n\
        print(len(families), sum(len(family.samples) for family in families))";
    // Debian's package is for Debian's own interpreter.
    let has_parser = |name: &&str| {
        let mut command = Command::new(name);
        command.args(["-c", "import prometheus_client.openmetrics.parser"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_parser) else {
        let test = "the_parser_of_prometheus_reads_a_scrape";
        drop(writeln!(std::io::stderr(), "SKIPPED: no python3 with prometheus_client for {test}"));
        return;
    };
    let mut python = Command::new(python);
    python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    let text = scrape(&Scene::running());
    python.stdin.take().unwrap().write_all(text.as_bytes()).ok();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    let read = String::from_utf8(output.stdout).unwrap();
    let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(read.trim(), format!("{families} {samples}"));
}
