//! What was encoded for one receiver in this turn and may serve others.

use std::collections::BTreeMap;
use std::rc::Rc;

use broker::planted::{self, Bug};
use broker::{Charge, Gauge, LocalRun, Use};
use bytes::Bytes;

/// Parts of one run that are remembered: receivers that take a long run at the same pace are at
/// its newest parts.
const PARTS_MAX: usize = 16;
/// Bytes that are remembered before the turn ends.
const BYTES_MAX: usize = 1024 * 1024;

/// The encoded parts of runs: `K` is what makes two receivers' bytes equal, `T` what goes with them.
#[derive(Debug)]
pub(crate) struct Remembered<K, T> {
    /// By where the run lives, which it does as long as it is here.
    runs: BTreeMap<*const LocalRun, Parts<K, T>>,
    bytes: usize,
    gauge: Gauge,
}

#[derive(Debug)]
struct Parts<K, T> {
    /// Kept alive, so that no other run can live in its place.
    _run: Rc<LocalRun>,
    parts: Vec<(K, T, Bytes)>,
}

/// Bytes that are charged as long as any receiver holds them.
#[derive(Debug)]
struct Shared {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<K, T: Copy> Remembered<K, T> {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { runs: BTreeMap::new(), bytes: 0, gauge }
    }

    /// Whether anybody else waits for this run, who could be served by what is encoded now.
    pub(crate) fn serves_others(&self, run: &Rc<LocalRun>) -> bool {
        let count = Rc::strong_count(run);
        count > 1 && count - usize::from(self.runs.contains_key(&Rc::as_ptr(run))) > 1
    }

    /// What was encoded of a run, if any of it is what `is_meant` says.
    pub(crate) fn find(&self, run: &Rc<LocalRun>, is_meant: impl Fn(&K) -> bool) -> Option<(T, Bytes)> {
        if Rc::strong_count(run) == 1 {
            return None;
        }
        let parts = &self.runs.get(&Rc::as_ptr(run))?.parts;
        let (_, with, bytes) = parts.iter().rev().find(|(key, ..)| is_meant(key))?;
        Some((*with, bytes.clone()))
    }

    /// Remembers what was encoded, and makes it what receivers share.
    pub(crate) fn share(&mut self, run: &Rc<LocalRun>, key: K, with: T, mut bytes: Vec<u8>) -> Bytes {
        if bytes.capacity() > bytes.len() + bytes.len() / 4 {
            bytes.shrink_to_fit();
        }
        let charge = self.gauge.charge(Use::Outgoing, bytes.capacity());
        let bytes = Bytes::from_owner(Shared { bytes, _charge: charge });
        if self.bytes > BYTES_MAX {
            self.forget();
        }
        self.bytes += bytes.len();
        let new = || Parts { _run: Rc::clone(run), parts: Vec::new() };
        let parts = &mut self.runs.entry(Rc::as_ptr(run)).or_insert_with(new).parts;
        if parts.len() >= PARTS_MAX {
            parts.remove(0);
        }
        parts.push((key, with, bytes.clone()));
        bytes
    }

    /// Forgets this turn's bytes: sockets that have not taken them hold their own reference.
    pub(crate) fn forget(&mut self) {
        if planted::is(Bug::KeepEncoded) {
            return;
        }
        self.runs.clear();
        self.bytes = 0;
    }
}
