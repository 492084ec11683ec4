//! `tidings topics`: what was published.

use std::process::ExitCode;

use clap::Args;

use super::answers::{Payload, Topic};
use super::args::{EXIT_CODES, ServerArgs};
use super::pages::{self, List};
use super::table::{Column, Fit, columns_max, table};
use super::units::{bytes, count};
use crate::ending::{Ending, report};
use crate::visible::visible;

/// List the topics that have messages
///
/// KEPT messages are kept for late subscribers, TOTAL counts those that were published, LAST is when the
/// latest one was (UTC) and PAYLOAD its beginning.
#[derive(Debug, Clone, Args)]
#[command(after_help = after_help())]
pub(crate) struct TopicsArgs {
    /// Only those that this filter matches: + for one level, # for the rest
    filter: Option<String>,
    /// Only those whose name begins like this
    #[arg(long, value_name = "TEXT", conflicts_with = "filter")]
    prefix: Option<String>,
    /// Show N at most
    #[arg(short = 'n', long, value_name = "N", default_value = "1000", value_parser = super::rows_max)]
    limit: usize,
    /// Print a JSON object per topic, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Asks for the topics and prints them. What goes wrong is reported on standard error and is in the exit code.
pub(crate) fn run(args: &TopicsArgs) -> ExitCode {
    super::conclude(text(args))
}

fn text(args: &TopicsArgs) -> Result<String, Ending> {
    let api = args.server.api();
    let filter = args.filter.as_deref().map(|filter| ("filter", filter));
    let prefix = args.prefix.as_deref().map(|prefix| ("prefix", prefix));
    let query: Vec<_> = filter.into_iter().chain(prefix).collect();
    if args.json {
        return pages::json_lines(&api, PATH, &query, args.limit, "topics");
    }
    let list: List<Topic> = pages::list(&api, PATH, &query, args.limit)?;
    let rows: Vec<_> = list.rows.iter().map(cells).collect();
    if rows.is_empty() {
        report(if query.is_empty() {
            "no topic has messages"
        } else {
            "no topic with messages is like that"
        });
    }
    list.remarks("topics").iter().for_each(|remark| report(remark));
    Ok(table(&COLUMNS, &rows, columns_max()))
}

fn cells(topic: &Topic) -> [String; 6] {
    [
        visible(topic.name.as_bytes()),
        count(topic.messages_kept as f64),
        count(topic.messages_total as f64),
        bytes(topic.bytes),
        moment(&topic.last.time),
        payload(&topic.last.payload),
    ]
}

/// A time without its date's year and without fractions, which tell nobody much.
pub(super) fn moment(time: &str) -> String {
    let seconds = time.get(5..19).map(|text| text.replace('T', " "));
    visible(seconds.as_deref().unwrap_or(time).as_bytes())
}

/// The beginning of a payload, if it is text.
pub(super) fn payload(payload: &Payload) -> String {
    match &payload.text {
        Some(text) => {
            // One that is longer than any terminal is wide need not be looked at whole.
            let begin: String = text.chars().take(TEXT_CHARS_MAX).collect();
            let is_cut = payload.truncated || begin.len() < text.len();
            visible(begin.as_bytes()) + if is_cut { "…" } else { "" }
        }
        None => format!("({} bytes, no text)", payload.bytes),
    }
}

const COLUMNS: [Column; 6] = [
    Column::text("TOPIC", Fit::Start(12)),
    Column::number("KEPT"),
    Column::number("TOTAL"),
    Column::number("BYTES"),
    Column::text("LAST", Fit::Whole),
    Column::text("PAYLOAD", Fit::Start(8)),
];

fn after_help() -> String {
    format!("{EXAMPLES}\n\n{EXIT_CODES}")
}

const EXAMPLES: &str = "\
Examples:
  tidings topics 'sensors/+/temperature'    the latest of each
  tidings topics --json | jq -r .name       their names";

pub(super) const PATH: &str = "/api/v1/topics";
const TEXT_CHARS_MAX: usize = 1000;
