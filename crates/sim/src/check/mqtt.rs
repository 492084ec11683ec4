//! What MQTT clients are promised: QoS 1 at least once, QoS 2 exactly once, in order, and whatever
//! is dropped is counted.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Violation;
use crate::reached::Reached;
use crate::record::{Mark, Message, MqttHeard, MqttRecord, PublisherRecord, Record, Stay};

/// Checks what client `id` heard.
pub(super) fn check(
    record: &Record,
    id: usize,
    client: &MqttRecord,
    found: &mut Vec<Violation>,
    reached: &mut BTreeSet<Reached>,
) {
    let mut wrong = |checker, what: String| {
        found.push(Violation::new(checker, format!("MQTT client {id}: {what}")));
    };
    for (checker, what) in &client.wrong {
        wrong(checker, what.clone());
    }
    let Some((filter, most)) = &client.subscribes else { return };
    if record.group.as_ref().is_some_and(|group| group.members.contains(&id)) {
        return; // judged with the others
    }
    check_each(record, client, filter, *most, &mut wrong);
    check_order(record, client, &mut wrong);
    let Some(stood) = client.stood else {
        if client.stay == Stay::UntilQuiet {
            wrong("liveness", "its subscription never stood".to_owned());
        }
        return;
    };
    let missing = Missing::of(record, client, stood, (filter, *most));
    let (least, all) = (missing.must, missing.must + missing.may);
    if client.lost < least || client.lost > all {
        let first = missing.first.map_or(String::new(), |(by, number)| format!(", first #{by}.{number}#"));
        let what = format!("{least} to {all} messages are missing{first}, {} are counted", client.lost);
        wrong("loss", what);
    }
    if client.keeps_up && record.facts.turns_fit {
        let live = missing.must > 0 && client.breaks == 0;
        if live {
            wrong("loss", format!("keeps up, and {} messages are missing", missing.must));
        }
    }
    if missing.judged > 0 {
        reached.insert(Reached::MqttHeard);
        reached.extend((client.breaks > 0).then_some(Reached::MqttResumed));
        let twice = client.heard.iter().any(|heard| heard.qos == 2);
        reached.extend(twice.then_some(Reached::MqttExactlyOnce));
    }
}

/// Each delivery by itself.
fn check_each(
    record: &Record,
    client: &MqttRecord,
    filter: &str,
    most: u8,
    wrong: &mut impl FnMut(&'static str, String),
) {
    let mut times: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for heard in &client.heard {
        let MqttHeard { publisher, number, qos, dup } = *heard;
        let Some((sender, message)) = message(record, publisher, number) else {
            wrong("lines", format!("nobody sent #{publisher}.{number}#"));
            continue;
        };
        let Some(accepted) = message.accepted else {
            wrong("lines", format!("#{publisher}.{number}# was never sent as a whole"));
            continue;
        };
        if !topic::naive::matches(filter, &sender.topic) {
            wrong("lines", format!("heard #{publisher}.{number}#, not asked for"));
        }
        if qos != message.qos.min(most) {
            wrong("lines", format!("#{publisher}.{number}# at QoS {qos}"));
        }
        if message.again == 0 && client.asked.is_none_or(|asked| accepted.index < asked.index) {
            wrong("early", format!("heard #{publisher}.{number}#, accepted before it asked"));
        }
        let count = times.entry((publisher, number)).or_default();
        *count += u64::from(!dup || qos == 2);
        if *count > 1 + message.again {
            wrong("duplicate", format!("heard #{publisher}.{number}# {count} times"));
        }
    }
}

/// Each publisher's messages come in its order, except those that are sent again.
fn check_order(record: &Record, client: &MqttRecord, wrong: &mut impl FnMut(&'static str, String)) {
    let mut latest: BTreeMap<usize, usize> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for heard in &client.heard {
        let MqttHeard { publisher, number, .. } = *heard;
        if record.is_repeated(publisher, number) || !known.insert((publisher, number)) {
            continue;
        }
        if let Some(before) = latest.insert(publisher, number)
            && number < before
        {
            wrong("order", format!("heard #{publisher}.{number}# after #{publisher}.{before}#"));
        }
    }
}

/// What was not heard.
#[derive(Default)]
struct Missing {
    /// What was to be heard.
    must: u64,
    /// What may have been dropped as well.
    may: u64,
    first: Option<(usize, usize)>,
    /// Messages that were to be heard and were.
    judged: u64,
}

impl Missing {
    fn of(record: &Record, client: &MqttRecord, stood: Mark, (filter, most): (&str, u8)) -> Self {
        let heard: BTreeSet<(usize, usize)> =
            client.heard.iter().map(|heard| (heard.publisher, heard.number)).collect();
        let mut missing = Self::default();
        for (by, sender) in &record.publishers {
            if !topic::naive::matches(filter, &sender.topic) {
                continue;
            }
            let last = heard.range((*by, 0)..=(*by, usize::MAX)).next_back().map(|(_, number)| *number);
            for (number, message) in sender.messages.iter().enumerate() {
                let Some(accepted) = message.accepted else { continue };
                missing.may += message.again;
                let is_live = accepted.index >= stood.index;
                if heard.contains(&(*by, number)) {
                    missing.judged += u64::from(is_live && message.qos.min(most) > 0);
                    continue;
                }
                let is_tail = last.is_none_or(|last| number > last);
                let is_owed =
                    !is_tail || client.stay != Stay::Left && accepted.index < record.facts.due_before;
                // What is not acknowledged is lost with a connection.
                let is_sure = message.qos.min(most) > 0 || client.breaks == 0;
                if is_live && is_owed && is_sure {
                    missing.must += 1;
                    missing.first.get_or_insert((*by, number));
                } else {
                    missing.may += 1;
                }
            }
        }
        missing
    }
}

pub(super) fn message(
    record: &Record,
    publisher: usize,
    number: usize,
) -> Option<(&PublisherRecord, &Message)> {
    let sender = record.publishers.get(&publisher)?;
    Some((sender, sender.messages.get(number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publisher 0 has sent messages of these qualities of service once a subscription of QoS 2
    /// stood; its client heard these, `!` being told that they may come again, and lost so many.
    /// Returns which checkers complain.
    fn complaints(sent: &[u8], heard: &str, lost: u64) -> String {
        let mut record = Record::default();
        record.publishers.insert(0, PublisherRecord::for_tests(sent));
        let one = |word: &str| {
            let number: usize = word.trim_end_matches('!').parse().unwrap();
            MqttHeard { publisher: 0, number, qos: sent[number], dup: word.ends_with('!') }
        };
        let mark = Some(Mark { index: 0, wall_ms: 0 });
        let client = MqttRecord {
            subscribes: Some(("#".to_owned(), 2)),
            asked: mark,
            stood: mark,
            stay: Stay::UntilQuiet,
            keeps_up: false,
            breaks: 0,
            lost,
            heard: heard.split_whitespace().map(one).collect(),
            wrong: Vec::new(),
        };
        let mut found = Vec::new();
        check(&record, 1, &client, &mut found, &mut BTreeSet::new());
        found.iter().map(|found| found.checker).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn at_least_once_exactly_once_in_order_and_counted() {
        assert_eq!(complaints(&[1, 2, 0], "0 1 2", 0), "");
        assert_eq!(complaints(&[1, 2, 0], "0 0! 1 2", 0), "");
        assert_eq!(complaints(&[1, 2, 0], "0 1 1! 2", 0), "duplicate");
        assert_eq!(complaints(&[1, 2, 0], "0 0 1 2", 0), "duplicate");
        assert_eq!(complaints(&[1, 2, 0], "1 0 2", 0), "order");
        assert_eq!(complaints(&[1, 2, 0], "0 2", 0), "loss");
        assert_eq!(complaints(&[1, 2, 0], "0 2", 1), "");
        assert_eq!(complaints(&[1, 2, 0], "0 1 2", 1), "loss");
        assert_eq!(complaints(&[1, 2, 0], "0 1", 0), "loss");
    }
}
