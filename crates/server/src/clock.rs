//! The two clocks of the process, read once per turn.

use std::time::{SystemTime, UNIX_EPOCH};

use broker::{Instant, Now, WallTime};

/// Turns the operating system's clocks into the core's data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: std::time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { began: std::time::Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let mono = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Now { mono: Instant(mono), wall: WallTime(wall) }
    }
}
