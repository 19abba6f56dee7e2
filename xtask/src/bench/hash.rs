//! Hashing one big file that lies in the page cache: ours, `openssl dgst -sha256`, `sha256sum`, in turn.

use super::queue::{engine_bench, own};
use super::table::{Row, median, value};
use crate::process::Call;
use crate::step::Step;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

const BYTES: u64 = 1 << 30;
const ROUNDS: usize = 5;

/// MB per second of each.
pub fn measure() -> Result<Vec<Row>> {
    let binary = engine_bench()?;
    let folder = tempfile::tempdir_in(super::lab_home()?)?;
    let file = folder.path().join("big.bin");
    let step = Step::begin("bench: hashing 1 GiB");
    write(&file)?;
    let path = file.to_str().context("the bench's folder has no plain name")?;
    let peers: [(&str, &[&str]); 2] = [("openssl", &["dgst", "-sha256", path]), ("sha256sum", &[path])];
    let (mut ours, mut theirs) = (Vec::new(), [Vec::new(), Vec::new()]);
    Call::new(peers[0].0).args(peers[0].1).read()?;
    for round in 1..=ROUNDS {
        step.line(&format!("round {round} of {ROUNDS}"));
        let answer = own(&binary, &["hash", path])?;
        let seconds = answer["seconds"].as_f64().context("`engine-bench hash` gives no `seconds`")?;
        ours.push(BYTES as f64 / 1e6 / seconds);
        for ((program, args), samples) in peers.iter().zip(&mut theirs) {
            let begun = Instant::now();
            Call::new(program).args(*args).read()?;
            samples.push(BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64());
        }
    }
    step.end("");
    let targets = [">= 0.95 of openssl", ""];
    Ok(peers
        .iter()
        .zip(&theirs)
        .zip(targets)
        .map(|(((program, args), samples), target)| Row {
            what: "hashing one 1 GiB file".into(),
            ours: value(median(&ours), "MB/s"),
            peer: [*program].into_iter().chain(args[..args.len() - 1].iter().copied()).collect::<Vec<_>>().join(" "),
            theirs: Some(value(median(samples), "MB/s")),
            target,
        })
        .collect())
}

/// Bytes without a pattern, the same every time.
fn write(file: &Path) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..BYTES / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes())?;
    }
    out.flush().context("cannot write the big file")
}
