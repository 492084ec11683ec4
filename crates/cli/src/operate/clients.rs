//! `tidings clients`: who is connected.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::answers::Client;
use super::api::Api;
use super::args::{EXIT_CODES, ServerArgs};
use super::pages::{self, List};
use super::table::{Column, Fit, columns_max, table};
use super::units::{bytes, time};
use crate::ending::{Ending, report};
use crate::visible::visible;

/// List who is connected
///
/// PROTO is what they speak, QUEUED what waits for them to read it, TOPIC what they publish to or hear.
#[derive(Debug, Clone, Args)]
#[command(after_help = after_help())]
pub(crate) struct ClientsArgs {
    /// Only those whose id, name, address or topic holds this, in any letter case
    text: Option<String>,
    /// Only those that speak this: text, mqtt, http, websocket, unknown
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Order: by id, by what is queued (most first), by age (oldest first)
    #[arg(long, value_enum, value_name = "KEY", default_value = "id")]
    sort: Sort,
    /// Show N at most
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = super::rows_max)]
    limit: usize,
    /// Print a JSON object per client, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Sort {
    Id,
    Queued,
    Age,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Queued => "queued",
            Self::Age => "age",
        }
    }
}

/// Asks for the clients and prints them. What goes wrong is reported on standard error and is in the exit code.
pub(crate) fn run(args: &ClientsArgs) -> ExitCode {
    super::conclude(text(args))
}

fn text(args: &ClientsArgs) -> Result<String, Ending> {
    let api = args.server.api();
    let mut query = vec![("sort", args.sort.name())];
    query.extend(args.text.as_deref().map(|text| ("text", text)));
    query.extend(args.protocol.as_deref().map(|protocol| ("protocol", protocol)));
    if args.json {
        return pages::json_lines(&api, PATH, &query, args.limit, "clients");
    }
    let list: List<Client> = pages::list(&api, PATH, &query, args.limit)?;
    let rows: Vec<_> = list.rows.iter().map(cells).collect();
    if rows.is_empty() {
        report(&nobody(args, list.total));
    }
    list.remarks("clients").iter().for_each(|remark| report(remark));
    Ok(table(&COLUMNS, &rows, columns_max()))
}

fn nobody(args: &ClientsArgs, total: Option<u64>) -> String {
    match (&args.text, &args.protocol) {
        (None, None) => "nobody is connected".to_owned(),
        _ => {
            let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
            format!("no client{of} is like that")
        }
    }
}

/// The client with exactly this id.
pub(super) fn find(api: &Api, id: &str) -> Option<Client> {
    let list: List<Client> = pages::list(api, PATH, &[("text", id)], FOUND_MAX).ok()?;
    list.rows.into_iter().find(|client| client.id == id)
}

pub(super) fn cells(client: &Client) -> [String; 8] {
    let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { visible(text.as_bytes()) };
    [
        shown(&client.id),
        shown(&client.protocol),
        shown(short(&client.role)),
        time(client.age_seconds),
        bytes(client.queued_bytes),
        shown(client.name.as_deref().unwrap_or_default()),
        shown(&client.address),
        shown(&client.topic),
    ]
}

/// As in the hello of the text protocol.
fn short(role: &str) -> &str {
    match role {
        "publisher" => "pub",
        "subscriber" => "sub",
        role => role,
    }
}

pub(super) const COLUMNS: [Column; 8] = [
    Column::text("ID", Fit::Whole),
    Column::text("PROTO", Fit::Start(4)),
    Column::text("ROLE", Fit::Start(4)),
    Column::number("AGE"),
    Column::number("QUEUED"),
    Column::text("NAME", Fit::Start(6)),
    Column::text("ADDRESS", Fit::End(12)),
    Column::text("TOPIC", Fit::Start(8)),
];

fn after_help() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}

const EXAMPLES: &str = "\
Examples:
  tidings clients --sort queued -n 10   who takes least of what waits for it
  tidings clients 192.0.2.7             who comes from there
  tidings clients --json | jq -r .name  what they call themselves";

pub(super) const PATH: &str = "/api/v1/clients";
/// Clients whose name or topic may hold the id of another one.
const FOUND_MAX: usize = 10_000;
