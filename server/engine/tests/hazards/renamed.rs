//! Folders that are renamed, and names of what is not finished (S16).

use crate::support::*;
use domain::api::ForceSyncRequest;
use domain::job::JobState;
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::Engine;
use engine::machine::checkpoint::Checkpoint;
use serde_json::Value;
use std::fs;
use std::sync::Arc;

fn rename(lab: &Lab, from: &RunPath, to: &RunPath) {
    fs::rename(lab.staging(from.as_str()), lab.staging(to.as_str())).unwrap();
}

fn ingest_of(lab: &Lab, run: &RunPath) -> Value {
    serde_json::from_slice(&fs::read(lab.staging(run.as_str()).join(".exlab-wizard/ingest.json")).unwrap()).unwrap()
}

fn states_of(ingest: &Value) -> Vec<&str> {
    ingest["history"].as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap()).collect()
}

async fn until_gone(engine: &Engine, run: &RunPath) {
    until("no row under the old name", async || shown(engine, run).is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_what_is_still_arriving_by_its_name_is_no_run_until_it_is_renamed() {
    for name in ["Run_1.tmp", "Run_1.PART", "Run_1.crdownload"] {
        let (lab, arriving, done) = (Lab::new(), run(name), run("Run_1"));
        let engine = lab.start().await;
        lab.push_usual(&arriving);
        let row = until_row(&engine, &arriving, "arriving", |row| row.waiting_for.is_some()).await;
        assert!(row.waiting_for.as_deref().is_some_and(|why| why.contains("still arriving")), "{row:?}");
        let assumed = ForceSyncRequest {
            assume_complete: true,
            operator: Some("Ada".into()),
            reason: Some("it looks done".into()),
        };
        let refused = engine.force_sync(arriving.as_str(), assumed).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::StagingNotComplete, "{refused:?}");
        assert!(
            !lab.staging(arriving.as_str()).join(".exlab-wizard/ingest.json").exists(),
            "nothing is written into it"
        );

        rename(&lab, &arriving, &done);
        until_verified(&engine, &done).await;
        until_gone(&engine, &arriving).await;
        assert_eq!(ingest_of(&lab, &done)["run_path"], done.as_str());
        assert_eq!(data_below(&lab.nas(&done)), data_below(&lab.staging(done.as_str())));
        assert!(!lab.nas(&arriving).exists(), "{name}: nothing is sent under the old name");
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_folder_that_begins_with_a_tilde_is_shown_as_arriving() {
    let lab = Lab::new();
    let engine = lab.start().await;
    fs::create_dir_all(lab.staging("SCOPE_01/Cortex Q3 Pilot/Runs/~Run_1")).unwrap();
    let finding = until("a finding", async || engine.core().staging.unrecognised().first().cloned()).await;
    assert!(finding.rule_detail.contains("still arriving"), "{finding:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_run_is_followed_by_its_folder_and_its_history_says_so() {
    let (lab, before, after) = (Lab::new(), run("Run_1"), run("Run_1_final"));
    let engine = lab.start().await;
    lab.push(&before, &[("raw/frame_1.tif", b"first half")]);
    until_state(&engine, &before, RunState::Staging).await;
    rename(&lab, &before, &after);
    until_gone(&engine, &before).await;
    until_state(&engine, &after, RunState::Staging).await;
    lab.push_usual(&after);
    until_verified(&engine, &after).await;
    let ingest = ingest_of(&lab, &after);
    assert_eq!(ingest["run_path"], after.as_str());
    assert_eq!(ingest["history"][1]["renamed_from"], before.as_str(), "{ingest}");
    assert!(!lab.nas(&before).exists());
    engine.clear(after.as_str()).await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_what_waits_in_the_queue_under_the_old_name_is_taken_out() {
    let (lab, before, after) = (Lab::new(), run("Run_1"), run("Run_2"));
    let (there, away) = (lab.path("nas"), lab.path("away"));
    let engine = lab.start().await;
    fs::rename(&there, &away).unwrap();
    lab.push_usual(&before);
    until_job(&engine, &before, JobState::Queued).await;
    rename(&lab, &before, &after);
    until_gone(&engine, &before).await;
    until_job(&engine, &after, JobState::Queued).await;
    fs::rename(&away, &there).unwrap();
    engine.retry(after.as_str()).await.unwrap();
    until_verified(&engine, &after).await;
    assert!(!lab.nas(&before).exists());
    let jobs = engine.core().store.unproven_jobs().await.unwrap();
    assert_eq!(jobs, [], "nothing waits under the old name");
    // A start later it is the same.
    engine.stop().await;
    let engine = lab.start().await;
    until_verified(&engine, &after).await;
    assert!(shown(&engine, &before).is_none());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_run_that_is_renamed_while_it_is_sent_is_sent_under_its_new_name_alone() {
    let (lab, before, after) = (Lab::new(), run("Run_1"), run("Run_2"));
    let (from, to) = (lab.staging(before.as_str()), lab.staging(after.as_str()));
    let (renamed, is_renamed) = std::sync::mpsc::channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let engine = lab
        .start_with(once(Checkpoint::FilePlaced, move || {
            fs::rename(from, to).unwrap();
            renamed.send(()).unwrap();
            hold_up(|| wait.lock().unwrap().recv().unwrap());
        }))
        .await;
    // More than any queue between copying and telling holds.
    let raw = lab.staging(before.as_str()).join("raw");
    fs::create_dir_all(&raw).unwrap();
    for n in 0..3_000 {
        fs::write(raw.join(format!("{n:04}.tif")), [7; 100]).unwrap();
    }
    lab.push_usual(&before);
    tokio::task::spawn_blocking(move || is_renamed.recv().unwrap()).await.unwrap();
    // The worker stands still in the middle of sending until the watcher has asked it to stop.
    until("it is to stop", async || {
        engine
            .core()
            .index
            .look(&before, |facts| facts.sending.as_ref().is_some_and(|it| it.is_cancelled()))
            .filter(|it| *it)
    })
    .await;
    go_on.send(()).unwrap();
    until_verified(&engine, &after).await;
    until_gone(&engine, &before).await;
    assert_eq!(data_below(&lab.nas(&after)), data_below(&lab.staging(after.as_str())));
    assert!(
        data_below(&lab.nas(&before)).len() < data_below(&lab.nas(&after)).len(),
        "the rest was not sent under the old name"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_proven_run_that_is_renamed_is_proven_anew_before_it_may_be_cleared() {
    let (lab, before, after) = (Lab::new(), run("Run_1"), run("Run_2"));
    let engine = lab.start().await;
    lab.push_usual(&before);
    until_verified(&engine, &before).await;
    until_record_sent(&engine, &before).await;
    rename(&lab, &before, &after);
    until_gone(&engine, &before).await;
    until_verified(&engine, &after).await;
    assert_eq!(data_below(&lab.nas(&after)), data_below(&lab.staging(after.as_str())));
    assert_eq!(data_below(&lab.nas(&before)), data_below(&lab.nas(&after)), "what the NAS has is left alone");
    engine.clear(after.as_str()).await.unwrap();
    assert!(!lab.staging(after.as_str()).exists());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_copy_is_no_rename() {
    let (lab, one, copy) = (Lab::new(), run("Run_1"), run("Run_2"));
    let engine = lab.start().await;
    lab.push_usual(&one);
    until_verified(&engine, &one).await;
    // Copied elsewhere first: what is seen in the staging tree is the whole copy.
    copy_folder(&lab.staging(one.as_str()), &lab.path("copied"));
    fs::rename(lab.path("copied"), lab.staging(copy.as_str())).unwrap();
    until_state(&engine, &copy, RunState::SyncVerified).await;
    assert_eq!(ingest_of(&lab, &copy)["run_path"], one.as_str());
    let refused = engine.clear(copy.as_str()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StagingNotProven, "proven under another name only");
    assert!(shown(&engine, &one).is_some());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_run_is_followed_also_where_another_one_is_pushed_under_its_old_name_at_once() {
    let (lab, before, after) = (Lab::new(), run("Run_1"), run("Run_2"));
    let engine = lab.start().await;
    lab.push(&before, &[("raw/frame_1.tif", b"the first")]);
    until_state(&engine, &before, RunState::Staging).await;
    rename(&lab, &before, &after);
    lab.push(&before, &[("raw/other.tif", b"the second")]);
    until("the record says the new name", async || {
        (ingest_of(&lab, &after)["run_path"] == after.as_str()).then_some(())
    })
    .await;
    assert_eq!(ingest_of(&lab, &after)["history"][1]["renamed_from"], before.as_str());
    for run in [&before, &after] {
        lab.push_usual(run);
        until_verified(&engine, run).await;
        assert_eq!(ingest_of(&lab, run)["run_path"], run.as_str());
        assert_eq!(data_below(&lab.nas(run)), data_below(&lab.staging(run.as_str())));
    }
    assert_eq!(ingest_of(&lab, &before)["history"][1]["state"], "complete", "the other one has a history of its own");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_run_that_is_renamed_while_it_is_cleared_keeps_its_history() {
    let (lab, before, after) = (Lab::new(), run("Run_1"), run("Run_2"));
    let (from, to) = (lab.staging(before.as_str()), lab.staging(after.as_str()));
    let (seen, looked) = std::sync::mpsc::channel::<()>();
    let hook = once(Checkpoint::IntentRecorded, move || {
        fs::rename(&from, &to).unwrap();
        // The watcher has seen it under its new name before the clear finds out.
        hold_up(|| looked.recv_timeout(PATIENCE).unwrap());
    });
    let engine = Arc::new(lab.start_with(hook).await);
    lab.push_usual(&before);
    until_verified(&engine, &before).await;
    let pushed = data_below(&lab.staging(before.as_str()));
    let clearing = tokio::spawn({
        let (engine, before) = (engine.clone(), before.clone());
        async move { engine.clear(before.as_str()).await }
    });
    until("it is seen under its new name", async || shown(&engine, &after)).await;
    seen.send(()).unwrap();
    assert_eq!(clearing.await.unwrap().unwrap_err().code, ErrorCode::StagingNotProven);
    until("it is followed", async || (ingest_of(&lab, &after)["run_path"] == after.as_str()).then_some(())).await;
    until_verified(&engine, &after).await;
    let told = ingest_of(&lab, &after);
    assert_eq!(states_of(&told)[..5], ["staging", "complete", "sync_queued", "sync_verified", "cleared"], "{told}");
    assert!(
        told["history"].to_string().contains("clear_taken_back")
            && told["history"].to_string().contains("renamed_from"),
        "{told}"
    );
    assert_eq!(data_below(&lab.staging(after.as_str())), pushed);
    engine.clear(after.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&after)), pushed);
    Arc::into_inner(engine).unwrap().stop().await;
}

/// The clear waits for its NAS, and somebody renames the run meanwhile: the clear finds nothing and is given up, and
/// what it had written into the record is taken back there.
#[tokio::test(flavor = "multi_thread")]
async fn s16_a_run_that_is_renamed_while_its_clear_waits_keeps_its_history() {
    let (lab, before, after) = (Lab::new(), run("Run_1"), run("Run_2"));
    let (nas, away) = (lab.path("nas"), lab.path("away"));
    let engine = lab.start_with(once(Checkpoint::Intended, move || fs::rename(nas, away).unwrap())).await;
    lab.push_usual(&before);
    until_verified(&engine, &before).await;
    until_record_sent(&engine, &before).await;
    let pushed = data_below(&lab.staging(before.as_str()));
    assert!(engine.clear(before.as_str()).await.unwrap().clearing.is_some(), "it waits");
    rename(&lab, &before, &after);
    fs::rename(lab.path("away"), lab.path("nas")).unwrap();
    until("its clear has ended", async || {
        let _ = engine.clear(before.as_str()).await;
        engine.core().store.open_intents().await.unwrap().is_empty().then_some(())
    })
    .await;
    until("it is followed", async || (ingest_of(&lab, &after)["run_path"] == after.as_str()).then_some(())).await;
    until_verified(&engine, &after).await;
    let told = ingest_of(&lab, &after);
    assert_eq!(states_of(&told)[..5], ["staging", "complete", "sync_queued", "sync_verified", "cleared"], "{told}");
    assert!(told["history"].to_string().contains("clear_taken_back"), "{told}");
    assert_eq!(data_below(&lab.staging(after.as_str())), pushed);
    engine.clear(after.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&after)), pushed);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s16_a_proven_run_that_is_renamed_to_a_name_that_is_still_arriving_is_not_sent_under_it() {
    let (lab, done, again) = (Lab::new(), run("Run_1"), run("Run_1.tmp"));
    let engine = lab.start().await;
    lab.push_usual(&done);
    until_verified(&engine, &done).await;
    until_record_sent(&engine, &done).await;
    rename(&lab, &done, &again);
    let row = until_row(&engine, &again, "arriving", |row| row.waiting_for.is_some()).await;
    assert!(row.waiting_for.as_deref().is_some_and(|why| why.contains(".tmp")), "{row:?}");
    let refused = engine.force_sync(again.as_str(), ForceSyncRequest::default()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StagingNotComplete, "{refused:?}");
    until_gone(&engine, &done).await;
    for _ in 0..3 {
        engine.watcher().poll_once().await;
    }
    assert!(!lab.nas(&again).exists() && row.job.is_none(), "nothing is sent under that name");
    rename(&lab, &again, &done);
    until_verified(&engine, &done).await;
    assert_eq!(ingest_of(&lab, &done)["run_path"], done.as_str());
    engine.stop().await;
}
