//! `tidings bench --proto mqtt`: what it counts is what was sent, against the broker and against one that loses.

mod support;

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use support::bench::{self, bench, count};
use support::{Server, tidings};
use wire::mqtt::{Kind, frame};

/// Everything published was delivered once and in order, `copies` times.
#[track_caller]
fn check(args: &[&str], protocol: &str, copies: u64) {
    bench::check(&[&["--proto", "mqtt"], args].concat(), protocol, copies);
}

#[test]
fn every_qos_of_both_versions_is_counted() {
    for qos in ["0", "1", "2"] {
        for (version, name) in [("3.1.1", "3.1.1"), ("5", "5.0")] {
            check(&["--qos", qos, "--mqtt-version", version], &format!("MQTT {name} QoS {qos}"), 1);
        }
    }
}

#[test]
fn many_on_both_sides_are_counted() {
    check(&["--qos", "0", "--subs", "20", "--window", "64"], "MQTT 3.1.1 QoS 0", 20);
    check(&["--qos", "1", "--pubs", "5", "--subs", "3", "--window", "64"], "MQTT 3.1.1 QoS 1", 3);
    check(&["--qos", "2", "--pubs", "4", "--subs", "4", "--topics", "4"], "MQTT 3.1.1 QoS 2", 1);
}

#[test]
fn one_unacknowledged_message_at_a_time_is_enough() {
    check(&["--qos", "1", "--unacked", "1"], "MQTT 3.1.1 QoS 1", 1);
    check(&["--qos", "2", "--unacked", "1"], "MQTT 3.1.1 QoS 2", 1);
    check(&["--qos", "2", "--window", "1"], "MQTT 3.1.1 QoS 2", 1);
}

#[test]
fn a_rate_is_kept_at_every_qos() {
    for qos in ["0", "1", "2"] {
        check(&["--qos", qos, "--rate", "2000"], &format!("MQTT 3.1.1 QoS {qos}"), 1);
    }
}

#[test]
fn a_broker_that_runs_already_is_measured() {
    let server = Server::start(2);
    check(&[&format!("127.0.0.1:{}", server.port()), "--qos", "1"], "MQTT 3.1.1 QoS 1", 1);
}

#[test]
fn loss_at_qos_0_is_reported_and_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || lossy_broker(&listener));
    let (output, report) = bench(&["--proto", "mqtt", &address, "--window", "100"]);
    let lost = peer.join().unwrap();
    assert!(output.status.success(), "{report}");
    assert!(lost > 0);
    assert_eq!(count(&report, "lost"), lost);
    assert_eq!(count(&report, "received"), count(&report, "published") - lost);
}

/// Serves one subscriber and then one publisher, and loses every fifth message; returns how many.
fn lossy_broker(listener: &TcpListener) -> u64 {
    let [mut subscriber, mut publisher] =
        [&[Kind::Connect, Kind::Subscribe][..], &[Kind::Connect]].map(|hello| {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            for kind in hello {
                assert_eq!(read_packet(&mut stream).expect("a hello").0, *kind);
                let answer: &[u8] =
                    if *kind == Kind::Connect { &[0x20, 2, 0, 0] } else { &[0x90, 3, 0, 1, 0] };
                stream.write_all(answer).expect("it reads the answer");
            }
            stream
        });
    let mut lost = 0;
    for number in 1_u64.. {
        let Some((kind, bytes)) = read_packet(&mut publisher) else { break };
        assert_eq!(kind, Kind::Publish);
        if number.is_multiple_of(5) {
            lost += 1;
        } else {
            subscriber.write_all(&bytes).expect("it reads what is delivered");
        }
    }
    // It is still reading.
    assert!(read_packet(&mut subscriber).is_none());
    lost
}

/// The next packet; `None` at the end of the connection.
fn read_packet(stream: &mut TcpStream) -> Option<(Kind, Vec<u8>)> {
    let mut bytes = vec![0; 2];
    stream.read_exact(&mut bytes).ok()?;
    let found = loop {
        if let Some(found) = frame(&bytes).expect("it sends packets") {
            break found;
        }
        bytes.push(0);
        let last = bytes.len() - 1;
        stream.read_exact(&mut bytes[last..]).ok()?;
    };
    let had = bytes.len();
    bytes.resize(found.len(), 0);
    stream.read_exact(&mut bytes[had..]).ok()?;
    Some((found.kind(), bytes))
}

#[test]
fn what_only_mqtt_has_needs_mqtt() {
    for args in [["--qos", "1"], ["--mqtt-version", "5"], ["--unacked", "9"]] {
        let output = tidings().arg("bench").args(args).output().expect("it starts");
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("--proto mqtt"));
    }
}
