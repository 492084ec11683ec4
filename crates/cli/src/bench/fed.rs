//! Receivers that somebody else than a broker feeds, and the same account of what they got.

use std::sync::Arc;

use mio::net::TcpStream;

use super::args::Load;
use super::ledger::Senders;
use super::measure::{self, Measured, Threads};
use super::progress::{Progress, StopOnDrop};
use super::receiver::{Feed, ReceiverReport, Use};
use super::report::{Account, RunReport};

/// Receivers at work; they stop when this is dropped.
#[derive(Debug)]
pub struct Fed {
    load: Load,
    progress: Arc<Progress>,
    receivers: Threads<ReceiverReport>,
    _stop: StopOnDrop,
}

impl Fed {
    /// Starts receivers on streams with their subscribers' numbers. Their lines are those of publisher 0, which starts
    /// over after `period` messages.
    ///
    /// # Errors
    /// If the system refuses threads or polls.
    pub fn start(load: &Load, streams: Vec<(usize, TcpStream)>, period: u64) -> anyhow::Result<Fed> {
        let (polls, wakers) = measure::polls(load.receivers)?;
        let progress = Arc::new(Progress::new(load, Vec::new(), wakers));
        let stop = StopOnDrop(progress.clone());
        let senders = Senders { topic: 0, topics: 1, slots: 1, period };
        let feeds = streams.into_iter().map(|(number, stream)| Feed { number, stream, senders }).collect();
        let receivers = measure::spawn_receivers(load, feeds, polls, &progress, Use::Count)?;
        Ok(Fed { load: load.clone(), progress, receivers, _stop: stop })
    }

    /// Warms up and measures.
    ///
    /// # Errors
    /// If a length of time is out of range.
    pub fn measure(&self) -> anyhow::Result<Measured> {
        // Nothing is published: deliveries are written as they are.
        Ok(Measured { published: None, ..measure::measure(&self.load, &self.progress, None)? })
    }

    /// Waits until everything has arrived, and accounts for it. `lines` are how many were written to each subscriber.
    ///
    /// # Errors
    /// If a receiver met an error.
    pub fn finish(
        self,
        name: &str,
        measured: &Measured,
        lines: &[(usize, u64)],
    ) -> anyhow::Result<RunReport> {
        let written = lines.iter().map(|(_, lines)| lines).sum();
        measure::drain(&self.progress, written);
        self.progress.stop_receivers();
        let reports = measure::join(self.receivers)?;
        let lines_of = |number| lines.iter().find(|(one, _)| *one == number).map_or(0, |(_, lines)| *lines);
        let account = Account::new(written, &reports, lines_of);
        Ok(RunReport::new(name.to_owned(), &self.load, measured, account, None))
    }
}
