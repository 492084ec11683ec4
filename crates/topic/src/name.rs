//! A topic name: what a message is published to. Never holds a wildcard.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::{TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX, TopicError};

/// A valid topic name. A clone shares the text; equality, order and hash are those of the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Takes the text as it is, without normalisation. One allocation, one pass per rule.
    ///
    /// # Errors
    /// Whatever breaks a rule: every [`TopicError`] except `MisplacedWildcard`.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check_text(text)?;
        //= MQTT5-4.7.0-1
        if text.contains(['+', '#']) {
            return Err(TopicError::Wildcard);
        }
        Ok(Self(text.into()))
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one of those under which the broker tells of itself, and nobody else publishes:
    /// `$SYS` and what is below it.
    #[must_use]
    pub fn is_system(&self) -> bool {
        is_system(&self.0)
    }

    /// For a filter without wildcards, which has been through the same checks.
    pub(crate) fn from_exact_filter(text: Arc<str>) -> Self {
        Self(text)
    }

    /// Whether wildcards in the first level of a filter pass this name by.
    //= MQTT5-4.7.2-1
    pub(crate) fn is_hidden(&self) -> bool {
        self.0.starts_with('$')
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Whether the first level is that of the broker's own topics.
pub(crate) fn is_system(text: &str) -> bool {
    text.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The rules that names and filters share.
pub(crate) fn check_text(text: &str) -> Result<(), TopicError> {
    //= MQTT5-4.7.3-1
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    //= MQTT5-4.7.3-3
    if text.len() > TOPIC_BYTES_MAX {
        return Err(TopicError::TooLong);
    }
    if text.split('/').count() > TOPIC_LEVELS_MAX {
        return Err(TopicError::TooDeep);
    }
    // NUL is forbidden; the other control characters may be refused (MQTT5 1.5.4), and are,
    // because with them a topic could forge a line of a log or of the text protocol.
    //= MQTT5-4.7.3-2
    if text.contains(char::is_control) {
        return Err(TopicError::ControlCharacter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use TopicError::{ControlCharacter, Empty, TooDeep, TooLong, Wildcard};

    fn check(text: &str, expected: Result<(), TopicError>) {
        let parsed = TopicName::parse(text);
        assert_eq!(parsed.as_ref().map(|_| ()).map_err(|error| *error), expected, "{text:?}");
        if let Ok(name) = parsed {
            assert_eq!(name.as_str(), text);
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    //= MQTT5-4.7.3-1
    //= MQTT311-4.7.3-1
    //= type=test
    fn a_name_has_at_least_one_character() {
        check("", Err(Empty));
        check(" ", Ok(()));
        check("a", Ok(()));
    }

    #[test]
    //= MQTT5-4.7.3-4
    //= MQTT311-4.7.3-4
    //= type=test
    fn a_name_is_kept_as_it_is() {
        for text in ["/", "//", "/a", "a/", "a//b", "A/a", "$SYS/x", "a/$b", "é/e\u{301}"] {
            check(text, Ok(()));
        }
        //= MQTT5-1.5.4-3
        //= MQTT311-1.5.3-3
        //= type=test
        check("\u{feff}a", Ok(()));
    }

    #[test]
    //= MQTT5-4.7.0-1
    //= MQTT311-4.7.1-1
    //= type=test
    fn a_name_has_no_wildcard() {
        for text in ["+", "#", "a/+", "a/#", "a+", "#a", "a/b#/c"] {
            check(text, Err(Wildcard));
        }
    }

    #[test]
    //= MQTT5-4.7.3-2
    //= MQTT311-4.7.3-2
    //= type=test
    fn a_name_has_no_control_character() {
        for text in ["\0", "a\0b", "a\nb", "a\u{1f}", "\u{7f}", "a/\u{80}", "\u{9f}/a"] {
            check(text, Err(ControlCharacter));
        }
        check("\u{20}\u{7e}\u{a0}", Ok(()));
    }

    #[test]
    //= MQTT5-4.7.3-3
    //= MQTT311-4.7.3-3
    //= type=test
    fn a_name_has_bounds() {
        check(&"a".repeat(TOPIC_BYTES_MAX), Ok(()));
        check(&"a".repeat(TOPIC_BYTES_MAX + 1), Err(TooLong));
        check(&"é".repeat(TOPIC_BYTES_MAX / 2), Ok(()));
        check(&"é".repeat(TOPIC_BYTES_MAX / 2 + 1), Err(TooLong));
        check(&"/".repeat(TOPIC_LEVELS_MAX - 1), Ok(()));
        check(&"/".repeat(TOPIC_LEVELS_MAX), Err(TooDeep));
    }

    #[test]
    fn the_broker_s_own_topics_begin_with_a_level_of_their_name() {
        for text in ["$SYS", "$SYS/", "$SYS/broker/uptime", "$SYS//"] {
            assert!(TopicName::parse(text).unwrap().is_system(), "{text}");
        }
        for text in ["$SYSTEM", "$SY", "$sys/broker", "SYS/broker", "a/$SYS", "/$SYS", "$", "$share/SYS"] {
            assert!(!TopicName::parse(text).unwrap().is_system(), "{text}");
        }
    }

    #[test]
    fn the_first_cause_is_reported() {
        check(&"/".repeat(TOPIC_BYTES_MAX + 1), Err(TooLong));
        check(&"/\0".repeat(TOPIC_LEVELS_MAX), Err(TooDeep));
        check("+\0", Err(ControlCharacter));
    }
}
