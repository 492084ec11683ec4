//! SUBSCRIBE and UNSUBSCRIBE.

use std::collections::VecDeque;
use std::num::NonZeroU16;

use broker::{
    Filters, GroupName, HistoryRequest, Input, Refusal, RetainedRequest, SubscriptionId, SubscriptionRefusal,
};
use topic::Filter;
use wire::mqtt::{
    Packet, Properties, Property, Reason, RetainHandling, SubAck, Subscribe, SubscribeOptions, UnsubAck,
    Unsubscribe, encode, share_name,
};
use wire::past::Replay;

use crate::env::Env;
use crate::link::Link;
use crate::mqtt::answers::Answer;
use crate::mqtt::farewell::Violation;
use crate::mqtt::filters::{Options, OwnMessages, RetainFlag};
use crate::mqtt::publishing::qos;
use crate::mqtt::{Client, Took};

/// A SUBACK or UNSUBACK besides its reason codes: first byte, length, packet id, no properties.
const ANSWER_BYTES: usize = 1 + 4 + 2 + 1;

/// Filters that one call takes: each costs a way through the trie of every shard.
const FILTERS_AT_ONCE: usize = 16;
/// What one of them costs, in the units of [`super::WORK_MAX`].
const FILTER_WORK: usize = 64;

/// What a client has asked for and was not told of. Nothing, most of the time.
#[derive(Debug, Default)]
pub(super) struct Asking {
    asked: VecDeque<Asked>,
    /// The SUBSCRIBE or UNSUBSCRIBE that is taken in parts.
    begun: Option<Begun>,
    replacing: Vec<Replaced>,
}

impl Asking {
    fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.begun.is_none() && self.replacing.is_empty()
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE of which a part was taken: what is to be said of its first filters.
#[derive(Debug, Default)]
struct Begun {
    reasons: Vec<u8>,
    words: Option<String>,
    waiting: Vec<(SubscriptionId, usize)>,
}

/// A SUBSCRIBE that waits for the core.
#[derive(Debug)]
struct Asked {
    packet_id: NonZeroU16,
    reasons: Vec<u8>,
    /// Why the first one was refused that was, beyond its reason.
    words: Option<String>,
    /// Which of them are not settled.
    waiting: Vec<(SubscriptionId, usize)>,
}

/// A subscription of the core that is given up once the one that follows it stands, so that no
/// message is missed between them (MQTT5-3.8.4-4).
#[derive(Debug)]
struct Replaced {
    by: SubscriptionId,
    id: SubscriptionId,
}

impl Client {
    pub(super) fn subscribe(
        &mut self,
        link: &Link,
        env: &mut Env,
        packet: &Subscribe<'_>,
    ) -> Result<Took, Violation> {
        self.check_answer(packet.filters.iter().count())?;
        let is_share = |filter| matches!(share_name(filter), Ok(Some(_)));
        if packet.filters.iter().any(|(filter, options)| options.no_local && is_share(filter)) {
            //= MQTT5-3.8.3-4
            return Err(Violation::new(Reason::PROTOCOL_ERROR, "No Local with a shared subscription"));
        }
        let history = env.history(history(packet.properties)?);
        let identifier = packet.properties.iter().find_map(|property| match property {
            Property::SubscriptionId(id) => Some(id),
            _ => None,
        });
        let Begun { reasons, words, waiting } = self.take_begun();
        let mut asked = Asked { packet_id: packet.packet_id, reasons, words, waiting };
        let begun = asked.reasons.len();
        for (text, options) in packet.filters.iter().skip(begun) {
            if asked.reasons.len() - begun >= FILTERS_AT_ONCE {
                env.mqtt.settle(self.key);
                let Asked { reasons, words, waiting, .. } = asked;
                self.asking().begun = Some(Begun { reasons, words, waiting });
                return Ok(Took::Part);
            }
            let reason = self.subscribe_to(link, env, text, options, (identifier, history), &mut asked);
            asked.reasons.push(reason.0);
        }
        let work = FILTER_WORK * (asked.reasons.len() - begun);
        env.mqtt.settle(self.key);
        self.asking().asked.push_back(asked);
        self.settle_asked();
        Ok(Took::Whole(work))
    }

    fn subscribe_to(
        &mut self,
        link: &Link,
        env: &mut Env,
        text: &str,
        options: SubscribeOptions,
        (identifier, history): (Option<u32>, HistoryRequest),
        asked: &mut Asked,
    ) -> Reason {
        // The whole text is the session's name for it, also where it names a group.
        let (filter, group) = match parsed(env, text) {
            Ok(both) => both,
            Err(words) => {
                env.shard.refuse_subscription(SubscriptionRefusal::InvalidFilter);
                return decline(Reason::TOPIC_FILTER_INVALID, &words, &mut asked.words);
            }
        };
        let limits = &link.rules.limits;
        let is_short = env.is_short_of_sessions(limits);
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        let known = session.filters.get(&filter).map(|subscribed| subscribed.id);
        let wanted = Options {
            qos: qos(options.qos),
            own: if options.no_local { OwnMessages::NotHeard } else { OwnMessages::Heard },
            retain: if options.retain_as_published { RetainFlag::AsPublished } else { RetainFlag::Cleared },
            identifier,
        };
        // A share is of what is published from now on (MQTT5-4.8.2).
        let history = if group.is_some() { HistoryRequest::None } else { history };
        let retained = match (options.retain_handling, known) {
            _ if group.is_some() => RetainedRequest::None,
            (RetainHandling::Never, _) | (RetainHandling::SendIfNew, Some(_)) => RetainedRequest::None,
            _ => RetainedRequest::All,
        };
        let granted = Reason(wanted.qos as u8);
        let asks_nothing = retained == RetainedRequest::None && history == HistoryRequest::None;
        // It may have been refused while its client was away.
        if let Some(id) = known.filter(|id| asks_nothing && env.shard.holds(*id)) {
            session.filters.set(&filter, wanted);
            if env.shard.is_waiting(id) {
                asked.waiting.push((id, asked.reasons.len()));
            }
            return granted;
        }
        let has_most = session.filters.len() >= limits.subscriptions_max;
        if known.is_none() && (has_most || is_short) {
            let (why, words) = match has_most {
                true => (SubscriptionRefusal::TooMany, "no more filters in a session"),
                false => (SubscriptionRefusal::OutOfMemory, "no memory for more filters"),
            };
            env.shard.refuse_subscription(why);
            return decline(Reason::QUOTA_EXCEEDED, words, &mut asked.words);
        }
        let subscribed = match group {
            Some(group) => Ok(env.shard.join(env.now, session.core, group)),
            None => {
                env.shard.subscribe(env.now, session.core, &Filters::One(filter.clone()), history, retained)
            }
        };
        match subscribed {
            Err(why) => decline(Reason::QUOTA_EXCEEDED, words(why), &mut asked.words),
            Ok(id) => {
                let before = session.filters.put(filter, id, wanted);
                let replaced = before.map(|before| Replaced { by: id, id: before });
                replaced.into_iter().for_each(|replaced| self.asking().replacing.push(replaced));
                asked.waiting.push((id, asked.reasons.len()));
                granted
            }
        }
    }

    /// A subscription stands.
    pub(super) fn subscribed(&mut self, env: &mut Env, id: SubscriptionId) {
        let Some(asking) = self.asking.as_deref_mut() else { return };
        for replaced in asking.replacing.extract_if(.., |replaced| replaced.by == id) {
            env.shard.handle(env.now, Input::Unsubscribe(replaced.id));
        }
        for asked in &mut asking.asked {
            asked.waiting.retain(|(waiting, _)| *waiting != id);
        }
        asking.begun.iter_mut().for_each(|begun| begun.waiting.retain(|(waiting, _)| *waiting != id));
        self.settle_asked();
    }

    /// The core has given a subscription up.
    pub(super) fn refused(&mut self, env: &mut Env, id: SubscriptionId, why: Refusal) {
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        // What it was to replace goes on.
        let asking = self.asking.get_or_insert_default();
        let replaced = asking.replacing.extract_if(.., |replaced| replaced.by == id).last();
        session.filters.give_up(id, replaced.map(|replaced| replaced.id));
        let asked =
            asking.asked.iter_mut().map(|asked| (&mut asked.waiting, &mut asked.reasons, &mut asked.words));
        let begun =
            asking.begun.iter_mut().map(|begun| (&mut begun.waiting, &mut begun.reasons, &mut begun.words));
        for (waiting, reasons, known) in asked.chain(begun) {
            waiting.retain(|(waiting, index)| {
                if *waiting == id
                    && let Some(reason) = reasons.get_mut(*index)
                {
                    *reason = decline(Reason::QUOTA_EXCEEDED, words(why), known).0;
                }
                *waiting != id
            });
        }
        env.mqtt.settle(self.key);
        self.settle_asked();
    }

    /// Whether the client takes an answer about so many filters.
    fn check_answer(&self, filters: usize) -> Result<(), Violation> {
        if ANSWER_BYTES + filters > self.packet_bytes_max {
            //= MQTT5-3.1.2-24
            let what = "maximum packet size is below that of its answer";
            return Err(Violation::new(Reason::PACKET_TOO_LARGE, what));
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, env: &mut Env, packet: &Unsubscribe<'_>) -> Result<Took, Violation> {
        self.check_answer(packet.filters.iter().count())?;
        let mut reasons = self.take_begun().reasons;
        let begun = reasons.len();
        for text in packet.filters.iter().skip(begun) {
            if reasons.len() - begun >= FILTERS_AT_ONCE {
                env.mqtt.settle(self.key);
                self.asking().begun = Some(Begun { reasons, ..Begun::default() });
                return Ok(Took::Part);
            }
            let session = env.mqtt.get_mut(self.key).expect("a client has its session");
            let removed = Filter::parse(text).ok().and_then(|filter| session.filters.remove(&filter));
            let Some(id) = removed else {
                reasons.push(Reason::NO_SUBSCRIPTION_EXISTED.0);
                continue;
            };
            env.shard.handle(env.now, Input::Unsubscribe(id));
            // Nobody waits for it any more, nor for what was to follow it.
            self.subscribed(env, id);
            reasons.push(Reason::SUCCESS.0);
        }
        env.mqtt.settle(self.key);
        let unsuback =
            UnsubAck { packet_id: packet.packet_id, properties: Properties::default(), reasons: &reasons };
        let mut bytes = Vec::new();
        encode(&mut bytes, self.version, &Packet::UnsubAck(unsuback));
        self.answers.give(Answer::Whole(bytes.into()));
        Ok(Took::Whole(FILTER_WORK * (reasons.len() - begun)))
    }

    /// Its connection goes: what was to be replaced is given up.
    pub(super) fn give_up_replaced(&mut self, env: &mut Env) {
        for replaced in self.asking.take().into_iter().flat_map(|asking| asking.replacing) {
            env.shard.handle(env.now, Input::Unsubscribe(replaced.id));
        }
    }

    /// Answers what waits for nothing any more, in the order in which it was asked.
    fn settle_asked(&mut self) {
        let is_settled = |asked: &mut Asked| asked.waiting.is_empty();
        while let Some(asking) = self.asking.as_deref_mut()
            && let Some(asked) = asking.asked.pop_front_if(is_settled)
        {
            let Asked { packet_id, mut reasons, words, .. } = asked;
            if self.version != wire::mqtt::Version::V5 {
                for reason in &mut reasons {
                    //= MQTT311-3.9.3-2
                    *reason = if Reason(*reason).is_error() { Reason::UNSPECIFIED_ERROR.0 } else { *reason };
                }
            }
            let suback = SubAck { packet_id, properties: Properties::default(), reasons: &reasons };
            self.answers.give(self.answer(Packet::SubAck(suback), words.as_deref()));
        }
        self.asking.take_if(|asking| asking.is_empty());
    }

    fn asking(&mut self) -> &mut Asking {
        self.asking.get_or_insert_default()
    }

    fn take_begun(&mut self) -> Begun {
        self.asking.as_deref_mut().and_then(|asking| asking.begun.take()).unwrap_or_default()
    }

    /// How many SUBSCRIBE packets wait for the core.
    pub(super) fn asked(&self) -> usize {
        self.asking.as_ref().map_or(0, |asking| asking.asked.len())
    }
}

/// A filter, and the group that it names if it names one; also before 5.0, where the standard has no
/// word for it and clients use it all the same.
fn parsed(env: &Env, text: &str) -> Result<(Filter, Option<GroupName>), String> {
    let filter = |text| Filter::parse(text).map_err(|error| error.to_string());
    let group = match share_name(text).map_err(|error| error.to_string())? {
        None => None,
        Some((share, inner)) => {
            Some(GroupName { share: share.into(), filter: filter(inner)?, home: env.home(text) })
        }
    };
    Ok((filter(text)?, group))
}

/// Refuses a filter; of several the words about the first one are told.
fn decline(reason: Reason, words: &str, known: &mut Option<String>) -> Reason {
    known.get_or_insert_with(|| words.to_owned());
    reason
}

fn words(why: Refusal) -> &'static str {
    match why {
        Refusal::FilterMemory => "filters take all the memory that they may",
        Refusal::FilterShapes => "filters mix names and + in too many ways",
        Refusal::Unanswered => "a part of the server did not answer in time",
    }
}

/// The history that a SUBSCRIBE asks for with a user property: no standard has a word for it.
fn history(properties: Properties<'_>) -> Result<Replay, Violation> {
    let wanted = properties.iter().find_map(|property| match property {
        Property::User("history", value) => Some(value),
        _ => None,
    });
    let Some(text) = wanted else { return Ok(Replay::None) };
    let what = "user property history is a number of messages or a time: 10, 5m";
    Replay::parse(text).ok_or(Violation::new(Reason::PROTOCOL_ERROR, what))
}
