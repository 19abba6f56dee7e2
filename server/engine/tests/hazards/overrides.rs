//! Overrides and tombstones (S1): recorded in the run's own creation.json, and in force at once, both ways.

use crate::support::*;
use domain::api::{OverrideRequest, RevokeRequest};
use domain::job::{FailureClass, JobState};
use domain::overrides::OverrideEntry;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::Engine;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

pub fn letting(class: &str) -> OverrideRequest {
    OverrideRequest {
        problem_class: class.into(),
        reason: "  The vendor names files so.  ".into(),
        operator: " kim ".into(),
        expires_at: None,
    }
}

fn revoking(id: &str) -> RevokeRequest {
    RevokeRequest { revokes: id.into(), reason: "No longer needed at all.".into(), operator: "lee".into() }
}

fn creation_of(lab: &Lab, run: &RunPath) -> Value {
    serde_json::from_slice(&fs::read(lab.staging(run.as_str()).join(".exlab-wizard/creation.json")).unwrap()).unwrap()
}

/// A run with a placeholder in one name and a template's marker in another.
async fn blocked(lab: &Lab, engine: &Engine) -> RunPath {
    let run = run("Run_1");
    lab.push(&run, &[("raw/<sample>.tif", b"data"), ("raw/{{ n }}.tif", b"data")]);
    lab.push_usual(&run);
    until_row(engine, &run, "blocked", |row| row.findings.blocking == 2).await;
    let told = async || (sync_status(&lab.staging(run.as_str())) == "blocked_by_validation").then_some(());
    until("its producer is told", told).await;
    run
}

const PLACEHOLDER: &str = "unresolved_placeholder_token";
const MARKER: &str = "leftover_jinja_marker";

#[tokio::test(flavor = "multi_thread")]
async fn s1_an_override_is_recorded_in_the_run_and_in_force_at_once_and_so_is_its_end() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = blocked(&lab, &engine).await;
    let before = creation_of(&lab, &run);
    let entry = engine.override_findings(run.as_str(), letting(PLACEHOLDER)).await.unwrap();
    let shown = row(&engine, &run).await.findings;
    assert_eq!((shown.blocking, shown.overridden), (1, 1), "judged when it is answered");
    let after = creation_of(&lab, &run);
    assert_eq!(after["validation_overrides"], json!([entry]), "the same shape in answer and document");
    let fields: Vec<_> = after["validation_overrides"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["id", "problem_class", "operator", "recorded_at", "reason", "revoked", "expires_at"]);
    assert_eq!((entry.operator.as_str(), entry.reason.as_str()), ("kim", "The vendor names files so."));
    for (key, value) in before.as_object().unwrap().iter().filter(|(key, _)| *key != "validation_overrides") {
        assert_eq!(&after[key], value, "{key} is none of ours");
    }

    let tombstone = engine.revoke_override(run.as_str(), revoking(&entry.id)).await.unwrap();
    assert_eq!(row(&engine, &run).await.findings.blocking, 2, "in force at once");
    assert_eq!(creation_of(&lab, &run)["validation_overrides"], json!([entry, tombstone]), "append-only");
    let again = engine.revoke_override(run.as_str(), revoking(&entry.id)).await.unwrap_err();
    assert_eq!(again.code, ErrorCode::AlreadyRevoked);
    for id in ["nobody", "", &tombstone.id] {
        assert_eq!(
            engine.revoke_override(run.as_str(), revoking(id)).await.unwrap_err().code,
            ErrorCode::NotFound,
            "{id}"
        );
    }

    for class in [PLACEHOLDER, MARKER] {
        engine.override_findings(run.as_str(), letting(class)).await.unwrap();
    }
    until_verified(&engine, &run).await;
    assert_eq!(creation_of(&lab, &run)["validation_overrides"].as_array().unwrap().len(), 4);
    let kinds: Vec<_> =
        engine.run_detail(run.as_str()).await.unwrap().ledger.into_iter().map(|entry| entry.kind).collect();
    assert!(kinds.contains(&"overridden".to_owned()) && kinds.contains(&"override_revoked".to_owned()), "{kinds:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_queued_run_whose_override_is_revoked_is_not_sent_and_goes_when_it_is_let_through_again() {
    let lab = Lab::new();
    fs::remove_dir(lab.path("nas/SCOPE_01")).unwrap();
    let engine = Engine::start(lab.settings.clone(), lab.options()).await.unwrap();
    let run = blocked(&lab, &engine).await;
    let mut ids = Vec::new();
    for class in [PLACEHOLDER, MARKER] {
        ids.push(engine.override_findings(run.as_str(), letting(class)).await.unwrap().id);
    }
    until_row(&engine, &run, "queued", |row| row.summary.current_state == "sync_queued").await;
    engine.revoke_override(run.as_str(), revoking(&ids[0])).await.unwrap();
    assert_eq!(row(&engine, &run).await.findings.blocking, 1, "shown at once");
    fs::create_dir_all(lab.path("nas/SCOPE_01")).unwrap();
    lab.mark().await;
    engine.core().destinations.get(EQUIPMENT).unwrap().probe_now();
    engine.core().destinations.work_now(EQUIPMENT);
    until_job(&engine, &run, JobState::Failed).await;
    assert_eq!(row(&engine, &run).await.job.unwrap().error.unwrap().code, FailureClass::BlockedByValidation);
    assert!(!lab.nas(&run).exists(), "nothing was sent");
    engine.override_findings(run.as_str(), letting(PLACEHOLDER)).await.unwrap();
    until_verified(&engine, &run).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_without_an_id_can_be_revoked_and_an_old_minor_is_raised() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let old = include_bytes!("../../../../app/domain/tests/fixtures/creation/old_minor_1_5.json");
    let mut old: Value = serde_json::from_slice(old).unwrap();
    old["x_future"] = json!({"kept": [1.50, 2]});
    let class = old["validation_overrides"][0]["problem_class"].as_str().unwrap().to_owned();
    lab.push(
        &run,
        &[
            (".exlab-wizard/creation.json", old.to_string().as_bytes()),
            ("raw/<sample>.tif", b"data"),
            ("raw/{{ n }}.tif", b"x"),
            (SENTINEL, b""),
        ],
    );
    let engine = lab.start().await;
    until_row(&engine, &run, "blocked", |row| row.findings.blocking > 0).await;
    let entries = engine.run_detail(run.as_str()).await.unwrap().overrides;
    assert_eq!((entries.len(), entries[0].problem_class.as_str(), entries[0].id.len()), (1, class.as_str(), 36));
    engine.revoke_override(run.as_str(), revoking(&entries[0].id)).await.unwrap();
    let after = creation_of(&lab, &run);
    assert_eq!((&after["schema_version"], &after["x_future"]), (&json!("1.9"), &json!({"kept": [1.50, 2]})));
    assert_eq!(after["validation_overrides"][0]["id"], json!(entries[0].id));
    let newer = after.to_string().replace("\"schema_version\":\"1.9\"", "\"schema_version\":\"1.12\"");
    lab.push(&run, &[(".exlab-wizard/creation.json", newer.as_bytes())]);
    engine.override_findings(run.as_str(), letting(MARKER)).await.unwrap();
    assert_eq!(creation_of(&lab, &run)["schema_version"], "1.12", "never lowered");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_overridden_is_refused_and_nothing_is_written() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = blocked(&lab, &engine).await;
    let before = creation_of(&lab, &run);
    let with = |change: fn(&mut OverrideRequest)| {
        let mut request = letting(PLACEHOLDER);
        change(&mut request);
        request
    };
    let cases = [
        (with(|r| r.problem_class = "unconfigured_equipment".into()), ErrorCode::Unprocessable),
        (with(|r| r.problem_class = "orphan".into()), ErrorCode::Unprocessable),
        (with(|r| r.problem_class = "nonsense".into()), ErrorCode::Unprocessable),
        (with(|r| r.problem_class = "reserved_filesystem_name".into()), ErrorCode::NothingToOverride),
        (with(|r| r.reason = "  too short ".into()), ErrorCode::Unprocessable),
        (with(|r| r.reason = "x".repeat(501)), ErrorCode::Unprocessable),
        (with(|r| r.operator = " ".into()), ErrorCode::Unprocessable),
        (with(|r| r.expires_at = Some("2020-01-01T00:00:00Z".into())), ErrorCode::Unprocessable),
        (with(|r| r.expires_at = Some("next week".into())), ErrorCode::Unprocessable),
    ];
    for (request, code) in cases {
        let problem = engine.override_findings(run.as_str(), request.clone()).await.unwrap_err();
        assert_eq!(problem.code, code, "{request:?}: {problem}");
    }
    assert_eq!(
        engine.override_findings("SCOPE_01/P/Runs/Run_never", letting(PLACEHOLDER)).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    assert_eq!(creation_of(&lab, &run), before);

    fs::remove_file(lab.staging(run.as_str()).join(".exlab-wizard/creation.json")).unwrap();
    assert_eq!(
        engine.override_findings(run.as_str(), letting(PLACEHOLDER)).await.unwrap_err().code,
        ErrorCode::CreationMissing
    );
    lab.push(&run, &[(".exlab-wizard/creation.json", b"{")]);
    assert_eq!(
        engine.override_findings(run.as_str(), letting(PLACEHOLDER)).await.unwrap_err().code,
        ErrorCode::DocumentUnreadable
    );
    lab.push(&run, &[(".exlab-wizard/creation.json", b"{\"schema_version\":\"2.0\"}")]);
    assert_eq!(
        engine.override_findings(run.as_str(), letting(PLACEHOLDER)).await.unwrap_err().code,
        ErrorCode::SchemaMajorMismatch
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_revoked_since_the_proof_ends_automatic_clearing() {
    let mut lab = Lab::new();
    lab.settings.nas_cleanup.min_verify_passes = 1;
    lab.settings.nas_cleanup.min_age_hours = 0;
    let engine = lab.start().await;
    let run = blocked(&lab, &engine).await;
    let mut entries: Vec<OverrideEntry> = Vec::new();
    for class in [PLACEHOLDER, MARKER] {
        entries.push(engine.override_findings(run.as_str(), letting(class)).await.unwrap());
    }
    until_job(&engine, &run, JobState::CleanupEligible).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    engine.revoke_override(run.as_str(), revoking(&entries[0].id)).await.unwrap();
    until_job(&engine, &run, JobState::Verified).await;
    let findings = engine.run_detail(run.as_str()).await.unwrap().findings;
    assert!(findings.iter().all(|finding| finding.synced_under_prior_policy));
    assert_eq!(findings.iter().filter(|finding| finding.override_active).count(), 1);
    engine.stop().await;
}
