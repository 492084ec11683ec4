//! `bench hostile`: attacks on a broker, each against a probe, with what the probe and the memory show.
//!
//! Each attack gets a broker process of its own on 127.0.0.1. Memory over its bound, or a broker that ended, is a
//! failure; timing is reported and never judged, as a machine has other work too.

mod child;
mod field;
mod filters;
mod floods;
mod history;
mod http;
mod memory;
mod mqtt;
mod newcomers;
mod probe;
mod sockets;
mod table;
mod trial;
mod websocket;

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;

use crate::{open_files, programs};
use field::{Field, Length};
use probe::Kind;
use table::Row;
use trial::{Begun, Trial};

#[derive(Debug, Args)]
pub(crate) struct HostileArgs {
    /// Broker binary to attack [default: `tidings` beside this program]
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Run only these attacks
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Smaller and shorter, for a check of every change
    #[arg(long)]
    short: bool,
    /// Shards of the broker
    #[arg(long, default_value = "2", value_name = "N")]
    shards: NonZeroUsize,
    /// Write the results to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Say what there is
    #[arg(long)]
    list: bool,
}

/// One way to trouble a broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// In a few words, for the list.
    pub(crate) stresses: &'static str,
    pub(crate) memory_max_mib: u64,
    pub(crate) probe: Kind,
    pub(crate) run: fn(&Field<'_>) -> anyhow::Result<()>,
}

/// Runs the attacks. Fails with exit code 1 if a broker ended or went over its bound of memory.
pub(crate) fn run(args: &HostileArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if args.list {
        for attack in ATTACKS {
            writeln!(out, "{:<16} {}", attack.name, attack.stresses)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let attacks = chosen(&args.only)?;
    let trial = Trial {
        binary: programs::broker(args.server.as_deref())?,
        shards: args.shards.get(),
        length: if args.short { Length::Short } else { Length::Full },
        connections_max: open_files::raise()?,
    };
    let begun: Vec<Begun> =
        attacks.iter().map(|attack| begin(&trial, attack)).collect::<anyhow::Result<_>>()?;
    let rows: Vec<Row> = begun.into_iter().map(Begun::finish).collect::<anyhow::Result<_>>()?;
    table::write(&mut out, &rows)?;
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_string_pretty(&rows)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let holds = rows.iter().all(Row::holds);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn begin(trial: &Trial, attack: &Attack) -> anyhow::Result<Begun> {
    let begun = trial.run(attack).with_context(|| format!("attack {}", attack.name))?;
    // Progress, for whoever watches; where standard error is gone nobody does.
    writeln!(io::stderr(), "{}", begun.summary()).ok();
    Ok(begun)
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<Attack>> {
    for name in only {
        let names: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
        ensure!(names.contains(&name.as_str()), "no attack is called {name}; there are {}", names.join(", "));
    }
    let is_chosen = |attack: &&Attack| only.is_empty() || only.iter().any(|name| name == attack.name);
    Ok(ATTACKS.iter().filter(is_chosen).copied().collect())
}

const GIB_MIB: u64 = 1024;

const fn attack(
    name: &'static str,
    stresses: &'static str,
    memory_max_mib: u64,
    run: fn(&Field<'_>) -> anyhow::Result<()>,
) -> Attack {
    Attack { name, stresses, memory_max_mib, probe: Kind::Plain, run }
}

const ATTACKS: &[Attack] = &[
    attack("filters-churn", "subscribing and leaving with deep filters", GIB_MIB, filters::churn),
    attack("leave-together", "thousands of filters that go at once", GIB_MIB, filters::leave_together),
    attack("deep-filters", "a topic that thousands of filters nearly match", GIB_MIB, filters::deep),
    attack("replay-one", "last=1 over very many topics", GIB_MIB, history::replay_one),
    attack("replay-since", "everyone wants everything of the last hour", GIB_MIB, history::replay_since),
    attack("replay-wild", "history that no topic has", GIB_MIB, history::replay_wild),
    attack("json-flood", "tiny messages as JSON", GIB_MIB, floods::json),
    attack("linger-flood", "sending on after terminate", GIB_MIB, floods::linger),
    Attack {
        name: "brake",
        stresses: "a stuck subscriber against publishers that wait for answers",
        memory_max_mib: GIB_MIB,
        probe: Kind::Acked,
        run: floods::brake,
    },
    attack("long-lines", "2 bytes that become 4 KiB", 64, memory::long_lines),
    attack("stuck-many", "1,000 who do not read", 16, memory::stuck_many),
    attack("stuck-json", "1 MiB that becomes 6, for many who do not read", 256, memory::stuck_json),
    attack("unfinished", "messages without an end", 16, memory::unfinished),
    attack("filters-memory", "deep filters that share nothing", 16, memory::filters),
    attack("routes-memory", "thousands of filters match thousands of topics", 16, memory::routes),
    attack("spans", "a small run behind a huge one", 16, history::spans),
    attack("hello-flood", "newcomers who leave at once", GIB_MIB, newcomers::hellos),
    attack("half-hellos", "thousands who never say what they are", GIB_MIB, newcomers::half_hellos),
    attack("slow-readers", "a byte now and then", GIB_MIB, floods::slow_readers),
    attack("drip", "long messages that grow byte by byte", GIB_MIB, floods::drip),
    attack("answers-unread", "answers that nobody reads", 16, memory::answers),
    attack("topic-names", "ever new topics with long names", 16, memory::topics),
    attack("crowd", "an honest message to thousands", GIB_MIB, floods::crowd),
    attack("mqtt-unacked", "clients that never acknowledge", 64, mqtt::unacknowledged),
    attack("mqtt-retained", "retained messages on ever new topics", 256, mqtt::retained),
    attack("mqtt-take-overs", "hundreds who share ten client ids", GIB_MIB, mqtt::take_overs),
    attack("mqtt-sessions", "sessions that nobody comes back to", 64, mqtt::sessions),
    attack("mqtt-filters", "subscribing and unsubscribing by the hundred", GIB_MIB, mqtt::subscriptions),
    attack("mqtt-compare", "sessions of a thousand filters", GIB_MIB, mqtt::comparisons),
    attack("mqtt-groups", "members of groups that flap", 64, mqtt::groups),
    attack("http-slow", "heads and bodies byte by byte", 64, http::slow),
    attack("http-heads", "heads of 64 KiB", GIB_MIB, http::heads),
    attack("http-chunks", "bodies in chunks of a byte", 64, http::chunks),
    attack("http-pipelined", "requests to 10,000 topics, one behind the other", 64, http::pipelined),
    attack("http-ndjson", "a body of 30,000 messages", 256, http::ndjson),
    attack("http-unread", "1,000 streams that nobody reads", 16, http::unread),
    attack("http-resume", "readers who come back with any position", GIB_MIB, http::resume),
    attack("http-control", "operators' requests in a storm", GIB_MIB, http::control),
    attack("ws-tiny", "frames of a byte, and pings", 64, websocket::tiny),
    attack("ws-mqtt", "MQTT in frames of a byte", 64, websocket::mqtt),
    attack("ws-handshakes", "newcomers who close, or send what is no frame", 64, websocket::handshakes),
    attack("ws-unfinished", "messages of a WebSocket without an end", 16, websocket::unfinished),
    attack("ws-churn", "subscribing and unsubscribing in JSON", GIB_MIB, websocket::churn),
    attack("mqtt-properties", "messages that share nothing", GIB_MIB, mqtt::properties),
];
