//! From a client to its station.

use std::collections::VecDeque;

use frontend::ReadEnd;

use crate::limits::Network;
use crate::rng::Rng;

/// How the network may cut what a client writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// At any byte; neighbours may be put together.
    Anywhere,
    /// At any byte, but the parts follow each other closely: a hello that is still one hello.
    Closely,
    /// Not at all: one write is one read.
    Whole,
}

#[derive(Debug)]
struct Segment {
    arrives_ns: u64,
    bytes: VecDeque<u8>,
    cut: Cut,
}

/// What a client has written and its station has not read.
#[derive(Debug, Default)]
pub(crate) struct Up {
    segments: VecDeque<Segment>,
    bytes: usize,
    last_arrival_ns: u64,
    end: Option<(u64, UpEnd)>,
    finished: bool,
    /// The last read filled its buffer, so that the station will ask once more.
    filled: bool,
    /// It filled it with the end of a write that is not to be put together with the next one.
    at_whole_end: bool,
}

/// What stands behind the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpEnd {
    Closed,
    Reset,
}

/// What a read finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Bytes(Vec<u8>, ReadEnd),
    Nothing,
    Reset,
}

impl Up {
    /// Takes what a client wrote; returns when its parts arrive.
    pub(crate) fn send(
        &mut self,
        now_ns: u64,
        bytes: &[u8],
        cut: Cut,
        network: &Network,
        rng: &mut Rng,
    ) -> Vec<u64> {
        let mut arrivals = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let split = cut != Cut::Whole && rest.len() > 1 && rng.percent(network.split_percent);
            let (part, after) = rest.split_at(if split { rng.size(1, rest.len() - 1) } else { rest.len() });
            rest = after;
            let latency_ns = match cut {
                // Far below the settle time, however many parts there are.
                Cut::Closely if !arrivals.is_empty() => rng.below(20_000),
                _ => rng.below(network.latency_max_ns),
            };
            let arrives_ns = self.last_arrival_ns.max(now_ns + latency_ns);
            self.last_arrival_ns = arrives_ns;
            self.bytes += part.len();
            self.segments.push_back(Segment { arrives_ns, bytes: part.iter().copied().collect(), cut });
            arrivals.push(arrives_ns);
        }
        arrivals
    }

    /// The client is done; a reset overtakes what is under way. Returns when that arrives.
    pub(crate) fn finish(&mut self, now_ns: u64, end: UpEnd, network: &Network, rng: &mut Rng) -> u64 {
        let mut arrives_ns = now_ns + rng.below(network.latency_max_ns);
        if end == UpEnd::Closed {
            arrives_ns = arrives_ns.max(self.last_arrival_ns);
        }
        self.end = Some((arrives_ns, end));
        self.finished = true;
        arrives_ns
    }

    /// Reads at most `bytes_max` bytes.
    pub(crate) fn read(&mut self, now_ns: u64, bytes_max: usize, rng: &mut Rng) -> Read {
        if self.end.is_some_and(|(at, end)| end == UpEnd::Reset && at <= now_ns) {
            return Read::Reset;
        }
        if std::mem::take(&mut self.at_whole_end) && std::mem::take(&mut self.filled) {
            return Read::Bytes(Vec::new(), ReadEnd::Drained);
        }
        let mut taken = Vec::new();
        while let Some(front) = self.segments.front_mut() {
            if front.arrives_ns > now_ns || taken.len() == bytes_max {
                break;
            }
            let whole = front.cut == Cut::Whole;
            if whole && !taken.is_empty() {
                break;
            }
            let count = front.bytes.len().min(bytes_max - taken.len());
            taken.extend(front.bytes.drain(..count));
            if front.bytes.is_empty() {
                self.segments.pop_front();
                self.at_whole_end = whole;
            }
            if whole || rng.percent(10) {
                break;
            }
        }
        self.bytes -= taken.len();
        let may_close = self.end.is_some_and(|(at, _)| at <= now_ns) && self.segments.is_empty();
        let filled = taken.len() == bytes_max;
        let asked_again = std::mem::replace(&mut self.filled, filled);
        match taken.is_empty() {
            // The end may be seen together with the last bytes or by a read of its own.
            _ if may_close && !filled && (taken.is_empty() || rng.percent(50)) => {
                self.end = None;
                Read::Bytes(taken, ReadEnd::Closed)
            }
            true if !asked_again => Read::Nothing,
            _ if filled => Read::Bytes(taken, ReadEnd::More),
            _ => Read::Bytes(taken, ReadEnd::Drained),
        }
    }

    /// Whether the client has ended it.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Bytes that the station has not read.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the next bytes to be read arrived, or will.
    pub(crate) fn waits_since(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.arrives_ns)
    }

    /// Whether a read now would find something.
    pub(crate) fn has_arrived(&self, now_ns: u64) -> bool {
        self.filled
            || self.segments.front().is_some_and(|segment| segment.arrives_ns <= now_ns)
            || self.end.is_some_and(|(at, _)| at <= now_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Concern;

    const NETWORK: Network =
        Network { latency_max_ns: 1000, split_percent: 50, short_write_percent: 0, capacity_max: 10 };

    fn read_all(up: &mut Up, bytes_max: usize, rng: &mut Rng) -> Vec<(String, ReadEnd)> {
        let mut reads = Vec::new();
        while let Read::Bytes(bytes, end) = up.read(u64::MAX, bytes_max, rng) {
            reads.push((String::from_utf8(bytes).unwrap(), end));
        }
        reads
    }

    #[test]
    fn bytes_come_in_order_however_they_are_cut() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed, Concern::Network);
            let mut up = Up::default();
            for bytes in [&b"one two three "[..], b"four five"] {
                up.send(0, bytes, Cut::Anywhere, &NETWORK, &mut rng);
            }
            up.finish(0, UpEnd::Closed, &NETWORK, &mut rng);
            let reads = read_all(&mut up, 5, &mut rng);
            let text: String = reads.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(text, "one two three four five");
            let closed = reads.iter().filter(|(_, end)| *end == ReadEnd::Closed).count();
            assert_eq!((closed, reads.last().unwrap().1), (1, ReadEnd::Closed));
        }
    }

    #[test]
    fn a_whole_write_is_a_whole_read() {
        let mut rng = Rng::new(1, Concern::Network);
        let mut up = Up::default();
        for bytes in [&b"abcd"[..], b"ef", b"ghijk"] {
            up.send(0, bytes, Cut::Whole, &NETWORK, &mut rng);
        }
        let reads = read_all(&mut up, 4, &mut rng);
        let reads: Vec<_> = reads.iter().map(|(text, end)| (text.as_str(), *end)).collect();
        let (more, drained) = (ReadEnd::More, ReadEnd::Drained);
        assert_eq!(reads, [("abcd", more), ("", drained), ("ef", drained), ("ghij", more), ("k", drained)]);
    }

    #[test]
    fn a_reset_overtakes_bytes() {
        let mut rng = Rng::new(1, Concern::Network);
        let mut up = Up::default();
        up.send(0, b"lost", Cut::Anywhere, &NETWORK, &mut rng);
        up.finish(0, UpEnd::Reset, &NETWORK, &mut rng);
        assert_eq!(up.read(u64::MAX, 9, &mut rng), Read::Reset);
    }
}
