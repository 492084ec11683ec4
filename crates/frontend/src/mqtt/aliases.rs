//! Numbers that stand for topics on one connection, in either direction (MQTT5 3.3.2.3.4).
//!
//! What the client gives a number is taken as it comes. What it is sent gets numbers as topics
//! come, as many as it allows and no more than a bound of ours. When none is left, a number is
//! taken from the topic that was not sent for longest, but only if that was a while ago: a client
//! with few topics gets a number for each, and one with very many pays for a new number now and
//! then, instead of with every message.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use broker::{Charge, Gauge, Use};
use topic::TopicName;

use crate::mqtt::refusing::Refused;

/// Bytes of the property; a topic of so many is not worth a number.
const ALIAS_BYTES: usize = 3;
/// A number may be taken from a topic that was not among the last messages, so many times as
/// there are numbers. Each number changes hands once in that time at most, and a new one costs its
/// property: three bytes in eight messages, at the worst.
const RESTING: u64 = 8;
/// A topic with its number, in both tables, besides its text.
const ENTRY_BYTES: usize = 128;

/// What the client called a topic: the topic, or why nothing is published to it.
pub(super) type Named = Result<TopicName, Refused>;

/// Numbers that the client gave.
#[derive(Debug)]
pub(super) struct Given {
    max: u16,
    places: Vec<Option<Named>>,
    text_bytes: usize,
    charge: Charge,
}

/// Numbers that the client is sent.
#[derive(Debug)]
pub(super) struct Sent {
    max: u16,
    numbers: BTreeMap<TopicName, NonZeroU16>,
    /// By number: its topic, and when that was sent last.
    topics: Vec<(TopicName, u64)>,
    /// Runs that were sent: what "last" is counted in.
    runs: u64,
    text_bytes: usize,
    charge: Charge,
}

/// How the topic stands in what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// As it is.
    Plain,
    /// As it is, and from then on this number stands for it.
    Introduced(NonZeroU16),
    /// As its number.
    Numbered(NonZeroU16),
}

impl Given {
    pub(super) fn new(max: u16, gauge: &Gauge) -> Self {
        Self { max, places: Vec::new(), text_bytes: 0, charge: gauge.charge(Use::Sessions, 0) }
    }

    /// Whether a number is one that the client may give.
    fn allows(&self, number: u16) -> bool {
        number > 0 && number <= self.max
    }

    pub(super) fn get(&self, number: u16) -> Option<&Named> {
        self.places.get(place(number)?)?.as_ref()
    }

    /// The number stands for this from now on.
    ///
    /// # Panics
    /// If it is not allowed: the caller asks before.
    pub(super) fn set(&mut self, number: u16, named: Named) {
        assert!(self.allows(number), "a number within the bound");
        let Some(place) = place(number) else { return };
        if self.places.len() <= place {
            self.places.resize(place + 1, None);
        }
        let bytes = |named: &Named| named.as_ref().map_or(0, |topic| topic.as_str().len());
        self.text_bytes += bytes(&named);
        let before = self.places.get_mut(place).and_then(|place| place.replace(named));
        self.text_bytes -= before.as_ref().map_or(0, bytes);
        self.charge.set(self.places.capacity() * size_of::<Option<Named>>() + self.text_bytes);
    }
}

impl Sent {
    pub(super) fn new(max: u16, gauge: &Gauge) -> Self {
        Self {
            max,
            numbers: BTreeMap::new(),
            topics: Vec::new(),
            runs: 0,
            text_bytes: 0,
            charge: gauge.charge(Use::Sessions, 0),
        }
    }

    /// How a topic is to be sent. Costs a look into a table of [`Sent::max`] topics, nothing if the
    /// client allows no numbers.
    pub(super) fn naming(&mut self, topic: &TopicName) -> Naming {
        if self.max == 0 || topic.as_str().len() <= ALIAS_BYTES {
            return Naming::Plain;
        }
        self.runs += 1;
        if let Some(number) = self.numbers.get(topic) {
            let known = place(number.get()).and_then(|place| self.topics.get_mut(place));
            known.expect("a number has its topic").1 = self.runs;
            return Naming::Numbered(*number);
        }
        let free = match self.topics.len() < usize::from(self.max) {
            true => Some(self.topics.len()),
            false => self.resting(),
        };
        let number = free.and_then(|place| NonZeroU16::new(u16::try_from(place + 1).ok()?));
        number.map_or(Naming::Plain, Naming::Introduced)
    }

    /// A packet has gone that gives a topic this number, which [`Sent::naming`] has proposed.
    pub(super) fn introduce(&mut self, topic: &TopicName, number: NonZeroU16) {
        let entry = (topic.clone(), self.runs);
        let taken = place(number.get()).and_then(|place| self.topics.get_mut(place));
        match taken {
            Some(taken) => {
                let (before, _) = std::mem::replace(taken, entry);
                self.text_bytes -= before.as_str().len();
                self.numbers.remove(&before);
            }
            None => self.topics.push(entry),
        }
        assert!(self.topics.len() <= usize::from(self.max), "no more numbers than the client allows");
        self.text_bytes += topic.as_str().len();
        self.numbers.insert(topic.clone(), number);
        self.charge.set(self.topics.len() * ENTRY_BYTES + self.text_bytes);
    }

    /// The place of the topic that was not sent for longest, if that was long enough.
    fn resting(&self) -> Option<usize> {
        let rest = RESTING * u64::from(self.max);
        let (place, (_, last)) = self.topics.iter().enumerate().min_by_key(|(_, (_, last))| *last)?;
        (self.runs - last > rest).then_some(place)
    }
}

fn place(number: u16) -> Option<usize> {
    usize::from(number).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(text: &str) -> TopicName {
        TopicName::parse(text).unwrap()
    }

    /// Sends topics, and returns for each `+n` if it was given number n, `n` if it went as that, and
    /// `-` if as itself.
    fn sent(sent: &mut Sent, topics: impl IntoIterator<Item = String>) -> Vec<String> {
        let one = |text: String| match sent.naming(&topic(&text)) {
            Naming::Plain => "-".to_owned(),
            Naming::Numbered(number) => number.to_string(),
            Naming::Introduced(number) => {
                sent.introduce(&topic(&text), number);
                format!("+{number}")
            }
        };
        topics.into_iter().map(one).collect()
    }

    fn words(text: &str) -> impl Iterator<Item = String> {
        text.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn topics_get_numbers_as_they_come() {
        let gauge = Gauge::new();
        let mut two = Sent::new(2, &gauge);
        let topics = words("abc first first abcd first third abcd abc third");
        assert_eq!(sent(&mut two, topics).join(" "), "- +1 1 +2 1 - 2 - -");
        assert_eq!(gauge.used_for(Use::Sessions), 2 * ENTRY_BYTES + "first".len() + "abcd".len());
        let mut none = Sent::new(0, &gauge);
        assert_eq!(sent(&mut none, words("first first")).join(" "), "- -");
        drop((two, none));
        assert_eq!(gauge.used(), 0);
    }

    #[test]
    fn a_number_is_taken_from_who_does_not_need_it_any_more() {
        let gauge = Gauge::new();
        let mut two = Sent::new(2, &gauge);
        assert_eq!(sent(&mut two, words("gone busy")).join(" "), "+1 +2");
        // Twice eight others have to come first.
        let heard = sent(&mut two, (0..10).flat_map(|_| words("busy next"))).join(" ");
        assert_eq!(heard, "2 - ".repeat(7) + "2 +1 2 1 2 1");
        assert_eq!(sent(&mut two, words("gone next busy")).join(" "), "- 1 2");
        assert_eq!(gauge.used_for(Use::Sessions), 2 * ENTRY_BYTES + "busy".len() + "next".len());
    }

    /// A client of very many topics is not sent a new number with every message.
    #[test]
    fn numbers_change_hands_seldom() {
        let gauge = Gauge::new();
        let mut many = Sent::new(4, &gauge);
        let heard = sent(&mut many, (0..10_000).map(|number| format!("topic/{number}")));
        let given = heard.iter().filter(|word| word.starts_with('+')).count();
        assert!((1000..=10_000 / RESTING as usize + 4).contains(&given), "{given}");
    }

    proptest! {
        /// Whoever follows the numbers finds the topic that was meant.
        #[test]
        fn a_receiver_understands(max in 0..5_u16, topics in proptest::collection::vec(0..9_u8, 0..300)) {
            let gauge = Gauge::new();
            let mut sent = Sent::new(max, &gauge);
            let mut known: BTreeMap<NonZeroU16, TopicName> = BTreeMap::new();
            for number in topics {
                let topic = topic(&format!("topic/{number}"));
                match sent.naming(&topic) {
                    Naming::Plain => {}
                    // A packet that did not fit: nothing has changed.
                    Naming::Introduced(_) if number == 7 => {}
                    Naming::Introduced(number) => {
                        prop_assert!(number.get() <= max);
                        sent.introduce(&topic, number);
                        known.insert(number, topic);
                    }
                    Naming::Numbered(number) => prop_assert_eq!(known.get(&number), Some(&topic)),
                }
            }
            let text: usize = known.values().map(|topic| topic.as_str().len()).sum();
            prop_assert_eq!(gauge.used(), known.len() * ENTRY_BYTES + text);
        }
    }

    #[test]
    fn what_a_client_gives_is_charged() {
        let gauge = Gauge::new();
        let mut given = Given::new(3, &gauge);
        assert!(!given.allows(0) && given.allows(3) && !given.allows(4));
        assert_eq!((given.get(1), gauge.used()), (None, 0));
        given.set(3, Ok(topic("a/long/topic")));
        given.set(1, Err(Refused::Reserved));
        assert_eq!(given.get(3), Some(&Ok(topic("a/long/topic"))));
        assert_eq!((given.get(1), given.get(2)), (Some(&Err(Refused::Reserved)), None));
        let places = given.places.capacity() * size_of::<Option<Named>>();
        assert_eq!(gauge.used(), places + "a/long/topic".len());
        given.set(3, Ok(topic("b")));
        assert_eq!(gauge.used(), places + 1);
        drop(given);
        assert_eq!(gauge.used(), 0);
    }
}
