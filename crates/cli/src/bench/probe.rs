//! How a run knows that its subscribers are live, where the broker answers nothing to a hello.
//!
//! A probe publisher per topic sends numbered messages until every subscriber of the topic has seen one, and then a last
//! one. Order per publisher makes the last one the end of them all, so none can turn up among what is counted.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::args::Load;
use super::forms::{Forms, Heard};
use super::payload::{PROBE_END_PUBLISHER, PROBE_PUBLISHER, Stamp};
use super::progress::Progress;
use super::target::{Dialect, Role, Running};

/// Returns when every reading subscriber has seen the last probe of its topic. Where subscribing is answered, all have
/// been told by then, and nothing is left to wait for.
pub(super) fn until_ready(load: &Load, target: &Running, progress: &Progress) -> anyhow::Result<()> {
    let dialect = match target.dialect {
        Dialect::Broker | Dialect::Relay => target.dialect,
        // Lines are what reaches such subscribers, whatever publishers send.
        Dialect::Forms(Forms { heard: Heard::Lines, .. }) => Dialect::Broker,
        Dialect::Mqtt(_) | Dialect::Framed(_) | Dialect::Forms(_) => return Ok(()),
    };
    let layout = dialect.layout(load);
    let mut probes = Vec::with_capacity(load.topics);
    for topic in 0..load.topics {
        let name = super::topic_name(target.dialect, topic);
        let stream = target.connect_as(dialect, Role::Publisher, &name)?.stream;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(PROBE_TIME_MAX))?;
        probes.push(Probe { stream, readers: load.readers_of(topic), ended: false });
    }
    let deadline = Instant::now() + PROBE_TIME_MAX;
    for number in 0.. {
        let mut waiting = 0;
        for (probe, topic) in probes.iter_mut().zip(&progress.topics) {
            if topic.live.load(Ordering::Acquire) < probe.readers {
                probe.stream.write_all(&layout.line(Stamp::new(PROBE_PUBLISHER, number)))?;
            } else if !probe.ended {
                probe.stream.write_all(&layout.line(Stamp::new(PROBE_END_PUBLISHER, number)))?;
                probe.ended = true;
            }
            waiting += probe.readers - topic.ready.load(Ordering::Acquire);
        }
        if waiting == 0 {
            return Ok(());
        }
        if Instant::now() > deadline || progress.is_broken() {
            bail!(
                "{waiting} of {} subscribers do not receive what is published to their topic",
                load.reading()
            );
        }
        thread::sleep(PROBE_PAUSE);
    }
    Ok(())
}

#[derive(Debug)]
struct Probe {
    stream: TcpStream,
    readers: usize,
    /// Whether the last probe was sent.
    ended: bool,
}

const PROBE_TIME_MAX: Duration = Duration::from_secs(20);
const PROBE_PAUSE: Duration = Duration::from_millis(5);
