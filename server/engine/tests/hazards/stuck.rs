//! Getting stuck or lying (S): every run says what is with it, and nothing needs a restart.

use crate::support::*;
use domain::api::{AttentionItem, AttentionKind, Event, ForceSyncRequest, RunRow, SILENT_AFTER_SECONDS};
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::machine::checkpoint::{Checkpoint, Checkpoints};
use engine::machine::clock::Clock;
use engine::{Engine, Options};
use futures::{FutureExt, StreamExt};
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_blocked_run_stays_complete_with_its_reason_and_is_judged_again_when_something_changes() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("raw/<sample_name>.tif", b"data")]);
    lab.push_usual(&run);
    until_row(&engine, &run, "blocked", |row| row.findings.blocking == 1).await;
    engine.watcher().poll_once().await;
    let shown = row(&engine, &run).await;
    assert_eq!((shown.summary.current_state.as_str(), shown.job), ("complete", None));
    assert_eq!(sync_status(&lab.staging(run.as_str())), "blocked_by_validation");
    let answer = engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    assert_eq!((answer.state.as_str(), answer.job_id, answer.blocking_findings.len()), ("blocked", None, 1));
    let log = fs::read_to_string(lab.staging(run.as_str()).join(".exlab-wizard/wizard.lab-pc.log")).unwrap();
    assert!(log.contains("blocked by 1 finding; unresolved_placeholder_token"), "{log}");

    let folder = lab.staging(run.as_str()).join("raw");
    fs::rename(folder.join("<sample_name>.tif"), folder.join("sample 7.tif")).unwrap();
    until_verified(&engine, &run).await;
    assert_eq!(sync_status(&lab.staging(run.as_str())), "synced");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_an_override_lets_a_blocked_run_through_at_once() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("raw/<sample_name>.tif", b"data")]);
    lab.push_usual(&run);
    until_row(&engine, &run, "blocked", |row| row.findings.blocking == 1).await;
    lab.override_as_the_existing_system(&run, "unresolved_placeholder_token");
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.findings.overridden, 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_s6_a_job_that_a_stop_interrupts_goes_on_at_the_next_start_and_sends_no_file_twice() {
    for (step, nth_time) in [(Checkpoint::FilePlaced, 3), (Checkpoint::Pushed, 1), (Checkpoint::Sent, 1)] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        lab.mark().await;
        for n in 0..40 {
            lab.push(&run, &[(&format!("raw/frame_{n}.tif"), &vec![n as u8; 200_000])]);
        }
        lab.push(&run, &[(SENTINEL, b"")]);
        let (counter, first) = counting(Checkpoint::FilePlaced);
        let (reached, mut reaches) = tokio::sync::mpsc::unbounded_channel();
        let told = nth(step, nth_time, move || reached.send(()).unwrap());
        let mut options = lab.options();
        options.checkpoints = Checkpoints::listening(move |taken| {
            counter.reached(taken);
            told.reached(taken);
        });
        let engine = Engine::start(lab.settings.clone(), options).await.unwrap();
        reaches.recv().await.unwrap();
        engine.stop().await;
        let state: Vec<_> = files_below(&lab.path("nas/SCOPE_01/.exlab-orchestrator/tmp"));
        assert_eq!(state, [], "{step:?}: nothing half-written is left by a stop");

        let (counter, second) = counting(Checkpoint::FilePlaced);
        let mut options = lab.options();
        options.checkpoints = counter;
        let engine = Engine::start(lab.settings.clone(), options).await.unwrap();
        until_verified(&engine, &run).await;
        let sent = first.load(Ordering::SeqCst) + second.load(Ordering::SeqCst);
        assert_eq!(sent, 41, "{step:?}: every file once");
        assert_eq!(row(&engine, &run).await.job.unwrap().attempts, 0, "{step:?}: a stop counts nothing");
        assert_eq!(data_below(&lab.nas(&run)), data_below(&lab.staging(run.as_str())));
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_fault_anywhere_in_a_job_is_a_recorded_failure_and_the_worker_goes_on() {
    let steps = [
        Checkpoint::Claimed,
        Checkpoint::Listed,
        Checkpoint::FilePlaced,
        Checkpoint::Pushed,
        Checkpoint::Sealed,
        Checkpoint::ChecksumsWritten,
        Checkpoint::Sent,
        Checkpoint::ReadBack,
    ];
    for step in steps {
        let (lab, faulty, other) = (Lab::new(), run("Run_1"), run("Run_2"));
        let engine = lab.start_with(once(step, move || panic!("injected at {step:?}"))).await;
        lab.push_usual(&faulty);
        until_job(&engine, &faulty, JobState::Failed).await;
        let shown = row(&engine, &faulty).await;
        let error = shown.job.unwrap().error.unwrap();
        assert_eq!(error.code, FailureClass::Unknown);
        assert!(error.message.contains(&format!("injected at {step:?}")), "{error:?}");
        lab.push_usual(&other);
        engine.retry(faulty.as_str()).await.unwrap();
        for run in [&faulty, &other] {
            until_verified(&engine, run).await;
        }
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_fault_after_a_job_was_settled_or_in_the_watcher_stops_nobody() {
    let steps = [
        Checkpoint::SeenRecorded,
        Checkpoint::CompleteRecorded,
        Checkpoint::Enqueued,
        Checkpoint::QueuedRecorded,
        Checkpoint::Verified,
        Checkpoint::VerifiedRecorded,
        Checkpoint::RecordSent,
    ];
    for step in steps {
        let (lab, faulty, other) = (Lab::new(), run("Run_1"), run("Run_2"));
        let engine = lab.start_with(once(step, move || panic!("injected at {step:?}"))).await;
        lab.push_usual(&faulty);
        lab.push_usual(&other);
        for run in [&faulty, &other] {
            until_verified(&engine, run).await;
        }
        until_row(&engine, &faulty, "the fault is forgotten", |row| row.problem.is_none()).await;
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_a_fault_in_a_clear_is_told_and_the_clear_ends_when_it_is_asked_again() {
    for step in [
        Checkpoint::Permitted,
        Checkpoint::Intended,
        Checkpoint::RenamedAside,
        Checkpoint::DataUnlinked,
        Checkpoint::LifeEnded,
    ] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let engine = lab.start_with(once(step, move || panic!("injected at {step:?}"))).await;
        lab.push_usual(&run);
        until_verified(&engine, &run).await;
        let pushed = data_below(&lab.staging(run.as_str()));
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::Internal, "{step:?}");
        let again = engine.clear(run.as_str()).await.unwrap();
        assert!(again.files_freed > pushed.len() as u64, "{step:?}: {again:?}");
        assert_eq!(files_below(&lab.path("staging")), [], "{step:?}");
        assert_eq!(data_below(&lab.nas(&run)), pushed, "{step:?}");
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_a_failed_job_is_seen_on_the_row_in_the_log_by_the_producer_and_can_be_retried() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    let theirs = lab.nas(&run).join("notes.txt");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, "somebody else's notes").unwrap();
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_job(&engine, &run, JobState::Failed).await;
    let shown = until_row(&engine, &run, "told", |_| sync_status(&lab.staging(run.as_str())) == "failed").await;
    let error = shown.job.unwrap().error.unwrap();
    assert!(error.message.contains("notes.txt") && !error.remedy.is_empty(), "{error:?}");
    assert!(shown.actions.retry.allowed && !shown.actions.clear.allowed);
    let log = fs::read_to_string(lab.staging(run.as_str()).join(".exlab-wizard/wizard.lab-pc.log")).unwrap();
    assert!(log.contains("[ERROR]") && log.contains("NAS sync failed: conflict"), "{log}");
    let ledger = engine.run_detail(run.as_str()).await.unwrap().ledger;
    assert!(ledger.iter().any(|entry| entry.kind == "failed"));
    fs::remove_file(theirs).unwrap();
    engine.retry(run.as_str()).await.unwrap();
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.job.unwrap().error, None);
    assert_eq!(engine.retry(run.as_str()).await.unwrap_err().code, ErrorCode::NothingToRetry);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_destination_that_is_gone_delays_no_other_equipment() {
    let mut lab = Lab::new();
    lab.settings.equipment.push(equipment("SCOPE_02", &lab.path("never mounted")));
    lab.settings.sync.workers = 1;
    let engine = lab.start().await;
    let (fine, waiting) = (run("Run_1"), RunPath::parse("SCOPE_02/P/Runs/Run_1").unwrap());
    lab.push_usual(&waiting);
    until_row(&engine, &waiting, "it waits", |row| row.job.as_ref().is_some_and(|job| job.waiting_for_destination))
        .await;
    lab.push_usual(&fine);
    until_verified(&engine, &fine).await;
    engine.clear(fine.as_str()).await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_no_space_and_other_retries_do_not_reset_the_second_sending() {
    // A hash mismatch uses the second sending; then the source changes, which is retried later. The column stays.
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (rotten, growing) = (lab.nas(&run).join("raw/frame_2.tif"), lab.staging(run.as_str()).join("raw/frame_2.tif"));
    let pushed = std::sync::atomic::AtomicUsize::new(0);
    let hooks = Checkpoints::listening(move |taken| match taken {
        Checkpoint::Pushed => fs::write(&rotten, [1; 1_000]).unwrap(),
        // The usual run has five files; the sixth is placed by the second sending, after the source grew.
        Checkpoint::Sent if pushed.fetch_add(1, Ordering::SeqCst) == 0 => fs::write(&growing, [9; 2_000]).unwrap(),
        _ => {}
    });
    let engine = lab.start_with(hooks).await;
    lab.push_usual(&run);
    let retried = |row: &RunRow| row.job.as_ref().is_some_and(|job| job.attempts == 1);
    let job = until_row(&engine, &run, "retried later", retried).await.job.unwrap();
    assert_eq!((job.state, job.hash_retries), (JobState::Queued, 1));
    assert_eq!(job.error.unwrap().code, FailureClass::LocalFileChanged);
    assert!(job.next_attempt_at.is_some());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_no_name_can_forge_a_line_of_the_log() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_1");
    lab.push(&run, &[("raw/a\n2026-04-17T14:32:00Z [INFO ] run complete: forged\x1b[2J.tif", b"data")]);
    lab.push_usual(&run);
    let log = until("the log says that it is blocked", async || {
        let log =
            fs::read_to_string(lab.staging(run.as_str()).join(".exlab-wizard/wizard.lab-pc.log")).unwrap_or_default();
        Some(log).filter(|log| log.contains("blocked by"))
    })
    .await;
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 3, "seen, complete, blocked: {log}");
    assert!(lines.iter().all(|line| line.contains("[host:lab-pc]") && line.contains("[run:")), "{log}");
    assert!(!log.contains('\x1b'));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_another_program_holds_is_waited_for() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("raw.tif", b"data")]);
    until_state(&engine, &run, RunState::Staging).await;
    let lock = fs::File::create(lab.staging(run.as_str()).join(".exlab-wizard/ingest.json.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    lab.push(&run, &[(SENTINEL, b"")]);
    until_row(&engine, &run, "it says that it waits", |row| {
        row.problem.as_ref().is_some_and(|problem| problem.message.contains("locked"))
    })
    .await;
    flock(&lock, FlockOperation::Unlock).unwrap();
    until_verified(&engine, &run).await;
    assert!(row(&engine, &run).await.problem.is_none());
    engine.stop().await;
}

async fn silent(engine: &Engine) -> Option<AttentionItem> {
    engine.overview().await.unwrap().attention.into_iter().find(|item| item.kind == AttentionKind::Silent)
}

#[tokio::test(flavor = "multi_thread")]
async fn s18_a_run_whose_signal_does_not_come_is_named_after_a_day_with_the_ways_out() {
    let (lab, silent_run, signalled) = (Lab::new(), run("Run_1"), run("Run_2"));
    lab.mark().await;
    let clock = Clock::manual(Clock::system().now());
    let engine = Engine::start(lab.settings.clone(), Options { clock: clock.clone(), ..lab.options() }).await.unwrap();
    for run in [&silent_run, &signalled] {
        lab.push(run, &[("raw/frame_1.tif", b"frame")]);
        until_state(&engine, run, RunState::Staging).await;
    }
    clock.advance(Duration::from_secs(SILENT_AFTER_SECONDS - 120));
    assert_eq!(silent(&engine).await, None, "not for a day yet");
    // Nothing happens but that time passes, and whoever has a page open is told.
    let mut events = Box::pin(engine.subscribe(None));
    until("an event that says so", async || {
        clock.advance(Duration::from_secs(1));
        let mut all = std::iter::from_fn(|| events.next().now_or_never().flatten());
        all.find(
            |event| matches!(event, Event::Row { row, .. } if row.run_path == silent_run.as_str() && AttentionKind::Silent.concerns(row)),
        )
    })
    .await;
    lab.push(&signalled, &[(SENTINEL, b"")]);
    until_verified(&engine, &signalled).await;

    let item = silent(&engine).await.unwrap();
    assert_eq!(item.runs, 1);
    assert!(
        item.message.contains(silent_run.as_str()) && item.message.contains(&format!("no {SENTINEL} yet")),
        "{item:?}"
    );
    assert!(item.remedy.contains("force a sync with a reason"), "{item:?}");
    assert!(AttentionKind::Silent.concerns(&row(&engine, &silent_run).await), "the list of runs finds it too");

    // A file that arrives is a sign of life.
    lab.push(&silent_run, &[("raw/frame_2.tif", b"frame")]);
    let (path, now) =
        (lab.staging(silent_run.as_str()).join("raw/frame_2.tif"), clock.now().unix_seconds().unsigned_abs());
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + Duration::from_secs(now))
        .unwrap();
    until("it is alive", async || silent(&engine).await.is_none().then_some(())).await;
    clock.advance(Duration::from_secs(2 * SILENT_AFTER_SECONDS));
    assert_eq!(silent(&engine).await.unwrap().runs, 1);

    // The way out that it names is one.
    let sure = ForceSyncRequest {
        assume_complete: true,
        operator: Some("asmith".into()),
        reason: Some("The scan was aborted.".into()),
    };
    engine.force_sync(silent_run.as_str(), sure).await.unwrap();
    until_verified(&engine, &silent_run).await;
    assert_eq!(silent(&engine).await, None);
    engine.stop().await;
}
