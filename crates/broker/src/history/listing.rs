//! Kept topics in the order of their names, for operators who look at them in pages.

use std::ops::Bound;
use std::sync::Arc;

use topic::{Filter, TopicName};

use crate::history::History;
use crate::listing::Page;
use crate::run::Run;
use crate::work;

/// A topic with history, as an operator sees it.
#[derive(Debug, Clone)]
pub struct TopicRow {
    pub name: TopicName,
    pub messages_kept: u64,
    /// Since the topic was first kept; one that was forgotten for want of room begins again.
    pub messages_total: u64,
    /// What is kept occupies so much.
    pub bytes: usize,
    /// Its last message is the topic's.
    pub last: Arc<Run>,
}

/// Which topics are looked for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Those whose names begin like this; with nothing all of them.
    Beginning(String),
    Matching(Filter),
}

impl Wanted {
    /// What all names have in common.
    fn stem(&self) -> &str {
        match self {
            Self::Beginning(stem) => stem,
            // `a/#` matches `a` as well.
            Self::Matching(filter) => {
                let stem = filter.as_str().split(['+', '#']).next().unwrap_or_default();
                stem.strip_suffix('/').unwrap_or(stem)
            }
        }
    }

    fn takes(&self, name: &TopicName) -> bool {
        match self {
            Self::Beginning(_) => true,
            Self::Matching(filter) => filter.matches(name),
        }
    }
}

impl History {
    /// The next kept topics behind a name, from looking at so many at most.
    pub(crate) fn page(
        &self,
        wanted: &Wanted,
        after: Option<&TopicName>,
        looked_max: usize,
    ) -> Page<TopicRow, TopicName> {
        let stem = wanted.stem();
        let from = match after.map(TopicName::as_str).filter(|after| *after >= stem) {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(stem),
        };
        let names = self.named.range::<str, _>((from, Bound::Unbounded));
        let mut alike = names.take_while(|(name, _)| name.as_str().starts_with(stem));
        let mut page = Page { rows: Vec::new(), more_behind: None, work: work::INPUT };
        let mut last = None;
        for (name, slot) in alike.by_ref().take(looked_max) {
            page.work += work::MATCH;
            last = Some(name);
            let topic =
                self.topics.get(*slot as usize).and_then(Option::as_ref).filter(|_| wanted.takes(name));
            if let Some(topic) = topic
                && let Some((_, latest)) = topic.runs.back()
            {
                page.work += work::RECORD;
                page.rows.push(TopicRow {
                    name: name.clone(),
                    messages_kept: topic.messages,
                    messages_total: topic.messages_total,
                    bytes: topic.bytes + topic.overhead(),
                    last: Arc::clone(&latest.run),
                });
            }
        }
        if alike.next().is_some() {
            page.more_behind = last.cloned();
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryBounds;
    use crate::ids::{ConnId, Origin, ShardId};
    use crate::memory::Gauge;
    use crate::run::{About, Body, Publisher, RunBuilder};
    use crate::time::{Instant, WallTime};

    fn history(topics: &str) -> History {
        let gauge = Gauge::new();
        let bounds = HistoryBounds { messages_max: 2, bytes_max: 1 << 20, replay_bytes_max: 1 << 20 };
        let mut history = History::new(bounds, 1, gauge.clone());
        let origin = Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } };
        let publisher = Publisher::for_tests(origin);
        for (place, name) in (0..).zip(topics.split_whitespace()) {
            let topic = TopicName::parse(name).unwrap();
            let about = About { topic: &topic, publisher: &publisher, time: WallTime(7), number: 0 };
            let mut spans = RunBuilder::default();
            spans.push(0..1);
            let mut run = spans.finish(about, Body::exact("x".into()), &gauge);
            run.set_place(place);
            history.record(Instant(0), &Arc::new(run));
        }
        history
    }

    /// Names over all pages of so many looked at, and how many pages that took.
    fn names(history: &History, wanted: &Wanted, looked_max: usize) -> (String, usize) {
        let (mut names, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = history.page(wanted, after.as_ref(), looked_max);
            names.extend(page.rows.iter().map(|row| row.name.to_string()));
            pages += 1;
            after = page.more_behind;
            if after.is_none() {
                return (names.join(" "), pages);
            }
        }
    }

    #[test]
    fn pages_of_any_size_have_every_name_once() {
        let history = history("b a/b a a/b/c ab $x a/b/c");
        let all = "$x a a/b a/b/c ab b";
        for (looked_max, pages) in [(1, 6), (2, 3), (4, 2), (6, 1), (100, 1)] {
            let everything = Wanted::Beginning(String::new());
            assert_eq!(names(&history, &everything, looked_max), (all.to_owned(), pages));
            for (filter, expected) in
                [("a/#", "a a/b a/b/c"), ("+/b", "a/b"), ("#", "a a/b a/b/c ab b"), ("a/b", "a/b"), ("c", "")]
            {
                let wanted = Wanted::Matching(Filter::parse(filter).unwrap());
                assert_eq!(names(&history, &wanted, looked_max).0, expected, "{filter}");
            }
            assert_eq!(names(&history, &Wanted::Beginning("a/".to_owned()), looked_max).0, "a/b a/b/c");
        }
    }

    #[test]
    fn a_page_costs_what_it_looks_at() {
        let history = history("a/1 a/2 a/3 a/4 b");
        let page = history.page(&Wanted::Matching(Filter::parse("+/4").unwrap()), None, 3);
        assert!(page.rows.is_empty());
        assert_eq!(page.more_behind.unwrap().as_str(), "a/3", "goes on where it has stopped looking");
        assert_eq!(page.work, work::INPUT + 3 * work::MATCH);
    }

    #[test]
    fn messages_are_counted_also_when_they_are_kept_no_more() {
        let history = history("a a a b");
        let page = history.page(&Wanted::Beginning(String::new()), None, 10);
        let counts: Vec<_> = page.rows.iter().map(|row| (row.messages_kept, row.messages_total)).collect();
        assert_eq!(counts, [(2, 3), (1, 1)]);
        assert_eq!(page.rows.iter().map(|row| row.bytes).sum::<usize>(), history.bytes());
    }
}
