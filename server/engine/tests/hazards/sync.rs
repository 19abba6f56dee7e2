//! Sending and verifying (V): what stands at the destination is ours, whole and equal, or the run is not verified.

use crate::support::*;
use domain::api::{DestinationHealth, ForceSyncRequest, RunRow};
use domain::completeness::Signal;
use domain::finding::Rule;
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::machine::checkpoint::Checkpoint;
use engine::{Engine, mark_destination};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

fn failure(row: &RunRow) -> (FailureClass, String) {
    let error = row.job.clone().unwrap().error.unwrap();
    (error.code, error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_two_projects_with_the_same_minute_do_not_meet() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let runs = ["Cortex", "Liver"]
        .map(|project| RunPath::parse(&format!("SCOPE_01/{project}/Runs/Run_2026-04-17T14-32")).unwrap());
    for (n, run) in runs.iter().enumerate() {
        lab.push(run, &[("raw.tif", &[n as u8; 100]), (SENTINEL, b"")]);
    }
    for (n, run) in runs.iter().enumerate() {
        until_verified(&engine, run).await;
        assert_eq!(fs::read(lab.nas(run).join("raw.tif")).unwrap(), [n as u8; 100]);
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v1_v3_a_foreign_file_under_a_target_name_is_a_conflict_and_never_touched() {
    let same: &[u8] = &[3; 1_000];
    for (what, foreign) in [("other size", b"somebody else's".as_slice()), ("same size and mtime", same)] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        lab.mark().await;
        lab.push(&run, &[("raw/frame_1.tif", &[7; 1_000]), ("raw/other.tif", b"no conflict")]);
        let (ours, theirs) = (lab.staging(run.as_str()).join("raw/frame_1.tif"), lab.nas(&run).join("raw/frame_1.tif"));
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        fs::write(&theirs, foreign).unwrap();
        let mtime = fs::metadata(&ours).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&theirs).unwrap().set_modified(mtime).unwrap();
        lab.push(&run, &[(SENTINEL, b"")]);
        let engine = lab.start().await;
        until_job(&engine, &run, JobState::Failed).await;
        let (class, message) = failure(&row(&engine, &run).await);
        assert_eq!(class, FailureClass::Conflict, "{what}: {message}");
        assert!(message.contains("raw/frame_1.tif"), "{what}: {message}");
        assert_eq!(fs::read(&theirs).unwrap(), foreign, "{what}");
        assert_eq!(fs::read(lab.nas(&run).join("raw/other.tif")).unwrap(), b"no conflict", "{what}: the rest was sent");
        assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingNotSyncVerified, "{what}");

        fs::rename(&theirs, lab.path("moved away")).unwrap();
        engine.retry(run.as_str()).await.unwrap();
        until_verified(&engine, &run).await;
        assert_eq!(fs::read(&theirs).unwrap(), [7; 1_000], "{what}");
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v4_s9_bytes_that_rot_on_their_way_are_sent_once_more_and_then_the_job_fails() {
    // Once: the second sending heals it.
    let (lab, run) = (Lab::new(), run("Run_1"));
    let there = lab.nas(&run).join("raw/frame_2.tif");
    let rotten = there.clone();
    let engine = lab.start_with(once(Checkpoint::Pushed, move || fs::write(rotten, [1; 1_000]).unwrap())).await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let job = row(&engine, &run).await.job.unwrap();
    assert_eq!((job.hash_retries, job.attempts, job.error), (1, 0, None));
    assert_eq!(fs::read(&there).unwrap(), [8; 1_000]);
    engine.stop().await;

    // Whenever it is placed: failed, with everything said.
    let lab = Lab::new();
    let there = lab.nas(&run).join("raw/frame_2.tif");
    let rotten = there.clone();
    let rot = engine::machine::checkpoint::Checkpoints::listening(move |taken| {
        if taken == Checkpoint::FilePlaced && rotten.exists() {
            fs::write(&rotten, [1; 1_000]).unwrap();
        }
    });
    let engine = lab.start_with(rot).await;
    lab.push_usual(&run);
    until_job(&engine, &run, JobState::Failed).await;
    let shown = row(&engine, &run).await;
    assert_eq!(shown.job.as_ref().unwrap().hash_retries, 1);
    let (class, message) = failure(&shown);
    assert_eq!(class, FailureClass::HashMismatch);
    assert!(message.contains("raw/frame_2.tif"), "{message}");
    assert_eq!(shown.summary.current_state, "sync_queued", "never verified");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v6_a_run_without_data_is_never_verified() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    fs::create_dir_all(lab.staging(run.as_str()).join("raw")).unwrap();
    until_state(&engine, &run, RunState::Staging).await;
    let sure = ForceSyncRequest {
        assume_complete: true,
        operator: Some("asmith".into()),
        reason: Some("The scan was aborted.".into()),
    };
    engine.force_sync(run.as_str(), sure).await.unwrap();
    until_job(&engine, &run, JobState::Failed).await;
    let shown = row(&engine, &run).await;
    assert!(failure(&shown).1.contains("never verified"), "{shown:?}");
    assert_eq!(shown.summary.current_state, "sync_queued");
    let ledger = engine.run_detail(run.as_str()).await.unwrap().ledger;
    assert!(ledger.iter().any(|entry| entry.kind == "assumed_complete" && entry.detail.contains("asmith")));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v9_odd_names_are_verified_and_cleared_or_held_back_with_a_finding() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let longest = "n".repeat(255);
    let fine: [&[u8]; 10] = [
        b" leading blank",
        "e\u{301} decomposed".as_bytes(),
        "\u{e9} decomposed".as_bytes(),
        b"Case",
        b"case",
        b"-oProxyCommand=x",
        b"it's $(x) `y`",
        b"a < b > c",
        longest.as_bytes(),
        "deep/\u{1f52c}/x".as_bytes(),
    ];
    let good = run("Run_fine");
    lab.push(&good, &[("plain", b"x")]);
    for name in fine {
        let path = lab.staging(good.as_str()).join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    lab.push(&good, &[(SENTINEL, b"")]);
    let data = data_below(&lab.staging(good.as_str()));
    until_verified(&engine, &good).await;
    engine.clear(good.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&good)), data);

    let bad: [&[u8]; 7] =
        [b"trailing blank ", b"trailing dot.", b"new\nline", b"back\\slash", b"not utf-8 \xff", b"a:b", b"NUL.txt"];
    for (n, name) in bad.into_iter().enumerate() {
        let held = run(&format!("Run_held_{n}"));
        lab.push(&held, &[("plain", b"x")]);
        fs::write(lab.staging(held.as_str()).join(OsStr::from_bytes(name)), "x").unwrap();
        lab.push(&held, &[(SENTINEL, b"")]);
        until_row(&engine, &held, "blocked", |row| {
            row.summary.current_state == "complete" && row.findings.blocking == 1
        })
        .await;
        let finding = engine.run_detail(held.as_str()).await.unwrap().findings.remove(0);
        assert!(matches!(finding.rule, Rule::IllegalFilesystemCharacter | Rule::ReservedFilesystemName), "{finding:?}");
        assert!(!finding.offending_path.is_empty() && !finding.matched_token.is_empty(), "{finding:?}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v9_overridden_names_are_sent_proven_and_cleared_too() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[(".exlab-wizard/creation.json", &creation_with_override("illegal_filesystem_character"))]);
    let names: [&[u8]; 5] = [b"trailing blank ", b"new\nline", b"back\\slash", b"not utf-8 \xff", b"tab\there"];
    for name in names {
        fs::write(lab.staging(run.as_str()).join(OsStr::from_bytes(name)), name).unwrap();
    }
    lab.push(&run, &[(SENTINEL, b"")]);
    let data = data_below(&lab.staging(run.as_str()));
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.findings.overridden, 5);
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&run)), data);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v10_an_empty_folder_where_the_nas_was_mounted_gets_nothing_and_is_waited_for() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    let mut options = lab.options();
    options.clock =
        engine::machine::clock::Clock::manual(domain::timestamp::Timestamp::parse("2026-04-17T14:32:00Z").unwrap());
    let clock = options.clock.clone();
    let (nas, away) = (lab.path("nas/SCOPE_01"), lab.path("unmounted"));
    fs::rename(&nas, &away).unwrap();
    fs::create_dir(&nas).unwrap();
    let engine = Engine::start(lab.settings.clone(), options).await.unwrap();
    lab.push_usual(&run);
    // A clock that stands still makes no poll due.
    engine.watcher().poll_once().await;
    let waits = |row: &RunRow| row.job.as_ref().is_some_and(|job| job.waiting_for_destination && job.attempts == 0);
    let waiting = until_row(&engine, &run, "it waits", waits).await.job.unwrap();
    let error = waiting.error.unwrap();
    assert_eq!((error.code, waiting.state), (FailureClass::DestinationUnreachable, JobState::Queued));
    assert!(error.message.contains("nas init"), "{error:?}");
    assert_eq!(files_below(&nas), [], "nothing was written into the empty folder");
    assert_eq!(engine.status().destinations[0].health, DestinationHealth::Unreachable);

    fs::remove_dir(&nas).unwrap();
    fs::rename(&away, &nas).unwrap();
    // Probed by itself once the time has come; the clock is moved instead of waiting.
    let core = engine.core().clone();
    until("it goes on by itself", async || {
        clock.advance(std::time::Duration::from_secs(300));
        core.destinations.work_now(EQUIPMENT);
        core.index.look(&run, |facts| facts.state() == Some(RunState::SyncVerified)).filter(|verified| *verified)
    })
    .await;
    let job = row(&engine, &run).await.job.unwrap();
    assert_eq!((job.attempts, job.error, job.waiting_for_destination), (0, None, false));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v12_v15_d23_links_and_special_files_block_and_an_override_leaves_them_out_and_lists_them() {
    for class in [None, Some("unsupported_file_type")] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        fs::write(lab.path("secret"), "foreign content").unwrap();
        fs::create_dir_all(lab.path("outside/folder")).unwrap();
        fs::write(lab.path("outside/folder/secret"), "foreign content").unwrap();
        if let Some(class) = class {
            lab.push(&run, &[(".exlab-wizard/creation.json", &creation_with_override(class))]);
        }
        lab.push(&run, &[("raw/frame_1.tif", b"data")]);
        let folder = lab.staging(run.as_str());
        std::os::unix::fs::symlink(lab.path("secret"), folder.join("link to file")).unwrap();
        std::os::unix::fs::symlink(lab.path("outside"), folder.join("link to folder")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("raw/endless")).unwrap();
        command("mkfifo", &[folder.join("raw/fifo").to_str().unwrap()]).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        lab.push(&run, &[(SENTINEL, b"")]);
        let engine = lab.start().await;
        if class.is_none() {
            until_row(&engine, &run, "blocked", |row| row.findings.blocking == 5).await;
            assert_eq!(row(&engine, &run).await.summary.current_state, "complete", "S1");
            assert!(!lab.nas(&run).exists());
            engine.stop().await;
            continue;
        }
        until_verified(&engine, &run).await;
        engine.clear(run.as_str()).await.unwrap();
        assert!(!folder.exists());
        let sent: Vec<_> = data_below(&lab.nas(&run)).into_iter().map(|(path, _)| path.display().to_string()).collect();
        assert_eq!(sent, [SENTINEL, "raw/frame_1.tif"]);
        let unsent = fs::read(lab.nas(&run).join(".exlab-wizard/unsent.json")).unwrap();
        let unsent: serde_json::Value = serde_json::from_slice(&unsent).unwrap();
        let listed: Vec<_> = unsent["unsent"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["path"].as_str().unwrap(), one["kind"].as_str().unwrap(), one["target"].as_str()))
            .collect();
        let (secret, outside) = (lab.path("secret").display().to_string(), lab.path("outside").display().to_string());
        let expected = [
            ("link to file", "link", Some(secret.as_str())),
            ("link to folder", "link", Some(outside.as_str())),
            ("raw/endless", "link", Some("/dev/zero")),
            ("raw/fifo", "fifo", None),
            ("socket", "socket", None),
        ];
        assert_eq!(listed, expected, "name, kind and target outlive the clear");
        assert_eq!(fs::read_to_string(lab.path("secret")).unwrap(), "foreign content");
        assert!(lab.path("outside/folder/secret").exists());
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v12_a_link_put_in_the_place_of_a_file_while_it_is_sent_sends_nothing_foreign() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    fs::write(lab.path("secret"), [7; 70_000]).unwrap();
    let (secret, file) = (lab.path("secret"), lab.staging(run.as_str()).join("raw/frame_1.tif"));
    let hook = once(Checkpoint::Listed, move || {
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(secret, file).unwrap();
    });
    let engine = lab.start_with(hook).await;
    lab.push_usual(&run);
    until_row(&engine, &run, "the attempt ended", |row| row.job.as_ref().is_some_and(|job| job.error.is_some())).await;
    assert!(!lab.nas(&run).join("raw/frame_1.tif").exists());
    assert_eq!(row(&engine, &run).await.summary.current_state, "sync_queued");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v13_one_target_for_two_equipments_or_two_workstations_is_refused() {
    let mut lab = Lab::new();
    lab.mark().await;
    let target = lab.path("nas/SCOPE_01");
    lab.settings.equipment.push(equipment("SCOPE_02", &target));
    let state = lab.path("state");
    assert!(mark_destination(&lab.settings, "SCOPE_02", &state, "lab-pc", false).await.is_err());
    assert!(mark_destination(&lab.settings, EQUIPMENT, &lab.path("other state"), "other-pc", false).await.is_err());
    mark_destination(&lab.settings, EQUIPMENT, &state, "lab-pc", false).await.unwrap();

    let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    let (first, second) = (run("Run_1"), RunPath::parse("SCOPE_02/P/Runs/Run_1").unwrap());
    lab.push_usual(&first);
    lab.push_usual(&second);
    until_verified(&engine, &first).await;
    let waits = |row: &RunRow| row.job.as_ref().is_some_and(|job| job.waiting_for_destination);
    let waiting = until_row(&engine, &second, "the second one waits", waits).await.job.unwrap();
    assert!(waiting.error.unwrap().message.contains("SCOPE_01"));
    assert!(!target.join("P").exists(), "S5: and the first went its way");
    engine.stop().await;
}

/// A job may wait for its place for hours, and listing a run takes its time: meanwhile the destination is given to
/// another installation.
#[tokio::test(flavor = "multi_thread")]
async fn v13_a_destination_that_is_another_installations_by_now_gets_nothing() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let marker = lab.path("nas/SCOPE_01/.exlab-orchestrator/identity.json");
    let adopted = move || {
        let mut said: serde_json::Value = serde_json::from_slice(&fs::read(&marker).unwrap()).unwrap();
        said["installation"] = "somebody else's".into();
        fs::write(&marker, said.to_string()).unwrap();
    };
    let engine = lab.start_with(once(Checkpoint::Listed, adopted)).await;
    lab.push_usual(&run);
    until_job(&engine, &run, JobState::Failed).await;
    let (class, message) = failure(&row(&engine, &run).await);
    assert!(class == FailureClass::DestinationForeign && message.contains("another installation"), "{message}");
    assert!(!lab.path("nas/SCOPE_01/Cortex Q3 Pilot").exists());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_signal_outside_the_run_cannot_be_configured() {
    for name in ["../done.flag", "/tmp/done.flag", "raw/done.flag", "..", ""] {
        assert!(Signal::sentinel(name).is_err(), "{name:?}");
    }
}
