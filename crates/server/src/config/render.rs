//! Settings as a TOML file that reads back to the same settings.

use super::Settings;
use super::entries::url;
use super::key::{Key, Kind};

/// The effective configuration; reads back to the same settings but for `config_file`.
#[must_use]
pub fn print(settings: &Settings) -> String {
    render(settings, Keys::InForce)
}

/// Every key with its default, each commented out. The shards are those of this machine.
#[must_use]
pub fn defaults_toml() -> String {
    render(&Settings::default(), Keys::CommentedOut)
}

#[derive(Clone, Copy)]
enum Keys {
    InForce,
    CommentedOut,
}

fn render(settings: &Settings, keys: Keys) -> String {
    let mark = match keys {
        Keys::InForce => "",
        Keys::CommentedOut => "#",
    };
    let mut text = String::from(
        "# Configuration of tidings server. The environment (TIDINGS_SHARDS=4) overrides this file,\n\
         # the command line (--shards 4) overrides both.\n\
         # Sizes: 64KiB or 64K is 65536 bytes, 64KB is 64000; so with M and G.\n",
    );
    let line = |key: Key| format!("# {}\n{mark}{} = {}\n", meaning(key), key.name(), toml(key, settings));
    for key in Key::TOP {
        text += &format!("\n{}", line(key));
    }
    match keys {
        Keys::InForce => text += &listeners(settings),
        Keys::CommentedOut => {
            for key in Key::ONE_LISTENER {
                text += &format!("\n{}", line(key));
            }
            text += LISTENER_EXAMPLE;
        }
    }
    text += &format!("\n{mark}[limits]\n");
    for key in Key::LIMITS {
        text += &line(key);
    }
    text
}

/// Also a single one as a table, which can say all that there is to a listener.
fn listeners(settings: &Settings) -> String {
    let mut text = String::new();
    for listener in &settings.listeners {
        text += &format!("\n[[listener]]\nurl = \"{}\"\n", url(listener));
    }
    text
}

fn meaning(key: Key) -> String {
    format!("{}.", key.entry().meaning.replace("memory-max", "memory_max"))
}

/// The value of a key, as in a file; for [`Key::Listen`] all listeners as URLs.
pub(super) fn toml(key: Key, settings: &Settings) -> String {
    let text = (key.entry().text)(settings);
    match key.entry().kind {
        Kind::Number | Kind::Switch => text,
        Kind::Size if text.bytes().all(|byte| byte.is_ascii_digit()) => text,
        Kind::Size | Kind::Time | Kind::Text => format!("\"{text}\""),
    }
}

const LISTENER_EXAMPLE: &str = "
# Several addresses, in place of port, bind and topic_prompt:
# [[listener]]
# url = \"tcp://127.0.0.1:8071\"
# [[listener]]
# url = \"tcp://[::1]:9000?topic_prompt=1\"
";
