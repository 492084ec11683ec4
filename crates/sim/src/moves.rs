//! Publishers that move to the station that hears them, and the time that it takes.

use frontend::{Action, Handover, MayStay, Offer};

use crate::check::Violation;
use crate::client::{Link, Meaning};
use crate::driver::Pending;
use crate::trace::Kind;
use crate::world::{Event, World};

/// A publisher between two stations.
#[derive(Debug)]
pub(crate) struct Moving {
    handover: Handover,
    /// What it had said behind its hello: the next station is told.
    told: Vec<Meaning>,
}

impl Moving {
    /// Of what a turn may take of mail.
    pub(crate) fn cost(&self) -> usize {
        self.handover.cost()
    }
}

impl World {
    /// Does what a station has to say. `told` is what the client said in the read that may be
    /// behind an offer of a publisher to another station; returns it if the publisher stays.
    pub(crate) fn act(&mut self, site: usize, mut told: Vec<Meaning>) -> Vec<Meaning> {
        while let Some(action) = self.sites[site].station.poll_action() {
            match action {
                Action::Mail { to, mail } => self.send_mail(site, usize::from(to.0), mail),
                Action::Read(conn) => {
                    if let Some(id) = self.sites[site].client_of(conn) {
                        self.pend(site, Pending::Readable(id));
                    }
                }
                Action::Again(conn) => {
                    if let Some(id) = self.sites[site].client_of(conn) {
                        self.clients[id].again = true;
                        self.pend(site, Pending::Readable(id));
                    }
                }
                Action::Offer(offer) => self.place(site, offer, &mut told),
                Action::Watch(_) => {} // who has gone is found out in any case here
                Action::Serve(_) => panic!("nobody here asks for what the control side serves"),
            }
        }
        told
    }

    /// A publisher that is offered to another station goes there or stays, by chance.
    fn place(&mut self, site: usize, offer: Offer, told: &mut Vec<Meaning>) {
        let now = self.now();
        let (conn, to) = (offer.conn, offer.to);
        if self.sites[site].drains && offer.may_stay == MayStay::Yes {
            let what = format!("station {site} drains and offers a publisher to another one");
            self.violations.push(Violation::new("moves", what));
        }
        let id = self.sites[site].client_of(conn).expect("an offer is answered at once");
        if offer.may_stay == MayStay::Yes && self.scheduler.percent(40) {
            return self.sites[site].station.stay(now, &offer);
        }
        let Some(handover) = self.sites[site].station.hand_over(now, offer) else { return };
        self.trace.note(self.now_ns, Kind::Moved, id as u64, u64::from(to.0), &[]);
        self.sites[site].sockets.remove(conn);
        self.clients[id].station = to.0;
        self.moving.insert(id, Moving { handover, told: std::mem::take(told) });
        let at_ns = self.now_ns + self.network.below(self.swarm.mail_latency_max_ns);
        self.schedule(at_ns, Event::Adopt(id));
    }

    /// A publisher has come: goes on with what stood behind its hello.
    pub(crate) fn adopt(&mut self, site: usize, id: usize) {
        let now = self.now();
        let Moving { handover, told } = self.moving.remove(&id).expect("it was on its way");
        let conn = self.sites[site].sockets.insert(id);
        let run_bytes = self.largest.run_bytes();
        self.sites[site].brought += run_bytes;
        let client = &mut self.clients[id];
        client.link = match client.link {
            Link::Open(_) => Link::Open(conn),
            _ => Link::ClientGone(conn),
        };
        self.sites[site].station.adopt(now, conn, handover, &self.rules);
        // One that comes while its station drains is ended before it is heard.
        if !self.sites[site].drains {
            told.into_iter().for_each(|meaning| self.told(id, meaning, run_bytes));
        }
        self.pend(site, Pending::Readable(id));
        self.pend(site, Pending::Writable(id));
    }
}
