//! What the members of a shared subscription are promised together: each message comes to one of
//! them, and to another one only if the first has lost its connection.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Violation, mqtt};
use crate::reached::Reached;
use crate::record::{GroupRecord, MqttRecord, Record, Stay};

/// Checks what the group heard, if there is one.
pub(super) fn check(record: &Record, found: &mut Vec<Violation>, reached: &mut BTreeSet<Reached>) {
    let Some(group) = &record.group else { return };
    let members: Vec<&MqttRecord> = group.members.iter().map(|id| &record.mqtt[id]).collect();
    let mut wrong = |checker, what: String| found.push(Violation::new(checker, format!("group: {what}")));
    let heard = check_each(record, group, &members, &mut wrong);
    // The first one stays: from when it stands there is always somebody.
    let Some(stood) = members[0].stood else {
        if record.facts.rested {
            wrong("liveness", "the first member's subscription never stood".to_owned());
        }
        return;
    };
    if !record.facts.rested {
        return; // what waits for a group ends with the server
    }
    let lost: u64 = members.iter().map(|member| member.lost).sum();
    let is_calm = members.iter().all(|member| is_calm(member));
    let (mut missing, mut first, mut judged, mut most) = (0, None, 0, 0);
    for (by, sender) in &record.publishers {
        if !topic::naive::matches(&group.filter, &sender.topic) {
            continue;
        }
        for (number, message) in sender.messages.iter().enumerate() {
            let is_unheard = message.accepted.is_some() && !heard.contains_key(&(*by, number));
            most += message.again + u64::from(is_unheard);
            let is_due = message.accepted.is_some_and(|accepted| {
                accepted.index >= stood.index && accepted.index < record.facts.due_before
            });
            if !is_due {
                continue;
            }
            judged += 1;
            if is_unheard {
                // What is not acknowledged is lost with a connection; QoS 2 is for no other client.
                missing += u64::from(is_calm || message.qos.min(group.qos) == 1);
                first.get_or_insert((*by, number));
            }
        }
    }
    if missing > lost + group.waiting && !group.unsure {
        let counted = format!("{lost} are counted and {} wait", group.waiting);
        wrong("loss", format!("{missing} messages are missing, first {first:?}, {counted}"));
    }
    // What was heard and not acknowledged may be lost where it was given back to.
    if is_calm && lost > most {
        wrong("loss", format!("{lost} messages are counted as lost, and {most} may be missing"));
    }
    reached.extend((judged > 0 && members.len() > 1).then_some(Reached::Shared));
    let moved = heard.values().any(|by| by.len() > 1);
    reached.extend(moved.then_some(Reached::SharedAgain));
}

/// Whether it kept its only connection.
fn is_calm(member: &MqttRecord) -> bool {
    member.breaks == 0 && member.stay != Stay::Left
}

/// Each delivery by itself, and how often each message came. Returns who heard each message.
fn check_each(
    record: &Record,
    group: &GroupRecord,
    members: &[&MqttRecord],
    wrong: &mut impl FnMut(&'static str, String),
) -> BTreeMap<(usize, usize), BTreeSet<usize>> {
    let asked = members.iter().filter_map(|member| member.asked).map(|asked| asked.index).min();
    // A server that drains ends one connection after the other.
    let is_lost = |member: &MqttRecord| record.facts.drained || member.stay == Stay::Left;
    let lost_connections: u64 = members.iter().map(|member| member.breaks + u64::from(is_lost(member))).sum();
    let mut times: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut by: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
    for (id, member) in group.members.iter().zip(members) {
        for heard in &member.heard {
            let name = format!("#{}.{}#", heard.publisher, heard.number);
            let Some((sender, message)) = mqtt::message(record, heard.publisher, heard.number) else {
                wrong("lines", format!("nobody sent {name}"));
                continue;
            };
            let Some(accepted) = message.accepted else {
                wrong("lines", format!("{name} was never sent as a whole"));
                continue;
            };
            if !topic::naive::matches(&group.filter, &sender.topic) {
                wrong("lines", format!("heard {name}, not asked for"));
            }
            if heard.qos != message.qos.min(group.qos) {
                wrong("lines", format!("{name} at QoS {}", heard.qos));
            }
            if message.again == 0 && asked.is_none_or(|asked| accepted.index < asked) {
                wrong("early", format!("heard {name}, accepted before anyone asked"));
            }
            let again = if heard.qos == 1 { lost_connections } else { 0 };
            by.entry((heard.publisher, heard.number)).or_default().insert(*id);
            let count = times.entry((heard.publisher, heard.number)).or_default();
            *count += 1;
            if *count > 1 + message.again + again {
                wrong("duplicate", format!("heard {name} {count} times"));
            }
        }
    }
    by
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Mark, MqttHeard, PublisherRecord};

    /// Messages of these qualities of service were sent to a group of QoS 2; its members heard these
    /// numbers, lost so many messages and connections. Returns which checkers complain.
    fn complaints(sent: &[u8], members: &[(&[usize], u64, u64)]) -> String {
        let mut record = Record::default();
        record.facts.rested = true;
        record.publishers.insert(0, PublisherRecord::for_tests(sent));
        let mark = Some(Mark { index: 0, wall_ms: 0 });
        for (id, (heard, lost, breaks)) in (1..).zip(members) {
            let one =
                |number: &usize| MqttHeard { publisher: 0, number: *number, qos: sent[*number], dup: false };
            let client = MqttRecord {
                subscribes: None,
                asked: mark,
                stood: mark,
                stay: Stay::UntilQuiet,
                keeps_up: false,
                breaks: *breaks,
                lost: *lost,
                heard: heard.iter().map(one).collect(),
                wrong: Vec::new(),
            };
            record.mqtt.insert(id, client);
        }
        let members = (1..=members.len()).collect();
        record.group =
            Some(GroupRecord { filter: "#".to_owned(), qos: 2, members, ..GroupRecord::default() });
        let mut found = Vec::new();
        check(&record, &mut found, &mut BTreeSet::new());
        found.iter().map(|found| found.checker).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_message_comes_to_one_member() {
        assert_eq!(complaints(&[1, 2, 0], &[(&[0, 2], 0, 0), (&[1], 0, 0)]), "");
        assert_eq!(complaints(&[1, 2, 0], &[(&[0, 2], 0, 0), (&[0, 1], 0, 0)]), "duplicate");
        assert_eq!(complaints(&[1, 2, 0], &[(&[0, 2], 0, 0), (&[0, 1], 0, 1)]), "");
        assert_eq!(complaints(&[1, 2, 0], &[(&[0, 1, 2], 0, 0), (&[1], 0, 1)]), "duplicate");
        assert_eq!(complaints(&[1, 2, 0], &[(&[0], 0, 0), (&[1], 0, 0)]), "loss");
        assert_eq!(complaints(&[1, 2, 0], &[(&[0], 0, 0), (&[1], 1, 0)]), "");
        assert_eq!(complaints(&[1, 2, 0], &[(&[0, 2], 0, 0), (&[1], 1, 0)]), "loss");
        assert_eq!(complaints(&[1, 2, 0], &[(&[], 0, 0), (&[1, 2], 0, 1)]), "loss");
        assert_eq!(complaints(&[1, 2, 0], &[(&[0], 0, 0), (&[], 0, 1)]), "");
    }
}
