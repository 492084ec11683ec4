//! Files that were cut short or damaged, or are as long as can be.

use std::path::Path;

use super::super::file;
use super::{TemporaryFile, addresses};

const GOOD: &str = "# größere Grenzen
allow_anonymous = true
shards = 16

[[listener]]
url = \"tcp://0.0.0.0:18071\" # für alle
topic_prompt = true

[[listener]]
url = 'tcp://[::1]:9000?topic_prompt=1'

[limits]
queue_max = \"2MiB\"
memory_max = 0x4000_0000
history_last = 1_000
";

#[test]
fn a_file_cut_short_never_listens_elsewhere() {
    let whole = addresses(&TemporaryFile::new(GOOD).load().unwrap());
    assert_eq!(whole, ["0.0.0.0:18071", "[::1]:9000"]);
    let mut refused = 0;
    for length in 0..GOOD.len() {
        let kept = &GOOD.as_bytes()[..length];
        let Ok(settings) = TemporaryFile::new(kept).load() else {
            refused += 1;
            continue;
        };
        let headers = kept.windows(12).filter(|window| window == b"[[listener]]").count();
        if headers == 0 {
            // Nothing in it speaks of listening any more: no different from a short file.
            assert_eq!(addresses(&settings), ["127.0.0.1:8071"], "cut at {length}");
        } else {
            assert_eq!(addresses(&settings), whole[..headers], "cut at {length}");
        }
    }
    assert!(refused > GOOD.len() / 3, "{refused} of {}", GOOD.len());
}

#[test]
fn a_damaged_file_never_panics_and_complains_in_one_line() {
    for at in 0..GOOD.len() {
        for damage in [0, b'"', b'\n', b'[', b'.', b'=', b'9', 0x80, 0xff] {
            let mut bytes = GOOD.as_bytes().to_vec();
            bytes[at] = damage;
            if let Err(error) = file::layer(Path::new("t.toml"), &bytes) {
                let shown = error.to_string();
                assert!(shown.starts_with("t.toml:") && !shown.contains(char::is_control), "{shown:?}");
            }
        }
    }
}

#[test]
fn a_file_of_the_greatest_length_is_read() {
    TemporaryFile::new("#".repeat(1024 * 1024)).load().unwrap();
}
