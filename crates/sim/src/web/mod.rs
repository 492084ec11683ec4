//! Readers over HTTP and WebSocket: they hear, lose their connections and go on where they stood.

mod parse;

use crate::check::expected;
use crate::client::{Client, Link, Meaning, Reader, Role, Unit};
use crate::limits::{MS, Swarm};
use crate::net::{Cut, UpEnd};
use crate::record::{Mark, Record, WebHeard, WebRecord};
use crate::rng::Rng;
use crate::web::parse::{Parser, Told};
use crate::world::{Event, World};

/// How long it takes to come again, at most.
const AWAY_MAX_NS: u64 = 250 * MS;

/// One that hears over the web.
#[derive(Debug)]
pub(crate) struct WebReader {
    speaks: Speaks,
    filters: Vec<String>,
    /// Where it stands, as it was told last.
    position: Option<String>,
    /// Its connection.
    pub(crate) conn: usize,
    parser: Parser,
    /// When it loses its connection, the next one first.
    breaks_ns: Vec<u64>,
    pub(crate) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Connected,
    Away { until_ns: u64 },
    Left,
}

/// In what its feed comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Ndjson,
    Events,
    Frames,
}

/// Draws a reader and what the checkers must know of it; `id` is its first connection.
pub(crate) fn draw(rng: &mut Rng, swarm: &Swarm, id: usize) -> (Client, WebReader, WebRecord) {
    let filters = match rng.below(4) {
        0 => vec!["#".to_owned()],
        1 => vec!["a/#".to_owned(), "+/b".to_owned()],
        2 => vec!["+".to_owned(), "a/#".to_owned(), "#".to_owned()],
        _ => vec!["a/+".to_owned()],
    };
    let speaks = rng.pick(&[Speaks::Ndjson, Speaks::Events, Speaks::Frames]);
    let count = rng.below(7);
    let mut breaks_ns: Vec<u64> = (0..count).map(|_| rng.below(3500 * MS)).collect();
    breaks_ns.sort_unstable();
    let stays = count == 0;
    let mut reader = WebReader {
        speaks,
        filters: filters.clone(),
        position: None,
        conn: id,
        parser: Parser::new(speaks),
        breaks_ns,
        stage: Stage::Connected,
    };
    let pace = match rng.below(6) {
        0 => Reader::Slow { bytes: rng.size(1, 4096), every_ns: rng.range(1, 20) * MS },
        1 => Reader::Stuck { from_ns: 300 * MS, until_ns: 300 * MS + rng.below(600 * MS) },
        _ => Reader::Fast,
    };
    let station = u8::try_from(rng.below(u64::from(swarm.stations))).expect("few stations");
    let capacity = rng.size(64, swarm.network.capacity_max.max(65));
    let addr = ([127, 0, 0, 1], u16::try_from(20_000 + id).expect("few clients")).into();
    let mut client = Client::new(Role::Web, station, addr, rng.below(900 * MS), pace, capacity);
    client.web = Some(id);
    client.plan.push_back(reader.request());
    let record = WebRecord { filters, stays, ..WebRecord::default() };
    reader.breaks_ns.retain(|at_ns| *at_ns > client.begins_ns);
    (client, reader, record)
}

impl WebReader {
    /// Whether what it says has answers, which wait beside what it hears.
    pub(crate) fn is_answered(&self) -> bool {
        self.speaks == Speaks::Frames
    }

    /// What it says first on a connection.
    fn request(&self) -> crate::client::Step {
        let filters: Vec<String> =
            self.filters.iter().map(|filter| filter.replace('#', "%23").replace('+', "%2B")).collect();
        let mut bytes = match self.speaks {
            Speaks::Ndjson | Speaks::Events => {
                let format = if self.speaks == Speaks::Events { "sse" } else { "ndjson" };
                let after =
                    self.position.as_ref().map_or_else(String::new, |position| format!("&after={position}"));
                let filters = filters.join("&filter=");
                format!("GET /t?filter={filters}&format={format}{after} HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .into_bytes()
            }
            Speaks::Frames => b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                .to_vec(),
        };
        if self.speaks == Speaks::Frames {
            let after = self.position.as_ref().map(|position| format!(",\"after\":\"{position}\""));
            let filters = serde_json::to_string(&self.filters).expect("text is JSON");
            let op = format!(
                "{{\"op\":\"subscribe\",\"sub\":1,\"filters\":{filters}{}}}",
                after.unwrap_or_default()
            );
            bytes.extend(parse::masked(op.as_bytes()));
        }
        Unit::send(bytes, vec![Meaning::Hello], Cut::Anywhere)
    }
}

impl World {
    /// Draws the readers of a seed.
    pub(crate) fn draw_web(
        rng: &mut Rng,
        swarm: &Swarm,
        record: &mut Record,
        clients: &mut Vec<Client>,
    ) -> std::collections::BTreeMap<usize, WebReader> {
        let mut readers = std::collections::BTreeMap::new();
        for _ in 0..swarm.load.web {
            let id = clients.len();
            let (client, reader, web) = draw(rng, swarm, id);
            clients.push(client);
            readers.insert(id, reader);
            record.web.insert(id, web);
        }
        readers
    }

    fn reader(&mut self, owner: usize) -> &mut WebReader {
        self.web.get_mut(&owner).expect("an owner is a reader")
    }

    /// Lets a reader do what is due, and sets the time of what is next.
    pub(crate) fn web_goes_on(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let is_due = |at: &&u64| **at <= now_ns;
        let reader = self.reader(owner);
        match reader.stage {
            Stage::Connected if reader.breaks_ns.first().filter(is_due).is_some() => {
                reader.breaks_ns.remove(0);
                self.web_breaks(owner);
            }
            Stage::Away { until_ns } if until_ns <= now_ns => self.web_comes_again(owner),
            Stage::Connected | Stage::Away { .. } | Stage::Left => {}
        }
        let reader = self.reader(owner);
        let next_ns = match reader.stage {
            Stage::Connected => reader.breaks_ns.first().copied(),
            Stage::Away { until_ns } => Some(until_ns),
            Stage::Left => None,
        };
        if let Some(at_ns) = next_ns {
            self.schedule(at_ns.max(now_ns + 1), Event::Web(owner));
        }
    }

    /// Its connection breaks: what is on its way is lost.
    fn web_breaks(&mut self, owner: usize) {
        let conn = self.reader(owner).conn;
        if !matches!(self.clients[conn].link, Link::Open(_)) {
            return;
        }
        self.clients[conn].plan.clear();
        let end = if self.whims.percent(50) { UpEnd::Closed } else { UpEnd::Reset };
        self.leave(conn, end);
        let until_ns = self.now_ns + self.whims.below(AWAY_MAX_NS);
        self.reader(owner).stage = Stage::Away { until_ns };
        self.record.web.get_mut(&owner).expect("a reader has a record").breaks += 1;
    }

    /// Connects once more, to whatever station, and goes on where it stood.
    fn web_comes_again(&mut self, owner: usize) {
        let stations = u64::from(self.swarm.stations);
        let station = u8::try_from(self.whims.below(stations)).expect("few stations");
        let id = self.clients.len();
        let (addr, capacity) = (self.clients[owner].addr, self.whims.size(64, 4096));
        let mut client = Client::new(Role::Web, station, addr, self.now_ns, Reader::Fast, capacity);
        client.web = Some(owner);
        let reader = self.reader(owner);
        reader.parser = Parser::new(reader.speaks);
        (reader.conn, reader.stage) = (id, Stage::Connected);
        client.plan.push_back(reader.request());
        self.clients.push(client);
        self.schedule(self.now_ns, Event::Step(id));
    }

    /// Takes what a connection of a reader has read.
    pub(crate) fn hear_feed(&mut self, id: usize) {
        let Some(owner) = self.clients[id].web else { return };
        let bytes = std::mem::take(&mut self.clients[id].received);
        let mark = self.mark();
        let reader = self.web.get_mut(&owner).expect("an owner is a reader");
        let record = self.record.web.get_mut(&owner).expect("a reader has a record");
        if reader.conn != id {
            return;
        }
        let told = reader.parser.take(&bytes);
        for told in told {
            match told {
                Told::Wrong(what) => record.wrong.push(what),
                Told::Open(position) => {
                    record.stood.get_or_insert(mark);
                    reader.position = Some(position);
                }
                Told::Message { payload, position } => {
                    let Some((publisher, number)) = expected::mark_in(&payload) else {
                        record.wrong.push("a message without a mark".to_owned());
                        continue;
                    };
                    record.heard.push(WebHeard { publisher, number });
                    reader.position = Some(position);
                }
                Told::Gap { lost, position } => {
                    match lost {
                        Some(lost) => record.lost += lost,
                        None => record.missed += 1,
                    }
                    reader.position = Some(position);
                }
                Told::Alive(position) => {
                    record.stood.get_or_insert(mark);
                    reader.position = position.or(reader.position.take());
                }
                Told::End => {}
            }
        }
    }

    /// A station was handed the whole first request of a reader.
    pub(crate) fn web_asked(&mut self, id: usize) {
        let mark: Mark = self.mark();
        if let Some(record) = self.clients[id].web.and_then(|owner| self.record.web.get_mut(&owner)) {
            record.asked.get_or_insert(mark);
        }
    }

    /// From now on nobody's connection breaks.
    pub(crate) fn heal_web(&mut self) {
        for owner in self.web.keys().copied().collect::<Vec<_>>() {
            self.reader(owner).breaks_ns.clear();
            self.schedule(self.now_ns, Event::Web(owner));
        }
    }

    /// All go.
    pub(crate) fn web_goes(&mut self) {
        self.web.values_mut().for_each(|reader| reader.stage = Stage::Left);
    }

    /// When everything is quiet, everyone hears.
    pub(crate) fn look_at_web(&mut self) {
        for (owner, reader) in &self.web {
            if !matches!(self.clients[reader.conn].link, Link::Open(_)) || reader.position.is_none() {
                let what = format!(
                    "web reader {owner} is {:?} at {:?}, its link {:?}",
                    reader.stage, reader.position, self.clients[reader.conn].link
                );
                self.violations.push(crate::check::Violation::new("liveness", what));
            }
        }
    }
}
