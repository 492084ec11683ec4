//! Strangers are told what is wrong and closed; when everyone has gone nothing is left.

use broker::{MessageRefusal, Reason as _};

use crate::check::Violation;
use crate::record::{Fate, Record, Remains, Request, Speaks, Stay};

/// Checks the ends of connections and of the world.
pub(super) fn check(record: &Record, found: &mut Vec<Violation>) {
    for (id, stranger) in &record.strangers {
        let Some(expected) = &stranger.expected else { continue };
        let drained = record.facts.drained && stranger.received.ends_with(b"terminate\n");
        if !drained && !stranger.received.ends_with(expected.as_bytes()) {
            let got = stranger.received.escape_ascii();
            found.push(Violation::new("strangers", format!("client {id} got {got}, expected …{expected:?}")));
        }
        if !stranger.heard_end {
            found.push(Violation::new("strangers", format!("client {id} was not closed")));
        }
    }
    let remains = &record.remains;
    for (station, left) in remains.stations.iter().enumerate() {
        if *left != [0; 4] {
            let what = format!("station {station} holds [sessions, filters, nodes, brakes] = {left:?}");
            found.push(Violation::new("leftovers", what));
        }
    }
    let kept = remains.history_bytes + remains.retained_bytes;
    if remains.gauge_bytes != kept {
        let what = format!("{} bytes are charged, {kept} are kept", remains.gauge_bytes);
        found.push(Violation::new("leftovers", what));
    }
    if remains.gauge_bytes_after != 0 {
        let what = format!("{} bytes are charged by nobody", remains.gauge_bytes_after);
        found.push(Violation::new("leftovers", what));
    }
}

/// What an operator sees agrees with what happened.
pub(super) fn check_figures(record: &Record, found: &mut Vec<Violation>) {
    let remains = &record.remains;
    let messages = record.publishers.values().flat_map(|publisher| &publisher.messages);
    let accepted: u64 = messages.map(|message| u64::from(message.accepted.is_some()) + message.again).sum();
    // Nobody hears what strangers publish, and a will may have been published or not.
    let broken = record.facts.messages_of_strangers_max;
    let wills: u64 = record.wills.values().map(|will| will.left).sum::<u64>() + broken;
    let mut compare = |what: &str, said: u64, is: u64| {
        let more = if what.contains("messages") { wills } else { 0 };
        if !(is..=is + more).contains(&said) {
            found.push(Violation::new("figures", format!("{what}: {said} by the broker, {is} in fact")));
        }
    };
    compare("accepted messages", remains.counted, accepted);
    compare("messages shown or counted", remains.shown, accepted);
    compare("endings", remains.closings, remains.connections);
    compare("subscriptions", remains.subscriptions, 0);
    compare("connections listed", remains.rows as u64, 0);
    check_refusals(record, found);
}

/// Every message that was refused was refused for what its publisher was told.
fn check_refusals(record: &Record, found: &mut Vec<Violation>) {
    let Record { remains, facts, publishers, .. } = record;
    let talks = || publishers.values().filter(|one| one.speaks == Speaks::Web).map(|one| &one.talk);
    let is_refused = |request: &&Request| matches!(request.fate, Fate::Refused(_));
    // The last frame of a connection may be no JSON, which is no request.
    let of_web_max: usize = talks().map(|talk| talk.requests.iter().filter(is_refused).count() + 1).sum();
    let of_web: usize = talks().map(|talk| talk.answers.iter().filter(|one| one.is_refusal()).count()).sum();
    let (of_web, of_web_max) = (of_web as u64, of_web_max as u64);
    if remains.refused.sum() < of_web {
        let what = format!("{} messages refused by the broker, {of_web} in fact", remains.refused.sum());
        found.push(Violation::new("figures", what));
    }
    for why in MessageRefusal::ALL {
        let said = remains.refused.of(*why);
        let (least, most) = match why {
            MessageRefusal::TooLarge => {
                (remains.too_long, remains.too_long + remains.too_long_of_strangers + of_web_max)
            }
            MessageRefusal::OutOfMemory => (remains.out_of_memory, remains.out_of_memory),
            // Nobody else says anything that could be refused so.
            _ => (0, facts.messages_of_strangers_max + of_web_max),
        };
        if !(least..=most).contains(&said) {
            let what = format!("refused as {}: {said} by the broker, {least} in fact", why.name());
            found.push(Violation::new("figures", what));
        }
    }
}

/// What the broker says it delivered and dropped is what subscribers heard and were told of.
pub(super) fn check_deliveries(record: &Record, heard: u64, announced: u64, found: &mut Vec<Violation>) {
    let Remains { delivered, dropped, .. } = record.remains;
    // What was for those who left may never have got there; strangers may have heard something.
    let all_stayed = record.subscribers.values().all(|subscriber| subscriber.stay != Stay::Left);
    let is_exact = all_stayed && record.strangers.is_empty() && record.mqtt.is_empty();
    let is_exact = is_exact && record.web.values().all(|reader| reader.stays);
    let fits = |said: u64, is: u64| said == is || (said > is && !is_exact);
    if !fits(delivered, heard) || !fits(dropped, announced) {
        let what =
            format!("{delivered} delivered, {dropped} dropped by the broker; {heard}, {announced} in fact");
        found.push(Violation::new("figures", what));
    }
}
