//! The subscriptions of one session, and what they together make of a message.

use std::collections::BTreeMap;

use broker::{Qos, SubscriptionId};
use topic::{Filter, TopicName};

/// How one filter is heard (MQTT5-3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: Qos,
    pub(crate) own: OwnMessages,
    pub(crate) retain: RetainFlag,
    /// What the client calls this subscription.
    pub(crate) identifier: Option<u32>,
}

/// Whether a client hears what it publishes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnMessages {
    Heard,
    /// No Local.
    NotHeard,
}

/// What a live message's retain flag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetainFlag {
    AsPublished,
    Cleared,
}

/// Who published a message, as far as one receiver cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Itself,
    Another,
}

/// One filter.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) filter: Filter,
    pub(crate) id: SubscriptionId,
    pub(crate) options: Options,
}

/// All of a session.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    all: BTreeMap<Box<str>, Subscribed>,
    bytes: usize,
    /// What they make of the topic that was asked for last.
    last: Option<(TopicName, From, Matched)>,
}

/// How a message is delivered: once, for all filters that match (MQTT5-3.3.4-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    /// The best that any of them asks for; none matches if there is none.
    pub(crate) qos: Option<Qos>,
    pub(crate) retain: RetainFlag,
    pub(crate) identifiers: Vec<u32>,
}

/// What a filter costs besides its text, twice, and its place in the core.
const FILTER_BYTES: usize = 160;

impl Filters {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Bytes that they occupy.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&self, filter: &Filter) -> Option<&Subscribed> {
        self.all.get(filter.as_str())
    }

    /// Adds a filter, or lets another subscription of the core stand for it, which is returned.
    pub(crate) fn put(
        &mut self,
        filter: Filter,
        id: SubscriptionId,
        options: Options,
    ) -> Option<SubscriptionId> {
        self.last = None;
        let cost = FILTER_BYTES + 2 * filter.as_str().len();
        let before = self.all.insert(filter.as_str().into(), Subscribed { filter, id, options });
        self.bytes += if before.is_some() { 0 } else { cost };
        before.map(|subscribed| subscribed.id)
    }

    /// Changes how a filter is heard.
    pub(crate) fn set(&mut self, filter: &Filter, options: Options) {
        self.last = None;
        if let Some(subscribed) = self.all.get_mut(filter.as_str()) {
            subscribed.options = options;
        }
    }

    pub(crate) fn remove(&mut self, filter: &Filter) -> Option<SubscriptionId> {
        self.last = None;
        let removed = self.all.remove(filter.as_str())?;
        self.bytes -= FILTER_BYTES + 2 * filter.as_str().len();
        Some(removed.id)
    }

    /// The filter that this subscription of the core stands for, taken out.
    pub(crate) fn remove_id(&mut self, id: SubscriptionId) -> Option<Filter> {
        let filter = self.all.values().find(|subscribed| subscribed.id == id)?.filter.clone();
        self.remove(&filter).map(|_| filter)
    }

    /// What they make of a message. Costs a comparison per filter, unless it is the topic of
    /// the message before.
    pub(crate) fn matched(&mut self, topic: &TopicName, from: From) -> &Matched {
        let is_last = self.last.as_ref().is_some_and(|(name, last, _)| name == topic && *last == from);
        if !is_last {
            let matched = self.match_all(topic, from);
            self.last = Some((topic.clone(), from, matched));
        }
        &self.last.as_ref().expect("it was just put there").2
    }

    fn match_all(&self, topic: &TopicName, from: From) -> Matched {
        let mut matched = Matched { qos: None, retain: RetainFlag::Cleared, identifiers: Vec::new() };
        for Subscribed { filter, options, .. } in self.all.values() {
            let is_own = from == From::Itself && options.own == OwnMessages::NotHeard;
            if is_own || !filter.matches(topic) {
                continue;
            }
            matched.qos = matched.qos.max(Some(options.qos));
            matched.identifiers.extend(options.identifier);
            if options.retain == RetainFlag::AsPublished {
                matched.retain = RetainFlag::AsPublished;
            }
        }
        matched
    }
}
