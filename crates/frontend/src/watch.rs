//! Shows an operator a few published messages a second and counts the rest.

use std::time::Duration;

use broker::{Instant, Run};

use crate::event::Event;

/// Bytes of a payload that are shown.
const SHOWN_BYTES_MAX: usize = 512;
const WINDOW: Duration = Duration::from_secs(1);

/// One shard's share of what is shown.
#[derive(Debug)]
pub(crate) struct Watch {
    per_second: u32,
    window: Instant,
    shown: u32,
    not_shown: u64,
}

impl Watch {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, window: Instant::default(), shown: 0, not_shown: 0 }
    }

    /// Turns the messages of a run into events, as many as may be shown.
    pub(crate) fn published(&mut self, now: Instant, run: &Run, events: &mut Vec<Event>) {
        let publisher = run.publisher();
        let Some(addr) = publisher.addr else { return };
        self.timeout(now, events);
        if now.since(self.window) >= WINDOW {
            self.window = now;
            self.shown = 0;
        }
        let show = run.len().min(self.per_second.saturating_sub(self.shown));
        self.not_shown += u64::from(run.len() - show);
        self.shown += show;
        for payload in run.payloads(0).take(show as usize) {
            let shown = match payload.get(..SHOWN_BYTES_MAX) {
                Some(start) if start.len() < payload.len() => [start, "…".as_bytes()].concat(),
                _ => payload.to_vec(),
            };
            events.push(Event::Published {
                addr,
                name: publisher.name.clone(),
                topic: run.topic().clone(),
                payload: shown.into(),
            });
        }
    }

    /// When the count of messages that were not shown is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (self.not_shown > 0).then(|| self.window.after(WINDOW))
    }

    pub(crate) fn timeout(&mut self, now: Instant, events: &mut Vec<Event>) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            events.push(Event::NotShown(std::mem::take(&mut self.not_shown)));
        }
    }
}
