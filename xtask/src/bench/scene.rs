//! A staging tree with many verified runs and the program on it: the stage for listing, idling and memory.

use super::http::Client;
use super::lab::{EQUIPMENT, Lab, SENTINEL};
use crate::step::Step;
use anyhow::Result;
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Files per run, the sentinel among them.
pub const FILES_PER_RUN: usize = 20;

const RUNS_PER_PROJECT: usize = 250;

/// The program with `runs` verified runs.
pub struct Scene {
    /// Where it works.
    pub lab: Lab,
    /// How many runs there are.
    pub runs: usize,
}

impl Scene {
    /// Fills a tree, starts the program and waits until everything is verified.
    pub fn open(binary: &Path, runs: usize) -> Result<Scene> {
        let step = Step::begin(format!("bench: {runs} runs of {FILES_PER_RUN} files"));
        let mut lab = Lab::open(binary, |staging| fill(staging, runs))?;
        let client = Client::new();
        let shown = Cell::new(0);
        lab.until("all runs are verified", Duration::from_secs(1_800), |lab| {
            let verified = verified(&client, lab)?;
            if verified != shown.replace(verified) {
                step.line(&format!("{verified} verified"));
            }
            std::thread::park_timeout(Duration::from_millis(500));
            Ok(verified == runs)
        })?;
        step.end("verified");
        Ok(Scene { lab, runs })
    }
}

/// Runs that are verified and whose record has followed: then nothing is left to be done.
fn verified(client: &Client, lab: &Lab) -> Result<usize> {
    let answer = client.json(&lab.url("/api/v1/staging"))?;
    let runs = answer["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(runs.iter().filter(|row| row["current_state"] == "sync_verified" && row["job"]["record_sent"] == true).count())
}

fn fill(staging: &Path, runs: usize) -> Result<()> {
    for run in 0..runs {
        let project = format!("Project {:02}", run / RUNS_PER_PROJECT);
        let folder = staging.join(EQUIPMENT).join(project).join("Runs").join(format!("Run_{run:05}"));
        fs::create_dir_all(folder.join("raw"))?;
        for file in 1..FILES_PER_RUN {
            fs::write(folder.join(format!("raw/frame_{file:03}.tif")), format!("run {run} file {file}\n"))?;
        }
        fs::write(folder.join(SENTINEL), "")?;
    }
    Ok(())
}
