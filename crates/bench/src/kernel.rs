//! The upper reference: ready bytes written straight to the receivers, with no broker in between.
//!
//! Writers repeat one buffer of numbered lines in 64 KiB writes, as far ahead as the sockets allow. What it measures is
//! the kernel's loopback and this generator's receivers.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use cli::bench::{Fed, Layout, Load, RunReport, Stamp, check_open_files, delivered_prefix_bytes};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

pub(crate) fn run(load: &Load) -> anyhow::Result<RunReport> {
    check_open_files(2 * load.subs)?;
    let writers = WRITERS.min(load.reading());
    let layout = Layout::new(delivered_prefix_bytes(load.topics - 1), load.size);
    let ready = ready_bytes(&layout);
    let period = (ready.len() / layout.line_bytes()) as u64;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut feeds = Vec::with_capacity(load.reading());
    let mut shares: Vec<Vec<Feeder>> = (0..writers).map(|_| Vec::new()).collect();
    for number in load.stuck..load.subs {
        let reading = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (writing, _) = listener.accept()?;
        reading.set_nonblocking(true)?;
        writing.set_nonblocking(true)?;
        feeds.push((number, TcpStream::from_std(reading)));
        if let Some(share) = shares.get_mut(number / load.receivers % writers) {
            share.push(Feeder {
                number,
                stream: TcpStream::from_std(writing),
                bytes: 0,
                line_bytes: layout.line_bytes(),
            });
        }
    }
    let fed = Fed::start(load, feeds, period)?;
    let stop = StopOnDrop(Arc::default());
    let mut threads = Vec::with_capacity(writers);
    for (id, share) in shares.into_iter().enumerate() {
        threads.push(spawn_writer(id, share, ready.clone(), stop.0.clone())?);
    }

    let measured = fed.measure()?;
    drop(stop);
    // They stay connected until the receivers have read everything.
    let mut feeders = Vec::with_capacity(load.reading());
    for thread in threads {
        feeders.extend(thread.join().map_err(|_| anyhow!("a writing thread panicked"))??);
    }
    let lines: Vec<_> = feeders.iter().map(|feeder| (feeder.number, feeder.lines())).collect();
    fed.finish("kernel", &measured, &lines)
}

/// Stops the writers, also where an error ends the run.
#[derive(Debug)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The writing end of one subscriber's connection.
#[derive(Debug)]
struct Feeder {
    number: usize,
    stream: TcpStream,
    /// Written so far.
    bytes: u64,
    line_bytes: usize,
}

impl Feeder {
    fn lines(&self) -> u64 {
        self.bytes / self.line_bytes as u64
    }

    /// Writes what follows in the repeated bytes; false when the socket is full.
    fn write(&mut self, ready: &[u8], bytes_max: usize) -> anyhow::Result<bool> {
        let at = usize::try_from(self.bytes % ready.len() as u64)?;
        let next = ready.get(at..).unwrap_or_default();
        let next = next.get(..bytes_max).unwrap_or(next);
        match self.stream.write(next) {
            Ok(written) => {
                self.bytes += written as u64;
                Ok(written == next.len())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error).context("writing to a receiver"),
        }
    }

    fn finish_line(&mut self, ready: &[u8]) -> anyhow::Result<()> {
        let deadline = Instant::now() + FINISH_TIME_MAX;
        loop {
            let partial = usize::try_from(self.bytes % self.line_bytes as u64)?;
            if partial == 0 {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "a receiver stopped reading");
            if !self.write(ready, self.line_bytes - partial)? {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn spawn_writer(
    id: usize,
    feeders: Vec<Feeder>,
    ready: Arc<[u8]>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<JoinHandle<anyhow::Result<Vec<Feeder>>>> {
    let work = move || write_all(feeders, &ready, &stop);
    Ok(thread::Builder::new().name(format!("bench-write-{id}")).spawn(work)?)
}

/// Keeps every socket full until told to stop.
fn write_all(mut feeders: Vec<Feeder>, ready: &[u8], stop: &AtomicBool) -> anyhow::Result<Vec<Feeder>> {
    let mut poll = Poll::new().context("creating a poll")?;
    for (index, feeder) in feeders.iter_mut().enumerate() {
        poll.registry().register(&mut feeder.stream, Token(index), Interest::WRITABLE)?;
    }
    let mut events = Events::with_capacity(1024);
    // Sockets with room, each given one write in turn.
    let mut open: Vec<usize> = Vec::new();
    while !stop.load(Ordering::Acquire) {
        let timeout = if open.is_empty() { Duration::from_millis(100) } else { Duration::ZERO };
        match poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result.context("waiting for room")?,
        }
        for event in &events {
            let index = event.token().0;
            if index < feeders.len() && !open.contains(&index) {
                open.push(index);
            }
        }
        let mut still_open = Vec::with_capacity(open.len());
        for index in open {
            if let Some(feeder) = feeders.get_mut(index)
                && feeder.write(ready, ready.len())?
            {
                still_open.push(index);
            }
        }
        open = still_open;
    }
    feeders.iter_mut().try_for_each(|feeder| feeder.finish_line(ready))?;
    Ok(feeders)
}

/// Whole lines of one publisher, numbered from 0.
fn ready_bytes(layout: &Layout) -> Arc<[u8]> {
    let mut lines = layout.batch();
    let count = lines.len() / layout.line_bytes();
    layout.stamp_lines(&mut lines, count, Stamp::new(0, 0));
    lines.into()
}

/// As the relay's sides have: one writes while another's receiver reads.
const WRITERS: usize = 2;
const FINISH_TIME_MAX: Duration = Duration::from_secs(3);
