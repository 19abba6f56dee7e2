//! A clear that goes on with a proof weaker than the config asks for by now (D8): it ends, and does not read the NAS
//! again and again.

use crate::support::*;
use domain::api::RunRow;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use domain::proof::ProofLevel;
use engine::Engine;
use engine::machine::checkpoint::Checkpoint;
use serde_json::json;
use std::path::PathBuf;

/// The highest level takes two proofs a day apart.
#[tokio::test(flavor = "multi_thread")]
async fn d8_a_clear_that_goes_on_with_a_weaker_proof_than_is_asked_for_ends() {
    for step in [Checkpoint::ClearedRecorded, Checkpoint::FoundWhole] {
        let (mut lab, run) = (Lab::new(), run("Run_1"));
        let (engine, pushed) = ended_at(&mut lab, &run, step).await;
        until_no_clear_is_open(&engine).await;
        until_verified(&engine, &run).await;
        assert_eq!(data_below(&lab.staging(run.as_str())), pushed, "{step:?}");
        let shown =
            until_row(&engine, &run, "the row says why", |row| row.clearing.is_none() && !row.actions.clear.allowed)
                .await;
        assert_eq!((shown.life, shown.actions.clear.reason.as_deref()), (1, Some("proof_too_weak")), "{step:?}");
        let reached = shown.proof.unwrap().level;
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(
            (problem.code, &problem.details["proof_level"]),
            (ErrorCode::DestinationNotProven, &json!(reached)),
            "{problem:?}"
        );
        assert_eq!(data_below(&lab.staging(run.as_str())), pushed, "{step:?}");
        assert_eq!(data_below(&lab.nas(&run)), pushed, "{step:?}");
        engine.stop().await;
    }
}

/// What is left of a run of which files went is no run any more; it stands aside, says why, and goes when it may.
#[tokio::test(flavor = "multi_thread")]
async fn d8_the_rest_of_a_clear_waits_aside_for_a_stronger_proof() {
    let (mut lab, run) = (Lab::new(), run("Run_1"));
    let (engine, pushed) = ended_at(&mut lab, &run, Checkpoint::FileUnlinked).await;
    let says = |row: &RunRow| row.clearing.as_ref().and_then(|clearing| clearing.waiting.clone()).unwrap_or_default();
    let told = |row: &RunRow| says(row).contains("rest of a cleared run") && says(row).contains("verify.clear_needs");
    until_row(&engine, &run, "it says why it waits", told).await;
    assert!(!lab.staging(run.as_str()).exists(), "nobody takes it for a run of its own");
    engine.stop().await;
    lab.settings.verify.clear_needs = ProofLevel::L1;
    let engine = lab.start().await;
    until("the clear has ended", async || engine.cleared_runs(None, 10).await.unwrap().runs.pop()).await;
    until("nothing is left", async || files_below(&lab.path("staging")).is_empty().then_some(())).await;
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    engine.stop().await;
}

/// A clear that a fault ended at this step, and an engine that asks for more since.
async fn ended_at(lab: &mut Lab, run: &RunPath, step: Checkpoint) -> (Engine, Vec<(PathBuf, Vec<u8>)>) {
    lab.settings.verify.clear_needs = ProofLevel::L1;
    let engine = lab.start_with(once(step, || panic!("as if the program ended here"))).await;
    lab.push_usual(run);
    until_verified(&engine, run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::Internal, "{step:?}");
    engine.stop().await;
    lab.settings.verify.clear_needs = ProofLevel::L4;
    (lab.start().await, pushed)
}
