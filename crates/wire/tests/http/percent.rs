//! Percent escapes.

use PercentError::{Escape, Utf8};
use proptest::prelude::*;
use std::borrow::Cow;
use wire::http::{PercentError, decode, pairs};

#[test]
fn escapes() {
    for (text, expected) in [
        ("", Ok("")),
        ("plain", Ok("plain")),
        ("a+b", Ok("a+b")),
        ("%2B%2b", Ok("++")),
        ("a%2Fb%23", Ok("a/b#")),
        ("gr%C3%bcn grün", Ok("grün grün")),
        ("%e2%82%ac", Ok("€")),
        ("%25%32%35", Ok("%25")),
        ("%00", Ok("\0")),
        ("%", Err(Escape)),
        ("a%", Err(Escape)),
        ("%4", Err(Escape)),
        ("%4g", Err(Escape)),
        ("%g4", Err(Escape)),
        ("%%41", Err(Escape)),
        ("%+4", Err(Escape)),
        ("% 4", Err(Escape)),
        ("%ü", Err(Escape)),
        ("%4ü", Err(Escape)),
        ("%ff", Err(Utf8)),
        ("%c3", Err(Utf8)),
        ("%c3%41", Err(Utf8)),
        ("%ed%a0%80", Err(Utf8)),
        ("%c0%af", Err(Utf8)),
        // The two bytes of a character, one of them written as it is, are still no character.
        ("%c3ü", Err(Utf8)),
    ] {
        assert_eq!(decode(text).as_deref(), expected.as_ref().copied(), "{text}");
    }
    assert!(matches!(decode("plain"), Ok(Cow::Borrowed("plain"))), "without an escape nothing is allocated");
}

#[test]
fn queries() {
    for (query, expected) in [
        ("", &[][..]),
        ("&", &[]),
        ("a=b", &[("a", "b")]),
        ("a=b&c=d&a=e", &[("a", "b"), ("c", "d"), ("a", "e")]),
        ("&&a=b&&", &[("a", "b")]),
        ("a", &[("a", "")]),
        ("a=", &[("a", "")]),
        ("=b", &[("", "b")]),
        ("=", &[("", "")]),
        ("a=b=c", &[("a", "b=c")]),
        ("topic=home/+/%23", &[("topic", "home/+/#")]),
        ("a%3Db=c%26d", &[("a=b", "c&d")]),
        ("a;b=c", &[("a;b", "c")]),
    ] {
        let found: Vec<_> = pairs(query).map(|pair| pair.expect(query)).collect();
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected, "{query}");
    }
    let found: Vec<_> = pairs("a=%&%=b&c=%ff&d=e").map(|pair| pair.map(|(name, _)| name)).collect();
    assert_eq!(found, [Err(Escape), Err(Escape), Err(Utf8), Ok("d".into())]);
}

proptest! {
    #[test]
    fn what_is_escaped_comes_back(text in any::<String>(), plain in prop::collection::vec(any::<bool>(), 0..40)) {
        let mut plain = plain.into_iter();
        let mut escaped = String::new();
        for c in text.chars() {
            if c != '%' && plain.next() == Some(true) {
                escaped.push(c);
            } else {
                c.to_string().bytes().for_each(|byte| escaped.push_str(&format!("%{byte:02X}")));
            }
        }
        prop_assert_eq!(decode(&escaped), Ok(Cow::Owned(text)));
    }

    #[test]
    fn any_text_is_harmless(text in "[%0-9a-fü&=]{0,30}") {
        let _ = decode(&text);
        prop_assert!(pairs(&text).count() <= text.len());
    }
}
