//! Where and when results were taken: what must be known to compare them with others.

use std::fs;
use std::process::Command;

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// UTC.
    pub(crate) date: String,
    /// Of the working directory, with `-dirty` where it has changes.
    pub(crate) commit: String,
    pub(crate) cpu_model: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
}

impl Machine {
    pub(crate) fn look() -> Machine {
        let git = ["--no-optional-locks", "describe", "--always", "--dirty", "--exclude=*"];
        Machine {
            date: output_of("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(|| UNKNOWN.to_owned()),
            commit: output_of("git", &git).unwrap_or_else(|| UNKNOWN.to_owned()),
            cpu_model: cpu_model().unwrap_or_else(|| UNKNOWN.to_owned()),
            cores: cli::bench::core_count(),
            kernel: output_of("uname", &["-sr"]).unwrap_or_else(|| UNKNOWN.to_owned()),
        }
    }
}

fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn cpu_model() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

const UNKNOWN: &str = "unknown";
