//! From a station to a client.

use std::collections::VecDeque;

use crate::limits::Network;
use crate::rng::Rng;

/// Room on the way to a client that takes whatever comes.
pub(crate) const BOTTOMLESS: usize = 64 << 20;

/// A client with less room than this takes its time, however fast it reads.
const NARROW: usize = 1024;

/// What a station has written and the client has not read.
#[derive(Debug)]
pub(crate) struct Down {
    segments: VecDeque<(u64, VecDeque<u8>)>,
    bytes: usize,
    capacity: usize,
    bottomless: bool,
    last_arrival_ns: u64,
    closed: bool,
}

impl Down {
    pub(crate) fn new(capacity: usize) -> Self {
        let bottomless = capacity == BOTTOMLESS;
        Self { segments: VecDeque::new(), bytes: 0, capacity, bottomless, last_arrival_ns: 0, closed: false }
    }

    /// The bottleneck on the way has gone.
    pub(crate) fn widen(&mut self) {
        self.capacity = BOTTOMLESS;
    }

    /// Whether there always was room in it, so that no write is cut short.
    pub(crate) fn is_bottomless(&self) -> bool {
        self.bottomless
    }

    /// Whether hardly anything fits in.
    pub(crate) fn is_narrow(&self) -> bool {
        self.capacity < NARROW
    }

    /// Bytes that fit in.
    pub(crate) fn room(&self) -> usize {
        self.capacity - self.bytes
    }

    /// Takes bytes that fit in; returns when they arrive.
    pub(crate) fn write(&mut self, now_ns: u64, bytes: &[u8], network: &Network, rng: &mut Rng) -> u64 {
        assert!(bytes.len() <= self.room(), "a socket takes what fits in");
        let arrives_ns = self.last_arrival_ns.max(now_ns + rng.below(network.latency_max_ns));
        self.last_arrival_ns = arrives_ns;
        self.bytes += bytes.len();
        self.segments.push_back((arrives_ns, bytes.iter().copied().collect()));
        arrives_ns
    }

    /// The station has closed: the client sees it behind the bytes. Returns when.
    pub(crate) fn close(&mut self, now_ns: u64) -> u64 {
        self.closed = true;
        self.last_arrival_ns.max(now_ns)
    }

    /// Takes what has arrived, at most `bytes_max`.
    pub(crate) fn read(&mut self, now_ns: u64, bytes_max: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some((arrives_ns, bytes)) = self.segments.front_mut() {
            if *arrives_ns > now_ns || taken.len() == bytes_max {
                break;
            }
            let count = bytes.len().min(bytes_max - taken.len());
            taken.extend(bytes.drain(..count));
            if bytes.is_empty() {
                self.segments.pop_front();
            }
        }
        self.bytes -= taken.len();
        taken
    }

    /// When the next bytes arrive.
    pub(crate) fn next_arrival(&self) -> Option<u64> {
        self.segments.front().map(|(arrives_ns, _)| *arrives_ns)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether everything was read and nothing will follow.
    pub(crate) fn is_over(&self) -> bool {
        self.closed && self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Concern;

    const NETWORK: Network =
        Network { latency_max_ns: 1000, split_percent: 50, short_write_percent: 0, capacity_max: 10 };

    #[test]
    fn a_full_pipe_takes_nothing_until_it_is_read() {
        let mut rng = Rng::new(1, Concern::Network);
        let mut down = Down::new(4);
        down.write(0, b"abcd", &NETWORK, &mut rng);
        assert_eq!(down.room(), 0);
        assert_eq!(down.read(u64::MAX, 3), b"abc");
        assert_eq!(down.room(), 3);
        down.close(0);
        assert!(!down.is_over());
        assert_eq!(down.read(u64::MAX, 9), b"d");
        assert!(down.is_over());
    }
}
