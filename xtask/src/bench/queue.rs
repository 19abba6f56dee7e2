//! The queue alone: enqueue, claim, settle of tiny jobs, no documents. The program measures itself.

use super::table::{Row, median, value};
use crate::process::Call;
use anyhow::{Context, Result};
use std::path::Path;

const ROUNDS: usize = 3;

/// Jobs per second.
pub fn measure(binary: &Path) -> Result<Vec<Row>> {
    let samples: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let answer = own(binary, &["queue"])?;
            let jobs = answer["jobs"].as_f64().context("`bench queue` gives no `jobs`")?;
            Ok(jobs / answer["seconds"].as_f64().context("`bench queue` gives no `seconds`")?)
        })
        .collect::<Result<_>>()?;
    Ok(vec![Row {
        what: "queue alone, tiny jobs".into(),
        ours: value(median(&samples), "/s"),
        peer: "Python system (reference)".into(),
        theirs: Some(value(38.0, "/s")),
        target: ">= 1,000 /s",
    }])
}

/// Calls the program's hidden `bench`; its last line is a JSON object.
pub fn own(binary: &Path, args: &[&str]) -> Result<serde_json::Value> {
    let what = || format!("`exlab-orchestrator bench {}`", args.join(" "));
    let folder = tempfile::tempdir_in(super::lab_home()?)?;
    let text = Call::new(binary).arg("bench").args(args).env("XDG_STATE_HOME", folder.path()).read().with_context(what)?;
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("{} does not end with a JSON object", what()))
}
