//! From queues to sockets: what is encoded for a connection, and how far ahead of its socket.

use broker::{ConnId, Delivery, Now, Slice, Use};
use wire::text::{LinePart, gap_line};

use crate::connection::{Begun, Hearing, RoleName};
use crate::encode::{LineStyle, PartSize, Position};
use crate::event::CloseReason;
use crate::outgoing::Outgoing;
use crate::station::Station;

/// A longer payload is encoded in pieces of this size.
const PAYLOAD_PART_BYTES: usize = 16 * 1024;
/// What is encoded at once while encoded bytes take more memory than they may.
const SPARING_BYTES: usize = 8 * 1024;
/// The same for a socket that has not taken what it was given: a line, or a piece of one.
const SCARCE: PartSize = PartSize { bytes: 1, payload_bytes: 512 };
impl Station {
    /// Fills a connection's outgoing bytes as far as its socket may want them; `None` if the
    /// connection is unknown. Call it again while the socket takes everything.
    pub fn fill(&mut self, now: Now, conn: ConnId) -> Option<&mut Outgoing> {
        let (ahead_bytes, size) = self.encoded_ahead(conn);
        while self.connection(conn)?.out.bytes() < ahead_bytes {
            if !self.deliver(now, conn, size) {
                break;
            }
        }
        self.drain_core(now);
        self.connection(conn).map(|connection| &mut connection.out)
    }

    /// Tells that a connection's socket was written to: it may be read again, and what still
    /// waits for it is charged.
    pub fn wrote(&mut self, conn: ConnId) {
        let Some(Some(connection)) = self.connections.get_mut(conn.slot as usize) else { return };
        connection.out.settle(&mut self.encoder.pool, &self.gauge);
        if connection.role() == RoleName::Publisher && connection.may_read() {
            self.to_read.push_back(conn);
        }
    }

    /// Encodes the next thing for a connection; false if there is none.
    fn deliver(&mut self, now: Now, conn: ConnId, size: PartSize) -> bool {
        let Some(Some(connection)) = self.connections.get_mut(conn.slot as usize) else { return false };
        if connection.answers.due() > 0 {
            connection.answer(&mut self.encoder.pool, size.bytes);
            return true;
        }
        let (slice, part, style) = match (connection.begun.take(), connection.style()) {
            (Some(begun), _) => (begun.slice, Some(begun.part), begun.style),
            (None, None) => return false,
            (None, Some(style)) => match self.next_delivery(now, conn) {
                None => {
                    self.all_delivered(now, conn);
                    return false;
                }
                Some(Delivery::Gap(dropped)) => {
                    self.append(conn, gap_line(style.format, dropped).as_bytes());
                    return true;
                }
                Some(Delivery::Messages(slice)) => (slice, None, style),
            },
        };
        self.encode(conn, slice, part, style, size);
        true
    }

    /// The next delivery, and all of it: how much is encoded at once is a matter of encoded bytes.
    fn next_delivery(&mut self, now: Now, conn: ConnId) -> Option<Delivery> {
        let session = self.connection(conn)?.session?;
        self.shard.poll_delivery(now, session, u32::MAX, usize::MAX)
    }

    /// Encodes the next part of a run, and puts back what is left of it.
    fn encode(
        &mut self,
        conn: ConnId,
        mut slice: Slice,
        part: Option<LinePart>,
        style: LineStyle,
        size: PartSize,
    ) {
        let Some(Some(connection)) = self.connections.get_mut(conn.slot as usize) else { return };
        let Some(session) = connection.session else { return };
        debug_assert_eq!(slice.end, slice.run.run().len(), "the encoder goes on to the end of the run");
        let from = Position { message: slice.skip, part };
        let out = &mut connection.out;
        let to = self.encoder.encode(&slice.run, from, style, size, out);
        match to {
            Some(Position { message, part: Some(part) }) => {
                let rest = Slice { skip: message + 1, ..slice.clone() };
                slice.skip = message;
                connection.begun = Some(Begun { slice, part, style });
                if from.part.is_none() && !rest.is_empty() {
                    self.shard.put_back(session, rest);
                }
            }
            Some(Position { message, part: None }) if from.part.is_none() => {
                slice.skip = message;
                self.shard.put_back(session, slice);
            }
            _ => connection.line_ended(&mut self.encoder.pool),
        }
    }

    /// Nothing waits for a connection: one that only waited for that ends.
    fn all_delivered(&mut self, now: Now, conn: ConnId) {
        if self.is_asking(conn) {
            return; // its history and what is queued behind it come with the last answer
        }
        let hearing = self.connection(conn).map(|connection| connection.hearing());
        if self.draining {
            self.end(now, conn, CloseReason::Shutdown);
        } else if hearing == Some(Hearing::HistoryOnly) {
            self.end(now, conn, CloseReason::HistoryRead);
        }
    }

    fn append(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(Some(connection)) = self.connections.get_mut(conn.slot as usize) {
            connection.out.append(&mut self.encoder.pool, |own| own.extend_from_slice(bytes));
        }
    }

    /// How much may be encoded ahead of a socket, and in parts of which size. While encoded bytes
    /// take more memory than they may, it is little for a socket that takes what it is given, and
    /// a line for one that does not; over twice as much it is a line for everyone, so that the
    /// parts of the budget still add up.
    fn encoded_ahead(&mut self, conn: ConnId) -> (usize, PartSize) {
        let used = self.gauge.used_for(Use::Outgoing);
        if used > 2 * self.limits.outgoing_bytes_max {
            return (1, SCARCE);
        }
        if used > self.limits.outgoing_bytes_max {
            let blocked = self.connection(conn).is_some_and(|connection| connection.out.is_blocked());
            return (1, if blocked { SCARCE } else { self.part_size(SPARING_BYTES) });
        }
        (self.limits.write_bytes, self.part_size(self.limits.part_bytes))
    }

    fn part_size(&self, bytes_max: usize) -> PartSize {
        let bytes = self.limits.part_bytes.min(bytes_max);
        PartSize { bytes, payload_bytes: PAYLOAD_PART_BYTES.min(bytes).max(4) }
    }
}
