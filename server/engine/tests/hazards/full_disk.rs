//! A full disk at the destination, at staging, under the state folder: a typed reason, a retry, nothing half-written, nothing lost.

use crate::support::*;
use domain::api::RunRow;
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use engine::checkpoint::Checkpoint;
use std::fs;
use std::path::Path;

/// Takes all space that is left below a folder.
fn fill(folder: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(folder.join(".filler")).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

fn free(folder: &Path) {
    fs::remove_file(folder.join(".filler")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn v8_a_full_destination_is_retried_and_nothing_half_written_stands_there() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let nas = lab.path("nas/SCOPE_01");
    let _mounted = Mounted::tmpfs(&nas, "600k");
    let engine = lab.start().await;
    for n in 0..6 {
        lab.push(&run, &[(&format!("raw/frame_{n}.tif"), &vec![n as u8; 200_000])]);
    }
    lab.push(&run, &[(SENTINEL, b"")]);
    let retried = |row: &RunRow| row.job.as_ref().is_some_and(|job| job.attempts == 1);
    let job = until_row(&engine, &run, "a retry", retried).await.job.unwrap();
    let error = job.error.unwrap();
    assert_eq!((job.state, error.code), (JobState::Queued, FailureClass::DestinationFull), "{}", error.message);
    assert!(job.next_attempt_at.is_some());
    let pushed = data_below(&lab.staging(run.as_str()));
    for file in data_below(&lab.nas(&run)) {
        assert!(pushed.contains(&file), "{} is half-written", file.0.display());
    }
    assert_eq!(files_below(&nas.join(".exlab-orchestrator/tmp")), []);
    command("mount", &["-o", "remount,size=4m", nas.to_str().unwrap()]).unwrap();
    engine.retry(run.as_str()).await.unwrap();
    until_verified(&engine, &run).await;
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_destination_that_fills_up_before_the_finished_record_holds_the_clear() {
    let mut lab = Lab::new();
    // Where a file system has no direct reads the proof is weaker; this test is about space.
    lab.settings.verify.clear_needs = domain::proof::ProofLevel::L1;
    let run = run("Run_1");
    let nas = lab.path("nas/SCOPE_01");
    let _mounted = Mounted::tmpfs(&nas, "600k");
    let filled = nas.clone();
    let engine = lab.start_with(once(Checkpoint::Intended, move || fill(&filled))).await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let kept = data_below(&lab.staging(run.as_str()));
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert!(answer.clearing.is_some(), "it goes on by itself: {answer:?}");
    assert_eq!(data_below(&lab.staging(run.as_str())), kept);
    free(&nas);
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert_eq!(answer.clearing, None);
    assert_eq!(data_below(&lab.nas(&run)), kept);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_staging_disk_is_said_on_the_row_and_ends_when_there_is_room() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let staging = lab.path("staging");
    let _mounted = Mounted::tmpfs(&staging, "600k");
    lab.push_usual(&run);
    fill(&staging);
    let engine = lab.start().await;
    let full = |row: &RunRow| row.problem.as_ref().is_some_and(|problem| problem.message.contains("full"));
    until_row(&engine, &run, "it says so", full).await;
    free(&staging);
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.problem, None);

    let kept = data_below(&lab.staging(run.as_str()));
    fill(&staging);
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert_eq!(answer.clearing, None, "room is kept back for clearing: {answer:?}");
    free(&staging);
    assert_eq!(data_below(&lab.nas(&run)), kept);
    assert_eq!(files_below(&staging), []);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_state_folder_is_said_and_everything_goes_on_when_there_is_room() {
    let (lab, first, second) = (Lab::new(), run("Run_1"), run("Run_2"));
    let state = lab.path("state");
    let _mounted = Mounted::tmpfs(&state, "2m");
    let filled = state.clone();
    let engine = lab.start_with(once(Checkpoint::CompleteRecorded, move || fill(&filled))).await;
    lab.push_usual(&first);
    // Whether queueing or claiming met the full disk first is a matter of pages.
    let full = |row: &RunRow| {
        let of_job = row.job.as_ref().and_then(|job| job.error.as_ref()).map(|error| error.message.clone());
        row.problem.as_ref().map(|problem| problem.message.clone()).into_iter().chain(of_job).any(|message| message.contains("full"))
    };
    until_row(&engine, &first, "it says so", full).await;
    free(&state);
    until_verified(&engine, &first).await;
    fill(&state);
    lab.push_usual(&second);
    until_row(&engine, &second, "it says so", full).await;
    let kept = data_below(&lab.staging(first.as_str()));
    let answer = engine.clear(first.as_str()).await.unwrap();
    assert_eq!(answer.clearing, None, "room is kept back for clearing: {answer:?}");
    assert_eq!(data_below(&lab.nas(&first)), kept);
    free(&state);
    until_state(&engine, &second, RunState::SyncVerified).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_state_folder_that_fills_up_under_a_job_leaves_it_in_no_state_for_ever() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let state = lab.path("state");
    let _mounted = Mounted::tmpfs(&state, "2m");
    let filled = state.clone();
    let engine = lab.start_with(once(Checkpoint::Sealed, move || fill(&filled))).await;
    lab.push_usual(&run);
    // The result cannot be recorded; it is tried again until there is room.
    until("the disk is full", async || state.join(".filler").exists().then_some(())).await;
    free(&state);
    let settled = |row: &RunRow| row.job.as_ref().is_some_and(|job| !job.state.is_in_work());
    until_row(&engine, &run, "the job is settled", settled).await;
    engine.retry(run.as_str()).await.ok();
    until_verified(&engine, &run).await;
    engine.stop().await;
}

/// The day this program is for: one disk for staging and state, full to the last byte, and an operator clears.
#[tokio::test(flavor = "multi_thread")]
async fn d21_a_run_is_cleared_on_a_disk_of_no_free_byte() {
    let (lab, first, second) = (Lab::new(), run("Run_1"), run("Run_2"));
    let disk = lab.path("disk");
    fs::create_dir(&disk).unwrap();
    let _mounted = Mounted::tmpfs(&disk, "24m");
    for name in ["staging", "state"] {
        fs::create_dir(disk.join(name)).unwrap();
        fs::remove_dir(lab.path(name)).unwrap();
        std::os::unix::fs::symlink(disk.join(name), lab.path(name)).unwrap();
    }
    let engine = lab.start().await;
    for run in [&first, &second] {
        lab.push_usual(run);
        until_verified(&engine, run).await;
    }
    let pushed = data_below(&lab.staging(first.as_str()));
    for run in [&first, &second] {
        fill(&disk);
        let answer = engine.clear(run.as_str()).await.unwrap_or_else(|problem| panic!("{run}: {problem:?}"));
        assert_eq!((answer.clearing, answer.files_freed > 5), (None, true));
        assert_eq!(data_below(&lab.nas(run)), pushed, "{run}");
        assert!(!lab.staging(run.as_str()).exists());
        free(&disk);
        let whole = || fs::metadata(disk.join("state/.exlab-reserve")).is_ok_and(|file| file.len() >= 2 << 20);
        until("the room is kept back again", async || whole().then_some(())).await;
    }
    engine.stop().await;
}
