//! How a shard's thread reads and writes its sockets: who is next, and how much.
//!
//! Epoll is edge-triggered, so the thread remembers what may still be read or written. Readers
//! stand in three lines and so do writers; every line has a budget in every turn, and who has
//! more than its share goes to the end of the line for those who have much.

use std::time::Duration;

use broker::{ConnId, Now};
use frontend::{CloseReason, Lane, Waits};

use crate::shard_thread::ShardThread;
use crate::transport::{Read, Written};
use crate::turn::{Budget, CLOSE, KERNEL_BYTES_PER_UNIT, READ_CALL, SORT, WRITE_CALL};

/// How long a finished connection may take to read its last line and close.
const LINGER: Duration = Duration::from_secs(1);
/// Who has no more than this to be written does not wait for who has.
const LIGHT_BYTES: usize = 16 * 1024;
/// What a connection may write at once while others wait.
const BULK_BYTES: usize = 512 * 1024;

impl ShardThread {
    /// Puts a connection in its line, if there may be something to read.
    pub(crate) fn list_to_read(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        if !socket.is_readable() || socket.listed {
            return;
        }
        socket.listed = true;
        let ends = socket.transport.is_read_closed() || socket.lingers_until.is_some();
        let line = match self.station.lane(conn) {
            Lane::Publishing if ends => &mut self.to_read.other,
            Lane::Publishing if socket.is_heavy() => &mut self.to_read.bulk,
            Lane::Publishing => &mut self.to_read.light,
            Lane::Other => &mut self.to_read.other,
        };
        line.push_back(conn);
    }

    /// Reads from everyone in turn, once each, until nothing is left or the budgets are spent.
    pub(crate) fn read_all(&mut self, now: Now) {
        self.act(now);
        let bytes_max = self.limits.station.read_turn_bytes_max;
        let (mut budget, mut bytes_left) = (self.phase(), bytes_max / 2);
        while let Some(conn) = self.to_read.light.pop_front() {
            self.read(now, conn, &mut budget, &mut bytes_left);
            if budget.is_over() || bytes_left == 0 {
                break;
            }
        }
        let mut budget = self.phase();
        let mut bytes_left = bytes_left + bytes_max / 2;
        while let Some(conn) = self.to_read.bulk.pop_front() {
            self.read(now, conn, &mut budget, &mut bytes_left);
            if budget.is_over() || bytes_left == 0 {
                break;
            }
        }
        let mut budget = self.phase();
        while let Some(conn) = self.to_read.other.pop_front() {
            self.read(now, conn, &mut budget, &mut bytes_left);
            if budget.is_over() {
                break;
            }
        }
    }

    /// Reads once from a connection, unless it may not be read, and takes what it cost off the
    /// budget and off the bytes of the turn.
    fn read(&mut self, now: Now, conn: ConnId, budget: &mut Budget, bytes_left: &mut usize) {
        budget.spend(READ_CALL);
        let serving = self.is_serving();
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        socket.listed = false;
        if socket.lingers_until.is_some() {
            return self.read_lingering(now, conn, budget);
        }
        if !socket.is_readable() || !serving || !self.station.may_read(conn) {
            return;
        }
        // One that turns out to send much is not read in the line of those who send little; nor is
        // anyone read much whose message finds no memory.
        let is_light = !socket.is_heavy() && self.station.lane(conn) == Lane::Publishing;
        let is_short = self.station.reads_little(conn);
        let buffer = match (is_short, is_light) {
            (true, _) => &mut self.short_buffer,
            (false, true) => &mut self.light_buffer,
            (false, false) => &mut self.buffer,
        };
        let carry = self.station.take_carry(conn);
        let carried = carry.len();
        match socket.read(buffer, carry) {
            Read::Chunk(chunk, read_end) => {
                self.bytes.received += (chunk.bytes.len() - carried) as u64;
                let cost = self.station.receive(now, conn, chunk, read_end);
                budget.spend(cost as u64 / KERNEL_BYTES_PER_UNIT);
                *bytes_left = bytes_left.saturating_sub(cost);
                // Before anything else is read: what was read is to be published first.
                self.act(now);
                self.list_to_read(conn);
            }
            Read::Nothing => {}
            Read::Broken(reason) => {
                self.close(now, conn, reason);
                budget.spend(CLOSE);
            }
        }
        budget.spend(self.station.take_work());
    }

    /// A connection has ended and its peer goes on sending: what it sends is thrown away, within
    /// bounds, so that it can still read its last line.
    fn read_lingering(&mut self, now: Now, conn: ConnId, budget: &mut Budget) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        let discarded = socket.discard(&mut self.buffer);
        if discarded.is_none() || socket.discarded > self.limits.linger_bytes_max {
            self.close(now, conn, CloseReason::Gone);
            budget.spend(CLOSE + self.station.take_work());
            return;
        }
        let discarded = discarded.unwrap_or_default() as u64;
        self.bytes.received += discarded;
        budget.spend(discarded / KERNEL_BYTES_PER_UNIT);
        self.list_to_read(conn);
    }

    /// Puts a connection in the line of those who have much to write.
    pub(crate) fn list_to_write(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        if !socket.write_listed {
            socket.write_listed = true;
            self.to_write.bulk.push_back(conn);
        }
    }

    /// Writes to everyone who has little, then to those who have much, then to those who end.
    pub(crate) fn write_all(&mut self, now: Now) {
        let mut budget = self.phase();
        while !budget.is_over()
            && let Some(conn) = self.station.poll_write()
        {
            budget.spend(SORT);
            match self.station.waits(conn) {
                Waits::Ending => self.to_write.ending.push_back(conn),
                Waits::Bytes(count) if count > LIGHT_BYTES => self.list_to_write(conn),
                Waits::Bytes(_) => self.write(now, conn, &mut budget),
            }
        }
        // What the first line has not used.
        let mut budget = Budget::new(budget.left() + self.phase().left());
        while !budget.is_over()
            && let Some(conn) = self.to_write.bulk.pop_front()
        {
            if let Some(socket) = self.sockets.get_mut(conn) {
                socket.write_listed = false;
            }
            self.write(now, conn, &mut budget);
        }
        let mut budget = self.phase();
        while !budget.is_over()
            && let Some(conn) = self.to_write.ending.pop_front()
        {
            self.write(now, conn, &mut budget);
        }
        if self.to_write.is_empty() && !self.station.has_writes() {
            self.station.end_round();
            self.pages.forget();
        }
    }

    /// Writes to one connection until nothing is left, its socket is full, or it has had its share.
    fn write(&mut self, now: Now, conn: ConnId, budget: &mut Budget) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        if socket.lingers_until.is_some() {
            return;
        }
        let (mut written, mut goes_on) = (0, false);
        while !socket.transport.is_blocked() {
            if written >= BULK_BYTES || (written > 0 && budget.is_over()) {
                goes_on = true;
                break;
            }
            let Some(out) = self.station.fill(now, conn) else { return };
            if out.is_empty() {
                break;
            }
            let waiting = out.bytes();
            let outcome = socket.transport.write(out, &mut self.pages);
            let count = waiting - out.bytes();
            written += count;
            self.bytes.sent += count as u64;
            budget.spend(WRITE_CALL + count as u64 / KERNEL_BYTES_PER_UNIT);
            if let Written::Broken(reason) = outcome {
                return self.close(now, conn, reason);
            }
            budget.spend(self.station.take_work());
        }
        self.station.wrote(conn);
        budget.spend(self.station.take_work());
        // Looked at even if its socket is full: it may have ended for taking nothing.
        if self.station.is_over(conn) {
            self.finish(now, conn);
            budget.spend(CLOSE);
        } else if goes_on {
            self.list_to_write(conn);
        }
    }

    /// Everything is said: gives the peer a moment to read it before the socket closes.
    fn finish(&mut self, now: Now, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(conn) else { return };
        self.station.remove(now, conn, CloseReason::Gone);
        if socket.transport.is_read_to_end() || socket.transport.finish_writing().is_err() {
            return self.close(now, conn, CloseReason::Gone);
        }
        let until = now.mono.after(LINGER);
        socket.lingers_until = Some(until);
        self.lingering.push_back((until, conn));
        self.list_to_read(conn);
    }
}
