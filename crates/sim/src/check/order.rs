//! Each publisher's messages in its order, none twice, history before live.

use std::collections::BTreeMap;

use crate::check::Violation;
use crate::check::stream::Heard;
use crate::record::Record;

/// Checks what subscriber `id` heard.
pub(super) fn check(record: &Record, id: usize, heard: &[Heard], found: &mut Vec<Violation>) {
    let mut latest: BTreeMap<usize, usize> = BTreeMap::new();
    let mut live = false;
    let (began, stood) = match record.subscribers.get(&id) {
        Some(subscriber) => (subscriber.began, subscriber.stood),
        None => (None, None),
    };
    for one in heard {
        let Heard::Message { publisher, number, index } = *one else { continue };
        if let Some(before) = latest.insert(publisher, number)
            && number <= before
            && !record.is_repeated(publisher, number)
        {
            let checker = if number == before { "duplicate" } else { "order" };
            let what = format!("subscriber {id} heard #{publisher}.{number}# after #{publisher}.{before}#");
            found.push(Violation::new(checker, what));
        }
        live |= stood.is_some_and(|mark| one.is_live(mark));
        let is_old = began.is_some_and(|mark| index < mark.index);
        if live && is_old && !record.is_repeated(publisher, number) {
            let what = format!("subscriber {id} heard #{publisher}.{number}#, which is history, after live");
            found.push(Violation::new("order", what));
        }
    }
}
