//! The queue alone: enqueue, claim, settle of tiny jobs, no documents. The engine measures itself.

use super::table::{Row, median, value};
use crate::machine;
use crate::process::{self, Call};
use crate::step::Step;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

const ROUNDS: usize = 3;

/// Jobs per second.
pub fn measure() -> Result<Vec<Row>> {
    let binary = engine_bench()?;
    let samples: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let folder = tempfile::tempdir_in(super::lab_home()?)?;
            let answer = own(&binary, &["queue", &folder.path().display().to_string()])?;
            let jobs = answer["jobs"].as_f64().context("`engine-bench queue` gives no `jobs`")?;
            Ok(jobs / answer["seconds"].as_f64().context("`engine-bench queue` gives no `seconds`")?)
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

/// Builds what measures the engine's own parts, and answers where it stands.
pub fn engine_bench() -> Result<PathBuf> {
    let step = Step::begin("engine-bench: compiling (release)");
    step.run(process::cargo().args(["build", "--release", "-p", "engine-bench"]))?;
    step.end("");
    Ok(machine::target_folder()?.join("release/engine-bench"))
}

/// Calls it; it answers a JSON object.
pub fn own(binary: &Path, args: &[&str]) -> Result<serde_json::Value> {
    let what = || format!("`engine-bench {}`", args.join(" "));
    let text = Call::new(binary).args(args).read().with_context(what)?;
    serde_json::from_str(text.trim()).with_context(|| format!("{} answers no JSON object", what()))
}
