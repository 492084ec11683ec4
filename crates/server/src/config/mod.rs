//! What the server is told: defaults, then the file, then the environment, then the command line.
//!
//! A key is one row of `entries`. Every source is turned into a `layer` of texts that the row
//! parses, so a key means the same wherever it is written and an error says where that was.
//! `resolve` lays the layers over each other and checks what concerns more than one key. Nothing
//! here opens a socket or remembers.
//!
//! Reading order: `entries`, `key`, `value`, `layer`, the sources `args`, `environment`, `file`,
//! then `resolve`.

mod args;
mod changes;
mod entries;
mod environment;
mod error;
mod explain;
mod file;
mod key;
mod layer;
mod render;
mod resolve;
#[cfg(test)]
mod tests;
mod value;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use frontend::{Spoken, TopicPrompt, WebAccess};

use crate::limits::Limits;

pub use args::ServerArgs;
pub use changes::{changed_at_once, changes};
pub(crate) use entries::url;
pub(crate) use explain::{Source, explain};

pub use error::{ConfigError, Origin, Place};
pub use explain::Sources;
pub use key::Key;
pub use render::{defaults_toml, print};
pub use value::ValueError;

/// The effective configuration of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens; never empty.
    pub listeners: Vec<ListenerSettings>,
    /// Threads that serve connections, 1 to 64.
    pub shards: u8,
    /// The form of a log line.
    pub log_format: LogFormat,
    /// How often what has changed is published under `$SYS`; zero for never.
    pub sys_interval: Duration,
    /// Which pages may ask, and under which names.
    pub web: WebAccess,
    /// Who may reach it without authentication.
    pub allow_anonymous: AnonymousAccess,
    /// The broker's bounds.
    pub limits: Limits,
    /// The file that was read, if one was named.
    pub config_file: Option<PathBuf>,
    /// What gave which value.
    pub sources: Sources,
}

/// One address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Port 0 stands for any free port.
    pub addr: SocketAddr,
    /// Which protocols it takes.
    pub spoken: Spoken,
    /// Whether a hello without a topic is followed by one.
    pub topic_prompt: TopicPrompt,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Which listeners need no authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AnonymousAccess {
    /// Only those that this machine alone can reach.
    #[default]
    Loopback,
    /// All of them.
    Everywhere,
}

/// The configuration of a server that was started with `args` in the environment of this process.
///
/// # Errors
/// If anything that it was told cannot be followed, also where a later source overrides it.
pub fn load(args: &ServerArgs) -> Result<Settings, ConfigError> {
    load_from(args, std::env::vars_os())
}

fn load_from(
    args: &ServerArgs,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings, ConfigError> {
    let environment = environment::read(variables)?;
    let config_file = args.config().or(environment.config.as_deref()).map(PathBuf::from);
    let in_file = match &config_file {
        Some(path) => file::read(path)?,
        None => layer::Layer::default(),
    };
    let layers = [in_file, environment.layer, args.layer()];
    let settings = resolve::resolve(&layers, &args.command_line_allowing_anonymous())?;
    Ok(Settings { config_file, sources: Sources::of(&layers), ..settings })
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listeners: vec![ListenerSettings {
                addr: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)),
                spoken: Spoken::AnyProtocol,
                topic_prompt: TopicPrompt::Off,
            }],
            shards: u8::try_from(cores).unwrap_or(u8::MAX).clamp(1, SHARDS_MAX),
            log_format: LogFormat::default(),
            sys_interval: SYS_INTERVAL_DEFAULT,
            web: WebAccess::default(),
            allow_anonymous: AnonymousAccess::default(),
            limits: Limits::default(),
            config_file: None,
            sources: Sources::default(),
        }
    }
}

const PORT_DEFAULT: u16 = 8071;

const SYS_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);

/// A set of shards is one machine word, see `broker::ShardSet`.
const SHARDS_MAX: u8 = 64;
