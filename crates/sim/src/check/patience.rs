//! Nobody is given up too soon: neither who is silent nor whose message does not end.

use std::time::Duration;

use frontend::Limits;

use crate::check::Violation;
use crate::limits::MS;

/// How long a message may stand still while others wait for memory, at least; and what of it
/// must come in that time (docs/limits.md, `unfinished_bytes_max`).
pub(crate) const STANDSTILL_NS: u64 = 25 * MS;
const PROGRESS_BYTES: usize = 4 * 1024;
/// How late a timer may run in a busy world.
const LATE_NS: u64 = 500 * MS;

/// Who was silent for how long.
#[derive(Debug)]
pub(crate) struct Silence {
    pub(crate) connected_ns: u64,
    /// When its station had read a role without a topic, where it asks for one.
    pub(crate) asked_topic_ns: Option<u64>,
    pub(crate) now_ns: u64,
}

/// Checks how long a connection had time to say what it must.
pub(crate) fn check_silent(silence: &Silence, limits: &Limits, found: &mut Vec<Violation>) {
    let ns = |span: Duration| u64::try_from(span.as_nanos()).expect("seconds");
    let mut wrong = |what: &str, for_ns: u64| {
        let what = format!("{what} after {} ms", for_ns / MS);
        found.push(Violation::new("patience", what));
    };
    let prompted_ns = silence.connected_ns + ns(limits.prompt_delay);
    let for_ns = silence.now_ns.saturating_sub(silence.asked_topic_ns.unwrap_or(prompted_ns));
    if for_ns < ns(limits.hello_time) {
        wrong("closed as silent", for_ns);
    }
    let most_ns = ns(limits.hello_time) + ns(limits.settle_time) + LATE_NS;
    if silence.asked_topic_ns.is_some() && for_ns > most_ns {
        wrong("closed for want of a topic only", for_ns);
    }
}

/// Checks that who is refused for want of memory did not get on, and not because it was not read:
/// `bytes` were handed over within [`STANDSTILL_NS`], what waits arrived at `waits_since_ns`.
pub(crate) fn check_refused(
    now_ns: u64,
    bytes: usize,
    waits_since_ns: Option<u64>,
    found: &mut Vec<Violation>,
) {
    if bytes >= PROGRESS_BYTES {
        let what = format!("refused for want of memory, and {bytes} bytes came just now");
        found.push(Violation::new("patience", what));
    }
    if bytes == 0 && waits_since_ns.is_some_and(|at_ns| at_ns + STANDSTILL_NS <= now_ns) {
        let what = "refused for want of memory, and nobody has read what it said".to_owned();
        found.push(Violation::new("patience", what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_its_time() {
        let limits = Limits::default(); // a minute to say hello, a quarter of a second before the prompt
        let complaints = |asked_topic_ns, now_ms| {
            let mut found = Vec::new();
            let silence = Silence { connected_ns: 0, asked_topic_ns, now_ns: now_ms * MS };
            check_silent(&silence, &limits, &mut found);
            found.len()
        };
        assert_eq!([60_249, 60_250, 90_000].map(|now_ms| complaints(None, now_ms)), [1, 0, 0]);
        let asked = Some(1000 * MS);
        assert_eq!([60_999, 61_000, 61_520, 61_521].map(|now_ms| complaints(asked, now_ms)), [1, 0, 0, 1]);
    }

    #[test]
    fn a_refusal_has_its_time() {
        let complaints = |bytes, waits_since_ms: Option<u64>| {
            let mut found = Vec::new();
            check_refused(100 * MS, bytes, waits_since_ms.map(|at_ms| at_ms * MS), &mut found);
            found.len()
        };
        assert_eq!([complaints(0, None), complaints(4095, Some(0)), complaints(0, Some(76))], [0, 0, 0]);
        assert_eq!([complaints(4096, None), complaints(0, Some(75))], [1, 1]);
    }
}
