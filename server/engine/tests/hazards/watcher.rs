//! The watcher: settling (S11), manifests, signals that came with the run, order and steps of a poll, and a staging
//! root that goes.

use crate::support::*;
use domain::api::RunRow;
use domain::completeness::Signal;
use domain::finding::Rule;
use domain::job::JobState;
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use domain::timestamp::Timestamp;
use engine::Engine;
use engine::machine::checkpoint::Checkpoint;
use engine::machine::clock::Clock;
use std::fs;
use std::time::Duration;

/// An engine that only polls when told to, by a clock that only moves when told to.
async fn by_hand(lab: &Lab) -> (Engine, Clock) {
    lab.mark().await;
    let mut options = lab.options();
    options.background = false;
    options.clock = Clock::manual(Timestamp::parse("2026-04-17T14:32:00Z").unwrap());
    let clock = options.clock.clone();
    (Engine::start(lab.settings.clone(), options).await.unwrap(), clock)
}

async fn poll(engine: &Engine, run: &RunPath) -> Option<RunState> {
    let polled = engine.watcher().poll_once().await;
    polled.into_iter().find(|(known, _)| known == run).and_then(|(_, state)| state)
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_the_signal_counts_only_once_nothing_has_changed_for_the_settle_time() {
    let mut lab = Lab::new();
    lab.settings.equipment[0].settle_seconds = Some(10);
    let (engine, clock) = by_hand(&lab).await;
    let run = run("Run_1");
    // The sentinel first, the data later; and all of it with old times, as copies have.
    lab.push(&run, &[(SENTINEL, b""), ("raw/frame_1.tif", b"half")]);
    let old = |name: &str| {
        let file = fs::File::options().write(true).open(lab.staging(run.as_str()).join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    };
    old(SENTINEL);
    old("raw/frame_1.tif");
    assert_eq!(poll(&engine, &run).await, Some(RunState::Staging), "seen");
    assert_eq!(poll(&engine, &run).await, Some(RunState::Staging), "not settled");
    assert_eq!(row_of(&engine, &run).waiting_for.as_deref(), Some("10 s without a change"));
    clock.advance(Duration::from_secs(9));
    // The wall clock jumps both ways: it decides nothing.
    clock.set_wall(Timestamp::parse("2030-01-01T00:00:00Z").unwrap());
    assert_eq!(poll(&engine, &run).await, Some(RunState::Staging));
    clock.set_wall(Timestamp::parse("2020-01-01T00:00:00Z").unwrap());
    lab.push(&run, &[("raw/frame_2.tif", b"late")]);
    old("raw/frame_2.tif");
    clock.advance(Duration::from_secs(9));
    assert_eq!(poll(&engine, &run).await, Some(RunState::Staging), "changed meanwhile");
    lab.push(&run, &[("raw/frame_1.tif", b"full")]);
    old("raw/frame_1.tif");
    clock.advance(Duration::from_secs(9));
    assert_eq!(poll(&engine, &run).await, Some(RunState::Staging), "same size and mtime, written again");
    clock.advance(Duration::from_secs(10));
    assert_eq!(poll(&engine, &run).await, Some(RunState::Complete));
    let ingest = fs::read_to_string(lab.staging(run.as_str()).join(".exlab-wizard/ingest.json")).unwrap();
    assert!(ingest.contains(r#""files_received":3,"bytes_received":8"#), "{ingest}");
    engine.stop().await;
}

fn row_of(engine: &Engine, run: &RunPath) -> RunRow {
    shown(engine, run).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_complete_when_every_file_is_there_and_unusable_ones_are_findings() {
    let mut lab = Lab::new();
    lab.settings.equipment[0].signal = Some(Signal::manifest("run_manifest.json").unwrap());
    let (engine, _clock) = by_hand(&lab).await;
    let table: [(&str, &[u8], RunState, bool); 9] = [
        ("fits", br#"{"files":[{"path":"a.bin","size":5},{"path":"raw/b.tif","size":10}]}"#, RunState::Complete, false),
        (
            "missing",
            br#"{"files":[{"path":"a.bin","size":5},{"path":"raw/c.tif","size":10}]}"#,
            RunState::Staging,
            false,
        ),
        ("short", br#"{"files":[{"path":"a.bin","size":6}]}"#, RunState::Staging, false),
        ("empty", br#"{"files":[]}"#, RunState::Staging, true),
        ("absolute", br#"{"files":[{"path":"/etc/passwd","size":5}]}"#, RunState::Staging, true),
        ("upwards", br#"{"files":[{"path":"../Run_fits/a.bin","size":5}]}"#, RunState::Staging, true),
        ("fraction", br#"{"files":[{"path":"a.bin","size":5.5}]}"#, RunState::Staging, true),
        ("list", br#"[{"path":"a.bin","size":5}]"#, RunState::Staging, true),
        ("torn", br#"{"files":[{"path":"a.b"#, RunState::Staging, true),
    ];
    for (name, manifest, _, _) in table {
        lab.push(
            &run(&format!("Run_{name}")),
            &[("a.bin", b"12345"), ("raw/b.tif", b"1234567890"), ("run_manifest.json", manifest)],
        );
    }
    lab.push(&run("Run_none"), &[("a.bin", b"12345")]);
    fs::create_dir_all(lab.staging(run("Run_link").as_str())).unwrap();
    let fits = lab.staging(run("Run_fits").as_str()).join("run_manifest.json");
    std::os::unix::fs::symlink(fits, lab.staging(run("Run_link").as_str()).join("run_manifest.json")).unwrap();
    engine.watcher().poll_once().await;
    for (name, _, state, finding) in table {
        let run = run(&format!("Run_{name}"));
        assert_eq!(
            poll(&engine, &run).await.map(|found| found >= RunState::Complete),
            Some(state == RunState::Complete),
            "{name}"
        );
        let found = engine.core().index.get(&run).unwrap();
        let unusable = found.findings.iter().any(|finding| finding.rule == Rule::UnusableManifest);
        assert_eq!(unusable, finding, "{name}: {:?}", found.findings);
        assert_eq!(found.waiting_for.is_some(), state == RunState::Staging, "{name}");
    }
    for name in ["Run_none", "Run_link"] {
        assert_eq!(poll(&engine, &run(name)).await, Some(RunState::Staging), "{name}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_an_unknown_equipment_completes_by_the_signal_it_brought_and_is_blocked() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = RunPath::parse("RELAY_EQX/P/Runs/Run_1").unwrap();
    let relay = include_bytes!("../../../../app/domain/tests/fixtures/creation/relay.json");
    let manifest = include_bytes!("../../../../app/domain/tests/fixtures/manifest/run_manifest.json");
    lab.push(&run, &[(".exlab-wizard/creation.json", relay), ("a.bin", b"12345")]);
    until_row(&engine, &run, "it waits for its manifest", |row| {
        row.waiting_for.as_deref() == Some("no run_manifest.json yet")
    })
    .await;
    // The default settle time of an equipment that is not in the config is 10 s: an operator is sure.
    lab.push(&run, &[("raw/b.tif", b"1234567890"), ("run_manifest.json", manifest)]);
    until_row(&engine, &run, "it settles", |row| row.waiting_for.as_deref() == Some("10 s without a change")).await;
    engine.stop().await;

    let (engine, clock) = by_hand(&lab).await;
    for _ in 0..4 {
        clock.advance(Duration::from_secs(10));
        poll(&engine, &run).await;
    }
    let row = row_of(&engine, &run);
    assert_eq!((row.summary.current_state.as_str(), row.findings.blocking, row.job), ("complete", 1, None));
    let finding = engine.core().index.get(&run).unwrap().findings[0].clone();
    assert_eq!((finding.rule, finding.matched_token.as_str()), (Rule::UnconfiguredEquipment, "RELAY_EQX"));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_answers_all_runs_in_walk_order_and_takes_one_step_with_each() {
    let lab = Lab::new();
    let (engine, _clock) = by_hand(&lab).await;
    let runs = [
        "B/P/Runs/Run_1",
        "SCOPE_01/P/Run_legacy",
        "SCOPE_01/P/Runs/Run_1",
        "SCOPE_01/P/Runs/Run_2",
        "SCOPE_01/P/TestRuns/TestRun_1",
    ];
    for run in runs.iter().rev() {
        lab.push_usual(&RunPath::parse(run).unwrap());
    }
    lab.push(&RunPath::parse("SCOPE_01/P/Runs/Run_2").unwrap(), &[(".exlab-wizard/ingest.json", b"{")]);
    fs::create_dir_all(lab.staging("SCOPE_01/P/Runs/Unrelated")).unwrap();
    fs::create_dir_all(lab.staging("SCOPE_01/P/Runs/.Run_hidden")).unwrap();
    std::os::unix::fs::symlink(lab.staging("SCOPE_01/P/Runs/Run_1"), lab.staging("SCOPE_01/P/Runs/Run_link")).unwrap();
    let expected = [
        [Some(RunState::Staging); 5].map(Some),
        [Some(Some(RunState::Staging)), None, Some(Some(RunState::Complete)), None, None],
        [Some(Some(RunState::Staging)), None, Some(Some(RunState::SyncQueued)), None, None],
    ];
    for (n, states) in expected.into_iter().enumerate() {
        let polled = engine.watcher().poll_once().await;
        let names: Vec<_> = polled.iter().map(|(run, _)| run.as_str()).collect();
        assert_eq!(names, runs, "poll {n}");
        for ((run, state), wanted) in polled.iter().zip(states) {
            if run.leaf() == "Run_2" {
                assert_eq!(*state, None, "unreadable: no state, and still in the list");
            } else if let Some(wanted) = wanted {
                assert_eq!(*state, wanted, "poll {n}: {run}");
            }
        }
    }
    let unrecognised =
        engine.core().staging.unrecognised().iter().map(|finding| finding.run_path.clone()).collect::<Vec<_>>();
    assert_eq!(unrecognised, ["SCOPE_01/P/Runs/Unrelated", "SCOPE_01/P/Runs/Run_link"]);
    engine.watcher().start();
    engine.watcher().start();
    engine.watcher().stop().await;
    engine.watcher().stop().await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmounted_staging_disk_keeps_its_rows_with_an_error_and_nothing_is_gone() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let (verified, pushing) = (run("Run_1"), run("Run_2"));
    lab.push_usual(&verified);
    lab.push(&pushing, &[("half.raw", b"still coming")]);
    until_verified(&engine, &verified).await;
    until_state(&engine, &pushing, RunState::Staging).await;
    for empty_mount_point in [false, true] {
        fs::rename(lab.path("staging"), lab.path("unmounted")).unwrap();
        if empty_mount_point {
            fs::create_dir(lab.path("staging")).unwrap();
        }
        for (run, state) in [(&verified, "sync_verified"), (&pushing, "staging")] {
            let row = until_row(&engine, run, "its row says so", |row| row.problem.is_some()).await;
            assert_eq!(
                (row.summary.current_state.as_str(), row.problem.unwrap().code.as_str()),
                (state, "staging_unreadable")
            );
        }
        assert!(engine.status().staging_error.is_some());
        let problem = engine.clear(verified.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StagingUnavailable, "{problem:?}");
        if empty_mount_point {
            assert_eq!(fs::read_dir(lab.path("staging")).unwrap().count(), 0, "nothing is written into a mount point");
            fs::remove_dir(lab.path("staging")).unwrap();
        }
        fs::rename(lab.path("unmounted"), lab.path("staging")).unwrap();
        for run in [&verified, &pushing] {
            until_row(&engine, run, "its row is well again", |row| row.problem.is_none()).await;
        }
        assert_eq!(engine.status().staging_error, None);
    }
    // Mounted anew it may be another device; the runs show that it is the same tree.
    copy_folder(&lab.path("staging"), &lab.path("copy"));
    fs::rename(lab.path("staging"), lab.path("old")).unwrap();
    fs::rename(lab.path("copy"), lab.path("staging")).unwrap();
    lab.push(&pushing, &[(SENTINEL, b"")]);
    until_verified(&engine, &pushing).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_disk_that_goes_in_the_middle_of_a_job_fails_nothing() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (staging, away) = (lab.path("staging"), lab.path("unmounted"));
    let hook = once(Checkpoint::Claimed, move || {
        fs::rename(&staging, away).unwrap();
        fs::create_dir(staging).unwrap();
    });
    let engine = lab.start_with(hook).await;
    lab.push_usual(&run);
    let postponed =
        |row: &RunRow| row.job.as_ref().is_some_and(|job| job.state == JobState::Queued && job.error.is_some());
    let job = until_row(&engine, &run, "the job is put back", postponed).await.job.unwrap();
    assert_eq!((job.attempts, job.hash_retries), (0, 0));
    fs::remove_dir(lab.path("staging")).unwrap();
    fs::rename(lab.path("unmounted"), lab.path("staging")).unwrap();
    engine.core().destinations.work_now(EQUIPMENT);
    until_verified(&engine, &run).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_root_that_never_was_is_an_empty_list_until_it_is_there() {
    let lab = Lab::new();
    fs::remove_dir(lab.path("staging")).unwrap();
    let mut settings = lab.settings.clone();
    settings.equipment.clear();
    let engine = Engine::start(settings, lab.options()).await.unwrap();
    assert_eq!(engine.list_staged_runs().await.unwrap().runs, []);
    assert!(engine.status().staging_error.unwrap().contains("cannot be read"));
    fs::create_dir(lab.path("staging")).unwrap();
    lab.push(&run("Run_1"), &[("half.raw", b"")]);
    until_state(&engine, &run("Run_1"), RunState::Staging).await;
    assert_eq!(engine.status().staging_error, None);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_between_the_look_at_a_folder_and_listening_to_it_is_seen_at_once() {
    let (lab, first, second) = (Lab::new(), run("Run_1"), run("Run_2"));
    lab.mark().await;
    let mut options = lab.options();
    options.poll_interval = Duration::from_secs(3_600);
    lab.push(&first, &[("raw/frame_1.tif", b"data")]);
    let (root, runs) = (lab.staging(""), [first.clone(), second.clone()]);
    // The tree was scanned and the run looked at; neither is listened to yet.
    options.checkpoints = once(Checkpoint::SeenRecorded, move || {
        for run in runs {
            let folder = root.join(run.as_str());
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("frame_2.tif"), "more").unwrap();
            fs::write(folder.join(SENTINEL), "").unwrap();
        }
    });
    let engine = Engine::start(lab.settings.clone(), options).await.unwrap();
    for run in [&first, &second] {
        until_verified(&engine, run).await;
        assert_eq!(data_below(&lab.nas(run)), data_below(&lab.staging(run.as_str())));
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_stands_still_holds_up_no_look_at_what_is_new() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    let clock = Clock::manual(Timestamp::parse("2026-04-17T14:32:00Z").unwrap());
    let engine = Engine::start(lab.settings.clone(), engine::Options { clock, ..lab.options() }).await.unwrap();
    engine.ready(Duration::from_secs(60)).await.unwrap();
    lab.push_usual(&run);
    until_row(&engine, &run, "it is in the list", |_| true).await;
    engine.stop().await;
}
