//! Last lines: what a client gets to read for the reason why its connection ends.

use broker::Refusal;
use wire::printable::Printable;
use wire::text::TERMINATE_LINE;

use crate::env::Env;
use crate::event::CloseReason;
use crate::limits::Limits;
use crate::link::Link;
use crate::text::Text;

impl Text {
    /// Says the last line, behind a line that was begun and answers that are owed.
    pub(crate) fn farewell(&mut self, link: &mut Link, env: &mut Env, reason: &CloseReason) {
        self.last_line = farewell_line(reason, &link.rules.limits);
        self.say_last_line(link, env);
    }

    /// Says the last line, if there is one and nothing that was begun or is owed stands before it.
    pub(super) fn say_last_line(&mut self, link: &mut Link, env: &mut Env) {
        if self.is_said()
            && let Some(line) = self.last_line.take()
        {
            link.say(env, &line);
        }
    }
}

/// The line for a reason, if there is one.
pub(crate) fn farewell_line(reason: &CloseReason, limits: &Limits) -> Option<String> {
    match reason {
        CloseReason::Refused(line) => Some(format!("{line}\n")),
        CloseReason::Silent => Some(format!("No role within {:?}: closing\n", limits.hello_time)),
        CloseReason::TooLong => {
            Some(format!("Message too long: limit is {} bytes\n", limits.message_bytes_max))
        }
        CloseReason::OutOfMemory => Some("Out of memory for messages: try again later\n".to_owned()),
        CloseReason::Kicked | CloseReason::Shutdown => Some(TERMINATE_LINE.to_owned()),
        CloseReason::Gone
        | CloseReason::Untaken
        | CloseReason::HistoryRead
        | CloseReason::Terminated
        | CloseReason::Violation(_)
        | CloseReason::BadRequest { .. }
        | CloseReason::BadFrame { .. }
        | CloseReason::TakenOver
        | CloseReason::Foreign(_) => None,
    }
}

/// Refuses a topic that a client sent as a message of its own.
pub(super) fn bad_topic(bytes: &[u8], error: topic::TopicError) -> CloseReason {
    CloseReason::Refused(format!("Invalid topic \"{}\": {error}", Printable::new(bytes, 40)))
}

/// Refuses a publisher whose topic is one of the broker's own.
pub(super) fn system_topic(topic: &topic::TopicName) -> CloseReason {
    let shown = Printable::new(topic.as_str().as_bytes(), 40);
    CloseReason::Refused(format!("Invalid topic \"{shown}\": only the broker publishes under $SYS"))
}

/// Refuses a subscription that the core cannot take, or has given up.
pub(crate) fn bad_filter(why: Refusal) -> CloseReason {
    let line = match why {
        Refusal::FilterMemory => "Out of memory for subscriptions: try again later",
        Refusal::Unanswered => "No answer to the subscription in time: try again later",
        Refusal::FilterShapes => "Too many ways to mix names and + in filters: use fewer levels",
    };
    CloseReason::Refused(line.to_owned())
}
