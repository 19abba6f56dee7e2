//! One run of a million files: the most memory that the program takes while it seals, sends, proves and clears it, in
//! two generations.

use super::http::Client;
use super::lab::{EQUIPMENT, Lab, SENTINEL};
use super::memory;
use super::table::{Row, value};
use crate::campaign::Way;
use crate::sshd::Sshd;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const RUN: &str = "Large/Runs/Run_1";
const FILES_PER_FOLDER: usize = 1_000;
const LIMIT: Duration = Duration::from_secs(3_600);

/// The highest resident memory of each part of the run's life, and how long it took.
pub fn measure(binary: &Path, files: usize, way: Way) -> Result<Vec<Row>> {
    let step = Step::begin(format!("bench: one run of {files} files over {way}"));
    let sshd = if way == Way::Mount { None } else { Some(Sshd::start()?) };
    let config = tempfile::NamedTempFile::new()?;
    let transport = |nas: &Path| match (&sshd, way) {
        (Some(_), Way::Rclone) => format!(
            "{{type: rclone, rclone_remote: nas, rclone_remote_path: '{}', rclone_config: '{}'}}",
            nas.display(),
            config.path().display()
        ),
        (Some(sshd), _) => sshd.transport(nas),
        (None, _) => format!("{{type: mount, path: '{}'}}", nas.display()),
    };
    if let Some(sshd) = &sshd {
        fs::write(config.path(), sshd.remote())?;
    }
    let mut lab = Lab::open_on(binary, transport, |staging| push(staging, files))?;
    let client = Client::new();
    let mut rows = Vec::new();
    for (words, wanted) in [("seen, sealed, sent", "awaiting_verify"), ("proven", "verified")] {
        let begun = Instant::now();
        lab.until(&format!("the run is {words}"), LIMIT, |lab| reached(&client, lab, wanted))?;
        rows.extend(rows_of(&lab, files, words, begun.elapsed())?);
    }
    let begun = Instant::now();
    lab.until("the record has followed", LIMIT, |lab| Ok(row(&client, lab)?["job"]["record_sent"] == true))?;
    rows.extend(rows_of(&lab, files, "its record sent", begun.elapsed())?);
    let begun = Instant::now();
    fs::write(lab.staging().join(EQUIPMENT).join(RUN).join("late.tif"), "late")?;
    let url = lab.url(&format!("/api/v1/staging/{EQUIPMENT}/{RUN}/force-sync"));
    lab.until("the late file is seen, and sent for", LIMIT, |lab| {
        Ok(row(&client, lab)?["late_files"] == 1 && ask(&url)? == 200)
    })?;
    lab.until("the second generation is proven", LIMIT, |lab| {
        let job = row(&client, lab)?["job"].take();
        Ok(job["generation"] == 2 && job["record_sent"] == true && reached(&client, lab, "verified")?)
    })?;
    rows.extend(rows_of(&lab, files, "a second generation of it", begun.elapsed())?);
    let begun = Instant::now();
    let url = lab.url(&format!("/api/v1/staging/{EQUIPMENT}/{RUN}/clear"));
    let asked = std::thread::spawn(move || ask(&url));
    lab.until("the run is cleared", LIMIT, |_| Ok(asked.is_finished()))?;
    let status = asked.join().map_err(|_| anyhow::anyhow!("the client broke"))??;
    if status != 200 {
        bail!("the clear was answered {status}");
    }
    rows.extend(rows_of(&lab, files, "cleared", begun.elapsed())?);
    step.end("cleared");
    Ok(rows)
}

/// Memory of the part that ends now; the next one begins with what is resident then.
fn rows_of(lab: &Lab, files: usize, words: &str, took: Duration) -> Result<Vec<Row>> {
    let highest = memory::highest(lab.id())?;
    fs::write(format!("/proc/{}/clear_refs", lab.id()), "5")
        .context("cannot begin another measurement of the highest")?;
    let peer = format!("in {:.0} s", took.as_secs_f64());
    Ok(vec![Row {
        what: format!("highest memory, {files} files: {words}"),
        ours: value(highest, "MiB"),
        peer,
        theirs: None,
        target: "<= 64 MiB",
    }])
}

fn row(client: &Client, lab: &Lab) -> Result<serde_json::Value> {
    Ok(client.json(&lab.url("/api/v1/staging"))?["runs"][0].take())
}

/// Whether its job is in this state or beyond.
fn reached(client: &Client, lab: &Lab, wanted: &str) -> Result<bool> {
    std::thread::park_timeout(Duration::from_millis(200));
    let row = row(client, lab)?;
    let state = row["job"]["state"].as_str().unwrap_or_default();
    if state == "failed" {
        bail!("the job failed: {}", row["job"]);
    }
    Ok(["awaiting_verify", "verified", "cleanup_eligible"]
        .into_iter()
        .skip_while(|known| *known != wanted)
        .any(|known| known == state))
}

fn ask(url: &str) -> Result<u16> {
    let answer = ureq::post(url).config().http_status_as_error(false).build().send_empty()?;
    Ok(answer.status().as_u16())
}

fn push(staging: &Path, files: usize) -> Result<()> {
    let run: PathBuf = staging.join(EQUIPMENT).join(RUN);
    for file in 0..files {
        let folder = run.join(format!("raw/{:04}", file / FILES_PER_FOLDER));
        if file % FILES_PER_FOLDER == 0 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(format!("frame_{file:07}.tif")), file.to_string())?;
    }
    fs::write(run.join(SENTINEL), "")?;
    Ok(())
}
