//! 10,000 files of 10 KiB from `complete` to `sync_verified` on a mount, beside plain copies of the same run: ours
//! hashes both sides.

use super::http::Client;
use super::lab::{EQUIPMENT, Lab};
use super::table::{Row, median, value};
use crate::process::Call;
use crate::step::Step;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

const FILES: usize = 10_000;
const BYTES_EACH: usize = 10 * 1024;
const ROUNDS: usize = 3;

/// A peer: its name, and the shell words that copy `$1` to `$2` and bring it to the disk.
const PEERS: [(&str, &str); 3] = [
    ("cp -r, sync", "cp -r -- \"$1\" \"$2\" && sync -f \"$2\""),
    ("rsync -a, sync", "rsync -a -- \"$1/\" \"$2/\" && sync -f \"$2\""),
    (
        "rsync -a, sync, hash both",
        "rsync -a -- \"$1/\" \"$2/\" && sync -f \"$2\" && (cd \"$1\" && find . -type f -exec sha256sum {} + >\"$2.sums\") && cd \"$2\" && sha256sum --quiet -c \"$2.sums\"",
    ),
];

/// Seconds of each, in turn.
pub fn measure(binary: &Path) -> Result<Vec<Row>> {
    let step = Step::begin(format!("bench: {FILES} files of {} KiB", BYTES_EACH / 1024));
    let mut lab = Lab::open(binary, |_| Ok(()))?;
    let client = Client::new();
    let (mut ours, mut theirs) = (Vec::new(), vec![Vec::new(); PEERS.len()]);
    for round in 0..ROUNDS {
        step.line(&format!("round {} of {ROUNDS}", round + 1));
        let run = push(&lab, round)?;
        ours.push(lab.seconds_to_verified(&client, &run)?);
        for ((name, words), samples) in PEERS.iter().zip(&mut theirs) {
            let copy = lab.folder().join(format!("copy {round} {name}").replace([' ', ','], "_"));
            let begun = Instant::now();
            Call::new("sh").args(["-c", words, "sh"]).arg(&run).arg(&copy).read()?;
            samples.push(begun.elapsed().as_secs_f64());
        }
    }
    step.end("");
    Ok(PEERS
        .iter()
        .zip(&theirs)
        .map(|((name, _), samples)| Row {
            what: format!("{FILES} x {} KiB, complete to verified", BYTES_EACH / 1024),
            ours: value(median(&ours), "s"),
            peer: (*name).into(),
            theirs: Some(value(median(samples), "s")),
            target: "",
        })
        .collect())
}

/// A run without its signal.
fn push(lab: &Lab, round: usize) -> Result<PathBuf> {
    let run = lab.staging().join(EQUIPMENT).join("Small files/Runs").join(format!("Run_{round}"));
    for file in 0..FILES {
        let folder = run.join(format!("raw/{:02}", file / 250));
        if file % 250 == 0 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(
            folder.join(format!("frame_{file:05}.tif")),
            format!("{round} {file} ").repeat(BYTES_EACH / 4 + 1).get(..BYTES_EACH).unwrap_or_default(),
        )?;
    }
    Ok(run)
}
