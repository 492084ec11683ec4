//! What is known of the server, and what the user has chosen to see of it.

use std::time::Instant;

use super::super::answers::{Client, Page, Shard, Status, Topic};
use super::super::api::ApiError;
use super::super::clients::Sort;
use super::fetch::{Fetched, Rows, View};
use super::rates::{self, History, Rates, ShardRates};

/// Everything that a screen shows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) place: String,
    pub(super) link: Link,
    pub(super) status: Option<Status>,
    pub(super) history: History,
    pub(super) rows: Shown,
    pub(super) tab: Tab,
    pub(super) client_sort: Sort,
    pub(super) topic_sort: TopicSort,
    pub(super) client_text: String,
    pub(super) topic_text: String,
    /// The marked row, and the client in it.
    pub(super) marked: usize,
    marked_id: Option<String>,
    pub(super) mode: Mode,
    pub(super) flow: Flow,
    /// What has happened, until the next key.
    pub(super) notice: Option<String>,
    before: Option<Fetched>,
}

/// Whether the server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    Down { since: Instant, now: Instant, why: String },
}

/// Whether new answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Runs,
    Paused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Clients,
    Topics,
    Shards,
}

/// What keys do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Looking,
    /// A filter is typed; this was the one before.
    Filtering {
        before: String,
    },
    /// Is this client to be kicked?
    Asking {
        id: String,
        who: String,
    },
    Help,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicSort {
    Name,
    Rate,
    Total,
    Bytes,
    Last,
}

/// The rows of the tab, in their order.
#[derive(Debug)]
pub(super) enum Shown {
    Nothing,
    Clients(Page<Client>),
    Topics { topics: Vec<(Topic, Option<f64>)>, missing_shards: Vec<u64>, has_more: HasMore },
    Shards(Vec<(Shard, Option<ShardRates>)>),
    Wrong(String),
}

/// Whether the server has more rows than it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HasMore {
    No,
    Yes,
}

impl State {
    pub(super) fn new(place: String) -> Self {
        Self {
            place,
            link: Link::Up,
            status: None,
            history: History::default(),
            rows: Shown::Nothing,
            tab: Tab::Clients,
            client_sort: Sort::Id,
            topic_sort: TopicSort::Name,
            client_text: String::new(),
            topic_text: String::new(),
            marked: 0,
            marked_id: None,
            mode: Mode::Looking,
            flow: Flow::Runs,
            notice: None,
            before: None,
        }
    }

    /// What the server is to be asked for.
    pub(super) fn view(&self) -> View {
        match self.tab {
            Tab::Clients => View::Clients { sort: self.client_sort, text: self.client_text.clone() },
            Tab::Topics => View::Topics { text: self.topic_text.clone() },
            Tab::Shards => View::Shards,
        }
    }

    /// Takes note of what the server told, or why it did not.
    pub(super) fn update(&mut self, now: Instant, fetched: Result<Fetched, ApiError>) {
        if self.flow == Flow::Paused {
            return;
        }
        match fetched {
            Ok(fetched) => self.show(fetched),
            Err(error) => {
                let since = match &self.link {
                    Link::Up => now,
                    Link::Down { since, .. } => *since,
                };
                self.link = Link::Down { since, now, why: error.to_string() };
            }
        }
    }

    fn show(&mut self, fetched: Fetched) {
        let before = self.before.take();
        let is_another = |before: &Fetched| before.status.started_at != fetched.status.started_at;
        let is_restarted = before.as_ref().is_some_and(is_another);
        if self.link != Link::Up {
            let restarted = if is_restarted { "; it was started again" } else { "" };
            self.notice = Some(format!("{} answers again{restarted}", self.place));
            self.link = Link::Up;
        }
        let told = Rates::told(&fetched.status);
        match &before {
            None => self.history.push(told),
            Some(before) => {
                // Two looks at once, as after a key, tell no rate.
                let rates = Rates::between(&before.status, &fetched.status);
                rates.into_iter().for_each(|rates| self.history.push(rates));
            }
        }
        if self.is_wanted(&fetched.rows) {
            self.rows = shown(before.as_ref(), &fetched);
            self.sort();
        }
        self.status = Some(fetched.status.clone());
        self.before = Some(fetched);
        self.follow_mark();
    }

    /// An answer may come that the user has turned away from.
    fn is_wanted(&self, rows: &Rows) -> bool {
        match rows {
            Rows::Clients(view, _) | Rows::Topics(view, _) | Rows::Wrong(view, _) => *view == self.view(),
            Rows::Shards(_) => self.tab == Tab::Shards,
        }
    }

    /// Turns to another list.
    pub(super) fn turn_to(&mut self, tab: Tab) {
        self.tab = tab;
        self.ask_anew();
    }

    /// The rows that are shown are no answer to what is asked now.
    pub(super) fn ask_anew(&mut self) {
        self.rows = Shown::Nothing;
        self.mark(0);
        self.flow = Flow::Runs;
    }

    /// Orders topics, which the server tells by name only.
    pub(super) fn sort(&mut self) {
        let Shown::Topics { topics, .. } = &mut self.rows else { return };
        match self.topic_sort {
            TopicSort::Name => topics.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name)),
            TopicSort::Rate => {
                let rate = |rate: &Option<f64>| rate.unwrap_or(0.0);
                topics.sort_by(|(_, one), (_, other)| rate(other).total_cmp(&rate(one)));
            }
            TopicSort::Total => topics.sort_by_key(|(topic, _)| std::cmp::Reverse(topic.messages_total)),
            TopicSort::Bytes => topics.sort_by_key(|(topic, _)| std::cmp::Reverse(topic.bytes)),
            TopicSort::Last => topics.sort_by(|(one, _), (other, _)| other.last.time.cmp(&one.last.time)),
        }
    }

    /// Marks this row, or the last one.
    pub(super) fn mark(&mut self, row: usize) {
        self.marked = row.min(self.rows.len().saturating_sub(1));
        self.marked_id = self.marked_client().map(|client| client.id.clone());
    }

    pub(super) fn marked_client(&self) -> Option<&Client> {
        match &self.rows {
            Shown::Clients(page) => page.rows.get(self.marked),
            _ => None,
        }
    }

    /// The mark stays with its client, wherever that is now.
    fn follow_mark(&mut self) {
        let found = match (&self.rows, &self.marked_id) {
            (Shown::Clients(page), Some(id)) => page.rows.iter().position(|client| client.id == *id),
            _ => None,
        };
        self.mark(found.unwrap_or(self.marked));
    }

    pub(super) fn notice(&mut self, words: String) {
        self.notice = Some(words);
    }

    /// The filter of this tab, if it has one.
    pub(super) fn text(&self) -> Option<&str> {
        match self.tab {
            Tab::Clients => Some(&self.client_text),
            Tab::Topics => Some(&self.topic_text),
            Tab::Shards => None,
        }
    }

    pub(super) fn text_mut(&mut self) -> Option<&mut String> {
        match self.tab {
            Tab::Clients => Some(&mut self.client_text),
            Tab::Topics => Some(&mut self.topic_text),
            Tab::Shards => None,
        }
    }
}

impl Shown {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing | Self::Wrong(_) => 0,
            Self::Clients(page) => page.rows.len(),
            Self::Topics { topics, .. } => topics.len(),
            Self::Shards(shards) => shards.len(),
        }
    }
}

/// The rows with their rates since the look before.
fn shown(before: Option<&Fetched>, fetched: &Fetched) -> Shown {
    let seconds = before.and_then(|before| rates::seconds(&before.status, &fetched.status));
    let before = before.map(|before| &before.rows);
    match &fetched.rows {
        Rows::Clients(_, page) => Shown::Clients(page.clone()),
        Rows::Topics(_, page) => {
            let rates = match (before, seconds) {
                (Some(Rows::Topics(_, before)), Some(seconds)) => rates::of_topics(before, page, seconds),
                _ => vec![None; page.rows.len()],
            };
            let has_more = if page.next.is_some() { HasMore::Yes } else { HasMore::No };
            let topics = page.rows.iter().cloned().zip(rates).collect();
            Shown::Topics { topics, missing_shards: page.missing_shards.clone(), has_more }
        }
        Rows::Shards(shards) => {
            let rates = match (before, seconds) {
                (Some(Rows::Shards(before)), Some(seconds)) => rates::of_shards(before, shards, seconds),
                _ => vec![None; shards.len()],
            };
            Shown::Shards(shards.iter().cloned().zip(rates).collect())
        }
        Rows::Wrong(_, words) => Shown::Wrong(words.clone()),
    }
}
