//! Resident memory of the program, now and at its highest.

use super::http::Client;
use super::scene::Scene;
use super::table::{Row, value};
use anyhow::{Context, Result};
use std::fs;

/// After a few listings, as in daily use.
pub fn measure(scene: &mut Scene) -> Result<Vec<Row>> {
    let client = Client::new();
    for _ in 0..10 {
        client.get(&scene.lab.url("/staging"))?;
    }
    [("VmRSS", "resident now"), ("VmHWM", "resident at its highest")]
        .into_iter()
        .map(|(field, words)| {
            Ok(Row {
                what: format!("memory with {} verified runs, {words}", scene.runs),
                ours: value(mebibytes(scene.lab.id(), field)?, "MiB"),
                peer: "Python system (reference)".into(),
                theirs: Some(value(85.0, "MiB")),
                target: "<= 64 MiB",
            })
        })
        .collect()
}

/// The most that the program had in memory at once, in MiB.
pub fn highest(process: u32) -> Result<f64> {
    mebibytes(process, "VmHWM")
}

fn mebibytes(process: u32, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the program is gone")?;
    Ok(kib(&status, field).with_context(|| format!("/proc/PID/status has no {field}"))? as f64 / 1024.0)
}

fn kib(status: &str, field: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_found_by_their_whole_name() {
        assert_eq!(super::kib("VmRSSx:\t1 kB\nVmRSS:\t 2048 kB\n", "VmRSS"), Some(2048));
        assert_eq!(super::kib("Name: x\n", "VmHWM"), None);
    }
}
