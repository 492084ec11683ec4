//! From queues to sockets: how far ahead of its socket a connection is encoded.

use broker::{ConnId, Now, Use};

use crate::event::CloseReason;
use crate::outgoing::Outgoing;
use crate::station::{Action, Station};

/// A longer payload is encoded in pieces of this size.
const PAYLOAD_PART_BYTES: usize = 16 * 1024;
/// What is encoded at once while encoded bytes take more memory than they may.
const SPARING_BYTES: usize = 8 * 1024;
/// Work after which what there is goes to the socket first: messages may cost much more than their
/// bytes, where each is one of very many topics and compared with very many filters.
const FILL_WORK: u64 = 150_000;
/// The same for a socket that has not taken what it was given: a line, or a piece of one.
const SCARCE: PartSize = PartSize { bytes: 1, payload_bytes: 512 };

/// How much is encoded at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartSize {
    /// A part ends behind the line, or the piece of a line, that reaches this size.
    pub(crate) bytes: usize,
    /// A longer payload is cut.
    pub(crate) payload_bytes: usize,
}

/// What a protocol had for its socket.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// It is in the outgoing bytes; there may be more.
    Something,
    /// There is nothing, for now.
    Nothing,
    /// There is nothing, and that is the end of the connection.
    End(CloseReason),
}

impl Station {
    /// Fills a connection's outgoing bytes as far as its socket may want them; `None` if the
    /// connection is unknown. Call it again while the socket takes everything.
    pub fn fill(&mut self, now: Now, conn: ConnId) -> Option<&mut Outgoing> {
        self.env.now = now;
        let (ahead_bytes, size) = self.encoded_ahead(conn);
        let connection = self.connections.get_mut(conn)?;
        let spent_max = self.env.spent_on_delivery() + FILL_WORK;
        while connection.link.out.bytes() < ahead_bytes {
            if self.env.spent_on_delivery() >= spent_max {
                connection.link.list_to_write(&mut self.env);
                break;
            }
            match connection.deliver(&mut self.env, size) {
                Delivered::Something => {}
                Delivered::Nothing => break,
                Delivered::End(reason) => connection.end(&mut self.env, reason),
            }
        }
        self.drain_core(now);
        let connection = self.connections.get_mut(conn)?;
        connection.link.out.close_frame();
        Some(&mut connection.link.out)
    }

    /// Tells that a connection's socket was written to: it may be read again, and what still
    /// waits for it is charged.
    pub fn wrote(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        // Here and not at each append: what a socket takes at once was never waiting.
        connection.link.out.settle(&mut self.env.pool, &self.env.gauge);
        if connection.is_leaving() && connection.is_written() {
            self.env.actions.push_back(Action::Serve(conn));
        }
        if connection.is_held() && connection.is_written() {
            self.env.actions.push_back(Action::Again(conn));
        }
        if connection.publishes() && connection.may_read() {
            self.env.actions.push_back(Action::Read(conn));
        }
    }

    /// How much may be encoded ahead of a socket, and in parts of which size. While encoded bytes
    /// take more memory than they may, it is little for a socket that takes what it is given, and
    /// a line for one that does not; over twice as much it is a line for everyone, so that the
    /// parts of the budget still add up.
    fn encoded_ahead(&self, conn: ConnId) -> (usize, PartSize) {
        let (used, limits) = (self.env.gauge.used_for(Use::Outgoing), &self.env.limits);
        let part_size = |bytes_max: usize| {
            let bytes = limits.part_bytes.min(bytes_max);
            PartSize { bytes, payload_bytes: PAYLOAD_PART_BYTES.min(bytes).max(4) }
        };
        if used > 2 * limits.outgoing_bytes_max {
            return (1, SCARCE);
        }
        if used > limits.outgoing_bytes_max {
            let blocked = self.connections.get(conn).is_some_and(|c| c.link.out.is_blocked());
            return (1, if blocked { SCARCE } else { part_size(SPARING_BYTES) });
        }
        (limits.write_bytes, part_size(limits.part_bytes))
    }
}
