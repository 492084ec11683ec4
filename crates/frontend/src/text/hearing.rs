//! What a subscriber gets: lines of messages, gaps, and the end.

use broker::{Delivery, Slice};
use wire::text::{LinePart, WAITING_LINE, gap_line};

use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::{CloseReason, Event};
use crate::half_closed::HalfClosed;
use crate::link::Link;
use crate::text::encode::{LineStyle, Position};
use crate::text::hello::First;
use crate::text::{State, Text};

/// A message whose line has been written in part.
#[derive(Debug)]
pub(super) struct Begun {
    /// The run, from that message on.
    slice: Slice,
    part: LinePart,
    style: LineStyle,
}

impl Text {
    /// The core says that the subscription stands.
    pub(crate) fn subscribed(&mut self, link: &mut Link, env: &mut Env) {
        let State::Subscribing(subscribing) = &self.state else { return };
        if subscribing.first == First::Server {
            link.say_fixed(env, WAITING_LINE);
        }
        link.list_to_write(env);
        env.events.push(Event::Subscriber {
            id: link.id,
            addr: link.addr,
            name: subscribing.name.clone(),
            filter: subscribing.filter.clone(),
            others: 0,
        });
    }

    /// Encodes the next thing: answers, the rest of a line, or what the core has.
    pub(crate) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        if self.answers.due() > 0 {
            self.answer(link, env, size.bytes);
            return Delivered::Something;
        }
        if let Some(Begun { slice, part, style }) = self.begun.take() {
            self.encode(link, env, slice, Some(part), style, size);
            return Delivered::Something;
        }
        let State::Subscribing(subscribing) = &self.state else { return Delivered::Nothing };
        let Some(session) = link.session.filter(|_| !link.ending) else { return Delivered::Nothing };
        let style = subscribing.style;
        // All of a run: how much of it is encoded at once is a matter of encoded bytes.
        match env.shard.poll_delivery(env.now, session, u32::MAX, usize::MAX) {
            Some(Delivery::Messages(slice)) => self.encode(link, env, slice, None, style, size),
            Some(Delivery::Gap(dropped)) => link.say(env, &gap_line(style.format, dropped)),
            // Its history, and what is queued behind it, come with the last answer.
            None if env.shard.is_asking(session) => return Delivered::Nothing,
            None if env.draining => return Delivered::End(CloseReason::Shutdown),
            None if link.half_closed == HalfClosed::HearsHistory => {
                return Delivered::End(CloseReason::HistoryRead);
            }
            None => return Delivered::Nothing,
        }
        Delivered::Something
    }

    /// Encodes the next part of a run, and puts back what is left of it.
    fn encode(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        mut slice: Slice,
        part: Option<LinePart>,
        style: LineStyle,
        size: PartSize,
    ) {
        debug_assert_eq!(slice.end, slice.run.run().len(), "the encoder goes on to the end of the run");
        let from = Position { message: slice.skip, part };
        let to = env.encoder.encode(&slice.run, from, style, size, &mut link.out, &mut env.pool);
        let Some(to) = to.filter(|to| to.part.is_some() || part.is_none()) else {
            return self.say_last_line(link, env);
        };
        slice.skip = to.message;
        // The rest is the core's again, but for a line that is written in part.
        let mut rest = Some(slice.clone());
        if let Some(part) = to.part {
            rest = rest.map(|rest| Slice { skip: rest.skip + 1, ..rest });
            self.begun = Some(Begun { slice, part, style });
        }
        let rest = rest.filter(|rest| part.is_none() && !rest.is_empty());
        if let (Some(rest), Some(session)) = (rest, link.session) {
            env.shard.put_back(session, rest);
        }
    }
}
