//! From the first bytes to a role: what a connection does while it is greeted.
//!
//! `hello` says what the bytes amount to; here the connection acts on it.

use bytes::Bytes;
use topic::{Filter, TopicName};
use wire::past::Replay;
use wire::text::{Hello, Role, TOPIC_PROMPT, next_line};

use crate::connection::{Next, Taken};
use crate::env::Env;
use crate::link::{Link, ReadEnd};
use crate::text::encode::LineStyle;
use crate::text::farewell::{bad_filter, bad_topic, system_topic};
use crate::text::hello::{First, Framing, HelloState, Progress, TopicPrompt};
use crate::text::publishing::{Acks, Publishing};
use crate::text::{State, Subscribing, Text};

/// The topic of a publisher that names none.
const DEFAULT_TOPIC: &str = "broadcast";

/// A hello that is whole but for its topic.
#[derive(Debug)]
pub(super) struct AwaitingTopic {
    hello: Hello,
    framing: Framing,
    first: First,
}

impl Text {
    pub(super) fn receive_hello(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        bytes: &Bytes,
        read_end: ReadEnd,
    ) -> Taken {
        let State::Hello(hello) = &mut self.state else { return Taken::nothing() };
        let mut progress = hello.received(env.now.mono, bytes, &link.rules.limits);
        if read_end == ReadEnd::Closed && matches!(progress, Progress::Wait(_)) {
            progress = HelloState::timeout(bytes);
        }
        self.hello_progress(link, env, progress)
    }

    pub(super) fn hello_progress(&mut self, link: &mut Link, env: &mut Env, progress: Progress) -> Taken {
        match progress {
            Progress::Wait(until) => link.set_deadline(env, Some(until)),
            Progress::Refused(reason) => return Taken { used: 0, next: Next::End(reason) },
            Progress::Known { hello, framing, used } => {
                return Taken { used, next: self.greeted(link, env, *hello, framing) };
            }
        }
        Taken::nothing()
    }

    /// The hello is whole: asks for a topic where the listener wants one, else begins.
    fn greeted(&mut self, link: &mut Link, env: &mut Env, hello: Hello, framing: Framing) -> Next {
        let State::Hello(HelloState { first, .. }) = self.state else { return Next::GoOn };
        let no_topic = matches!(hello.role, Role::Publisher(None) | Role::Subscriber(None));
        if no_topic && link.rules.topic_prompt == TopicPrompt::On {
            let until = env.now.mono.after(link.rules.limits.hello_time);
            link.set_deadline(env, Some(until));
            if first == First::Server {
                link.say_fixed(env, TOPIC_PROMPT);
            }
            self.state = State::Topic(Box::new(AwaitingTopic { hello, framing, first }));
            return Next::GoOn;
        }
        self.begin(link, env, hello, framing, first)
    }

    pub(super) fn receive_topic(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        bytes: &Bytes,
        read_end: ReadEnd,
    ) -> Taken {
        let State::Topic(awaiting) = &mut self.state else { return Taken::nothing() };
        let line = next_line(bytes, 0, 0);
        let (text, used) = match line {
            Some(line) => (bytes.get(..line.end), line.next),
            None if awaiting.framing != Framing::Framed && read_end != ReadEnd::More => {
                (Some(bytes.as_ref()), bytes.len())
            }
            None if bytes.len() > link.rules.limits.hello_bytes_max => (Some(bytes.as_ref()), bytes.len()),
            None => return Taken::nothing(),
        };
        let text = text.unwrap_or_default().trim_ascii();
        if awaiting.framing == Framing::Fresh {
            awaiting.framing = if line.is_some() { Framing::Framed } else { Framing::Unframed };
        }
        if text.is_empty() {
            return Taken { used, next: Next::GoOn };
        }
        let mut hello = awaiting.hello.clone();
        let (framing, first) = (awaiting.framing, awaiting.first);
        let named = String::from_utf8_lossy(text);
        let topic = match &hello.role {
            Role::Publisher(_) => TopicName::parse(&named).map(|topic| Role::Publisher(Some(topic))),
            Role::Subscriber(_) => Filter::parse(&named).map(|filter| Role::Subscriber(Some(filter))),
        };
        let next = match topic {
            Ok(role) => {
                hello.role = role;
                self.begin(link, env, hello, framing, first)
            }
            Err(error) => Next::End(bad_topic(text, error)),
        };
        Taken { used, next }
    }

    fn begin(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        hello: Hello,
        framing: Framing,
        first: First,
    ) -> Next {
        link.set_deadline(env, None);
        let style = LineStyle { format: hello.format(), time: hello.time };
        let name = hello.name.map(String::into_boxed_str);
        match hello.role {
            Role::Publisher(topic) => {
                let topic = topic.unwrap_or_else(default_topic);
                if topic.is_system() {
                    return Next::End(system_topic(&topic));
                }
                let publisher = link.publisher(env.now.wall, name);
                let acks = if hello.ack { Acks::Wanted } else { Acks::None };
                let publishing = Publishing::new(publisher, topic.clone(), framing, acks);
                self.state = State::Publishing(Box::new(publishing));
                Next::Settle(topic)
            }
            Role::Subscriber(filter) => {
                let filter = filter.unwrap_or_else(Filter::everything);
                let history = env.history(hello.replay);
                let (session, refused) = env.subscribe(link.id.conn, &filter, history);
                link.session = Some(session);
                self.state = State::Subscribing(Box::new(Subscribing {
                    style,
                    first,
                    name,
                    filter,
                    since: env.now.mono,
                    wants_history: hello.replay != Replay::None,
                }));
                refused.map_or(Next::GoOn, |why| Next::End(bad_filter(why)))
            }
        }
    }
}

fn default_topic() -> TopicName {
    TopicName::parse(DEFAULT_TOPIC).expect("the default topic is valid")
}
