//! From the first bytes to a role: what a connection does while it is greeted.
//!
//! `hello` says what the bytes amount to; here the connection acts on it.

use std::sync::Arc;

use broker::{HistoryRequest, Publisher};
use bytes::Bytes;
use topic::{Filter, TopicName};
use wire::text::{Hello, ROLE_PROMPT, Replay, Role, TOPIC_PROMPT, is_blank, next_line};

use crate::connection::{
    AwaitingTopic, Chunk, Command, Connection, Env, Hearing, ReadEnd, State, Subscribing,
};
use crate::encode::LineStyle;
use crate::hello::{First, Framing, HelloState, Progress, TopicPrompt, bad_topic};
use crate::publishing::{Acks, Publishing};

/// The topic of a publisher that names none.
const DEFAULT_TOPIC: &str = "broadcast";

impl Connection {
    pub(crate) fn receive_hello(
        &mut self,
        env: &mut Env<'_>,
        bytes: &Bytes,
        read_end: ReadEnd,
    ) -> (usize, Option<Command>) {
        let State::Hello(hello) = &mut self.state else { return (0, None) };
        let mut progress = hello.received(env.now.mono, bytes, &self.rules.limits);
        if read_end == ReadEnd::Closed && matches!(progress, Progress::Wait(_)) && !is_blank(bytes) {
            progress = hello.timeout(env.now.mono, bytes, &self.rules.limits);
        }
        self.hello_progress(env, progress)
    }

    pub(crate) fn hello_progress(
        &mut self,
        env: &mut Env<'_>,
        progress: Progress,
    ) -> (usize, Option<Command>) {
        match progress {
            Progress::Wait(until) => {
                self.deadline = Some(until);
                (0, None)
            }
            Progress::Prompt(until) => {
                self.deadline = Some(until);
                self.out.push(Bytes::from_static(ROLE_PROMPT.as_bytes()));
                (0, None)
            }
            Progress::Refused(reason) => {
                self.end(env, reason);
                (0, None)
            }
            Progress::Known { hello, framing, used } => (used, self.greeted(env, *hello, framing)),
        }
    }

    /// The hello is whole: asks for a topic where the listener wants one, else begins.
    fn greeted(&mut self, env: &mut Env<'_>, hello: Hello, framing: Framing) -> Option<Command> {
        let State::Hello(HelloState { first, .. }) = self.state else { return None };
        let no_topic = matches!(hello.role, Role::Publisher(None) | Role::Subscriber(None));
        if no_topic && self.rules.topic_prompt == TopicPrompt::On {
            self.deadline = Some(env.now.mono.after(self.rules.limits.hello_time));
            if first == First::Server {
                self.out.push(Bytes::from_static(TOPIC_PROMPT.as_bytes()));
            }
            self.state = State::Topic(Box::new(AwaitingTopic { hello, framing, first }));
            return None;
        }
        self.begin(env, hello, framing, first)
    }

    pub(crate) fn receive_topic(
        &mut self,
        env: &mut Env<'_>,
        bytes: &Bytes,
        read_end: ReadEnd,
    ) -> (usize, Option<Command>) {
        let State::Topic(awaiting) = &mut self.state else { return (0, None) };
        let line = next_line(bytes, 0, 0);
        let (text, used) = match line {
            Some(line) => (bytes.get(..line.end), line.next),
            None if awaiting.framing != Framing::Framed && read_end != ReadEnd::More => {
                (Some(bytes.as_ref()), bytes.len())
            }
            None if bytes.len() > self.rules.limits.hello_bytes_max => (Some(bytes.as_ref()), bytes.len()),
            None => return (0, None),
        };
        let text = text.unwrap_or_default().trim_ascii();
        if awaiting.framing == Framing::Fresh {
            awaiting.framing = if line.is_some() { Framing::Framed } else { Framing::Unframed };
        }
        if text.is_empty() {
            return (used, None);
        }
        let mut hello = awaiting.hello.clone();
        let (framing, first) = (awaiting.framing, awaiting.first);
        let named = String::from_utf8_lossy(text);
        let topic = match &hello.role {
            Role::Publisher(_) => TopicName::parse(&named).map(|topic| Role::Publisher(Some(topic))),
            Role::Subscriber(_) => Filter::parse(&named).map(|filter| Role::Subscriber(Some(filter))),
        };
        match topic {
            Ok(role) => {
                hello.role = role;
                (used, self.begin(env, hello, framing, first))
            }
            Err(error) => {
                self.end(env, bad_topic(text, error));
                (used, None)
            }
        }
    }

    fn begin(&mut self, env: &mut Env<'_>, hello: Hello, framing: Framing, first: First) -> Option<Command> {
        self.deadline = None;
        let style = LineStyle { format: hello.format(), time: hello.time };
        let name = hello.name.map(String::into_boxed_str);
        match hello.role {
            Role::Publisher(topic) => {
                let topic = topic.unwrap_or_else(default_topic);
                let publisher = Arc::new(Publisher { origin: self.id, addr: self.addr, name });
                let acks = if hello.ack { Acks::Wanted } else { Acks::None };
                let publishing = Publishing::new(publisher, topic.clone(), framing, acks);
                self.state = State::Publishing(Box::new(publishing));
                Some(Command::Announce { topic, rest: Chunk::empty(), read_end: ReadEnd::Drained })
            }
            Role::Subscriber(filter) => {
                let filter = filter.unwrap_or_else(Filter::everything);
                let subscribing = Subscribing {
                    style,
                    first,
                    name,
                    filter: filter.clone(),
                    since: env.now.mono,
                    hearing: Hearing::Open,
                    wants_history: hello.replay != Replay::None,
                };
                self.state = State::Subscribing(Box::new(subscribing));
                let history = match hello.replay {
                    Replay::None => HistoryRequest::None,
                    Replay::Last(count) => HistoryRequest::Last(count),
                    Replay::Since(span) => HistoryRequest::Since(env.now.wall.before(span)),
                };
                Some(Command::Subscribe { filter, history })
            }
        }
    }
}

fn default_topic() -> TopicName {
    TopicName::parse(DEFAULT_TOPIC).expect("the default topic is valid")
}
