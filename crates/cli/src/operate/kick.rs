//! `tidings kick`: ends connections.

use std::process::ExitCode;

use clap::Args;

use super::api::{Api, segment};
use super::args::ServerArgs;
use super::clients;
use crate::ending::Ending;
use crate::visible::visible;

/// End a client's connection
///
/// `tidings clients` lists their ids. A client may come back; nothing that it has published is lost.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct KickArgs {
    /// Id of the connection, for example 0-17-0
    #[arg(required = true)]
    id: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Ends them one after the other and says whom it met. The exit code is that of the first that it did not.
pub(crate) fn run(args: &KickArgs) -> ExitCode {
    let api = args.server.api();
    let mut first_failure = None;
    for id in &args.id {
        let exit_code = super::conclude(kick(&api, id).map(|words| words + "\n"));
        if exit_code != ExitCode::SUCCESS {
            first_failure.get_or_insert(exit_code);
        }
    }
    first_failure.unwrap_or(ExitCode::SUCCESS)
}

/// Ends one; returns whom in words.
pub(super) fn kick(api: &Api, id: &str) -> Result<String, Ending> {
    // Afterwards nobody knows any more who it was.
    let client = clients::find(api, id);
    api.delete(&format!("{}/{}", clients::PATH, segment(id)))?;
    let id = visible(id.as_bytes());
    Ok(match client {
        Some(client) => {
            let name = client.name.map(|name| name + " at ").unwrap_or_default();
            let who = format!("{name}{}, {} {}", client.address, client.role, client.topic);
            format!("kicked {id}: {}", visible(who.trim_end().as_bytes()))
        }
        None => format!("kicked {id}"),
    })
}

const AFTER_HELP: &str = "\
Exit codes:
  0  told the server to end each of them
  1  failed, for example no answer in time
  2  wrong option, or no id
  3  cannot connect
  4  refused by the server: only who is on its machine may do this
  7  nobody has the id";
