//! Documents of others: unreadable, of another major, with fields of newer versions, written by the Python system, and
//! its queue.

use crate::support::*;
use domain::api::{ForceSyncRequest, RunRow};
use domain::finding::Rule;
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::Engine;
use engine::database::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../app/domain/tests/fixtures");
    fs::read(fixtures.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_creation_document_that_was_torn_after_the_proof_holds_the_clear() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.push_usual(&run);
    lab.push(&run, &[(".exlab-wizard/creation.json", br#"{"schema_version": "1.0", "run_kind": "experimental"}"#)]);
    let engine = lab.start().await;
    until_verified(&engine, &run).await;
    until_record_sent(&engine, &run).await;
    let creation = lab.staging(run.as_str()).join(".exlab-wizard/creation.json");
    let whole = fs::read(&creation).unwrap();
    fs::write(&creation, &whole[..whole.len() / 2]).unwrap();
    engine.watcher().poll_once().await;
    let refused = engine.clear(run.as_str()).await.unwrap_err();
    assert!(refused.message.contains("creation.json") && refused.message.contains("mend"), "{refused:?}");
    assert!(lab.staging(run.as_str()).join("notes.txt").exists());
    fs::write(&creation, &whole).unwrap();
    engine.watcher().poll_once().await;
    engine.clear(run.as_str()).await.unwrap();
    let there = fs::read_to_string(lab.nas(&run).join(".exlab-wizard/creation.json")).unwrap();
    assert!(there.contains("experimental"), "{there}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_d2_a_document_that_cannot_be_used_is_a_row_that_says_so_and_is_never_touched() {
    let table = [
        ("ingest/truncated.json", "unknown", "document_unreadable", ErrorCode::DocumentUnreadable),
        ("ingest/major_2.json", "unknown", "schema_major_mismatch", ErrorCode::SchemaMajorMismatch),
    ];
    for (name, state, code, refusal) in table {
        let (lab, run) = (Lab::new(), run("Run_1"));
        lab.push_usual(&run);
        lab.push(&run, &[(".exlab-wizard/ingest.json", &fixture(name))]);
        let before = files_below(&lab.staging(run.as_str()));
        let engine = lab.start().await;
        let row = row(&engine, &run).await;
        let problem = row.problem.unwrap();
        assert_eq!((row.summary.current_state.as_str(), problem.code.as_str()), (state, code));
        assert_eq!(
            (row.summary.file_count, row.actions.clear.allowed, row.actions.force_sync.allowed),
            (5, false, false)
        );
        let refused = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(refused.code, refusal, "{refused:?}");
        if refusal == ErrorCode::SchemaMajorMismatch {
            assert_eq!((&refused.details["expected_major"], &refused.details["found"]), (&1.into(), &"2.0".into()));
        }
        assert_eq!(engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap_err().code, refusal);
        engine.watcher().poll_once().await;
        engine.stop().await;
        assert_eq!(files_below(&lab.staging(run.as_str())), before, "{name}: not a byte was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_a_state_of_a_newer_version_and_odd_things_in_place_of_documents_are_rows_too() {
    let lab = Lab::new();
    let (newer, folder, link, fine) = (run("Run_newer"), run("Run_folder"), run("Run_link"), run("Run_fine"));
    let text = String::from_utf8(fixture("ingest/sync_verified.json")).unwrap();
    let archived = text.replace(r#""current_state":"sync_verified""#, r#""current_state":"archived""#);
    assert_ne!(text, archived);
    lab.push(&newer, &[(".exlab-wizard/ingest.json", archived.as_bytes()), ("a.bin", b"x")]);
    lab.push(&folder, &[(".exlab-wizard/ingest.json/inside", b"x"), ("a.bin", b"x")]);
    lab.push(&link, &[("a.bin", b"x")]);
    fs::create_dir_all(lab.path("outside")).unwrap();
    std::os::unix::fs::symlink(lab.path("outside"), lab.staging(link.as_str()).join(".exlab-wizard")).unwrap();
    let engine = lab.start().await;
    assert_eq!(row(&engine, &newer).await.summary.current_state, "archived");
    assert_eq!(row(&engine, &newer).await.actions.clear.reason.as_deref(), Some("unknown_state"));
    for run in [&folder, &link] {
        let row = row(&engine, run).await;
        assert_eq!(
            (row.summary.current_state.as_str(), row.problem.unwrap().code.as_str()),
            ("unknown", "document_unreadable"),
            "{run}"
        );
    }
    for run in [&newer, &folder, &link] {
        assert!(matches!(engine.clear(run.as_str()).await.unwrap_err().code.status(), 409 | 422), "{run}");
        assert!(lab.staging(run.as_str()).join("a.bin").exists());
    }
    assert_eq!(fs::read_dir(lab.path("outside")).unwrap().count(), 0, "nothing is written through a link");
    lab.push_usual(&fine);
    until_verified(&engine, &fine).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_newer_versions_survive_a_whole_life() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let text = String::from_utf8(fixture("ingest/unknown_fields.json")).unwrap();
    let ingest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut creation: serde_json::Value = serde_json::from_slice(&fixture("creation/experimental.json")).unwrap();
    creation["x_future"] = serde_json::json!({"deep": [1, {"n": 2.5}]});
    lab.push(&run, &[(".exlab-wizard/ingest.json", text.as_bytes()), ("a.bin", b"x"), (SENTINEL, b"")]);
    lab.push(&run, &[(".exlab-wizard/creation.json", creation.to_string().as_bytes())]);
    let engine = lab.start().await;
    let row = until_row(&engine, &run, "read", |row| row.summary.current_state != "staging").await;
    assert_eq!(row.problem, None);
    // Its record tells of another path: it is followed as a run that was renamed, and is complete again a moment later.
    until("it may be synced", async || engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.ok()).await;
    until_job(&engine, &run, JobState::Verified).await;
    until_record_sent(&engine, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(lab.nas(&run).join(".exlab-wizard").join(name)).unwrap()).unwrap()
    };
    let (after, told) = (read("ingest.json"), read("creation.json"));
    assert_eq!((&after["schema_version"], &after["x_future"]), (&ingest["schema_version"], &ingest["x_future"]));
    let (old, new) = (ingest["history"].as_array().unwrap(), after["history"].as_array().unwrap());
    assert_eq!(&new[..old.len()], &old[..], "append-only, whatever is in it");
    assert_eq!(new.last().unwrap()["state"], "cleared");
    assert_eq!((&told["x_future"], &told["sync_status"]), (&creation["x_future"], &"cleaned".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_python_system_verified_is_not_proven_by_us_until_we_have_sent_and_proven_it() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let mut old: serde_json::Value = serde_json::from_slice(&fixture("ingest/older_minor.json")).unwrap();
    old["run_path"] = run.as_str().into();
    lab.push(
        &run,
        &[(".exlab-wizard/ingest.json", old.to_string().as_bytes()), ("a.bin", b"only copy"), (SENTINEL, b"")],
    );
    let engine = lab.start().await;
    let shown = row(&engine, &run).await;
    assert_eq!((shown.actions.clear.reason.as_deref(), shown.proof), (Some("staging_not_proven"), None));
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingNotProven);
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    until_row(&engine, &run, "proven", |row| {
        row.actions.clear.allowed && row.job.as_ref().is_some_and(|job| job.record_sent)
    })
    .await;
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(fs::read(lab.nas(&run).join("a.bin")).unwrap(), b"only copy");
    let states = history_of(&lab.nas(&run).join(".exlab-wizard/ingest.json"));
    assert_eq!(states, ["staging", "complete", "sync_queued", "sync_verified", "sync_verified", "cleared"]);
    let ingest = fs::read_to_string(lab.nas(&run).join(".exlab-wizard/ingest.json")).unwrap();
    assert!(ingest.starts_with(r#"{"schema_version":"1.1""#), "an older minor is raised: {ingest}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_the_python_system_left_half_way_go_on() {
    let lab = Lab::new();
    let states = ["staging", "complete", "sync_queued"];
    for state in states {
        let ingest = fixture(&format!("ingest/{state}.json"));
        lab.push(
            &run(&format!("Run_{state}")),
            &[(".exlab-wizard/ingest.json", &ingest), ("a.bin", b"x"), (SENTINEL, b"")],
        );
    }
    let cleared = run("Run_cleared");
    lab.push(
        &cleared,
        &[(".exlab-wizard/ingest.json", &fixture("ingest/cleared.json")), ("a.bin", b"arrived since"), (SENTINEL, b"")],
    );
    let engine = lab.start().await;
    for state in states {
        until_verified(&engine, &run(&format!("Run_{state}"))).await;
    }
    until_verified(&engine, &cleared).await;
    assert_eq!(row(&engine, &cleared).await.life, 2, "data at a cleared path is a new life");
    let kept = lab.staging(cleared.as_str()).join(".exlab-wizard/lives/1/ingest.json");
    assert_eq!(fs::read(kept).unwrap(), fixture("ingest/cleared.json"));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn misplaced_and_legacy_runs_are_runs_that_the_gate_reports_and_an_override_lets_through() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let legacy = RunPath::parse("SCOPE_01/P/Run_legacy").unwrap();
    lab.push_usual(&legacy);
    until_row(&engine, &legacy, "held back", |row| row.findings.blocking > 0).await;
    let findings = engine.run_detail(legacy.as_str()).await.unwrap().findings;
    assert!(findings.iter().any(|finding| finding.rule == Rule::ModePrefixMismatch), "{findings:?}");
    lab.override_as_the_existing_system(&legacy, "mode_prefix_mismatch");
    until_verified(&engine, &legacy).await;
    assert!(lab.nas(&legacy).join("raw/frame_1.tif").exists(), "mirrored where it lies");
    engine.clear(legacy.as_str()).await.unwrap();
    let test = RunPath::parse("SCOPE_01/P/TestRuns/TestRun_1").unwrap();
    lab.push(&test, &[("a.bin", b"x"), (SENTINEL, b"")]);
    until_verified(&engine, &test).await;
    assert_eq!(row(&engine, &test).await.summary.run_kind, "test");
    engine.stop().await;
}

fn queue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/queue/sync_queue.db")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_systems_queue_comes_in_as_queued_whatever_it_claims() {
    let mut lab = Lab::new();
    lab.settings.orchestrator.as_mut().unwrap().staging_root = "/staging".into();
    let before = fs::read(queue()).unwrap();
    let report = engine::import_queue(&lab.settings, &lab.path("state"), &queue()).await.unwrap();
    assert_eq!((report.imported, report.already_here, report.refused), (8, 0, vec![]));
    let store = Store::open(&lab.path("state")).await.unwrap();
    for name in ["queued", "running", "awaiting_verify", "verified", "cleanup_eligible", "cleaned", "failed", "backoff"]
    {
        let run = RunPath::parse(&format!("CONFOCAL_01/P/Runs/Run_{name}")).unwrap();
        let job = store.latest_job(&run, 1).await.unwrap().unwrap();
        let failed = matches!(name, "failed" | "backoff");
        assert_eq!(job.state, if failed { JobState::Failed } else { JobState::Queued }, "{name}");
        assert_eq!(
            (job.attempts, job.verify_passes, job.seal, job.proof_level),
            (0, 0, None, None),
            "{name}: no proof of theirs is ours"
        );
        let class = job.error.map(|error| error.class);
        let expected = match name {
            "failed" => Some(FailureClass::Authentication),
            "backoff" => Some(FailureClass::Network),
            _ => None,
        };
        assert_eq!(class, expected, "{name}");
    }
    store.close().await;
    let again = engine::import_queue(&lab.settings, &lab.path("state"), &queue()).await.unwrap();
    assert_eq!((again.imported, again.already_here), (0, 8));
    lab.settings.orchestrator.as_mut().unwrap().staging_root = "/elsewhere".into();
    let elsewhere = engine::import_queue(&lab.settings, &lab.path("other state"), &queue()).await.unwrap();
    assert_eq!((elsewhere.imported, elsewhere.refused.len()), (0, 8), "rows of another tree are named, not taken");
    assert_eq!(fs::read(queue()).unwrap(), before, "the file is only read");
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_runs_are_sealed_sent_and_proven_by_us() {
    let lab = Lab::new();
    lab.mark().await;
    let theirs = lab.path("sync_queue.db");
    fs::copy(queue(), &theirs).unwrap();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(&theirs))
        .await
        .unwrap();
    let root = lab.path("staging").display().to_string();
    sqlx::query("UPDATE jobs SET run_path = replace(run_path, '/staging/CONFOCAL_01/P', $1)")
        .bind(format!("{root}/SCOPE_01/Cortex Q3 Pilot"))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let report = engine::import_queue(&lab.settings, &lab.path("state"), &theirs).await.unwrap();
    assert_eq!(report.imported, 8);
    let (verified, failed, pushing) = (run("Run_verified"), run("Run_failed"), run("Run_queued"));
    lab.push(
        &verified,
        &[(".exlab-wizard/ingest.json", &fixture("ingest/sync_verified.json")), ("a.bin", b"x"), (SENTINEL, b"")],
    );
    lab.push(&failed, &[("a.bin", b"x"), (SENTINEL, b"")]);
    lab.push(&pushing, &[("a.bin", b"x")]);
    let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    let proven = |row: &RunRow| row.actions.clear.allowed;
    until_row(&engine, &verified, "proven by us", proven).await;
    // It came to completion under our eyes: its job starts anew, as that of a failed one does.
    until_verified(&engine, &failed).await;
    assert_eq!(
        row(&engine, &pushing).await.summary.current_state,
        "staging",
        "a run that still comes is not taken by its row"
    );
    assert!(!lab.nas(&pushing).exists());
    lab.push(&pushing, &[(SENTINEL, b"")]);
    until_state(&engine, &pushing, RunState::SyncQueued).await;
    // The worker may have been faster than we: then there is nothing left to retry, and that is all it may say.
    if let Err(problem) = engine.retry(pushing.as_str()).await {
        assert_eq!(problem.code, domain::problem::ErrorCode::NothingToRetry, "{problem:?}");
    }
    until_verified(&engine, &pushing).await;
    engine.stop().await;
}

/// Folders that are links, and documents as Windows programs write them: named with the way out, or taken as meant;
/// never invisible.
#[tokio::test(flavor = "multi_thread")]
async fn s24_linked_folders_are_named_and_a_byte_order_mark_is_passed_over() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    fs::create_dir_all(lab.path("other disk/P/Runs/Run_9")).unwrap();
    std::os::unix::fs::symlink(lab.path("other disk"), lab.staging("FLOW_01")).unwrap();
    let creation = include_bytes!("../../../../app/domain/tests/fixtures/creation/experimental.json");
    lab.push(
        &run,
        &[
            (".exlab-wizard/creation.json", &[b"\xef\xbb\xbf".as_slice(), creation].concat()),
            ("a.bin", b"x"),
            (SENTINEL, b""),
        ],
    );
    let engine = lab.start().await;
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.problem, None);
    let found = engine.problems(domain::api::ProblemQuery::default()).await.unwrap().findings;
    let linked: Vec<_> =
        found.iter().filter(|found| found.finding.rule == domain::finding::Rule::LinkedFolder).collect();
    assert_eq!(linked.len(), 1, "{found:?}");
    assert_eq!(linked[0].finding.run_path, "FLOW_01");
    assert!(
        linked[0].finding.rule_detail.contains("other disk")
            && linked[0].finding.rule_detail.contains("move the folder itself here")
    );
    assert!(engine.status().unrecognised.iter().any(|finding| finding.run_path == "FLOW_01"), "in the header too");
    engine.clear(run.as_str()).await.unwrap();
    let kept = fs::read(lab.nas(&run).join(".exlab-wizard/creation.json")).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(kept.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&kept)).is_ok());
    engine.stop().await;
}

/// Each trouble of a run goes by itself: that its files could be compared says nothing of its creation.json.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_read_is_told_until_it_can() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let creation = lab.staging(run.as_str()).join(".exlab-wizard/creation.json");
    let whole = fs::read(&creation).unwrap();
    fs::write(&creation, "{").unwrap();
    let told = |row: &RunRow| row.problem.as_ref().is_some_and(|problem| problem.code == "document_unreadable");
    until_row(&engine, &run, "it says so", told).await;
    lab.push(&run, &[("raw/late.tif", b"late")]);
    let row = until_row(&engine, &run, "its files are compared", |row| row.late_files == 1).await;
    assert!(told(&row), "{:?}", row.problem);
    fs::write(&creation, whole).unwrap();
    until_row(&engine, &run, "it is read", |row| row.problem.is_none()).await;
    engine.stop().await;
}
