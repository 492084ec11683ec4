//! How a hello is sent: prompted or not, with or without a newline, with the topic behind it
//! where a listener asks for that.

use crate::client::words;
use crate::client::{Meaning, Step, Unit};
use crate::limits::MS;
use crate::net::Cut;
use crate::record::First;
use crate::rng::Rng;

/// Longer than the settle time and everything that the network and a turn add to it.
pub(super) const REST_NS: u64 = 100 * MS;

/// Whether newlines end a client's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Framed,
    Unframed,
}

/// What is to be said before the first message.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) first: First,
    pub(super) framing: Framing,
    /// The hello, without a line end.
    pub(super) hello: String,
    /// What the listener asks for if the hello names no topic.
    pub(super) topic: Option<String>,
}

impl Greeting {
    /// Plans it.
    pub(super) fn plan(&self, rng: &mut Rng, plan: &mut Vec<Step>) {
        if self.first == First::Server {
            plan.push(Step::Await(words::ROLE_PROMPT));
            if rng.percent(30) {
                // A person presses Enter first and then looks at the keyboard.
                plan.push(Unit::send(words::line_end(rng).to_vec(), Vec::new(), Cut::Closely));
                plan.push(Step::Pause(300 * MS));
            }
        }
        let Some(topic) = &self.topic else {
            plan.push(self.words(rng, &self.hello, vec![Meaning::Hello]));
            return;
        };
        plan.push(self.words(rng, &self.hello, Vec::new()));
        match (self.first, self.framing) {
            (First::Server, _) => plan.push(Step::Await(words::TOPIC_PROMPT)),
            (First::Client, Framing::Unframed) => plan.push(Step::Pause(REST_NS)),
            (First::Client, Framing::Framed) => {}
        }
        plan.push(self.words(rng, topic, vec![Meaning::Hello]));
    }

    fn words(&self, rng: &mut Rng, words: &str, meanings: Vec<Meaning>) -> Step {
        match self.framing {
            Framing::Framed => {
                Unit::send([words.as_bytes(), words::line_end(rng)].concat(), meanings, Cut::Closely)
            }
            Framing::Unframed => Unit::send(words.into(), meanings, Cut::Whole),
        }
    }
}
