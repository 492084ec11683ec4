//! What is told when, from reports as shards give them.

use broker::{ShardId, Use};
use frontend::Sent;

use super::*;

const INTERVAL: Duration = Duration::from_secs(10);

fn report(shard: u8) -> ShardReport {
    ShardReport::empty(shard)
}

/// Asks when it is time, has these answer, and shows what is told.
fn tell(system: &mut SystemTopics, seconds: u64, reports: Vec<ShardReport>) -> BTreeMap<String, String> {
    let sender = system.ask(system.began + Duration::from_secs(seconds)).expect("it is time");
    for report in reports {
        sender.send(report).unwrap();
    }
    let gauge = Gauge::new();
    let _messages = gauge.charge(Use::Runs, 4096);
    system.take_news(3, &gauge).into_iter().map(|(topic, value)| (topic.to_string(), value)).collect()
}

fn new() -> SystemTopics {
    SystemTopics::new(INTERVAL, 2, Instant::now()).unwrap()
}

#[test]
fn everything_is_told_once_and_then_what_has_changed() {
    let mut system = new();
    let first = tell(&mut system, 0, vec![report(0), report(1)]);
    assert_eq!(first.len(), 47, "{first:#?}");
    assert!(first.keys().all(|topic| topic.starts_with("$SYS/broker/")));
    assert_eq!(first["$SYS/broker/uptime"], "0 seconds");
    assert_eq!(first["$SYS/broker/version"], concat!("tidings version ", env!("CARGO_PKG_VERSION")));
    assert_eq!(first["$SYS/broker/heap/current"], "4096");
    // What has moved only is that the sockets were opened at the beginning.
    let second = tell(&mut system, 10, vec![report(0), report(1)]);
    assert_eq!(
        second.keys().filter(|topic| !topic.contains("load/sockets")).collect::<Vec<_>>(),
        ["$SYS/broker/uptime"]
    );
    // Until nothing of that is left, some hours later.
    for minute in 1..600 {
        tell(&mut system, 60 * minute, vec![report(0), report(1)]);
    }
    let idle = tell(&mut system, 36_000, vec![report(0), report(1)]);
    assert_eq!(idle, BTreeMap::from([("$SYS/broker/uptime".to_owned(), "36000 seconds".to_owned())]));
}

#[test]
fn the_page_says_what_each_topic_means() {
    let page = include_str!("../../../../docs/protocol/mqtt.md");
    for topic in tell(&mut new(), 0, vec![report(0), report(1)]).keys() {
        let name = topic.strip_prefix("$SYS/broker/").unwrap();
        let name = match name.strip_prefix("load/").and_then(|load| load.rsplit_once('/')) {
            Some((load, _)) => format!("load/{load}/…"),
            None => name.to_owned(),
        };
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn figures_are_those_of_all_shards() {
    let mut system = new();
    tell(&mut system, 0, vec![report(0), report(1)]);
    let one = ShardReport {
        stats: Stats {
            accepted: 1,
            accepted_bytes: 20,
            delivered: 300,
            dropped: 4000,
            subscriptions: 5,
            shared_subscriptions: 6,
            ..Stats::default()
        },
        census: Census {
            publishers: 1,
            subscribers: 2,
            clients: 3,
            others: 4,
            absent: 5,
            ..Census::default()
        },
        traffic: Traffic {
            greeted: 7,
            received: 8,
            answers: 9,
            sent: Sent { messages: 10, payload_bytes: 11, own_bytes: 12 },
            expired: 13,
        },
        bytes: SocketBytes { received: 1000, sent: 2012 },
        retained: 14,
        ..report(0)
    };
    let other = ShardReport { shard: ShardId(1), ..one.clone() };
    let told = tell(&mut system, 10, vec![other, one]);
    for (topic, expected) in [
        ("clients/connected", "12"),
        ("clients/disconnected", "10"),
        ("clients/total", "22"),
        ("clients/maximum", "12"),
        ("clients/expired", "26"),
        ("messages/received", "16"),
        ("messages/sent", "38"),
        ("publish/messages/received", "2"),
        ("publish/messages/sent", "20"),
        ("publish/messages/dropped", "8000"),
        ("publish/bytes/received", "40"),
        ("publish/bytes/sent", "22"),
        ("bytes/received", "2000"),
        ("bytes/sent", "4000"),
        ("subscriptions/count", "10"),
        ("shared_subscriptions/count", "12"),
        ("retained messages/count", "14"),
        // In ten seconds, times (1 - 1/e^(1/6)) * 6 for a minute's average, and so on.
        ("load/messages/received/1min", "14.74"),
        ("load/messages/sent/1min", "35.00"),
        ("load/publish/received/1min", "1.84"),
        ("load/publish/sent/1min", "18.42"),
        ("load/publish/dropped/1min", "7368.88"),
        ("load/bytes/received/1min", "1842.22"),
        ("load/bytes/sent/1min", "3684.44"),
        ("load/connections/1min", "12.90"),
        ("load/connections/5min", "2.75"),
        ("load/connections/15min", "0.93"),
    ] {
        assert_eq!(told[&format!("$SYS/broker/{topic}")], expected, "{topic}");
    }
    // Fewer are there now; there were as many.
    let later = tell(&mut system, 20, vec![report(0), report(1)]);
    assert_eq!(later["$SYS/broker/clients/connected"], "0");
    assert!(!later.contains_key("$SYS/broker/clients/maximum"));
}

#[test]
fn nothing_is_told_before_all_have_answered_and_nobody_is_asked_twice() {
    let mut system = new();
    let at = |seconds| system.began + Duration::from_secs(seconds);
    let (start, due, late) = (at(0), at(10), at(35));
    assert_eq!(system.poll_timeout(), Some(start));
    let sender = system.ask(start).unwrap();
    sender.send(report(1)).unwrap();
    assert!(system.take_news(0, &Gauge::new()).is_empty());
    assert!(system.poll_timeout().is_none() && system.ask(due).is_none(), "not while they are asked");
    sender.send(report(0)).unwrap();
    assert!(!system.take_news(0, &Gauge::new()).is_empty());
    assert!(system.take_news(0, &Gauge::new()).is_empty(), "once");
    assert_eq!(system.poll_timeout(), Some(due));
    assert!(system.ask(due - Duration::from_millis(1)).is_none());
    // Who was late is not asked several times for that.
    assert!(system.ask(late).is_some());
    assert_eq!(system.next, late + INTERVAL);
}

#[test]
fn an_interval_of_zero_tells_nothing() {
    assert!(SystemTopics::new(Duration::ZERO, 1, Instant::now()).is_none());
}
