//! The web thread with shards that run, and requests as peers send them: over sockets.

mod answers;
mod bounds;
mod description;
mod scrape;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use broker::Gauge;
use bytes::Bytes;
use frontend::Handover;
use serde_json::Value;
use tokio::sync::watch;

use super::{Sender, Setup, start};
use crate::clock::Clock;
use crate::config::Settings;
use crate::limits::Limits;
use crate::listener::Loads;
use crate::mailbox::{self, Mailbox};
use crate::newcomers::Newcomers;
use crate::parcel::{HandOff, Parcel};
use crate::report::EventSink;
use crate::shards::{self, Boxes, Shared};

/// How long a test looks before it says that something never comes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    mailboxes: Arc<[Mailbox]>,
    web: Sender,
    clock: Clock,
    loads: Loads,
    gauge: Gauge,
    newcomers: Newcomers,
    ending: Arc<OnceLock<Instant>>,
    in_force: watch::Sender<Settings>,
}

/// What a server said.
#[derive(Debug)]
struct Answer {
    head: String,
    body: String,
}

impl Scene {
    /// Two shards with these limits, of which the first ones run.
    fn new(limits: Limits, running: usize) -> Self {
        let settings = Settings { shards: 2, limits, ..Settings::default() };
        let mut boxes = Boxes::new(2).unwrap();
        boxes.let_run(running);
        let mailboxes = Arc::clone(&boxes.mailboxes);
        let (gauge, newcomers, ending) = (Gauge::new(), Newcomers::default(), Arc::default());
        let limits = Arc::new(settings.limits.clone());
        let (in_force, settings_seen) = watch::channel(settings.clone());
        let web = start(Setup {
            mailboxes: Arc::clone(&mailboxes),
            gauge: gauge.clone(),
            newcomers: newcomers.clone(),
            limits: Arc::clone(&limits),
            listeners: vec!["tcp://127.0.0.1:8071".to_owned()],
            ending: Arc::clone(&ending),
            settings: settings_seen,
        })
        .unwrap();
        let (clock, loads) = (Clock::new(), Loads::new(2));
        let (events, _) = EventSink::new(10);
        let shared =
            Shared { limits, clock, loads: loads.clone(), gauge: gauge.clone(), events, web: web.clone() };
        shards::start(&settings, &shared, boxes).unwrap();
        Self { mailboxes, web, clock, loads, gauge, newcomers, ending, in_force }
    }

    fn running() -> Self {
        Self::new(Limits::default(), 2)
    }

    /// A client of a shard that has said this.
    fn client(&self, shard: usize, says: impl AsRef<[u8]>) -> TcpStream {
        let (mut client, server, addr) = pair();
        client.write_all(says.as_ref()).unwrap();
        self.loads.began(shard);
        let handover = Handover::accepted(addr, self.clock.now().mono);
        let hand_off = HandOff { stream: server, listener: 0, handover };
        let parcel = Parcel::Connection(Box::new(hand_off));
        self.mailboxes[shard].push(mailbox::Sender::Control, vec![parcel]);
        client
    }

    /// A connection to the web thread of which this was read.
    fn hand_over(&self, read: &str) -> TcpStream {
        let (client, server, addr) = pair();
        self.web.serve(server, addr, Bytes::copy_from_slice(read.as_bytes()));
        client
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        Answer::of(self.hand_over(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")))
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert!(answer.status() == 200, "{path}: {answer:?}");
        answer.json()
    }

    /// Asks until the answer is so.
    fn json_once(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.json(path);
            if is_so(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "it is never so: {answer:#}");
        }
    }
}

impl Answer {
    /// All that comes until the end.
    fn of(mut stream: TcpStream) -> Self {
        let mut text = Vec::new();
        // A server that does not want to read all of a request may break the connection behind its answer.
        stream.read_to_end(&mut text).ok();
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Self { head: head.to_lowercase(), body: body.to_owned() }
    }

    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A peer's socket and ours, which does not block, and the peer's address.
fn pair() -> (TcpStream, mio::net::TcpStream, SocketAddr) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, addr) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    (client, mio::net::TcpStream::from_std(server), addr)
}

/// One request in any pieces, the first of which the shard has read, is answered and the connection
/// closed.
#[test]
fn a_request_may_come_in_any_pieces() {
    let scene = Scene::running();
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
    for cut in [1, 4, 21, request.len() - 1, request.len()] {
        let (read, rest) = request.split_at(cut);
        let mut client = scene.hand_over(read);
        client.set_nodelay(true).unwrap();
        for byte in rest.as_bytes() {
            client.write_all(&[*byte]).unwrap();
        }
        let answer = Answer::of(client);
        assert_eq!((answer.status(), answer.field("connection")), (200, Some("close")), "{answer:?}");
        assert_eq!(answer.json()["status"], "alive");
    }
    // Who has nothing more to say may say so.
    let client = scene.hand_over(request);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(Answer::of(client).status(), 200);
}

/// As peers ask: a shard accepts the connection and finds that the request is not for it.
#[test]
fn a_shard_hands_a_request_on() {
    let scene = Scene::running();
    let answer = Answer::of(scene.client(1, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.json()["connections"]["total"], 0, "it is no connection of a shard any more");
    assert_eq!(scene.loads.connections(), 0);
}

/// What comes behind the request is for nobody: the answer is not lost for it.
#[test]
fn one_connection_is_one_request() {
    let scene = Scene::running();
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = scene.hand_over(&request.repeat(2));
    client.write_all(&[b'x'; 100_000]).unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert_eq!(heard.matches("alive").count(), 1, "{heard}");
    // Who is not done yet when it hears the answer is not broken off.
    client.write_all(b"more").expect("the server reads on for a moment");
    drop(client);
    scene.json_once("/api/v1/status", |status| status["web"]["cut_off_total"] == 0);
}
