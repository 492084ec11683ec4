//! Clients of HTTP and WebSocket: they hear and publish, lose their connections and come again.
//!
//! Who hears goes on where it stood. Who publishes is another publisher on each connection, as its
//! server sees it: order and ids are promised for one, and what was on its way when it broke is not
//! said again.

mod answers;
mod parse;
mod publishing;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use broker::ConnId;
use frontend::Waits;

use crate::check::{Violation, expected};
use crate::client::{Client, Link, Meaning, Reader, Role, Step, Unit};
use crate::limits::{MS, Swarm};
use crate::net::{Cut, UpEnd};
use crate::record::{Answer, Fate, Mark, PublisherRecord, Record, Request, Stay, WebHeard, WebRecord};
use crate::rng::Rng;
use crate::web::parse::{Parser, Told};
use crate::web::publishing::Publishing;
use crate::world::{Event, World};

/// How long it takes to come again, at most.
const AWAY_MAX_NS: u64 = 250 * MS;

/// One that hears or publishes over the web.
#[derive(Debug)]
pub(crate) struct WebClient {
    speaks: Speaks,
    hears: Option<Hearing>,
    publishes: Option<Publishing>,
    /// Its connection.
    pub(crate) conn: usize,
    parser: Parser,
    /// When it loses its connection, the next one first.
    breaks_ns: Vec<u64>,
    stage: Stage,
    timer_ns: Option<u64>,
}

/// What it hears.
#[derive(Debug)]
struct Hearing {
    filters: Vec<String>,
    /// Where it stands, as it was told last.
    position: Option<String>,
    /// Whether it has been told on its connection that it hears.
    is_open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connected,
    Away { until_ns: u64 },
    Left,
}

/// In what it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// Streams.
    Ndjson,
    Events,
    /// JSON over WebSocket, in both directions.
    Frames,
    /// Requests to publish, and their answers.
    Requests,
}

impl WebClient {
    /// Draws a client; it loses no connection later than `breaks_until_ns`, and takes its time over at least
    /// `slow_bytes`.
    fn draw(
        rng: &mut Rng,
        swarm: &Swarm,
        id: usize,
        speaks: Speaks,
        (breaks_until_ns, slow_bytes): (u64, usize),
    ) -> (Client, Self) {
        let pace = match rng.below(6) {
            0 => Reader::Slow { bytes: rng.size(slow_bytes, 4096), every_ns: rng.range(1, 20) * MS },
            1 => Reader::Stuck { from_ns: 300 * MS, until_ns: 300 * MS + rng.below(600 * MS) },
            _ => Reader::Fast,
        };
        let station = u8::try_from(rng.below(u64::from(swarm.stations))).expect("few stations");
        let capacity = rng.size(64, swarm.network.capacity_max.max(65));
        let addr = ([127, 0, 0, 1], u16::try_from(20_000 + id).expect("few clients")).into();
        let mut client = Client::new(Role::Web, station, addr, rng.below(900 * MS), pace, capacity);
        client.web = Some(id);
        let count = rng.below(7);
        let mut breaks_ns: Vec<u64> = (0..count).map(|_| rng.below(breaks_until_ns)).collect();
        breaks_ns.sort_unstable();
        breaks_ns.retain(|at_ns| *at_ns > client.begins_ns);
        let web = Self {
            speaks,
            hears: None,
            publishes: None,
            conn: id,
            parser: Parser::new(speaks),
            breaks_ns,
            stage: Stage::Connected,
            timer_ns: None,
        };
        (client, web)
    }

    fn draw_hearing(&mut self, rng: &mut Rng) -> WebRecord {
        let filters = match rng.below(4) {
            0 => vec!["#".to_owned()],
            1 => vec!["a/#".to_owned(), "+/b".to_owned()],
            2 => vec!["+".to_owned(), "a/#".to_owned(), "#".to_owned()],
            _ => vec!["a/+".to_owned()],
        };
        self.hears = Some(Hearing { filters: filters.clone(), position: None, is_open: false });
        WebRecord { filters, stays: self.breaks_ns.is_empty(), ..WebRecord::default() }
    }

    /// It has a new connection, and is another publisher there.
    fn begins_to_publish(&mut self, addr: SocketAddr) -> Option<PublisherRecord> {
        let publishing = self.publishes.as_mut()?;
        let mut publisher = PublisherRecord::of_web(addr, &publishing.topic);
        let has_asked = self.speaks == Speaks::Requests;
        publishing.begins(usize::from(has_asked));
        if has_asked {
            publisher.talk.requests.push(Request { messages: 0..0, reference: None, fate: Fate::Accepted });
        }
        Some(publisher)
    }

    /// Whether it hears what is published.
    pub(crate) fn hears(&self) -> bool {
        self.hears.is_some()
    }

    /// Whether what it says has answers, which wait beside what it hears.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.speaks, Speaks::Frames | Speaks::Requests)
    }

    /// Whether answers to requests are all that it is told.
    pub(crate) fn only_publishes(&self) -> bool {
        self.speaks == Speaks::Requests
    }

    /// What it says first on a connection: who says nothing is asked for a role, as in text.
    fn greeting(&self) -> Step {
        let mut bytes = match self.speaks {
            Speaks::Frames => HANDSHAKE.to_vec(),
            Speaks::Requests => NO_MESSAGES.to_vec(),
            Speaks::Ndjson | Speaks::Events => Vec::new(),
        };
        let Some(Hearing { filters, position, .. }) = &self.hears else {
            return Unit::send(bytes, Vec::new(), Cut::Anywhere);
        };
        if self.speaks == Speaks::Frames {
            let after = position.as_ref().map(|position| format!(",\"after\":\"{position}\""));
            let filters = serde_json::to_string(filters).expect("text is JSON");
            let op = format!(
                "{{\"op\":\"subscribe\",\"sub\":1,\"filters\":{filters}{}}}",
                after.unwrap_or_default()
            );
            bytes.extend(parse::masked(parse::WHOLE_TEXT, op.as_bytes()));
        } else {
            let filters: Vec<String> =
                filters.iter().map(|filter| filter.replace('#', "%23").replace('+', "%2B")).collect();
            let format = if self.speaks == Speaks::Events { "sse" } else { "ndjson" };
            let after = position.as_ref().map_or_else(String::new, |position| format!("&after={position}"));
            let filters = filters.join("&filter=");
            let head =
                format!("GET /t?filter={filters}&format={format}{after} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            bytes.extend_from_slice(head.as_bytes());
        }
        Unit::send(bytes, vec![Meaning::Hello], Cut::Anywhere)
    }
}

impl World {
    /// Draws the clients of the web of a seed.
    pub(crate) fn draw_web(
        rng: &mut Rng,
        swarm: &Swarm,
        record: &mut Record,
        clients: &mut Vec<Client>,
    ) -> BTreeMap<usize, WebClient> {
        let mut all = BTreeMap::new();
        for number in 0..swarm.load.web + swarm.load.web_publishers {
            let id = clients.len();
            let publishes = number >= swarm.load.web;
            let speaks = match publishes {
                true => rng.pick(&[Speaks::Requests, Speaks::Requests, Speaks::Frames]),
                false => rng.pick(&[Speaks::Ndjson, Speaks::Events, Speaks::Frames]),
            };
            // Who publishes has said all after a while, and has its answers before its server gives it up.
            let while_it_lasts = if publishes { (1500 * MS, 512) } else { (3500 * MS, 1) };
            let (mut client, mut web) = WebClient::draw(rng, swarm, id, speaks, while_it_lasts);
            if !publishes || (speaks == Speaks::Frames && rng.percent(50)) {
                record.web.insert(id, web.draw_hearing(rng));
            }
            if publishes {
                web.publishes = Some(Publishing::draw(rng, swarm));
                record.publishers.extend(web.begins_to_publish(client.addr).map(|publisher| (id, publisher)));
            }
            client.plan.push_back(web.greeting());
            clients.push(client);
            all.insert(id, web);
        }
        all
    }

    fn web_client(&mut self, owner: usize) -> &mut WebClient {
        self.web.get_mut(&owner).expect("an owner is a client of the web")
    }

    /// The time of a client has come.
    pub(crate) fn web_is_due(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let client = self.web_client(owner);
        if client.timer_ns == Some(now_ns) {
            client.timer_ns = None;
        }
        self.web_goes_on(owner);
    }

    /// Lets a client do what is due, and sets the time of what is next.
    fn web_goes_on(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let is_due = |at: &&u64| **at <= now_ns;
        let client = self.web_client(owner);
        match client.stage {
            Stage::Connected if client.breaks_ns.first().filter(is_due).is_some() => {
                client.breaks_ns.remove(0);
                self.web_breaks(owner);
            }
            Stage::Connected => self.web_publishes(owner),
            Stage::Away { until_ns } if until_ns <= now_ns => self.web_comes_again(owner),
            Stage::Away { .. } | Stage::Left => {}
        }
        let client = self.web_client(owner);
        let next_ns = match client.stage {
            Stage::Connected => {
                let sends_ns = client.publishes.as_ref().and_then(Publishing::sends_at_ns);
                client.breaks_ns.first().copied().into_iter().chain(sends_ns).min()
            }
            Stage::Away { until_ns } => Some(until_ns),
            Stage::Left => None,
        };
        let Some(at_ns) = next_ns.map(|at_ns| at_ns.max(now_ns + 1)) else { return };
        if client.timer_ns.is_none_or(|set_ns| at_ns < set_ns) {
            client.timer_ns = Some(at_ns);
            self.schedule(at_ns, Event::Web(owner));
        }
    }

    /// Its connection breaks: what is on its way is lost.
    fn web_breaks(&mut self, owner: usize) {
        let client = self.web_client(owner);
        let (conn, only_publishes) = (client.conn, client.only_publishes());
        if !matches!(self.clients[conn].link, Link::Open(_)) {
            return;
        }
        if only_publishes && self.whims.percent(30) {
            return self.web_ends(owner);
        }
        self.clients[conn].plan.clear();
        let end = if self.whims.percent(50) { UpEnd::Closed } else { UpEnd::Reset };
        self.leave(conn, end);
        if let Some(publisher) = self.record.publishers.get_mut(&conn) {
            publisher.stay = Stay::Left;
        }
        self.web_goes_away(owner);
    }

    /// It says that nothing more comes, and is answered for what did.
    fn web_ends(&mut self, owner: usize) {
        let client = self.web_client(owner);
        let conn = client.conn;
        if let Some(publishing) = client.publishes.as_mut().filter(|publishing| !publishing.has_ended()) {
            publishing.ends();
            self.clients[conn].plan.push_back(Step::HalfClose);
            self.schedule_step(conn);
        }
    }

    fn web_goes_away(&mut self, owner: usize) {
        let until_ns = self.now_ns + self.whims.below(AWAY_MAX_NS);
        let client = self.web_client(owner);
        client.stage = Stage::Away { until_ns };
        client.hears.iter_mut().for_each(|hearing| hearing.is_open = false);
        if let Some(record) = self.record.web.get_mut(&owner) {
            record.breaks += 1;
            record.stays = false;
        }
    }

    /// Connects once more, to whatever station, and goes on where it stood.
    fn web_comes_again(&mut self, owner: usize) {
        let stations = u64::from(self.swarm.stations);
        let station = u8::try_from(self.whims.below(stations)).expect("few stations");
        let id = self.clients.len();
        let (addr, capacity) = (self.clients[owner].addr, self.whims.size(64, 4096));
        let mut client = Client::new(Role::Web, station, addr, self.now_ns, Reader::Fast, capacity);
        client.web = Some(owner);
        let web = self.web_client(owner);
        web.parser = Parser::new(web.speaks);
        (web.conn, web.stage) = (id, Stage::Connected);
        client.plan.push_back(web.greeting());
        let publisher = web.begins_to_publish(addr);
        self.record.publishers.extend(publisher.map(|publisher| (id, publisher)));
        self.clients.push(client);
        self.schedule(self.now_ns, Event::Step(id));
    }

    /// A station has closed a connection, and its client has seen it.
    pub(crate) fn web_was_closed(&mut self, id: usize) {
        let Some(owner) = self.clients[id].web else { return };
        let draining = self.is_draining();
        let client = self.web_client(owner);
        let Some(publishing) = client.publishes.as_ref().filter(|_| client.conn == id) else { return };
        if client.stage != Stage::Connected {
            return;
        }
        let (is_asked_for, is_done) = (publishing.has_ended(), publishing.is_done() && !client.hears());
        if draining || (is_asked_for && is_done) {
            client.stage = Stage::Left;
            return;
        }
        if !is_asked_for {
            let publisher = self.record.publishers.get_mut(&id).expect("who publishes has a record");
            publisher.talk.answers.push(Answer::Wrong("its server closed the connection".to_owned()));
        }
        self.clients[id].plan.clear();
        self.web_goes_away(owner);
        self.web_goes_on(owner);
    }

    /// Takes what a connection of a client has read.
    pub(crate) fn hear_web(&mut self, id: usize) {
        let Some(owner) = self.clients[id].web else { return };
        let bytes = std::mem::take(&mut self.clients[id].received);
        let client = self.web_client(owner);
        if client.conn != id {
            return;
        }
        for told in client.parser.take(&bytes) {
            match told {
                Told::Answer(answer) => self.hear_answer(owner, answer),
                Told::Wrong(what) if !self.record.web.contains_key(&owner) => {
                    let publisher = self.record.publishers.get_mut(&id).expect("it hears or publishes");
                    publisher.talk.answers.push(Answer::Wrong(what));
                }
                told => self.hear_feed(owner, told),
            }
        }
        self.web_goes_on(owner);
    }

    fn hear_answer(&mut self, owner: usize, answer: Answer) {
        let client = self.web_client(owner);
        let conn = client.conn;
        if let Some(publishing) = &mut client.publishes {
            publishing.was_answered();
        }
        match self.record.publishers.get_mut(&conn) {
            Some(publisher) => publisher.talk.answers.push(answer),
            None => self.hear_feed(owner, Told::Wrong(format!("{answer:?}, and it asked nothing"))),
        }
    }

    fn hear_feed(&mut self, owner: usize, told: Told) {
        let mark = self.mark();
        let Some(record) = self.record.web.get_mut(&owner) else { return };
        let client = self.web.get_mut(&owner).expect("an owner is a client of the web");
        let Some(Hearing { position: stands, is_open, .. }) = &mut client.hears else { return };
        match told {
            Told::Open(position) => {
                record.stood.get_or_insert(mark);
                (*stands, *is_open) = (Some(position), true);
            }
            Told::Message { topic, payload, id, position } => {
                *stands = Some(position);
                let Some((publisher, number)) = expected::mark_in(&payload) else {
                    return record.wrong.push("a message without a mark".to_owned());
                };
                let sender = self.record.publishers.get(&publisher);
                let sent = sender.and_then(|sender| Some((&sender.topic, sender.messages.get(number)?)));
                if sent.is_some_and(|(of, message)| *of != topic || message.payload != payload) {
                    record.wrong.push(format!("#{publisher}.{number}# does not look as it should"));
                }
                record.heard.push(WebHeard { publisher, number, id });
            }
            Told::Gap { lost, position } => {
                match lost {
                    Some(lost) => record.lost += lost,
                    None => record.missed += 1,
                }
                *stands = Some(position);
            }
            Told::Alive(position) => {
                record.stood.get_or_insert(mark);
                *stands = position.or(stands.take());
            }
            Told::Wrong(what) => record.wrong.push(what),
            Told::Answer(_) | Told::End => {}
        }
    }

    /// Its station has accepted so many messages of a client: what it has been told with them.
    pub(crate) fn web_accepted(&mut self, id: usize, count: u64) -> Vec<Meaning> {
        let (told, more) = self.clients[id].was_accepted(count);
        if more > 0 {
            let what = format!("web client {id}: {more} messages are accepted that it has not sent");
            self.violations.push(Violation::new("accepted", what));
        }
        told
    }

    /// A message that a station was handed whole is accepted with that, or when it asks to go on with it.
    pub(crate) fn look_at_unaccepted(&mut self, site: usize, id: usize, conn: ConnId) {
        let client = &self.clients[id];
        let is_ending = self.sites[site].station.waits(conn) == Waits::Ending;
        if client.role == Role::Web && !client.again && !is_ending && client.unaccepted() > 0 {
            let what = format!("web client {id}: {} whole messages are not accepted", client.unaccepted());
            self.violations.push(Violation::new("accepted", what));
        }
    }

    /// A station was handed the whole first request of one that hears.
    pub(crate) fn web_asked(&mut self, id: usize) {
        let mark: Mark = self.mark();
        if let Some(record) = self.clients[id].web.and_then(|owner| self.record.web.get_mut(&owner)) {
            record.asked.get_or_insert(mark);
        }
    }

    /// From now on nobody's connection breaks.
    pub(crate) fn heal_web(&mut self) {
        for owner in self.web.keys().copied().collect::<Vec<_>>() {
            self.web_client(owner).breaks_ns.clear();
            self.schedule(self.now_ns, Event::Web(owner));
        }
    }

    /// The server is about to end: nobody comes again, and who does not hear is owed nothing.
    pub(crate) fn excuse_absent_web(&mut self) {
        for (owner, client) in &mut self.web {
            client.breaks_ns.clear();
            if client.stage != Stage::Connected {
                client.stage = Stage::Left;
            }
            let is_absent = client.hears.as_ref().is_some_and(|hearing| !hearing.is_open);
            self.record.web.entry(*owner).and_modify(|record| record.is_absent = is_absent);
        }
    }

    /// All go.
    pub(crate) fn web_goes(&mut self) {
        self.web.values_mut().for_each(|client| client.stage = Stage::Left);
    }

    /// When everything is quiet, everyone hears, and has published what it had to.
    pub(crate) fn look_at_web(&mut self) {
        for (owner, client) in &self.web {
            let is_open = matches!(self.clients[client.conn].link, Link::Open(_));
            let has_left = client.stage == Stage::Left && !client.hears();
            let stands = client.hears.as_ref().is_none_or(|hearing| hearing.position.is_some());
            let is_done = client.publishes.as_ref().is_none_or(Publishing::is_done);
            if !(is_open || has_left) || !stands || !is_done {
                let what = format!("{owner} is {client:?}, its link {:?}", self.clients[client.conn].link);
                self.violations.push(Violation::new("liveness", format!("web client {what}")));
            }
        }
    }
}

/// A request to publish nothing.
const NO_MESSAGES: &[u8] = b"POST /t HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-ndjson\r\nContent-Length: 0\r\n\r\n";

const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
