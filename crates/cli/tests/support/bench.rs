//! `tidings bench` and its report.

use std::process::Output;

use serde_json::Value;

use super::tidings;

/// Runs it for a tenth of a second and returns its end and its report.
pub(crate) fn bench(args: &[&str]) -> (Output, Value) {
    let output = tidings()
        .args(["bench", "--seconds", "0.1", "--warmup", "0", "--json"])
        .args(args)
        .output()
        .expect("it starts");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{args:?}: no report: {}", String::from_utf8_lossy(&output.stderr)));
    (output, report)
}

pub(crate) fn count(report: &Value, what: &str) -> u64 {
    report["account"][what].as_u64().expect("a count")
}

/// Everything published was delivered once and in order, `copies` times.
#[track_caller]
pub(crate) fn check(args: &[&str], protocol: &str, copies: u64) -> Value {
    let (output, report) = bench(args);
    assert!(output.status.success(), "{args:?}: {report}");
    assert_eq!(report["protocol"], protocol, "{args:?}");
    let published = count(&report, "published");
    assert!(published > 0, "{args:?}");
    assert_eq!(count(&report, "expected"), published * copies, "{args:?}");
    assert_eq!(count(&report, "received"), published * copies, "{args:?}");
    for wrong in ["announced", "lost", "wrongly_announced", "duplicates", "misordered", "malformed"] {
        assert_eq!(count(&report, wrong), 0, "{args:?}: {wrong}");
    }
    report
}
