//! The same path again: after a clear, after a folder was replaced by hand, after the state folder was lost or restored
//! (D5, D15).

use crate::support::*;
use domain::api::{DestinationHealth, ForceSyncRequest};
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::Engine;
use engine::keep::staging_owner::adopt;
use engine::keep::state_folder::StateFolderError;
use engine::machine::clock::Clock;
use engine::{StartError, mark_destination};
use std::fs;

async fn verified(lab: &Lab, run: &RunPath) -> Engine {
    let engine = lab.start().await;
    lab.push_usual(run);
    until_verified(&engine, run).await;
    engine
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_a_path_pushed_again_after_a_clear_starts_from_nothing() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    lab.push(&run, &[("raw/frame_9.tif", b"new in the second life"), ("notes.txt", b"as planned")]);
    until_state(&engine, &run, RunState::Staging).await;
    let shown = row(&engine, &run).await;
    assert_eq!((shown.life, shown.job.is_none(), shown.proof.is_none()), (2, true, true));
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingNotSyncVerified);
    lab.push(&run, &[(SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    let nas = lab.nas(&run);
    assert_eq!(fs::read(nas.join("raw/frame_9.tif")).unwrap(), b"new in the second life");
    assert_eq!(fs::read(nas.join("raw/frame_1.tif")).unwrap(), [7; 70_000], "the first life's files stay");
    let states = ["staging", "complete", "sync_queued", "sync_verified", "cleared"];
    assert_eq!(history_of(&nas.join(".exlab-wizard/ingest.json")), states);
    assert_eq!(history_of(&nas.join(".exlab-wizard/lives/1/ingest.json")), states);
    let lives: Vec<_> = engine.cleared_runs(None, 10).await.unwrap().runs.iter().map(|cleared| cleared.life).collect();
    assert_eq!(lives, [2, 1]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_another_file_under_a_used_name_is_a_conflict_and_nothing_is_cleared() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    let before = data_below(&lab.nas(&run));
    lab.push(&run, &[("raw/frame_1.tif", b"another frame under the old name"), (SENTINEL, b"")]);
    until_job(&engine, &run, JobState::Failed).await;
    let shown = row(&engine, &run).await;
    let error = shown.job.unwrap().error.unwrap();
    assert_eq!(error.code, FailureClass::Conflict);
    assert!(error.message.contains("raw/frame_1.tif"), "{error:?}");
    assert_eq!(data_below(&lab.nas(&run)), before, "nothing at the NAS is overwritten");
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingNotSyncVerified);
    assert!(lab.staging(run.as_str()).join("raw/frame_1.tif").exists());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_a_folder_replaced_by_hand_is_not_verified_by_the_old_job() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    remove(&lab.staging(run.as_str()));
    until("its row is gone", async || engine.list_staged_runs().await.unwrap().runs.is_empty().then_some(())).await;
    lab.push(&run, &[("raw/frame_1.tif", b"another frame under the old name"), (SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    let job = row(&engine, &run).await.job.unwrap();
    assert_eq!(job.generation, 2, "the first generation's proof is of other content");
    assert_eq!(fs::read(lab.nas(&run).join("raw/frame_1.tif")).unwrap(), b"another frame under the old name");
    let first = lab.nas(&run).join(".exlab-wizard/superseded/1/raw/frame_1.tif");
    assert_eq!(fs::read(first).unwrap(), [7; 70_000], "what we put there is moved aside, not lost");
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_the_same_content_put_back_by_hand_keeps_its_job() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    let job = row(&engine, &run).await.job.unwrap().job_id;
    fs::rename(lab.staging(run.as_str()), lab.path("away")).unwrap();
    until("its row is gone", async || engine.list_staged_runs().await.unwrap().runs.is_empty().then_some(())).await;
    remove(&lab.path("away/.exlab-wizard"));
    fs::rename(lab.path("away"), lab.staging(run.as_str())).unwrap();
    until_state(&engine, &run, RunState::SyncVerified).await;
    let shown = row(&engine, &run).await.job.unwrap();
    assert_eq!((shown.job_id, shown.generation), (job, 1));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_without_its_state_folder_nothing_is_ours_until_it_is_adopted_and_proven_anew() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    engine.stop().await;
    remove(&lab.path("state"));
    let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    engine.ready(std::time::Duration::from_secs(10)).await.unwrap();
    let kept = data_below(&lab.staging(run.as_str()));
    // Neither is the staging tree.
    assert!(engine.status().staging_error.is_some_and(|why| why.contains("another installation")));
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingUnavailable);
    let installation = engine::keep::state_folder::installation(&lab.path("state")).unwrap();
    adopt(&lab.path("staging"), &installation, "lab-pc", Clock::system().now(), false).unwrap();
    until("the tree is ours", async || engine.status().staging_error.is_none().then_some(())).await;
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::StagingNotProven);
    assert!(problem.message.contains("not proven by this installation"), "{problem:?}");
    assert_eq!(data_below(&lab.staging(run.as_str())), kept);
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    let waits = |row: &domain::api::RunRow| row.job.as_ref().is_some_and(|job| job.waiting_for_destination);
    let waiting = until_row(&engine, &run, "it waits", waits).await.job.unwrap();
    let message = waiting.error.unwrap().message;
    assert!(message.contains("another installation"), "{message}");
    assert_eq!(engine.status().destinations[0].health, DestinationHealth::Foreign);

    let state = lab.path("state");
    assert!(
        mark_destination(&lab.settings, EQUIPMENT, &state, "lab-pc", false).await.is_err(),
        "never adopted unasked"
    );
    mark_destination(&lab.settings, EQUIPMENT, &state, "lab-pc", true).await.unwrap();
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    until_job(&engine, &run, JobState::Verified).await;
    until_record_sent(&engine, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&run)), kept);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_a_backup_from_before_the_clear_vouches_for_nothing_pushed_since() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    engine.stop().await;
    copy_folder(&lab.path("state"), &lab.path("backup"));
    let mut engine = lab.start().await;
    engine.ready(std::time::Duration::from_secs(10)).await.unwrap();
    engine.clear(run.as_str()).await.unwrap();
    // A second life lies there, complete and queued, when the old state comes back.
    engine.stop().await;
    let mut paused = lab.settings.clone();
    paused.sync.enabled = false;
    engine = Engine::start(paused, lab.options()).await.unwrap();
    lab.push(&run, &[("raw/frame_1.tif", b"never sent"), (SENTINEL, b"")]);
    until_state(&engine, &run, RunState::SyncQueued).await;
    engine.stop().await;
    remove(&lab.path("state"));
    fs::rename(lab.path("backup"), lab.path("state")).unwrap();

    let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.job.unwrap().generation, 2, "the old proof was not taken for this content");
    assert_eq!(fs::read(lab.nas(&run).join("raw/frame_1.tif")).unwrap(), b"never sent");
    let superseded = lab.nas(&run).join(".exlab-wizard/superseded/1/raw/frame_1.tif");
    assert_eq!(fs::read(superseded).unwrap(), [7; 70_000]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_a_backup_older_than_the_newest_proof_clears_nothing() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    engine.stop().await;
    copy_folder(&lab.path("state"), &lab.path("backup"));
    let engine = lab.start().await;
    lab.push(&run, &[("raw/late.tif", b"second generation")]);
    until_row(&engine, &run, "it is seen", |row| row.summary.current_state == "sync_verified").await;
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    until("generation 2", async || {
        let found = engine
            .core()
            .index
            .look(&run, |facts| facts.proof_recorded() && facts.job.as_ref().is_some_and(|job| job.generation == 2));
        found.filter(|found| *found)
    })
    .await;
    engine.stop().await;
    remove(&lab.path("state"));
    fs::rename(lab.path("backup"), lab.path("state")).unwrap();

    let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    engine.ready(std::time::Duration::from_secs(10)).await.unwrap();
    let entries = history_of(&lab.staging(run.as_str()).join(".exlab-wizard/ingest.json"));
    let kept = data_below(&lab.staging(run.as_str()));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::StagingNotProven);
    assert_eq!(data_below(&lab.staging(run.as_str())), kept);
    engine.watcher().poll_once().await;
    let after = history_of(&lab.staging(run.as_str()).join(".exlab-wizard/ingest.json"));
    assert_eq!(after, entries, "an old proof is not written over a newer one");
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    until("proven anew", async || {
        engine.core().index.look(&run, |facts| facts.proof_recorded()).filter(|proven| *proven)
    })
    .await;
    until_record_sent(&engine, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&run)), kept);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_a_damaged_seal_is_not_trusted() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = verified(&lab, &run).await;
    let seal = files_below(&lab.path("state/runs"))
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| path.ends_with("seal-1"))
        .unwrap();
    let seal = lab.path("state/runs").join(seal);
    let text = fs::read_to_string(&seal).unwrap();
    fs::write(&seal, text.replacen("notes.txt", "notes.tx", 1)).unwrap();
    let kept = data_below(&lab.staging(run.as_str()));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::StagingNotProven, "{problem:?}");
    assert_eq!(data_below(&lab.staging(run.as_str())), kept);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_on_one_state_folder_is_refused_until_the_first_has_stopped() {
    let lab = Lab::new();
    let first = lab.start().await;
    let second = Engine::start(lab.settings.clone(), lab.options()).await;
    assert!(matches!(second, Err(StartError::StateFolder(StateFolderError::InUse(_)))));
    first.stop().await;
    let second = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    second.stop().await;
    second.stop().await;
}

/// An index was sealed beside its `-wal`; the instrument ends and takes that away: the new index must not lie beside
/// the old `-wal`.
#[tokio::test(flavor = "multi_thread")]
async fn d22_what_a_later_generation_lacks_moves_aside_on_the_nas() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(
        &run,
        &[("index.db", b"old index"), ("index.db-wal", b"4,000 rows"), ("raw/a.tif", b"pixels"), (SENTINEL, b"")],
    );
    until_verified(&engine, &run).await;
    fs::remove_file(lab.staging(run.as_str()).join("index.db-wal")).unwrap();
    lab.push(&run, &[("index.db", b"new index with all rows")]);
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    let proven = |row: &domain::api::RunRow| {
        row.job.as_ref().is_some_and(|job| job.generation == 2) && row.actions.clear.allowed
    };
    until_row(&engine, &run, "generation 2 is proven", proven).await;
    let there: Vec<String> = data_below(&lab.nas(&run)).iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(there, [SENTINEL, "index.db", "raw/a.tif"]);
    let aside = files_below(&lab.nas(&run).join(".exlab-wizard/superseded"));
    let has = |name: &str, bytes: &[u8]| aside.iter().any(|(path, there)| path.ends_with(name) && there == bytes);
    assert!(
        has("index.db-wal", b"4,000 rows") && has("index.db", b"old index"),
        "nothing of what was sent is gone: {aside:?}"
    );
    let ledger = engine.core().store.ledger(&run).await.unwrap();
    assert!(
        ledger.iter().any(|entry| entry.kind == "superseded" && entry.detail.contains("index.db-wal")),
        "{ledger:?}"
    );
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d22_a_file_that_becomes_a_folder_and_a_folder_that_becomes_a_file_make_way_on_the_nas() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("note", b"a file"), ("raw/a.tif", b"1"), ("raw/deep/b.tif", b"2")]);
    lab.push(&run, &[(SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    let here = lab.staging(run.as_str());
    fs::remove_file(here.join("note")).unwrap();
    remove(&here.join("raw"));
    lab.push(&run, &[("note/inside", b"a folder now"), ("raw", b"a file now")]);
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    let proven = |row: &domain::api::RunRow| {
        row.job.as_ref().is_some_and(|job| job.generation == 2) && row.actions.clear.allowed
    };
    until_row(&engine, &run, "generation 2 is proven", proven).await;
    assert_eq!(data_below(&lab.nas(&run)), data_below(&here));
    let aside = lab.nas(&run).join(".exlab-wizard/superseded/1");
    let names: Vec<_> = files_below(&aside).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["note", "raw/a.tif", "raw/deep/b.tif"].map(std::path::PathBuf::from));
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
}
