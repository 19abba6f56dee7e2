//! Clearing by itself: policy, interlocks, the background proofs that they count, and `retain_cache`. The clock is
//! moved by hand.

use crate::support::*;
use domain::api::RunRow;
use domain::job::JobState;
use domain::path::RunPath;
use domain::proof::ProofLevel;
use domain::settings::StagingCleanup;
use domain::timestamp::Timestamp;
use engine::Engine;
use engine::machine::clock::Clock;
use std::fs;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

fn start() -> Timestamp {
    Timestamp::parse("2026-04-17T14:32:00Z").unwrap()
}

async fn scheduled(lab: &mut Lab, retain_hours: u32) -> (Engine, Clock) {
    lab.settings.orchestrator.as_mut().unwrap().staging_cleanup = StagingCleanup::Scheduled { retain_hours };
    lab.mark().await;
    let mut options = lab.options();
    options.clock = Clock::manual(start());
    let clock = options.clock.clone();
    (Engine::start(lab.settings.clone(), options).await.unwrap(), clock)
}

/// A run, verified. A clock that stands still makes no poll due: it is seen by one of ours.
async fn verified(lab: &Lab, engine: &Engine, run: &RunPath) {
    lab.push_usual(run);
    engine.watcher().poll_once().await;
    until_verified(engine, run).await;
}

/// What a day does: the worker looks for proofs that are due, the watcher polls.
async fn look(engine: &Engine) {
    engine.core().destinations.work_now(EQUIPMENT);
    engine.watcher().poll_once().await;
}

fn passes(row: &RunRow) -> u32 {
    row.job.as_ref().map_or(0, |job| job.verify_passes)
}

async fn until_gone(engine: &Engine, run: &RunPath) {
    until("it is cleared by itself", async || {
        look(engine).await;
        engine.cleared_runs(None, 1).await.unwrap().runs.pop()
    })
    .await;
    until("its row is gone", async || shown(engine, run).is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_by_itself_after_its_second_proof_a_day_and_the_time_it_is_retained() {
    let mut lab = Lab::new();
    let (engine, clock) = scheduled(&mut lab, 48).await;
    let run = run("Run_1");
    verified(&lab, &engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    clock.advance(23 * HOUR);
    look(&engine).await;
    assert_eq!(passes(&shown(&engine, &run).unwrap()), 1, "proven again after 24 h, not before");
    clock.advance(2 * HOUR);
    look(&engine).await;
    let row = until_row(&engine, &run, "the second proof", |row| passes(row) == 2).await;
    assert_eq!(row.proof.unwrap().level, ProofLevel::L4);
    look(&engine).await;
    assert_eq!(shown(&engine, &run).unwrap().job.unwrap().state, JobState::Verified, "retained for 48 h");
    clock.set_wall(start());
    look(&engine).await;
    assert!(lab.staging(run.as_str()).exists(), "a clock set back makes nothing older");
    clock.set_wall(Timestamp::from_unix_seconds(start().unix_seconds() + 49 * 3_600));
    until_gone(&engine, &run).await;
    assert_eq!(files_below(&lab.path("staging")), []);
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    let detail = engine.run_detail(run.as_str()).await.unwrap();
    assert_eq!(detail.proofs.len(), 3, "at sync, a day later, and when it was cleared");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_why_a_run_was_not_cleared_by_itself_stands_on_its_row() {
    let mut lab = Lab::new();
    let (engine, clock) = scheduled(&mut lab, 48).await;
    let run = run("Run_1");
    verified(&lab, &engine, &run).await;
    clock.advance(25 * HOUR);
    look(&engine).await;
    until_row(&engine, &run, "the second proof", |row| passes(row) == 2).await;
    // What lies at the destination can be read no more.
    let there = lab.nas(&run).join("notes.txt");
    fs::rename(&there, lab.path("notes")).unwrap();
    fs::create_dir(&there).unwrap();
    clock.advance(24 * HOUR);
    let code = |row: &RunRow| row.problem.as_ref().map(|problem| problem.code.clone());
    let row = until("why it was refused", async || {
        look(&engine).await;
        shown(&engine, &run).filter(|row| code(row).is_some())
    })
    .await;
    assert_eq!(code(&row).as_deref(), Some("not_cleared_by_itself"));
    assert!(row.problem.unwrap().message.contains("notes.txt"));
    fs::remove_dir(&there).unwrap();
    fs::rename(lab.path("notes"), &there).unwrap();
    until_gone(&engine, &run).await;
    let work: Vec<_> = walkdir::WalkDir::new(lab.path("state"))
        .into_iter()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    let left = work.iter().filter(|name| *name == "placed" || name.to_str().unwrap().starts_with("listing-")).count();
    assert_eq!(left, 0, "what only sending needs went: {work:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_never_clears_and_neither_does_nas_cleanup_that_is_off() {
    for policy in [StagingCleanup::Manual, StagingCleanup::Scheduled { retain_hours: 1 }] {
        let mut lab = Lab::new();
        lab.settings.nas_cleanup.enabled = policy == StagingCleanup::Manual;
        let (engine, clock) = {
            let made = scheduled(&mut lab, 1).await;
            made.0.stop().await;
            lab.settings.orchestrator.as_mut().unwrap().staging_cleanup = policy;
            let mut options = lab.options();
            options.clock = Clock::manual(start());
            let clock = options.clock.clone();
            (Engine::start(lab.settings.clone(), options).await.unwrap(), clock)
        };
        let run = run("Run_1");
        verified(&lab, &engine, &run).await;
        for _ in 0..3 {
            clock.advance(30 * HOUR);
            look(&engine).await;
        }
        until_row(&engine, &run, "proofs go on", |row| passes(row) >= 2).await;
        look(&engine).await;
        let state = shown(&engine, &run).unwrap().job.unwrap().state;
        assert_eq!(state == JobState::CleanupEligible, policy == StagingCleanup::Manual, "{policy:?}: shown, not done");
        assert!(lab.staging(run.as_str()).exists());
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_file_rot_or_a_destination_that_is_gone_stop_it() {
    for what in ["late", "rot", "gone"] {
        let mut lab = Lab::new();
        lab.settings.nas_cleanup.min_verify_passes = 1;
        let (engine, clock) = scheduled(&mut lab, 1).await;
        let run = run("Run_1");
        verified(&lab, &engine, &run).await;
        match what {
            "late" => lab.push(&run, &[("raw/late.tif", b"only copy")]),
            "rot" => fs::write(lab.nas(&run).join("raw/frame_2.tif"), [1; 1_000]).unwrap(),
            _ => fs::rename(lab.path("nas/SCOPE_01"), lab.path("unmounted")).unwrap(),
        }
        let kept = data_below(&lab.staging(run.as_str()));
        clock.advance(25 * HOUR);
        look(&engine).await;
        match what {
            "late" => until_row(&engine, &run, "it is seen", |row| row.late_files == 1).await,
            "rot" => {
                until_row(&engine, &run, "it is found", |row| {
                    row.job.as_ref().is_some_and(|job| job.state == JobState::Failed)
                })
                .await
            }
            _ => {
                until_row(&engine, &run, "it is told", |row| {
                    row.actions.clear.reason.as_deref() == Some("destination_unreachable")
                })
                .await
            }
        };
        look(&engine).await;
        assert_eq!(data_below(&lab.staging(run.as_str())), kept, "{what}");
        assert_eq!(engine.cleared_runs(None, 1).await.unwrap().runs, [], "{what}");
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retain_cache_keeps_the_record_and_nothing_else() {
    let mut lab = Lab::new();
    lab.settings.nas_cleanup.retain_cache = true;
    let engine = lab.start().await;
    let run = run("Run_1");
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let data = data_below(&lab.staging(run.as_str()));
    let bytes: usize = data.iter().map(|(_, bytes)| bytes.len()).sum();
    let freed = engine.clear(run.as_str()).await.unwrap();
    assert_eq!((freed.files_freed, freed.bytes_freed), (data.len() as u64, bytes as u64));
    let left: Vec<_> =
        fs::read_dir(lab.staging(run.as_str())).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".exlab-wizard"], "no emptied folder stays");
    let row = until_row(&engine, &run, "it stays in the list", |row| row.summary.current_state == "cleared").await;
    assert_eq!((row.life, row.summary.file_count), (1, 0));
    let again = engine.clear(run.as_str()).await.unwrap();
    assert_eq!((again.files_freed, again.bytes_freed), (0, 0));
    assert_eq!(history_of(&lab.staging(run.as_str()).join(".exlab-wizard/ingest.json")).last().unwrap(), "cleared");
    // Data that comes to it begins a new life beside the kept record.
    lab.push(&run, &[("raw/frame_9.tif", b"new"), (SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    assert_eq!(shown(&engine, &run).unwrap().life, 2);
    engine.clear(run.as_str()).await.unwrap();
    assert!(lab.staging(run.as_str()).join(".exlab-wizard/lives/1/ingest.json").exists());
    engine.stop().await;
}
