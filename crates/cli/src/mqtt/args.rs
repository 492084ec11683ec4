//! What the three commands share on their command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::client::{Address, ConnectOptions, Message, PayloadFormat, QoS, random};
use clap::Args;

use crate::ending::Ending;

/// Where the server is, and who connects.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerArgs {
    /// Server: mqtt://HOST:PORT, HOST:PORT or HOST (then port 1883)
    #[arg(short, long, value_name = "URL", env = "TIDINGS_URL", default_value = SERVER_DEFAULT)]
    server: Address,
    /// User to connect as
    #[arg(short, long, value_name = "NAME", env = "TIDINGS_USER")]
    user: Option<String>,
    /// File with the password [env: TIDINGS_PASSWORD has the password, TIDINGS_PASSWORD_FILE the file]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Client id [default: tidings- and a random number]
    #[arg(short = 'i', long, value_name = "ID")]
    id: Option<String>,
    /// Show a silent server this often that we are there; 0 for never
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    keep_alive: Duration,
    /// Give up when the server is lost
    #[arg(long)]
    pub(super) no_reconnect: bool,
}

impl ServerArgs {
    pub(super) fn address(&self) -> Address {
        self.server.clone()
    }

    /// The options of a client that is known to the server for as long as it may need to come back.
    ///
    /// # Errors
    /// If there is no password where it should be.
    pub(super) fn options(&self) -> Result<ConnectOptions, Ending> {
        let id = self.id.clone().unwrap_or_else(|| format!("tidings-{:08x}", random() & 0xffff_ffff));
        let mut options = ConnectOptions::new(id);
        options.user.clone_from(&self.user);
        options.password = self.password()?;
        // 0 would mean never.
        let seconds = self.keep_alive.as_secs() + u64::from(self.keep_alive.subsec_nanos() > 0);
        options.keep_alive_s = u16::try_from(seconds).unwrap_or(u16::MAX);
        if !self.no_reconnect {
            options.session_expiry_s = SESSION_S;
        }
        Ok(options)
    }

    fn password(&self) -> Result<Option<Vec<u8>>, Ending> {
        if let Some(path) = &self.password_file {
            return read_password(path).map(Some);
        }
        if let Some(password) = variable("TIDINGS_PASSWORD") {
            return Ok(Some(password.into_encoded_bytes()));
        }
        variable("TIDINGS_PASSWORD_FILE").map(|path| read_password(Path::new(&path))).transpose()
    }
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The password that a file holds; a line end behind it is the editor's.
fn read_password(path: &Path) -> Result<Vec<u8>, Ending> {
    let cannot = |error| Ending::Failed(format!("cannot read the password in {}: {error}", path.display()));
    let mut password = fs::read(path).map_err(cannot)?;
    for end in [b'\n', b'\r'] {
        password.pop_if(|last| *last == end);
    }
    Ok(password)
}

/// What goes with a message that is published from the command line.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageArgs {
    /// 0: at most once, 1: at least once, 2: exactly once
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: QoS,
    /// User property, repeatable, in this order
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// What the payload is, for example application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Say that the payload is UTF-8 text
    #[arg(long)]
    text: bool,
    /// Nobody gets it any more after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expiry: Option<Duration>,
}

impl MessageArgs {
    pub(super) fn message(&self, topic: &str, payload: Vec<u8>) -> Message {
        let mut message = Message::new(topic, payload).qos(self.qos);
        let properties = &mut message.properties;
        properties.user.clone_from(&self.headers);
        properties.content_type.clone_from(&self.content_type);
        properties.payload_format = self.text.then_some(PayloadFormat::Text);
        properties.expiry_s = self.expiry.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        message
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    wire::past::span(text).ok_or("use a time such as 500ms, 30s, 5m, 1h30m or 2d")
}

pub(super) fn qos(text: &str) -> Result<QoS, &'static str> {
    text.parse().ok().and_then(QoS::of).ok_or("use 0, 1 or 2")
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("use NAME:VALUE")?;
    // As in HTTP a blank behind the colon is no part of the value.
    Ok((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
}

/// Where `tidings server` listens.
const SERVER_DEFAULT: &str = "mqtt://localhost:8071";
/// How long a server keeps what is on its way to or from a client that has lost it.
const SESSION_S: u32 = 300;
