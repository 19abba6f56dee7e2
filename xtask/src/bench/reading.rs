//! How often the bytes of a run are read from the disks on their way to being proven, from the kernel's own count.

use super::http::Client;
use super::lab::{EQUIPMENT, Lab};
use super::table::{Row, value};
use crate::process::Call;
use crate::step::Step;
use anyhow::{Context, Result};
use std::fs;

const BYTES: u64 = 512 << 20;

/// Bytes read per byte of payload, with nothing of the run in memory when it begins.
pub fn measure(binary: &std::path::Path) -> Result<Vec<Row>> {
    let step = Step::begin("bench: bytes read per byte proven");
    let mut lab = Lab::open(binary, |_| Ok(()))?;
    let run = lab.staging().join(EQUIPMENT).join("Reading/Runs/Run_1");
    fs::create_dir_all(&run)?;
    fs::write(run.join("stack.tif"), vec![7; usize::try_from(BYTES)?])?;
    Call::new("sh")
        .args(["-c", "sync && echo 3 >/proc/sys/vm/drop_caches"])
        .read()
        .context("only root may empty the page cache")?;
    let before = read_bytes(lab.id())?;
    lab.seconds_to_verified(&Client::new(), &run)?;
    let read = read_bytes(lab.id())? - before;
    step.end("");
    Ok(vec![Row {
        what: "bytes read from disks per byte proven on a mount".into(),
        ours: value(read as f64 / BYTES as f64, ""),
        peer: String::new(),
        theirs: None,
        target: "<= 2.1",
    }])
}

fn read_bytes(pid: u32) -> Result<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).context("the program is gone")?;
    let line =
        io.lines().find_map(|line| line.strip_prefix("read_bytes: ")).context("/proc/PID/io is not as expected")?;
    Ok(line.trim().parse()?)
}
