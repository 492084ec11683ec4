//! Five clients that speak five ways hear each other: in order, and what is lost is told to each exactly.

mod support;

use std::collections::BTreeMap;
use std::io::Write as _;

use support::{Client, Curl, Script, Server, Start, eventually, scaled, web_script};

/// One who hears everything under `talk`, and publishes there under its own name.
enum Talker {
    Text {
        hears: Client,
        publishes: Client,
    },
    /// A script that shows a word of each message, and publishes what it is told to.
    Script(Script),
    Curl {
        curl: Curl,
        hears: Script,
    },
}

/// What came to a talker, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Message { topic: String, word: String },
    Lost(u64),
}

const NAMES: [&str; 5] = ["text", "mqtt", "sse", "ws", "curl"];

impl Talker {
    fn new(name: &str, server: &Server, test: &str) -> Option<Self> {
        let port = server.port().to_string();
        Some(match name {
            "text" => Self::Text {
                hears: server.slow_subscriber("SUBSCRIBER talk/# format=json"),
                publishes: server.client("pub talk/text"),
            },
            "curl" => {
                let curl = Curl::to(server.port(), test)?;
                let hears = curl.listen("/t/talk/%23?format=ndjson", &[]);
                hears.wait_for("\"open\"");
                Self::Curl { curl, hears }
            }
            kind => {
                let script = web_script("hears.py", &[kind, &port, "talk/#"], test)?;
                script.wait_for("open");
                Self::Script(script)
            }
        })
    }

    fn publish(&mut self, topic: &str, word: &str) {
        match self {
            Self::Text { publishes, .. } => publishes.send(format!("{word}\n")),
            Self::Script(script) => script.type_line(&format!("{topic} {word}")),
            Self::Curl { curl, .. } => {
                assert_eq!(curl.run(&format!("/t/{topic}"), &["-d", word]).status, 200);
            }
        }
    }

    fn signal(&self, name: &str) {
        match self {
            // It reads when it is asked.
            Self::Text { .. } => {}
            Self::Script(script) | Self::Curl { hears: script, .. } => script.signal(name),
        }
    }

    /// Everything that it has heard when there is as much as `count` messages, counting those that it lost.
    fn hears(&mut self, count: u64) -> Vec<Heard> {
        if let Self::Text { hears, .. } = self {
            let (mut heard, mut so_far) = (Vec::new(), 0);
            while so_far < count {
                heard.push(from_json(&hears.line()).expect("a message, or a gap"));
                so_far += weight(heard.last().expect("it was pushed"));
            }
            return heard;
        }
        eventually("as much as was sent", || {
            let heard = self.shown();
            (heard.iter().map(weight).sum::<u64>() >= count).then_some(heard)
        })
    }

    fn shown(&self) -> Vec<Heard> {
        let whole = |script: &Script| {
            let screen = script.screen();
            screen.rsplit_once('\n').map_or_else(String::new, |(lines, _)| lines.to_owned())
        };
        match self {
            Self::Text { .. } => Vec::new(),
            Self::Script(script) => whole(script).lines().filter_map(from_words).collect(),
            Self::Curl { hears, .. } => whole(hears).lines().filter_map(from_json).collect(),
        }
    }
}

fn weight(heard: &Heard) -> u64 {
    match heard {
        Heard::Message { .. } => 1,
        Heard::Lost(count) => *count,
    }
}

fn from_words(line: &str) -> Option<Heard> {
    let (topic, word) = line.split_once(' ')?;
    Some(match topic {
        "gap" => Heard::Lost(word.parse().expect("a number")),
        _ => Heard::Message { topic: topic.to_owned(), word: word.to_owned() },
    })
}

fn from_json(line: &str) -> Option<Heard> {
    let told: serde_json::Value = serde_json::from_str(line).expect("JSON");
    if let Some(lost) = told.get("lost").or(told.get("gap")) {
        return Some(Heard::Lost(lost.as_u64().expect("a number")));
    }
    let text = |key: &str| told.get(key)?.as_str();
    let word = text("payload")?.split(' ').next()?;
    Some(Heard::Message { topic: text("topic")?.to_owned(), word: word.to_owned() })
}

fn everyone(server: &Server, test: &str) -> Option<BTreeMap<&'static str, Talker>> {
    NAMES.into_iter().map(|name| Some((name, Talker::new(name, server, test)?))).collect()
}

#[test]
fn everyone_hears_everyone_in_order() {
    let server = Server::start(3);
    let Some(mut talkers) = everyone(&server, "everyone_hears_everyone_in_order") else { return };
    let rounds = 20;
    for round in 0..rounds {
        for (name, talker) in &mut talkers {
            talker.publish(&format!("talk/{name}"), &round.to_string());
        }
    }
    for (name, talker) in &mut talkers {
        let mut next: BTreeMap<String, u32> = BTreeMap::new();
        for heard in talker.hears(u64::from(rounds) * 5) {
            let Heard::Message { topic, word } = heard else { panic!("{name} lost something: {heard:?}") };
            let expected = next.entry(topic).or_default();
            assert_eq!(word, expected.to_string(), "{name} hears in order");
            *expected += 1;
        }
        let all: BTreeMap<String, u32> = NAMES.iter().map(|name| (format!("talk/{name}"), rounds)).collect();
        assert_eq!(next, all, "{name} hears everyone");
    }
}

/// Nobody reads while much more is sent than queues and sockets hold.
#[test]
fn what_each_lost_is_told_exactly() {
    let server = Start::with(&["--shards", "2", "--queue-max", "64KiB"]).run();
    let Some(mut talkers) = everyone(&server, "what_each_lost_is_told_exactly") else { return };
    talkers.values().for_each(|talker| talker.signal("STOP"));
    let mut flood = server.client("pub talk/flood ack=1");
    let sent = scaled(16_000, 30_000) as u64;
    let text = "x".repeat(2000);
    let mut sender = flood.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..sent {
                sender.write_all(format!("{number} {text}\n").as_bytes()).expect("the server reads");
            }
        });
        flood.lines(sent as usize);
    });
    talkers.values().for_each(|talker| talker.signal("CONT"));
    // MQTT tells what was lost with the next message: there has to be one.
    flood.send(format!("{sent} the last\n"));
    for (name, talker) in &mut talkers {
        let (mut place, mut lost) = (0, 0);
        for heard in talker.hears(sent + 1) {
            match heard {
                Heard::Lost(count) => {
                    lost += count;
                    place += count;
                }
                Heard::Message { word, .. } => {
                    assert_eq!(
                        word,
                        place.to_string(),
                        "each gap of {name} stands where its messages would be"
                    );
                    place += 1;
                }
            }
        }
        assert_eq!(place, sent + 1, "received and announced is sent, for {name}");
        assert!(lost > 0, "{name} kept up although it was stopped");
    }
}
