//! What a clear refuses, with everything kept (D1-D4, D7-D10, D12).

use crate::support::*;
use domain::api::{ForceSyncRequest, RunRow};
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use domain::problem::ErrorCode;
use engine::Engine;
use std::fs;
use std::path::Path;

/// A running engine with one run, verified and at rest.
async fn verified(lab: &Lab, name: &str) -> (Engine, domain::path::RunPath) {
    let engine = lab.start().await;
    let run = run(name);
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    (engine, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_nothing_but_a_runs_own_path_is_accepted_by_any_act() {
    let lab = Lab::new();
    let (engine, run) = verified(&lab, "Run_1").await;
    fs::write(lab.path("precious.txt"), "outside").unwrap();
    let root = lab.path("staging").display().to_string();
    let outside = lab.path("precious.txt").display().to_string();
    let paths = [
        "",
        "/",
        "/etc",
        "..",
        ".",
        "../staging",
        "SCOPE_01",
        "SCOPE_01/Cortex Q3 Pilot",
        "SCOPE_01/Cortex Q3 Pilot/Runs",
        "SCOPE_01/../SCOPE_01/Cortex Q3 Pilot/Runs/Run_1",
        "SCOPE_01/Cortex Q3 Pilot/Runs/Run_1/",
        "SCOPE_01/Cortex Q3 Pilot/Runs/Run_1/.",
        "SCOPE_01/Cortex Q3 Pilot/Runs/Run_1/raw",
        "SCOPE_01/Cortex Q3 Pilot/Runs//Run_1",
        "SCOPE_01/Cortex Q3 Pilot/Runs/Run_1\0",
        "SCOPE_01/Cortex Q3 Pilot/Runs/Run_never",
        &root,
        &outside,
        &format!("{root}/../precious.txt"),
        &format!("{root}/SCOPE_01/Cortex Q3 Pilot/Runs/Run_1/"),
    ];
    let before =
        files_below(lab.folder.path()).into_iter().filter(|(path, _)| !path.starts_with("state")).collect::<Vec<_>>();
    for path in paths {
        let problems = [
            engine.clear(path).await.unwrap_err(),
            engine.force_sync(path, ForceSyncRequest::default()).await.unwrap_err(),
            engine.verify(path).await.unwrap_err(),
            engine.retry(path).await.unwrap_err(),
            engine.clear_plan(path).await.unwrap_err(),
            engine.run_detail(path).await.unwrap_err(),
        ];
        assert!(problems.iter().all(|problem| matches!(problem.code.status(), 400 | 404)), "{path:?}: {problems:?}");
    }
    let after =
        files_below(lab.folder.path()).into_iter().filter(|(path, _)| !path.starts_with("state")).collect::<Vec<_>>();
    assert_eq!(after, before);
    assert_eq!(row(&engine, &run).await.summary.current_state, "sync_verified");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_what_the_nas_was_not_proven_to_hold_is_kept() {
    let mut lab = Lab::new();
    lab.settings.sync.enabled = false;
    let engine = lab.start().await;
    let (pushing, complete, fresh) = (run("Run_pushing"), run("Run_queued"), run("Run_fresh"));
    lab.push(&pushing, &[("half.raw", b"still coming")]);
    lab.push_usual(&complete);
    until_state(&engine, &pushing, RunState::Staging).await;
    until_state(&engine, &complete, RunState::SyncQueued).await;
    // Not even seen by a scan yet.
    lab.push(&fresh, &[("half.raw", b"still coming")]);
    for run in [&pushing, &complete, &fresh] {
        let kept = data_below(&lab.staging(run.as_str()));
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StagingNotSyncVerified, "{run}: {problem:?}");
        assert_eq!(problem.code.status(), 409);
        assert_eq!(data_below(&lab.staging(run.as_str())), kept, "{run}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_late_files_are_named_everything_is_kept_and_a_forced_sync_takes_them_in() {
    for late in ["late.tif", "raw/late.tif", ".late", "new folder/deep/late.tif", "cam/.exlab-wizard/late.raw"] {
        let lab = Lab::new();
        let (engine, run) = verified(&lab, "Run_1").await;
        lab.push(&run, &[(late, b"arrived an hour later")]);
        let kept = data_below(&lab.staging(run.as_str()));
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!((problem.code, files_of(&problem)), (ErrorCode::StagingNotProven, vec![late.to_owned()]));
        assert!(problem.message.contains(late), "{problem:?}");
        assert_eq!(data_below(&lab.staging(run.as_str())), kept);
        let shown = row(&engine, &run).await;
        assert_eq!((shown.late_files, shown.actions.clear.reason.as_deref()), (1, Some("late_files")));
        assert_eq!(engine.run_detail(run.as_str()).await.unwrap().late_files[0].path, late);

        engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
        until_row(&engine, &run, "generation 2 verified", |row| {
            row.job
                .as_ref()
                .is_some_and(|job| job.generation == 2 && job.state == JobState::Verified && job.record_sent)
        })
        .await;
        let cleared = engine.clear(run.as_str()).await.unwrap();
        assert!(cleared.files_freed > kept.len() as u64);
        assert_eq!(data_below(&lab.nas(&run)), kept);
        let states = history_of(&lab.nas(&run).join(".exlab-wizard/ingest.json"));
        assert_eq!(states, ["staging", "complete", "sync_queued", "sync_verified", "sync_verified", "cleared"]);
        engine.stop().await;
    }
}

/// Sets mtime and atime back to what they were.
fn restore_times(file: &Path, was: &fs::Metadata) {
    let times = fs::FileTimes::new().set_modified(was.modified().unwrap()).set_accessed(was.accessed().unwrap());
    fs::File::options().write(true).open(file).unwrap().set_times(times).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_a_changed_file_with_its_size_and_mtime_restored_is_not_deleted() {
    let lab = Lab::new();
    let (engine, run) = verified(&lab, "Run_1").await;
    let folder = lab.staging(run.as_str());
    let (rewritten, replaced) = (folder.join("raw/frame_1.tif"), folder.join("raw/frame_2.tif"));
    let (was_rewritten, was_replaced) = (fs::metadata(&rewritten).unwrap(), fs::metadata(&replaced).unwrap());
    let mut bytes = fs::read(&rewritten).unwrap();
    bytes[500] ^= 1;
    fs::write(&rewritten, &bytes).unwrap();
    restore_times(&rewritten, &was_rewritten);
    fs::write(folder.join(".next"), [9_u8; 1_000]).unwrap();
    restore_times(&folder.join(".next"), &was_replaced);
    fs::rename(folder.join(".next"), &replaced).unwrap();
    let kept = data_below(&folder);
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::StagingNotProven);
    assert_eq!(files_of(&problem), ["raw/frame_1.tif", "raw/frame_2.tif"]);
    assert_eq!(data_below(&folder), kept);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_touched_files_with_the_sealed_bytes_are_let_go() {
    let lab = Lab::new();
    let (engine, run) = verified(&lab, "Run_1").await;
    for (path, bytes) in data_below(&lab.staging(run.as_str())) {
        fs::write(lab.staging(run.as_str()).join(path), bytes).unwrap();
    }
    engine.clear(run.as_str()).await.unwrap();
    assert!(!lab.staging(run.as_str()).exists());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_data_in_deeper_record_folders_is_sent_proven_and_listed() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_1");
    lab.push(
        &run,
        &[("cam/.exlab-wizard/nested.raw", b"only copy"), ("cam/.exlab-wizard/ingest.json", b"not a document of ours")],
    );
    lab.push_usual(&run);
    let data = data_below(&lab.staging(run.as_str()));
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.summary.file_count, data.len() as u64);
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&run)), data);
    let checksums = fs::read_to_string(lab.nas(&run).join(".exlab-wizard/checksums.sha256")).unwrap();
    assert!(checksums.contains("  cam/.exlab-wizard/nested.raw\n"), "{checksums}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_rot_at_the_nas_between_proof_and_clear_is_found_and_nothing_is_deleted() {
    type Rot = fn(&Path);
    let flipped: Rot = |file| {
        let mut bytes = fs::read(file).unwrap();
        bytes[69_999] ^= 0x80;
        fs::write(file, bytes).unwrap();
    };
    let truncated: Rot = |file| fs::File::options().write(true).open(file).unwrap().set_len(10).unwrap();
    let removed: Rot = |file| fs::remove_file(file).unwrap();
    for (what, rot) in [("flipped", flipped), ("truncated", truncated), ("removed", removed)] {
        let lab = Lab::new();
        let (engine, run) = verified(&lab, "Run_1").await;
        rot(&lab.nas(&run).join("raw/frame_1.tif"));
        let kept = data_below(&lab.staging(run.as_str()));
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::DestinationNotProven, "{what}");
        assert_eq!(files_of(&problem), ["raw/frame_1.tif"], "{what}");
        assert_eq!(data_below(&lab.staging(run.as_str())), kept, "{what}");
        let shown = row(&engine, &run).await;
        let job = shown.job.unwrap();
        let error = job.error.unwrap();
        assert_eq!((job.state, error.code), (JobState::Failed, FailureClass::HashMismatch), "{what}");
        assert!(error.message.contains("raw/frame_1.tif"), "{what}: {error:?}");
        assert!(shown.proof.is_none() && !shown.actions.clear.allowed && shown.actions.retry.allowed, "{what}");
        assert_eq!(shown.summary.current_state, "sync_verified", "{what}: forward only");
        let ledger = engine.run_detail(run.as_str()).await.unwrap().ledger;
        assert!(ledger.iter().any(|entry| entry.kind == "disproven"), "{what}");

        engine.retry(run.as_str()).await.unwrap();
        until_job(&engine, &run, JobState::Verified).await;
        until_record_sent(&engine, &run).await;
        engine.clear(run.as_str()).await.unwrap();
        assert_eq!(data_below(&lab.nas(&run)), kept, "{what}");
        if what != "removed" {
            let superseded = lab.nas(&run).join(".exlab-wizard/superseded/1/raw/frame_1.tif");
            assert!(superseded.exists(), "{what}: nothing at the NAS is deleted or overwritten");
        }
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_a_run_or_a_parent_swapped_for_a_link_is_not_cleared() {
    for swapped in ["SCOPE_01/Cortex Q3 Pilot/Runs/Run_1", "SCOPE_01/Cortex Q3 Pilot/Runs", "SCOPE_01/Cortex Q3 Pilot"]
    {
        let lab = Lab::new();
        let (engine, run) = verified(&lab, "Run_1").await;
        let kept = data_below(&lab.staging(run.as_str()));
        fs::rename(lab.staging(swapped), lab.path("elsewhere")).unwrap();
        std::os::unix::fs::symlink(lab.path("elsewhere"), lab.staging(swapped)).unwrap();
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StagingNotProven, "{swapped}: {problem:?}");
        let below = run.as_str().strip_prefix(swapped).unwrap().trim_start_matches('/');
        assert_eq!(data_below(&lab.path("elsewhere").join(below)), kept, "{swapped}");
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_the_history_outlives_the_folder_here_and_on_the_nas() {
    let lab = Lab::new();
    let (engine, run) = verified(&lab, "Run_1").await;
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
    let engine = lab.start().await;
    let detail = engine.run_detail(run.as_str()).await.unwrap();
    let states: Vec<_> = detail.history.iter().map(|entry| entry.state.clone()).collect();
    assert_eq!(states, ["staging", "complete", "sync_queued", "sync_verified", "cleared"]);
    assert_eq!(history_of(&lab.nas(&run).join(".exlab-wizard/ingest.json")), states);
    assert_eq!(sync_status(&lab.nas(&run)), "cleaned");
    assert_eq!((detail.row.summary.current_state.as_str(), detail.row.summary.file_count), ("cleared", 5));
    assert!(detail.seal.is_some() && !detail.proofs.is_empty());
    let kinds: Vec<_> = detail.ledger.iter().rev().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["proven", "proven", "clear_intended", "cleared"]);
    let log = fs::read_to_string(lab.nas(&run).join(".exlab-wizard/wizard.lab-pc.log")).unwrap();
    assert!(log.contains("NAS sync verified") && !log.contains("staging cleared"), "{log}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_a_destination_that_shows_the_staging_tree_itself_clears_nothing() {
    let lab = Lab::new();
    let (engine, run) = verified(&lab, "Run_1").await;
    let kept = data_below(&lab.staging(run.as_str()));
    // The NAS now is the staging tree: every hash agrees.
    copy_folder(&lab.path("nas/SCOPE_01/.exlab-orchestrator"), &lab.staging("SCOPE_01"));
    let mounted = Mounted::bind(&lab.staging("SCOPE_01"), &lab.path("nas/SCOPE_01"));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::DestinationNotProven, "{problem:?}");
    assert_eq!(data_below(&lab.staging(run.as_str())), kept);
    drop(mounted);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_a_hard_link_on_the_nas_is_no_copy() {
    let lab = Lab::new();
    let (engine, run) = verified(&lab, "Run_1").await;
    let kept = data_below(&lab.staging(run.as_str()));
    let there = lab.nas(&run).join("raw/frame_1.tif");
    fs::remove_file(&there).unwrap();
    fs::hard_link(lab.staging(run.as_str()).join("raw/frame_1.tif"), &there).unwrap();
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    // Linking changes the ctime: whichever side is asked first, the answer is no.
    assert!(matches!(problem.code, ErrorCode::DestinationNotProven), "{problem:?}");
    assert_eq!(files_of(&problem), ["raw/frame_1.tif"]);
    assert_eq!(data_below(&lab.staging(run.as_str())), kept);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_a_destination_in_the_staging_tree_is_refused_at_init_and_makes_jobs_wait() {
    for link in [false, true] {
        let mut lab = Lab::new();
        let inside = lab.staging("SCOPE_01/NAS/Runs");
        fs::create_dir_all(&inside).unwrap();
        let root = if link { lab.path("nas/link") } else { inside.clone() };
        if link {
            std::os::unix::fs::symlink(&inside, &root).unwrap();
        }
        lab.settings.equipment = vec![equipment(EQUIPMENT, &root)];
        let refused = engine::mark_destination(&lab.settings, EQUIPMENT, &lab.path("state"), "lab-pc", true).await;
        assert!(refused.is_err(), "link: {link}");
        // A marker that somebody copied there by hand helps nothing.
        let installation = engine::keep::state_folder::installation(&lab.path("state")).unwrap();
        fs::create_dir_all(inside.join(".exlab-orchestrator")).unwrap();
        let marker = serde_json::json!({"what": "exlab-orchestrator destination", "installation": installation, "equipment": EQUIPMENT,
            "created_at": "2026-04-17T14:32:00Z", "host": "lab-pc"});
        fs::write(inside.join(".exlab-orchestrator/identity.json"), marker.to_string()).unwrap();
        let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
        let run = run("Run_1");
        lab.push_usual(&run);
        let waits = |row: &RunRow| {
            row.summary.current_state == "sync_queued"
                && row.job.as_ref().is_some_and(|job| job.waiting_for_destination)
        };
        let waiting = until_row(&engine, &run, "the job waits", waits).await.job.unwrap();
        assert!(waiting.error.unwrap().message.contains("staging tree"), "link: {link}");
        engine.stop().await;
    }
}
