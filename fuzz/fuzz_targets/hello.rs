//! Any bytes as a hello: a refusal is one printable line, and the two ways to look at a role
//! word agree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz::line::is_dangerous;
use wire::text::{HelloError, Role, RoleWord, parse_hello, role_word};

/// The longest refusal: 40 bytes of the client's words, each escaped, between two of ours.
const REFUSAL_BYTES_MAX: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse_hello(bytes);
    match role_word(bytes) {
        RoleWord::Complete => assert!(parsed.is_ok(), "a role alone is a hello: {parsed:?}"),
        RoleWord::Beginning => assert!(matches!(parsed, Err(HelloError::Role(_))), "{parsed:?}"),
        RoleWord::Other => {}
    }
    match parsed {
        Ok(hello) => {
            assert!(hello.name.is_none_or(|name| (1..=64).contains(&name.len())));
            if let Role::Publisher(Some(topic)) = hello.role {
                assert!(!topic.as_str().contains(['+', '#']));
            }
        }
        Err(error) => {
            let line = error.to_string();
            assert!(!line.chars().any(is_dangerous), "{line:?}");
            assert!(line.len() <= REFUSAL_BYTES_MAX, "{} bytes", line.len());
        }
    }
});
