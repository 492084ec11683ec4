//! What is not let in, by reason: plain counters of one shard.
//!
//! Reasons are closed sets, so that each may be a label. Why connections end is counted by whoever
//! has connections; a hello that cannot be read is one of those, and is neither a message nor a
//! subscription.

use std::fmt::Debug;

use crate::input::Refusal;

/// Why a message is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageRefusal {
    /// Its topic is none: empty, too long or too deep, or with characters that a topic may not have.
    InvalidTopic,
    /// Only the broker publishes to its topic.
    ReservedTopic,
    /// It has more bytes than a message may have.
    TooLarge,
    /// It was to be retained, and there is no room for one more.
    RetainedFull,
    /// There was no memory for the rest of it while it came.
    OutOfMemory,
    /// What stands where a message should cannot be read as one.
    Malformed,
}

/// Why a subscription is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionRefusal {
    /// Its filter is none.
    InvalidFilter,
    /// The client has as many as it may have.
    TooMany,
    /// Filters, or sessions, have taken all the memory that they may.
    OutOfMemory,
    /// Filters mix names and `+` in too many ways already.
    FilterShapes,
    /// A shard has not answered in time.
    Unanswered,
    /// What it asks for besides its filter cannot be read.
    Malformed,
}

/// A closed set of reasons that are counted apart.
pub trait Reason: Copy + Debug + 'static {
    /// A counter for each.
    type Counts: Copy + Debug + Default + PartialEq + Eq + AsRef<[u64]> + AsMut<[u64]>;
    /// All of them, in the order of their numbers.
    const ALL: &'static [Self];

    /// Its number, from 0.
    fn number(self) -> usize;

    /// What operators know it by: a label's value and a name in JSON.
    fn name(self) -> &'static str;
}

/// How many were refused, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<R: Reason>(R::Counts);

impl<R: Reason> Default for Refused<R> {
    fn default() -> Self {
        Self(R::Counts::default())
    }
}

impl<R: Reason> Refused<R> {
    /// One more.
    pub fn count(&mut self, why: R) {
        self.0.as_mut()[why.number()] += 1;
    }

    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.as_mut().iter_mut().zip(other.0.as_ref()) {
            *count += more;
        }
    }

    /// How many for one reason.
    #[must_use]
    pub fn of(&self, why: R) -> u64 {
        self.0.as_ref()[why.number()]
    }

    /// How many in all.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.as_ref().iter().sum()
    }

    /// Each reason by its name, also those that nobody was refused for.
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        R::ALL.iter().map(|why| (why.name(), self.of(*why)))
    }
}

impl Reason for MessageRefusal {
    type Counts = [u64; Self::ALL.len()];
    const ALL: &'static [Self] = &[
        Self::InvalidTopic,
        Self::ReservedTopic,
        Self::TooLarge,
        Self::RetainedFull,
        Self::OutOfMemory,
        Self::Malformed,
    ];

    fn number(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        match self {
            Self::InvalidTopic => "invalid_topic",
            Self::ReservedTopic => "reserved_topic",
            Self::TooLarge => "too_large",
            Self::RetainedFull => "retained_full",
            Self::OutOfMemory => "out_of_memory",
            Self::Malformed => "malformed",
        }
    }
}

impl Reason for SubscriptionRefusal {
    type Counts = [u64; Self::ALL.len()];
    const ALL: &'static [Self] = &[
        Self::InvalidFilter,
        Self::TooMany,
        Self::OutOfMemory,
        Self::FilterShapes,
        Self::Unanswered,
        Self::Malformed,
    ];

    fn number(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalid_filter",
            Self::TooMany => "too_many",
            Self::OutOfMemory => "out_of_memory",
            Self::FilterShapes => "filter_shapes",
            Self::Unanswered => "unanswered",
            Self::Malformed => "malformed",
        }
    }
}

impl From<Refusal> for SubscriptionRefusal {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::FilterMemory => Self::OutOfMemory,
            Refusal::FilterShapes => Self::FilterShapes,
            Refusal::Unanswered => Self::Unanswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<R: Reason>() {
        let mut refused = Refused::<R>::default();
        for (at, why) in R::ALL.iter().enumerate() {
            (0..=at).for_each(|_| refused.count(*why));
        }
        let mut sum = refused;
        sum.add(&refused);
        let counts: Vec<u64> = sum.by_reason().map(|(_, count)| count).collect();
        let expected: Vec<u64> = (1..=R::ALL.len() as u64).map(|count| 2 * count).collect();
        assert_eq!(counts, expected, "each reason has a counter of its own");
        assert_eq!(sum.sum(), expected.iter().sum::<u64>());
        let mut names: Vec<&str> = R::ALL.iter().map(|why| why.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), R::ALL.len(), "no two have one name");
    }

    #[test]
    fn each_reason_is_counted_for_itself() {
        check::<MessageRefusal>();
        check::<SubscriptionRefusal>();
    }
}
