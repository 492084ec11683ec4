//! What MQTT says about topic names and filters (MQTT5 4.7, 4.8). How long and how deep they may be
//! here, and which characters this project refuses, is for the crate `topic`.

use super::{DecodeError, Version};

/// Whether a message may be published to `name`.
pub(super) fn is_name(name: &str) -> bool {
    //= MQTT5-4.7.3-1
    //= MQTT5-3.3.2-2
    //= MQTT311-3.3.2-2
    !name.is_empty() && memchr::memchr2(b'+', b'#', name.as_bytes()).is_none()
}

/// # Errors
/// [`DecodeError::Filter`].
pub(super) fn check_filter(version: Version, filter: &str) -> Result<(), DecodeError> {
    // Shared subscriptions came with 5.0. Before, `$share` is a level like others.
    let inner = match version {
        Version::V5 => share_name(filter)?.map_or(filter, |(_, inner)| inner),
        Version::V31 | Version::V311 => filter,
    };
    if is_filter(inner) { Ok(()) } else { Err(DecodeError::Filter) }
}

fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let misplaced = match level {
            "+" => false,
            //= MQTT5-4.7.1-1
            "#" => levels.peek().is_some(),
            //= MQTT5-4.7.1-2
            _ => memchr::memchr2(b'+', b'#', level.as_bytes()).is_some(),
        };
        if misplaced {
            return false;
        }
    }
    //= MQTT5-4.7.3-1
    !filter.is_empty()
}

/// The name of the share and the filter in it, of a filter `$share/name/filter`; `None` for every
/// other filter. The filter inside is not looked at.
///
/// # Errors
/// [`DecodeError::Filter`] if the name is empty or has a wildcard, or no filter follows.
pub fn share_name(filter: &str) -> Result<Option<(&str, &str)>, DecodeError> {
    let Some(shared) = filter.strip_prefix("$share/") else { return Ok(None) };
    //= MQTT5-4.8.2-2
    let (name, inner) = shared.split_once('/').ok_or(DecodeError::Filter)?;
    //= MQTT5-4.8.2-1
    if name.is_empty() || name.contains(['+', '#']) || inner.is_empty() {
        return Err(DecodeError::Filter);
    }
    Ok(Some((name, inner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    //= MQTT5-3.3.2-2
    //= MQTT5-4.7.3-1
    //= type=test
    fn names_have_a_character_and_no_wildcard() {
        for name in ["a", "/", " ", "$SYS/a", "a//b", "\u{feff}"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "+", "#", "a/+/b", "a#"] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    //= MQTT5-4.7.1-1
    //= MQTT5-4.7.1-2
    //= type=test
    fn wildcards_are_whole_levels() {
        for version in [Version::V31, Version::V311, Version::V5] {
            for filter in ["a", "/", "#", "+", "a/#", "+/+/#", "/+", "$SYS/#", "$share", "$shared/#"] {
                assert_eq!(check_filter(version, filter), Ok(()), "{filter}");
            }
            for filter in ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "##", "a/+b"] {
                assert_eq!(check_filter(version, filter), Err(DecodeError::Filter), "{filter}");
            }
        }
    }

    #[test]
    //= MQTT5-4.8.2-1
    //= MQTT5-4.8.2-2
    //= type=test
    fn shares_have_a_name_and_a_filter() {
        assert_eq!(share_name("a/b"), Ok(None));
        assert_eq!(share_name("$share"), Ok(None));
        assert_eq!(share_name("$share/g/a/#"), Ok(Some(("g", "a/#"))));
        assert_eq!(share_name("$share/g//"), Ok(Some(("g", "/"))));
        for filter in ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a"] {
            assert_eq!(share_name(filter), Err(DecodeError::Filter), "{filter}");
            assert_eq!(check_filter(Version::V5, filter), Err(DecodeError::Filter), "{filter}");
        }
        assert_eq!(check_filter(Version::V5, "$share/g/a#"), Err(DecodeError::Filter));
        assert_eq!(check_filter(Version::V311, "$share/+/a"), Ok(()));
        assert_eq!(check_filter(Version::V311, "$share/g"), Ok(()));
    }
}
