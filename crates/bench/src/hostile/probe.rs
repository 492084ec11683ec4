//! What an unrelated publisher and subscriber notice: a small message every few milliseconds, timed.
//!
//! There is a pair per shard, since a stall may hit one shard only; figures are those of the pair that fared worst.
//! A message that was sent and not yet heard counts with the time that it has waited so far.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;

/// How a probe's publishers go about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Publishes by the clock.
    Plain,
    /// Asks for an answer and waits for it before it goes on.
    Acked,
}

/// Pairs that run until this is dropped.
#[derive(Debug)]
pub(crate) struct Probe {
    pairs: Vec<Arc<Pair>>,
    threads: Vec<JoinHandle<()>>,
}

/// What one pair noticed between two instants, in milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) sent: usize,
    /// Not heard at all by the time of asking.
    pub(crate) lost: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// The longest time in which nothing was heard.
    pub(crate) silence: f64,
}

#[derive(Debug)]
struct Pair {
    began: Instant,
    pace_ms: AtomicU64,
    stop: AtomicBool,
    messages: Mutex<Vec<Message>>,
}

/// Times are nanoseconds since the pair began.
#[derive(Debug, Clone, Copy)]
struct Message {
    sent: u64,
    heard: Option<u64>,
}

impl Probe {
    /// Connects the pairs, subscribers first, and returns once each has heard something.
    pub(crate) fn start(address: SocketAddr, pairs: usize, kind: Kind) -> anyhow::Result<Probe> {
        let subscribers = (0..pairs)
            .map(|number| hello(address, &format!("SUBSCRIBER probe/{number}\n")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let ack = if kind == Kind::Acked { " ack=1" } else { "" };
        let publishers = (0..pairs)
            .map(|number| hello(address, &format!("PUBLISHER probe/{number}{ack}\n")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut probe = Probe { pairs: Vec::new(), threads: Vec::new() };
        for (subscriber, publisher) in subscribers.into_iter().zip(publishers) {
            let pair = Arc::new(Pair::new());
            probe.pairs.push(Arc::clone(&pair));
            let listening = Arc::clone(&pair);
            probe.threads.push(thread::spawn(move || listening.listen(subscriber)));
            probe.threads.push(thread::spawn(move || pair.publish(publisher, kind)));
        }
        probe.until_heard()?;
        Ok(probe)
    }

    /// Goes on with a message now and then, so that the broker is not quite alone.
    pub(crate) fn slow_down(&self) {
        for pair in &self.pairs {
            pair.pace_ms.store(SLOW_PACE_MS, Ordering::Relaxed);
        }
    }

    /// The pair that fared worst between two instants.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Latency {
        let all = self.pairs.iter().map(|pair| pair.between(from, to));
        all.max_by(|one, other| one.p99.total_cmp(&other.p99)).unwrap_or_default()
    }

    /// Waits until everything that was sent before `sent_by` is heard, but no longer than `patience`.
    pub(crate) fn catch_up(&self, sent_by: Instant, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.pairs.iter().any(|pair| pair.is_behind(sent_by)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn until_heard(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        while !self.pairs.iter().all(|pair| pair.messages().iter().any(|message| message.heard.is_some())) {
            ensure!(Instant::now() < deadline, "a probe hears nothing from a broker that is left alone");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        for pair in &self.pairs {
            pair.stop.store(true, Ordering::Relaxed);
        }
        for thread in self.threads.drain(..) {
            // Its samples are in the pair; a panic has printed itself.
            thread.join().ok();
        }
    }
}

impl Pair {
    fn new() -> Pair {
        Pair {
            began: Instant::now(),
            pace_ms: AtomicU64::new(PACE_MS),
            stop: AtomicBool::new(false),
            messages: Mutex::new(Vec::new()),
        }
    }

    fn messages(&self) -> MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sends numbered messages until told to stop or the broker is gone.
    fn publish(&self, mut stream: TcpStream, kind: Kind) {
        stand_for_another_machine();
        let mut due = Instant::now();
        while !self.is_stopped() {
            let number = self.note_sent();
            if stream.write_all(format!("{number}\n").as_bytes()).is_err() {
                return;
            }
            if kind == Kind::Acked && !self.wait_for_answer(&mut stream) {
                return;
            }
            due = (due + Duration::from_millis(self.pace_ms.load(Ordering::Relaxed))).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    fn note_sent(&self) -> usize {
        let mut messages = self.messages();
        messages.push(Message { sent: nanoseconds(self.began.elapsed()), heard: None });
        messages.len() - 1
    }

    /// Reads one `OK` line. False when there is no sense in waiting on.
    fn wait_for_answer(&self, stream: &mut TcpStream) -> bool {
        let mut answer = [0; 3];
        let mut filled = 0;
        while filled < answer.len() && !self.is_stopped() {
            match stream.read(&mut answer[filled..]) {
                Ok(0) => return false,
                Ok(bytes) => filled += bytes,
                Err(error) if is_timeout(&error) => {}
                Err(_) => return false,
            }
        }
        filled == answer.len()
    }

    fn listen(&self, stream: TcpStream) {
        stand_for_another_machine();
        let mut input = BufReader::new(stream);
        let mut line = Vec::new();
        while !self.is_stopped() {
            match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    self.note_heard(&line);
                    line.clear();
                }
                Err(error) if is_timeout(&error) => {}
                Err(_) => return,
            }
        }
    }

    fn note_heard(&self, line: &[u8]) {
        let at = nanoseconds(self.began.elapsed());
        let Some(number) = number_in(line) else { return };
        if let Some(message) = self.messages().get_mut(number) {
            message.heard = Some(at);
        }
    }

    fn is_behind(&self, sent_by: Instant) -> bool {
        let sent_by = self.since_began(sent_by);
        let messages = self.messages();
        messages.iter().any(|message| message.sent <= sent_by && message.heard.is_none())
    }

    fn between(&self, from: Instant, to: Instant) -> Latency {
        let (from, to, now) =
            (self.since_began(from), self.since_began(to), nanoseconds(self.began.elapsed()));
        let messages = self.messages();
        let sent: Vec<Message> =
            messages.iter().copied().filter(|message| (from..to).contains(&message.sent)).collect();
        let mut heard: Vec<u64> = messages.iter().filter_map(|message| message.heard).collect();
        heard.retain(|at| (from..to).contains(at));
        let mut waits: Vec<u64> =
            sent.iter().map(|message| message.heard.unwrap_or(now).saturating_sub(message.sent)).collect();
        waits.sort_unstable();
        Latency {
            sent: sent.len(),
            lost: sent.iter().filter(|message| message.heard.is_none()).count(),
            p50: milliseconds(quantile(&waits, 0.5)),
            p99: milliseconds(quantile(&waits, 0.99)),
            max: milliseconds(quantile(&waits, 1.0)),
            silence: milliseconds(longest_gap(from, to, &heard)),
        }
    }

    fn since_began(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.began))
    }
}

fn hello(address: SocketAddr, hello: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("connecting a probe")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_write_timeout(Some(READ_TIMEOUT))?;
    stream.write_all(hello.as_bytes())?;
    Ok(stream)
}

/// Has the calling thread preferred to the broker's, so that its wait for a core is not taken for the broker's latency.
fn stand_for_another_machine() {
    // Only root may; without permission it measures all the same, and its own wait with it.
    rustix::process::nice(PROBE_NICE).ok();
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The number at the end of a delivered line.
fn number_in(line: &[u8]) -> Option<usize> {
    let text = str::from_utf8(line).ok()?;
    let (_, number) = text.trim_end().rsplit_once(' ')?;
    number.parse().ok()
}

/// Of sorted values; 0 of none.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The longest time between two of the sorted instants, or one of them and the ends.
fn longest_gap(from: u64, to: u64, at: &[u64]) -> u64 {
    let ends = at.iter().copied().chain([to]);
    let mut before = from;
    let gaps = ends.map(|at| at.saturating_sub(std::mem::replace(&mut before, at)));
    gaps.max().unwrap_or_default()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

const PACE_MS: u64 = 5;
const PROBE_NICE: i32 = -10;
const SLOW_PACE_MS: u64 = 200;
const READ_TIMEOUT: Duration = Duration::from_millis(200);
const START_TIME_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_values_at_their_rank() {
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| quantile(&values, share)), [100, 198, 200]);
        assert_eq!(quantile(&[], 0.5), 0);
    }

    #[test]
    fn silence_is_counted_up_to_both_ends() {
        assert_eq!(longest_gap(10, 100, &[]), 90);
        assert_eq!(longest_gap(10, 100, &[20, 90]), 70);
        assert_eq!(longest_gap(10, 100, &[40, 50]), 50);
    }

    #[test]
    fn a_number_is_found_behind_any_prefix() {
        assert_eq!(number_in(b"[probe/0 | FROM 127.0.0.1:50123] : 17\n"), Some(17));
        assert_eq!(number_in(b"[GAP 120 messages dropped: reading too slowly]\n"), None);
    }
}
