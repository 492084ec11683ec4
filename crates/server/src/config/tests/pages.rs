//! What is written about the keys for people is what the rows say.

use super::super::entries::{Reload, Table};
use super::super::{Key, Settings};
use super::{TemporaryFile, addresses};

#[test]
fn the_page_is_printed_from_the_rows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), page());
}

fn page() -> String {
    let mut text = String::from(
        "# Configuration\n\nPrinted from `crates/server/src/config/entries.rs` (`UPDATE_DOCS=1 cargo test -p server pages`); \
         a test compares.\n\nThe file (`--config FILE` or `TIDINGS_CONFIG`) overrides the defaults, the environment overrides the file, \
         the command line overrides both.\n\n\
         | in the file | option | variable | SIGHUP | meaning |\n|---|---|---|---|---|\n",
    );
    for key in Key::ALL {
        let entry = key.entry();
        let in_file = match entry.table {
            Table::Listener => "`[[listener]]`".to_owned(),
            Table::OneListener | Table::Top | Table::Limits => format!("`{}`", key.path()),
        };
        let reload = match entry.reload {
            Reload::Now => "at once",
            Reload::Restart => "restart",
        };
        let (option, variable, meaning) = (key.option(), key.variable(), entry.meaning);
        text += &format!("| {in_file} | `{option}` | `{variable}` | {reload} | {meaning} |\n");
    }
    text + "\n- SIGHUP reads the file again. What needs a restart is named in the log and stays as it was; so does \
            everything if there is a mistake.\n\
            - A size is a number of bytes, or a number with a unit. `K`, `KiB`, `M`, `MiB`, `G`, `GiB` are powers of 1024, `KB`, `MB`, `GB` \
            powers of 1000, in any letter case.\n\
            - A switch as an option needs no value: `--topic-prompt`, `--topic-prompt=false`.\n\
            - Several addresses: one table `[[listener]]` for each, with `url = \"tcp://ADDRESS:PORT\"` and, if wanted, `topic_prompt = true`. \
            It excludes `port`, `bind` and `topic_prompt` at the top, as `--listen` does. The variable takes URLs with commas between them.\n\
            - `tidings config print --defaults` prints all keys as a file, `tidings config print` those in force. `tidings config check` exits with 2 \
            if the configuration is wrong, and with 1 if it is good but an address cannot be listened on, as while the server runs.\n"
}

#[test]
fn the_file_in_the_readme_is_good_and_every_option_stands_there() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    for key in Key::ALL {
        assert!(readme.contains(&format!("`{}", key.option())), "{}", key.option());
    }
    let (_, after) = readme.split_once("```toml\n").expect("a file");
    let settings = TemporaryFile::new(after.split("```").next().unwrap()).load().unwrap();
    assert_eq!(addresses(&settings), ["0.0.0.0:9000"]);
    assert_ne!(settings.limits, Settings::default().limits);
}
