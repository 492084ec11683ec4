//! What is not let in, on its way to whoever counts it and to whoever tells its client.

use broker::{MessageRefusal, SubscriptionRefusal};

use crate::env::Env;

/// A message or a subscription that the core is not asked for: what operators see of it, and what its
/// client is told.
#[derive(Debug)]
pub(crate) struct Declined<R, T> {
    why: R,
    told: T,
}

impl<R, T> Declined<R, T> {
    pub(crate) fn new(why: R, told: impl Into<T>) -> Self {
        Self { why, told: told.into() }
    }

    /// The same with other words for the client.
    pub(crate) fn map<U>(self, words: impl FnOnce(T) -> U) -> Declined<R, U> {
        Declined { why: self.why, told: words(self.told) }
    }
}

impl<T> Declined<MessageRefusal, T> {
    /// It is counted; what is left is what its publisher is told.
    pub(crate) fn counted(self, env: &mut Env) -> T {
        env.shard.refuse(self.why);
        self.told
    }
}

impl<T> Declined<SubscriptionRefusal, T> {
    /// It is counted; what is left is what its client is told.
    pub(crate) fn counted(self, env: &mut Env) -> T {
        env.shard.refuse_subscription(self.why);
        self.told
    }
}
