//! Numbers that stand for topics on one connection (MQTT5 3.3.2.3.4).

use broker::{Charge, Gauge, Use};
use topic::TopicName;

use crate::mqtt::refusing::Refused;

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

impl Given {
    pub(super) fn new(max: u16, gauge: &Gauge) -> Self {
        Self { max, places: Vec::new(), text_bytes: 0, charge: gauge.charge(Use::Sessions, 0) }
    }

    /// Whether a number is one that the client may give.
    pub(super) fn allows(&self, number: u16) -> bool {
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

fn place(number: u16) -> Option<usize> {
    usize::from(number).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> TopicName {
        TopicName::parse(text).unwrap()
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
