//! Acts answer what they did: over every state of a job, and for files that only look changed.

use crate::support::*;
use domain::api::ForceSyncRequest;
use domain::job::JobState;
use domain::problem::Problem;
use engine::Engine;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

/// What an act said, as REST would tell it.
fn told<T: serde::Serialize>(answer: Result<T, Problem>) -> (u16, String) {
    match answer {
        Ok(answer) => (200, serde_json::to_string(&answer).unwrap()),
        Err(problem) => (problem.code.status(), problem.message),
    }
}

async fn act(engine: &Engine, name: &str, run: &str) -> (u16, String) {
    match name {
        "force-sync" => told(engine.force_sync(run, ForceSyncRequest::default()).await),
        "verify" => told(engine.verify(run).await),
        "retry" => told(engine.retry(run).await),
        "call-off" => told(engine.call_off(run).await),
        _ => told(engine.clear(run).await),
    }
}

async fn database(lab: &Lab) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(lab.path("state/queue.db"));
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

/// Every act, twice, over every state a job can be in, with the copy on the NAS whole and damaged: an answer that a
/// person can use.
#[tokio::test(flavor = "multi_thread")]
async fn s3_no_act_over_any_state_of_a_job_ends_in_a_fault_of_ours() {
    for damaged in [false, true] {
        for name in ["force-sync", "verify", "retry", "call-off", "clear"] {
            let mut lab = Lab::new();
            lab.settings.sync.enabled = true;
            let engine = lab.start().await;
            for state in JobState::ALL {
                let run = run(&format!("Run_{state}"));
                lab.push_usual(&run);
                until_verified(&engine, &run).await;
                until_record_sent(&engine, &run).await;
            }
            engine.stop().await;
            // Nobody but the act moves a job from here on.
            lab.settings.sync.enabled = false;
            let engine = lab.start().await;
            let database = database(&lab).await;
            for state in JobState::ALL {
                let run = run(&format!("Run_{state}"));
                until_row(&engine, &run, "its row", |row| row.job.is_some()).await;
                let set = "UPDATE jobs SET state = $1, revision = revision + 1 WHERE run_path = $2";
                sqlx::query(set).bind(state.as_str()).bind(run.as_str()).execute(&database).await.unwrap();
                engine.core().reload_job(&run, 1).await.unwrap();
                if damaged {
                    fs::write(lab.nas(&run).join("raw/frame_1.tif"), [9; 70_000]).unwrap();
                }
                for press in 1..=2 {
                    let before = engine.core().store.latest_job(&run, 1).await.unwrap().unwrap().state;
                    let (status, sentence) = act(&engine, name, run.as_str()).await;
                    let what = format!("{name} over {before}, damaged: {damaged}, press {press}: {status} {sentence}");
                    assert!(status < 500, "{what}");
                    assert!(!sentence.contains("cannot happen"), "{what}");
                    let job = engine.core().store.latest_job(&run, 1).await.unwrap().unwrap();
                    if sentence.contains(r#""state":"queued""#) {
                        let queued = job.state == JobState::Queued || job.state.is_in_work();
                        assert!(queued, "it says queued and is {}: {what}", job.state);
                    }
                    if name == "verify" && damaged && status == 200 {
                        assert!(sentence.contains("raw/frame_1.tif"), "the differences, at every press: {what}");
                    }
                }
            }
            database.close().await;
            engine.stop().await;
        }
    }
}

/// Equal bytes are what was sealed, whatever was done to their mode, time or name; nobody is asked.
#[tokio::test(flavor = "multi_thread")]
async fn d3_files_that_were_only_touched_are_hashed_again_and_the_run_stays_clearable() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let at = lab.staging(run.as_str());
    let clearable = |row: &domain::api::RunRow| row.late_files == 0 && row.actions.clear.allowed;

    fs::set_permissions(at.join("raw/frame_1.tif"), Permissions::from_mode(0o600)).unwrap();
    fs::rename(at.join("notes.txt"), at.join("moved away")).unwrap();
    until_row(&engine, &run, "the move is seen", |row| row.late_files > 0).await;
    fs::rename(at.join("moved away"), at.join("notes.txt")).unwrap();
    fs::File::options()
        .write(true)
        .open(at.join("raw/frame_2.tif"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000))
        .unwrap();
    until_row(&engine, &run, "equal bytes are taken as what they are", clearable).await;
    let ledger = engine.run_detail(run.as_str()).await.unwrap();
    assert!(ledger.late_files.is_empty(), "{:?}", ledger.late_files);
    let answer = engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    assert_eq!(answer.state, "unchanged", "nothing was queued, and nothing says so");
    assert_eq!(row(&engine, &run).await.job.unwrap().generation, 1);

    // Other bytes of the same size under the old time are no equal bytes.
    let times = fs::metadata(at.join("raw/frame_2.tif")).unwrap().modified().unwrap();
    fs::write(at.join("raw/frame_2.tif"), [9; 1_000]).unwrap();
    fs::File::options().write(true).open(at.join("raw/frame_2.tif")).unwrap().set_modified(times).unwrap();
    until_row(&engine, &run, "it is late", |row| row.late_files == 1 && !row.actions.clear.allowed).await;
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    until_row(&engine, &run, "generation 2 is proven", |row| {
        row.job.as_ref().is_some_and(|job| job.generation == 2) && clearable(row)
    })
    .await;
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
}

/// The instrument takes its marker away and goes on: as before the first proof, nothing is sealed without its word or
/// an operator's.
#[tokio::test(flavor = "multi_thread")]
async fn s11_a_proven_run_that_goes_on_without_its_signal_is_not_sealed_again_unasked() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    fs::remove_file(lab.staging(run.as_str()).join(SENTINEL)).unwrap();
    lab.push(&run, &[("raw/frame_3.tif", b"it goes on")]);
    let refused = engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap_err();
    assert_eq!(
        (refused.code.status(), &refused.details["lacks"]),
        (409, &serde_json::json!("no done.flag yet")),
        "{refused:?}"
    );
    let named = |row: &domain::api::RunRow| row.actions.force_sync.reason.as_deref() == Some("staging_not_complete");
    until_row(&engine, &run, "its row says so", named).await;
    let attention = engine.overview().await.unwrap().attention;
    assert!(
        attention.iter().any(|item| item.remedy.contains("no done.flag yet") && item.remedy.contains("Run_1")),
        "{attention:#?}"
    );
    assert_eq!(row(&engine, &run).await.job.unwrap().generation, 1);

    let anonymous = ForceSyncRequest { assume_complete: true, ..ForceSyncRequest::default() };
    assert_eq!(engine.force_sync(run.as_str(), anonymous).await.unwrap_err().code.status(), 422);
    let reason = Some("the record button was pressed by mistake".to_owned());
    let asked = ForceSyncRequest { assume_complete: true, operator: Some("asmith".into()), reason };
    assert_eq!(engine.force_sync(run.as_str(), asked).await.unwrap().state, "queued");
    let again = |row: &domain::api::RunRow| {
        row.job.as_ref().is_some_and(|job| job.generation == 2) && row.actions.clear.allowed
    };
    until_row(&engine, &run, "generation 2 is proven", again).await;
    let ledger = engine.core().store.ledger(&run).await.unwrap();
    assert!(
        ledger.iter().any(|entry| entry.kind == "assumed_complete" && entry.detail.starts_with("asmith: ")),
        "{ledger:?}"
    );
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
}
