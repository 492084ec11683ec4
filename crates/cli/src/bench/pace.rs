//! The open loop: messages are sent when they are due, whether or not earlier ones arrived.
//!
//! Message k of publisher p is number n = k * publishers + p of the run and due at n / rate. Latency is taken from the
//! due time, so a sender that is late, or held up by a full socket, makes the figure worse instead of hiding it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::progress::Progress;
use super::publisher::{Publisher, SendBuffer};

#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    per_second: u64,
    publishers: u64,
}

impl Schedule {
    pub(super) fn new(per_second: u64, publishers: usize) -> Schedule {
        assert!(per_second > 0, "a rate of nothing is never due");
        Schedule { per_second, publishers: publishers as u64 }
    }

    /// Time from the start to when a message is due.
    #[inline]
    pub(super) fn due(self, publisher: usize, sequence: u64) -> Duration {
        let number = sequence * self.publishers + publisher as u64;
        Duration::from_nanos(number * NANOS / self.per_second)
    }

    /// How many messages of a publisher are due by `elapsed`.
    fn due_count(self, publisher: usize, elapsed: Duration) -> u64 {
        let nanos =
            elapsed.as_secs() * self.per_second * NANOS + u64::from(elapsed.subsec_nanos()) * self.per_second;
        (nanos / NANOS).checked_sub(publisher as u64).map_or(0, |last| last / self.publishers + 1)
    }
}

/// Sends everything that is due, then sleeps until the next message is. Tells how long answers took.
pub(super) fn send_paced(
    mut publishers: Vec<Publisher>,
    mut buffer: SendBuffer,
    schedule: Schedule,
    progress: &Arc<Progress>,
) -> anyhow::Result<Histogram<u64>> {
    let start = *progress.start.get_or_init(Instant::now);
    while !progress.senders_stop.load(Ordering::Acquire) {
        let elapsed = start.elapsed();
        let mut next_due = elapsed + SLEEP_MAX;
        for publisher in &mut publishers {
            if publisher.unacknowledged() > 0 {
                publisher.hear(&mut buffer)?;
            }
            let mut due = schedule.due_count(publisher.index, elapsed).saturating_sub(publisher.sent());
            loop {
                let sent = publisher.send(due.min(publisher.free_of_server()), &mut buffer, progress)?;
                if sent.blocked {
                    next_due = next_due.min(elapsed + FULL_SOCKET_PAUSE);
                    break;
                }
                due -= sent.messages.min(due);
                if due == 0 || sent.messages == 0 {
                    break;
                }
            }
            // Acknowledgements are looked for now and then, whether or not the next message waits for them.
            let is_open = publisher.unacknowledged() > 0;
            if !is_open || due == 0 {
                next_due = next_due.min(schedule.due(publisher.index, publisher.sent()));
            }
            if is_open {
                next_due = next_due.min(elapsed + ACK_PAUSE);
            }
        }
        thread::sleep(next_due.saturating_sub(start.elapsed()));
    }
    publishers.iter_mut().try_for_each(|publisher| publisher.finish(&mut buffer, progress))?;
    Ok(buffer.into_round_trips())
}

const NANOS: u64 = 1_000_000_000;
/// How soon the end of the run is noticed at low rates.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// How soon acknowledgements are read: at QoS 2 a server may pass nothing on before it hears again.
const ACK_PAUSE: Duration = Duration::from_micros(100);
const FULL_SOCKET_PAUSE: Duration = Duration::from_micros(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_take_turns() {
        let schedule = Schedule::new(1000, 4);
        assert_eq!(schedule.due(0, 0), Duration::ZERO);
        assert_eq!(schedule.due(3, 0), Duration::from_millis(3));
        assert_eq!(schedule.due(0, 1), Duration::from_millis(4));
    }

    #[test]
    fn as_many_are_due_as_have_a_due_time_by_then() {
        for publisher in 0..3 {
            let schedule = Schedule::new(700, 3);
            for millis in 0..5000 {
                let elapsed = Duration::from_millis(millis);
                let count = schedule.due_count(publisher, elapsed);
                assert!(count == 0 || schedule.due(publisher, count - 1) <= elapsed);
                assert!(schedule.due(publisher, count) + Duration::from_nanos(1) > elapsed);
            }
        }
    }
}
