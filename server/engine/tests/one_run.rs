//! The main job, end to end: a run lands, is proven on the NAS, and is cleared.

mod support;

use domain::api::ForceSyncRequest;
use domain::lifecycle::RunState;
use domain::problem::ErrorCode;
use domain::proof::ProofLevel;
use support::{Lab, files_below, run, until_record_sent, until_state};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_lands_is_proven_and_is_cleared_and_its_history_stays() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    let data: Vec<_> = files_below(&lab.staging(run.as_str()))
        .into_iter()
        .filter(|(path, _)| !path.starts_with(".exlab-wizard"))
        .collect();
    until_state(&engine, &run, RunState::SyncVerified).await;
    until_record_sent(&engine, &run).await;

    let detail = engine.run_detail(run.as_str()).await.unwrap();
    let states: Vec<_> = detail.history.iter().map(|entry| entry.state.as_str()).collect();
    assert_eq!(states, ["staging", "complete", "sync_queued", "sync_verified"]);
    let proof = detail.row.proof.as_ref().unwrap();
    assert!(proof.level >= ProofLevel::L3, "{proof:?}");
    assert!(detail.clear_plan.clearable, "{:?}", detail.clear_plan.conditions);
    for (path, bytes) in &data {
        assert_eq!(&std::fs::read(lab.nas(&run).join(path)).unwrap(), bytes, "{}", path.display());
    }
    #[allow(clippy::disallowed_methods, reason = "a test asks the real sha256sum")]
    let checksums = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", ".exlab-wizard/checksums.sha256"])
        .current_dir(lab.nas(&run))
        .output()
        .unwrap();
    assert!(checksums.status.success(), "{checksums:?}");

    let everything = files_below(&lab.staging(run.as_str()));
    let bytes: usize = everything.iter().map(|(_, bytes)| bytes.len()).sum();
    let cleared = engine.clear(run.as_str()).await.unwrap();
    assert!(cleared.files_freed >= data.len() as u64 + 3 && cleared.bytes_freed >= bytes as u64, "{cleared:?}");
    assert!(!lab.staging(run.as_str()).exists());
    assert_eq!(files_below(&lab.path("staging")), [], "nothing stays behind");

    let again = engine.clear(run.as_str()).await.unwrap();
    assert_eq!((again.files_freed, again.bytes_freed), (0, 0));
    let gone = engine.run_detail(run.as_str()).await.unwrap();
    assert_eq!(gone.history.last().unwrap().state, "cleared");
    assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs[0].files_freed, cleared.files_freed);
    let on_nas = std::fs::read_to_string(lab.nas(&run).join(".exlab-wizard/ingest.json")).unwrap();
    assert!(on_nas.contains(r#""current_state":"cleared""#), "d10: the NAS has the whole history: {on_nas}");
    assert!(engine.verify(run.as_str()).await.unwrap().proven, "it can be proven long after it is gone");
    assert_eq!(
        engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap_err().code,
        ErrorCode::RunCleared
    );
    engine.stop().await;
}
