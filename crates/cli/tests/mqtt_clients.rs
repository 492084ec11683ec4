//! MQTT clients that nobody here wrote, with the applications that people write for them.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rumqttc::{Client, Event, LastWill, MqttOptions, Packet, Publish, QoS};
use support::{DEADLINE, Script, Server, Start, eventually, scaled};

const EVERY_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn options(server: &Server, id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, "127.0.0.1", server.port());
    options.set_keep_alive(Duration::from_secs(5)).set_inflight(50);
    options
}

/// Runs a client until its connection ends; what it is told arrives here.
fn run(options: MqttOptions) -> (Client, Receiver<Packet>) {
    let (client, mut connection) = Client::new(options, 10);
    let (to, told): (Sender<Packet>, _) = channel();
    thread::spawn(move || {
        for event in connection.iter() {
            let is_over = match event {
                Ok(Event::Incoming(packet)) => to.send(packet).is_err(),
                Ok(Event::Outgoing(_)) => false,
                Err(_) => true,
            };
            if is_over {
                return;
            }
        }
    });
    (client, told)
}

#[track_caller]
fn next<T>(told: &Receiver<Packet>, meant: impl Fn(Packet) -> Option<T>) -> T {
    loop {
        let packet = told.recv_timeout(DEADLINE).expect("the next packet");
        if let Some(found) = meant(packet) {
            return found;
        }
    }
}

fn publish(packet: Packet) -> Option<Publish> {
    if let Packet::Publish(publish) = packet { Some(publish) } else { None }
}

#[track_caller]
fn subscribed(client: &Client, told: &Receiver<Packet>, filter: &str, qos: QoS) {
    client.subscribe(filter, qos).expect("it is sent");
    next(told, |packet| matches!(packet, Packet::SubAck(_)).then_some(()));
}

#[test]
fn rumqttc_gets_every_message_in_order_at_every_qos() {
    let server = Server::start(2);
    let count = scaled(500, 5000);
    let (subscriber, told) = run(options(&server, "subscriber"));
    subscribed(&subscriber, &told, "load/#", QoS::ExactlyOnce);
    let publishers: Vec<_> = EVERY_QOS
        .into_iter()
        .map(|qos| {
            let (publisher, told) = run(options(&server, &format!("publisher-{}", qos as u8)));
            // What it is told must be taken, or it goes no further.
            thread::spawn(move || told.into_iter().for_each(drop));
            thread::spawn(move || {
                for number in 0..count {
                    let topic = format!("load/{}", qos as u8);
                    publisher.publish(topic, qos, false, number.to_string()).expect("it is sent");
                }
                publisher
            })
        })
        .collect();
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..3 * count {
        let message = next(&told, publish);
        let number = heard.entry(message.topic.clone()).or_default();
        assert_eq!(message.payload, number.to_string(), "of {}", message.topic);
        assert_eq!(format!("load/{}", message.qos as u8), message.topic);
        *number += 1;
    }
    drop(publishers);
}

#[test]
fn rumqttc_resumes_its_session() {
    let server = Server::start(2);
    let mut lasting = options(&server, "lasting");
    lasting.set_clean_session(false);
    let (first, told) = run(lasting.clone());
    subscribed(&first, &told, "news", QoS::AtLeastOnce);
    first.disconnect().expect("it is sent");
    drop(told);
    let (publisher, acks) = run(options(&server, "publisher"));
    for text in ["one", "two", "three"] {
        publisher.publish("news", QoS::AtLeastOnce, false, text).expect("it is sent");
        next(&acks, |packet| matches!(packet, Packet::PubAck(_)).then_some(()));
    }
    let (_second, told) = run(lasting);
    let present = next(&told, |packet| match packet {
        Packet::ConnAck(connack) => Some(connack.session_present),
        _ => None,
    });
    assert!(present);
    for text in ["one", "two", "three"] {
        assert_eq!(next(&told, publish).payload, text);
    }
}

/// Three take turns; one of them acknowledges nothing and goes, and what it had comes to the others.
#[test]
fn rumqttc_takes_its_share() {
    let server = Server::start(2);
    let members: Vec<_> = ["ann", "bob", "mute"]
        .into_iter()
        .map(|name| {
            let mut options = options(&server, name);
            options.set_manual_acks(name == "mute");
            let (client, told) = run(options);
            subscribed(&client, &told, "$share/workers/jobs/+", QoS::AtLeastOnce);
            (client, told)
        })
        .collect();
    let (publisher, acks) = run(options(&server, "publisher"));
    let jobs: BTreeSet<String> = (0..90).map(|number| number.to_string()).collect();
    for job in &jobs {
        publisher.publish(format!("jobs/{job}"), QoS::AtLeastOnce, false, job.as_str()).expect("it is sent");
        next(&acks, |packet| matches!(packet, Packet::PubAck(_)).then_some(()));
    }
    let payload = |message: Publish| String::from_utf8(message.payload.to_vec()).expect("a number");
    let (mute, told) = &members[2];
    let unacknowledged = payload(next(told, publish));
    mute.disconnect().expect("it is sent");
    let mut done = BTreeSet::new();
    eventually("all jobs are done", || {
        for (_, told) in &members[..2] {
            for message in told.try_iter().filter_map(publish).map(payload) {
                assert!(done.insert(message.clone()), "{message} is done twice");
            }
        }
        (done == jobs).then_some(())
    });
    assert!(done.contains(&unacknowledged));
}

#[test]
fn rumqttc_hears_what_is_retained_and_a_will() {
    let server = Server::start(2);
    let (publisher, acks) = run(options(&server, "publisher"));
    publisher.publish("status/a", QoS::AtLeastOnce, true, "on").expect("it is sent");
    next(&acks, |packet| matches!(packet, Packet::PubAck(_)).then_some(()));
    let (subscriber, told) = run(options(&server, "subscriber"));
    subscriber.subscribe("status/#", QoS::AtLeastOnce).expect("it is sent");
    let kept = next(&told, publish);
    assert_eq!((kept.topic.as_str(), kept.payload.as_ref(), kept.retain), ("status/a", &b"on"[..], true));
    let mut mortal = server.connect();
    // A CONNECT of 3.1.1 with a will, by hand: rumqttc says good-bye when it is dropped.
    mortal.send(b"\x10\x22\x00\x04MQTT\x04\x06\x00\x3c\x00\x06mortal\x00\x08status/b\x00\x04gone");
    eventually("mortal", || mortal.hears_anything().then_some(()));
    mortal.reset();
    let will = next(&told, publish);
    assert_eq!((will.topic.as_str(), will.payload.as_ref(), will.retain), ("status/b", &b"gone"[..], false));
    // And one of its own making is accepted.
    let mut with_will = options(&server, "with-will");
    with_will.set_last_will(LastWill::new("status/c", "gone", QoS::ExactlyOnce, true));
    let (_client, told) = run(with_will);
    next(&told, |packet| matches!(packet, Packet::ConnAck(_)).then_some(()));
}

#[test]
fn rumqttc_of_5_0_exchanges_properties() {
    use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
    use rumqttc::v5::{Client, Event, MqttOptions, mqttbytes::QoS};

    let server = Server::start(2);
    let options = |id: &str| {
        let mut options = MqttOptions::new(id, "127.0.0.1", server.port());
        options.set_keep_alive(Duration::from_secs(5));
        options
    };
    let (subscriber, mut told) = Client::new(options("subscriber"), 10);
    subscriber.subscribe("with/properties", QoS::ExactlyOnce).expect("it is sent");
    let (publisher, mut acks) = Client::new(options("publisher"), 10);
    let properties = PublishProperties {
        content_type: Some("text/plain".to_owned()),
        user_properties: vec![("k".to_owned(), "v".to_owned()), ("k".to_owned(), "w".to_owned())],
        correlation_data: Some(vec![0, 255].into()),
        response_topic: Some("answers".to_owned()),
        ..PublishProperties::default()
    };
    thread::spawn(move || acks.iter().for_each(drop));
    for event in told.iter() {
        match event.expect("it stays connected") {
            Event::Incoming(Packet::SubAck(_)) => publisher
                .publish_with_properties("with/properties", QoS::ExactlyOnce, false, "x", properties.clone())
                .expect("it is sent"),
            Event::Incoming(Packet::Publish(publish)) => {
                assert_eq!(publish.properties, Some(properties));
                return;
            }
            _ => {}
        }
    }
}

/// It ends the connection if it does not know an alias, and hands packets on as they came.
#[test]
fn rumqttc_of_5_0_takes_topic_aliases() {
    use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
    use rumqttc::v5::{Client, Event, MqttOptions, mqttbytes::QoS};

    let server = Server::start(2);
    let mut options = MqttOptions::new("subscriber", "127.0.0.1", server.port());
    options.set_keep_alive(Duration::from_secs(5)).set_topic_alias_max(Some(2));
    let (subscriber, mut told) = Client::new(options, 10);
    subscriber.subscribe("a/long/topic/#", QoS::AtLeastOnce).expect("it is sent");
    let (publisher, acks) = run(self::options(&server, "publisher"));
    thread::spawn(move || acks.into_iter().for_each(drop));
    let mut publisher = Some(publisher);
    let (mut topics, mut numbered, mut heard) = (BTreeMap::new(), 0, 0);
    let alias = |publish: &Publish| publish.properties.as_ref().and_then(|own| own.topic_alias);
    for event in told.iter() {
        match event.expect("it stays connected") {
            Event::Incoming(Packet::SubAck(_)) => {
                let publisher = publisher.take().expect("it subscribes once");
                thread::spawn(move || {
                    for (number, qos) in (0..200).zip(EVERY_QOS.into_iter().cycle()) {
                        let topic = format!("a/long/topic/{}", number % 4);
                        publisher.publish(&topic, qos, false, topic.as_bytes()).expect("it is sent");
                    }
                    publisher
                });
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let alias = alias(&publish);
                assert!(alias <= Some(2));
                let topic = match publish.topic.is_empty() {
                    true => topics.get(&alias).cloned().expect("it was told with a topic before"),
                    false => publish.topic,
                };
                assert_eq!(topic, publish.payload);
                if alias.is_some() {
                    numbered += 1;
                    topics.insert(alias, topic);
                }
                heard += 1;
            }
            _ => {}
        }
        if heard == 200 {
            assert_eq!(numbered, 100, "two of four topics have a number");
            return;
        }
    }
}

/// Whether a program is there that the tests can do without; says so where it is not.
fn is_there(program: &str, arguments: &[&str], test: &str) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = command.status().is_ok();
    let required = std::env::var("TIDINGS_REQUIRE_MQTT_CLIENTS").is_ok_and(|value| value == "1");
    assert!(is_there || !required, "no {program}, and TIDINGS_REQUIRE_MQTT_CLIENTS=1");
    if !is_there {
        drop(writeln!(std::io::stderr(), "SKIPPED: no {program} for {test}"));
    }
    is_there
}

#[test]
fn mosquitto_s_programs_in_every_version_at_every_qos() {
    if !is_there("mosquitto_sub", &["--help"], "mosquitto_s_programs_in_every_version_at_every_qos") {
        return;
    }
    let server = Server::start(2);
    let port = server.port().to_string();
    for version in ["mqttv31", "mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let topic = format!("{version}/{qos}");
            let common = ["-p", &port, "-V", version, "-t", &topic, "-q", qos];
            // It keeps its lines back where nobody looks at a terminal.
            let mut subscriber = Command::new("stdbuf");
            subscriber.args(["-oL", "mosquitto_sub", "-W", "30"]).args(common).args([
                "-d",
                "-C",
                "3",
                "-F",
                "heard: %t %q %p",
            ]);
            let mut subscriber = subscriber.stdout(Stdio::piped()).spawn().expect("it starts");
            let lines = BufReader::new(subscriber.stdout.take().expect("a pipe")).lines();
            let mut heard = Vec::new();
            for line in lines.map(|line| line.expect("a line")) {
                if line.starts_with("Subscribed") {
                    for number in ["1", "2", "3"] {
                        let mut publisher = Command::new("mosquitto_pub");
                        let sent = publisher.args(common).args(["-m", number]).status().expect("it runs");
                        assert!(sent.success(), "{version} {qos}");
                    }
                }
                heard.extend(line.strip_prefix("heard: ").map(str::to_owned));
            }
            assert!(subscriber.wait().expect("it ends").success());
            assert_eq!(heard, [1, 2, 3].map(|number| format!("{topic} {qos} {number}")));
        }
    }
}

/// What `mosquitto_sub` prints, which ends after so many messages.
fn mosquitto_sub(server: &Server, arguments: &[&str]) -> BTreeMap<String, String> {
    let port = server.port().to_string();
    let mut command = Command::new("mosquitto_sub");
    let heard = command.args(["-p", &port, "-W", "30"]).args(arguments).output().expect("it runs");
    assert!(heard.status.success(), "{heard:?}");
    let lines = String::from_utf8(heard.stdout).expect("text");
    let message = |line: &str| line.split_once('|').map(|(topic, text)| (topic.to_owned(), text.to_owned()));
    lines.lines().filter_map(message).collect()
}

#[test]
fn mosquitto_sub_shows_what_the_broker_tells_of_itself() {
    let test = "mosquitto_sub_shows_what_the_broker_tells_of_itself";
    if !is_there("mosquitto_sub", &["--help"], test) {
        return;
    }
    let server = Start::with(&["--shards", "2", "--sys-interval", "1"]).run();
    let mut publisher = Command::new("mosquitto_pub");
    publisher.args(["-p", &server.port().to_string(), "-t", "news", "-m", "hello", "-q", "1", "-r"]);
    assert!(publisher.status().expect("it runs").success());
    let told = eventually("what was published", || {
        // All that there is, retained.
        let arguments = ["-t", "$SYS/#", "-C", "47", "-F", "%t|%r %q %p"];
        let told = mosquitto_sub(&server, &arguments);
        (told["$SYS/broker/publish/messages/received"] == "1 0 1").then_some(told)
    });
    assert_eq!(told.len(), 47, "{told:#?}");
    let said = |name: &str| told[&format!("$SYS/broker/{name}")].strip_prefix("1 0 ").expect("retained");
    assert_eq!(said("version"), concat!("tidings version ", env!("CARGO_PKG_VERSION")));
    assert!(said("uptime").ends_with(" seconds"));
    assert_eq!(said("publish/bytes/received"), "5");
    assert_eq!(said("retained messages/count"), "1");
    assert_eq!(said("publish/messages/sent"), "0");
    // `#` has the client's message, and `$SYS` would stand before it.
    let all = mosquitto_sub(&server, &["-t", "#", "-C", "1", "-F", "%t|%p"]);
    assert_eq!(all, BTreeMap::from([("news".to_owned(), "hello".to_owned())]));
}

/// `testdata/clients/paho_application.py` says what it does.
#[test]
fn paho_s_application_runs() {
    let test = "paho_s_application_runs";
    // Debian's package is for Debian's own interpreter.
    let interpreters = ["python3", "/usr/bin/python3"];
    let has_paho = |name: &&&str| {
        let mut command = Command::new(name);
        command.args(["-c", "import paho.mqtt.client"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let Some(python) = interpreters.iter().find(has_paho) else {
        is_there("paho (python3-paho-mqtt)", &[], test);
        return;
    };
    for version in ["3.1.1", "5"] {
        let server = Server::start(2);
        let mut script = Script::start(python, "paho_application.py", &[&server.port().to_string(), version]);
        let status = script.wait();
        assert!(status.success(), "{version}: {}", script.screen());
    }
}
