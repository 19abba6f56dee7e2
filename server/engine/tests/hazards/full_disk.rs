//! A full disk at the destination, at staging, under the state folder: a typed reason, a retry, nothing half-written,
//! nothing lost.

use crate::support::*;
use domain::api::RunRow;
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use domain::proof::ProofLevel;
use engine::Engine;
use engine::database::{NewLedgerEntry, NewProof, Store, StoreError};
use engine::machine::checkpoint::Checkpoint;
use std::fs;
use std::path::Path;

/// Whether queueing or claiming met the full disk first is a matter of pages.
fn says_full(row: &RunRow) -> bool {
    let of_job = row.job.as_ref().and_then(|job| job.error.as_ref()).map(|error| error.message.clone());
    row.problem
        .as_ref()
        .map(|problem| problem.message.clone())
        .into_iter()
        .chain(of_job)
        .any(|message| message.contains("full"))
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
    until("room is kept back", async || staging.join(".exlab-reserve").exists().then_some(())).await;

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
    until_row(&engine, &first, "it says so", says_full).await;
    free(&state);
    until_verified(&engine, &first).await;
    fill(&state);
    lab.push_usual(&second);
    until_row(&engine, &second, "it says so", says_full).await;
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

/// The database's log is written anew from its beginning otherwise, and needs no room for a while.
fn without_room_in_the_log(state: &Path) {
    let database = state.join("queue.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let busy: (i64,) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&pool).await.unwrap();
        assert_eq!(busy.0, 0);
        pool.close().await;
    });
}

/// Whichever step of a clear meets the full state disk: it is no refusal, no new life begins, and the clear ends when
/// there is room.
#[tokio::test(flavor = "multi_thread")]
async fn d21_a_state_disk_that_fills_up_within_a_clear_makes_it_wait() {
    let steps = [
        Checkpoint::ClearedRecorded,
        Checkpoint::FinishedRecordSent,
        Checkpoint::RenamedAside,
        Checkpoint::DataUnlinked,
        Checkpoint::RecordUnlinked,
        Checkpoint::FolderRemoved,
        Checkpoint::LifeEnded,
        Checkpoint::JobRetired,
    ];
    for step in steps {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let state = lab.path("state");
        let _mounted = Mounted::tmpfs(&state, "12m");
        let filled = state.clone();
        let hook = once(step, move || {
            std::thread::scope(|scope| scope.spawn(|| without_room_in_the_log(&filled)).join()).unwrap();
            fill(&filled);
        });
        let engine = lab.start_with(hook).await;
        lab.push_usual(&run);
        until_verified(&engine, &run).await;
        until_record_sent(&engine, &run).await;
        let pushed = data_below(&lab.staging(run.as_str()));
        let answer = engine.clear(run.as_str()).await.unwrap_or_else(|problem| panic!("{step:?}: {problem:?}"));
        if answer.clearing.is_some() {
            // The watcher looks at it meanwhile, as often as it likes.
            engine.core().desk.look_at(&run);
            until("it is still being cleared", async || {
                shown(&engine, &run).filter(|row| row.clearing.is_some() && row.life == 1).map(|_| ())
            })
            .await;
            free(&state);
            // It goes on by itself; whoever asks again need not wait for that.
            assert_eq!(engine.clear(run.as_str()).await.unwrap().clearing, None, "{step:?}");
        }
        until_no_clear_is_open(&engine).await;
        until("the row is gone", async || shown(&engine, &run).is_none().then_some(())).await;
        assert_eq!(data_below(&lab.nas(&run)), pushed, "{step:?}");
        assert!(!lab.nas(&run).join(".exlab-wizard/lives").exists(), "{step:?}: one life");
        assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs.len(), 1, "{step:?}");
        engine.stop().await;
    }
}

/// What a `kill -9` now would leave of the database, opened by itself.
async fn as_if_killed(lab: &Lab, to: &str) -> Store {
    let copy = lab.path(to);
    fs::create_dir(&copy).unwrap();
    for name in ["queue.db", "queue.db-wal"] {
        fs::copy(lab.path("state").join(name), copy.join(name)).unwrap();
    }
    Store::open(&copy).await.unwrap()
}

/// The disk of the state folder fills up again and again while runs are in work: whatever is shown is in the database,
/// and all goes on.
#[tokio::test(flavor = "multi_thread")]
async fn s22_a_state_disk_that_fills_up_for_moments_leaves_rows_and_database_agreeing() {
    let lab = Lab::new();
    let state = lab.path("state");
    let _mounted = Mounted::tmpfs(&state, "12m");
    let engine = lab.start().await;
    let runs: Vec<_> = (1..=24).map(|n| run(&format!("Run_{n}"))).collect();
    for (n, run) in runs.iter().enumerate() {
        lab.push_usual(run);
        if n % 3 == 2 {
            fill(&state);
            // While nothing can be written something is tried.
            let tried =
                |row: &RunRow| says_full(row) || row.job.as_ref().is_some_and(|job| job.state == JobState::Verified);
            until_row(&engine, run, "something was tried", tried).await;
            free(&state);
        }
    }
    for run in &runs {
        until_state(&engine, run, RunState::SyncVerified).await;
        until_record_sent(&engine, run).await;
    }
    let store = as_if_killed(&lab, "killed").await;
    for run in &runs {
        let shown = row(&engine, run).await.job.unwrap();
        let kept = store
            .latest_job(run, 1)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{run} is shown as {shown:?} and is not in the database"));
        assert_eq!((kept.state, kept.record_sent), (shown.state, shown.record_sent), "{run}");
    }
    store.close().await;
    engine.stop().await;
}

/// A finished job that waits to be recorded holds up those behind it: they say what they wait for.
#[tokio::test(flavor = "multi_thread")]
async fn s22_what_is_queued_behind_a_job_that_waits_to_be_recorded_says_so() {
    let (lab, first, second) = (Lab::new(), run("Run_1"), run("Run_2"));
    let state = lab.path("state");
    let _mounted = Mounted::tmpfs(&state, "12m");
    let (reached, is_reached) = tokio::sync::oneshot::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    let filled = state.clone();
    let hook = once(Checkpoint::ReadBack, move || {
        reached.send(()).unwrap();
        hold_up(|| may_go.recv().unwrap());
        fill(&filled);
    });
    let engine = lab.start_with(hook).await;
    lab.push_usual(&first);
    is_reached.await.unwrap();
    lab.push_usual(&second);
    until_job(&engine, &second, JobState::Queued).await;
    until_state(&engine, &second, RunState::SyncQueued).await;
    go.send(()).unwrap();
    until_row(&engine, &second, "it says what it waits for", says_full).await;
    free(&state);
    for run in [&first, &second] {
        until_verified(&engine, run).await;
        assert_eq!(row(&engine, run).await.job.unwrap().error, None);
    }
    engine.stop().await;
}

/// Two transactions that the full disk ends half way; then a fact is written and acknowledged: it is in the database
/// and not in a transaction that nobody ends.
#[tokio::test(flavor = "multi_thread")]
async fn s22_what_is_acknowledged_after_a_full_disk_is_in_the_database() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let state = lab.path("state");
    let _mounted = Mounted::tmpfs(&state, "12m");
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let store = &engine.core().store;
    let job = store.latest_job(&run, 1).await.unwrap().unwrap();
    let proof = NewProof {
        at_ms: 1,
        proven: false,
        level: ProofLevel::L1,
        method: "none".into(),
        totals: job.totals,
        // Less than a connection's cache: the disk is met when the transaction is committed.
        detail: "x".repeat(300_000),
    };
    fill(&state);
    for _ in 0..2 {
        let refused = store.record_disproof(&job, &proof).await.unwrap_err();
        assert!(matches!(refused, StoreError::Full), "{refused}");
        assert!(engine.status().state_error.is_some(), "and readiness says so");
    }
    free(&state);
    assert_eq!(engine.status().state_error, None);
    store
        .append(NewLedgerEntry {
            at_ms: 2,
            run: &run,
            life: 1,
            kind: engine::database::LedgerKind::Kept,
            detail: "after the full disk".into(),
        })
        .await
        .unwrap();
    let killed = as_if_killed(&lab, "killed").await;
    let kept = killed.ledger(&run).await.unwrap();
    assert!(kept.iter().any(|entry| entry.kind == "kept"), "what was acknowledged is kept: {kept:?}");
    killed.close().await;
    engine.stop().await;
}

/// A start on a disk of no free byte: in the room that is kept back for clearing; without any it says so, and whoever
/// starts tries again.
#[tokio::test(flavor = "multi_thread")]
async fn s22_a_start_on_a_full_state_disk_uses_the_room_kept_back_or_is_tried_again() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let state = lab.path("state");
    let _mounted = Mounted::tmpfs(&state, "12m");
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    engine.stop().await;
    fill(&state);
    let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert_eq!(answer.clearing, None);
    engine.stop().await;

    // A start that has nothing to write needs no room; one that has to make the database does.
    fs::remove_file(state.join(".exlab-reserve")).ok();
    fill(&state);
    Engine::start(lab.settings.clone(), lab.options()).await.unwrap().stop().await;
    fs::remove_file(state.join(".exlab-reserve")).ok();
    fs::remove_file(state.join("queue.db")).unwrap();
    fill(&state);
    let refused = Engine::start(lab.settings.clone(), lab.options()).await.map(|_| ()).unwrap_err();
    assert!(refused.is_a_full_disk(), "{refused}");
    free(&state);
    Engine::start(lab.settings.clone(), lab.options()).await.unwrap().stop().await;
}
