//! A filter: what a subscriber asks for. `+` stands for one level, a final `#` for the rest.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::name::{check_text, is_system};
use crate::{TopicError, TopicName};

/// A valid filter. A clone shares the text; equality, order and hash are those of the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter(Arc<str>);

impl Filter {
    /// Takes the text as it is, without normalisation. `$share/…` has no meaning here: whoever
    /// supports shared subscriptions cuts that prefix off first. One allocation.
    ///
    /// # Errors
    /// Whatever breaks a rule: every [`TopicError`] except `Wildcard`.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check_text(text)?;
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let misplaced = match level {
                "+" => false,
                //= MQTT5-4.7.1-1
                "#" => levels.peek().is_some(),
                //= MQTT5-4.7.1-2
                _ => level.contains(['+', '#']),
            };
            if misplaced {
                return Err(TopicError::MisplacedWildcard);
            }
        }
        Ok(Self(text.into()))
    }

    /// `#`: every topic but those that begin with `$`.
    #[must_use]
    pub fn everything() -> Self {
        Self("#".into())
    }

    /// The text of the filter.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message to `topic` is for this filter. Linear in the two texts, no allocation.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        if topic.is_hidden() && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.as_str().split('/');
        for wanted in self.0.split('/') {
            // Asked before the next level is taken, so that `a/#` includes its parent `a`.
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether all that it matches are topics of the broker's own ([`TopicName::is_system`]).
    #[must_use]
    pub fn is_system(&self) -> bool {
        is_system(&self.0)
    }

    /// The only topic that this filter matches, if it has no wildcard. Shares the text.
    #[must_use]
    pub fn exact(&self) -> Option<TopicName> {
        let has_wildcard = self.0.contains(['+', '#']);
        (!has_wildcard).then(|| TopicName::from_exact_filter(Arc::clone(&self.0)))
    }
}

impl AsRef<str> for Filter {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Filter {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX};
    use TopicError::{ControlCharacter, Empty, MisplacedWildcard, TooDeep, TooLong};

    #[test]
    fn filters_of_the_broker_s_own_topics() {
        for (text, expected) in [
            ("$SYS/#", true),
            ("$SYS/broker/+", true),
            ("$SYS", true),
            ("$SYSTEM/#", false),
            ("#", false),
            ("+/broker", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().is_system(), expected, "{text}");
        }
    }

    fn check_parse(text: &str, expected: Result<(), TopicError>) {
        let parsed = Filter::parse(text);
        assert_eq!(parsed.as_ref().map(|_| ()).map_err(|error| *error), expected, "{text:?}");
        if let Ok(filter) = parsed {
            assert_eq!(filter.as_str(), text);
            assert_eq!(filter.to_string(), text);
        }
    }

    /// The topics, separated by blanks, that the filter matches and that it does not.
    fn check(filter: &str, matched: &str, unmatched: &str) {
        let parsed = Filter::parse(filter).unwrap();
        for (topics, expected) in [(matched, true), (unmatched, false)] {
            for topic in topics.split_whitespace() {
                let name = TopicName::parse(topic).unwrap();
                assert_eq!(parsed.matches(&name), expected, "{filter} {topic}");
                assert_eq!(crate::naive::matches(filter, topic), expected, "{filter} {topic}");
            }
        }
    }

    #[test]
    //= MQTT5-4.7.1-1
    //= MQTT311-4.7.1-2
    //= type=test
    fn a_hash_is_alone_and_last() {
        for text in ["#", "/#", "a/#", "a/b/#", "//#", "+/#", "$SYS/#"] {
            check_parse(text, Ok(()));
        }
        for text in ["a#", "#a", "##", "a/b#", "#/", "#/a", "a/#/b", "a/#/", "#/#"] {
            check_parse(text, Err(MisplacedWildcard));
        }
    }

    #[test]
    //= MQTT5-4.7.1-2
    //= MQTT311-4.7.1-3
    //= type=test
    fn a_plus_is_a_whole_level() {
        for text in ["+", "/+", "+/", "+/a", "a/+/b", "+/+/+", "$SYS/+"] {
            check_parse(text, Ok(()));
        }
        for text in ["a+", "+a", "++", "a/b+", "+a/b", "a/+b/c", "+#", "#+"] {
            check_parse(text, Err(MisplacedWildcard));
        }
    }

    #[test]
    //= MQTT5-4.7.3-1
    //= MQTT5-4.7.3-2
    //= MQTT5-4.7.3-3
    //= MQTT311-4.7.3-1
    //= MQTT311-4.7.3-2
    //= MQTT311-4.7.3-3
    //= type=test
    fn filters_and_names_share_the_other_rules() {
        check_parse("", Err(Empty));
        check_parse("a/\0/#", Err(ControlCharacter));
        check_parse("a\u{85}/+", Err(ControlCharacter));
        check_parse(&"a".repeat(TOPIC_BYTES_MAX), Ok(()));
        check_parse(&"a".repeat(TOPIC_BYTES_MAX + 1), Err(TooLong));
        check_parse(&format!("{}#", "+/".repeat(TOPIC_LEVELS_MAX - 1)), Ok(()));
        check_parse(&format!("{}#", "+/".repeat(TOPIC_LEVELS_MAX)), Err(TooDeep));
        check_parse("\0#a", Err(ControlCharacter));
    }

    #[test]
    //= MQTT5-4.7.3-4
    //= MQTT311-4.7.3-4
    //= type=test
    fn text_matches_itself_and_nothing_else() {
        check("a/b", "a/b", "a A/b a/B a/b/ /a/b a//b a/b/c b a/bc");
        check("a", "a", "/a a/ b aa");
        check("/", "/", "// a a/ /a");
        check("a//b", "a//b", "a/b a///b a/x/b");
        check("é", "é", "e\u{301}");
    }

    #[test]
    //= MQTT5-4.7.1-2
    //= MQTT311-4.7.1-3
    //= type=test
    fn a_plus_matches_exactly_one_level() {
        check("+", "a é a$", "/ /a a/ a/b");
        check("/+", "/a / /$x", "a // /a/b a/b");
        check("+/", "a/ /", "a // a/b");
        check("+/+", "/a a/ / a/b", "a a/b/c // $x/b");
        check("a/+", "a/b a/ a/$x", "a a/b/c b/a a/b/");
        check("a/+/c", "a/b/c a//c", "a/c a/b/b/c a/b/d a/b");
    }

    #[test]
    //= MQTT5-4.7.1-1
    //= MQTT311-4.7.1-2
    //= type=test
    fn a_hash_matches_the_parent_and_everything_below() {
        check("#", "a a/b / // /a a/$x", "$x $x/a $");
        check("a/#", "a a/ a/b a/b/c a//", "b aa /a b/a");
        check("/#", "/ /a // /a/b", "a a/ a/b");
        check("+/#", "a a/b / a/b/c", "$x $x/a");
        check("a/+/#", "a/b a/ a/b/c", "a b/a");
    }

    #[test]
    //= MQTT5-4.7.2-1
    //= MQTT311-4.7.2-1
    //= type=test
    fn a_wildcard_in_front_matches_no_dollar_topic() {
        check("#", "", "$SYS $SYS/a $");
        check("+", "", "$SYS $");
        check("+/a", "b/a", "$SYS/a");
        check("+/#", "", "$SYS/a $SYS");
        check("$SYS/#", "$SYS $SYS/a $SYS/a/b", "SYS/a $SYSa");
        check("$SYS/+", "$SYS/a $SYS/$a", "$SYS");
        check("/+", "/$SYS", "$SYS");
    }

    #[test]
    fn only_text_without_wildcards_is_exact() {
        for (filter, expected) in
            [("a/b", true), ("/", true), ("$x", true), ("a/+", false), ("a/#", false), ("#", false)]
        {
            let exact = Filter::parse(filter).unwrap().exact();
            assert_eq!(exact, expected.then(|| TopicName::parse(filter).unwrap()), "{filter}");
        }
        assert_eq!(Filter::everything(), Filter::parse("#").unwrap());
    }
}
