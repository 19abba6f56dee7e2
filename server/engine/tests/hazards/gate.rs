//! The gate over time (S1): judged again when its grounds change, also on runs that are proven already; and what is
//! remembered of findings.

use crate::overrides::letting;
use crate::support::*;
use domain::api::{KnownRequest, ProblemList, ProblemQuery, Scope};
use domain::finding::Rule;
use domain::problem::ErrorCode;
use domain::timestamp::Timestamp;
use engine::machine::clock::Clock;
use engine::{Engine, Options};
use std::fs;
use std::time::Duration;

async fn problems(engine: &Engine, scope: Scope) -> ProblemList {
    engine.problems(ProblemQuery { scope, ..ProblemQuery::default() }).await.unwrap()
}

fn rules(list: &ProblemList) -> Vec<&'static str> {
    list.findings.iter().map(|found| found.finding.rule.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_run_is_judged_again_when_an_override_expires() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    let clock = Clock::manual(Timestamp::parse("2026-06-01T00:00:00Z").unwrap());
    let engine = Engine::start(lab.settings.clone(), Options { clock: clock.clone(), ..lab.options() }).await.unwrap();
    lab.push(&run, &[("raw/<sample>.tif", b"data"), ("raw/{{ n }}.tif", b"data")]);
    lab.push_usual(&run);
    engine.watcher().poll_once().await;
    until_row(&engine, &run, "blocked", |row| row.findings.blocking == 2).await;
    let mut request = letting("unresolved_placeholder_token");
    request.expires_at = Some("2026-06-01T01:00:00Z".into());
    engine.override_findings(run.as_str(), request.clone()).await.unwrap();
    assert_eq!(row(&engine, &run).await.findings.overridden, 1);
    clock.advance(Duration::from_secs(3_600));
    engine.watcher().poll_once().await;
    assert_eq!(row(&engine, &run).await.findings.blocking, 2, "to the second");

    request.expires_at = Some("2026-06-01T02:00:00Z".into());
    engine.override_findings(run.as_str(), request).await.unwrap();
    engine.override_findings(run.as_str(), letting("leftover_jinja_marker")).await.unwrap();
    until_verified(&engine, &run).await;
    clock.advance(Duration::from_secs(3_600));
    engine.watcher().poll_once().await;
    let list = problems(&engine, Scope::All).await;
    let shown: Vec<_> = list
        .findings
        .iter()
        .map(|f| (f.finding.rule, f.finding.override_active, f.active_override.is_some()))
        .collect();
    assert_eq!(shown, [(Rule::LeftoverJinjaMarker, true, true), (Rule::UnresolvedPlaceholderToken, false, false)]);
    assert!(list.findings.iter().all(|found| found.finding.synced_under_prior_policy && !found.holds_back()));
    assert_eq!(row(&engine, &run).await.summary.current_state, "sync_verified", "what is proven stays proven");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_another_config_judges_anew_and_what_it_finds_on_proven_runs_is_of_a_prior_policy() {
    let (mut lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    assert_eq!(problems(&engine, Scope::All).await.total, 0);
    engine.stop().await;
    lab.settings.validator.required_readme_fields = vec!["modality".into()];
    let engine = lab.start().await;
    until("its finding", async || (problems(&engine, Scope::All).await.total == 1).then_some(())).await;
    let found = problems(&engine, Scope::All).await.findings.remove(0);
    assert_eq!((found.finding.rule, found.finding.synced_under_prior_policy), (Rule::MissingRequiredField, true));
    assert_eq!(found.current_state.as_deref(), Some("sync_verified"));
    // Soft ones never block: another run goes through with it.
    let other = self::run("Run_2");
    lab.push_usual(&other);
    until_verified(&engine, &other).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_creation_json_that_changes_is_judged_again_on_proven_runs_too() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let file = lab.staging(run.as_str()).join(".exlab-wizard/creation.json");
    let changed = fs::read_to_string(&file).unwrap().replace("\"run_kind\":\"experimental\"", "\"run_kind\":\"test\"");
    fs::write(&file, changed).unwrap();
    until_row(&engine, &run, "found", |row| row.findings.blocking == 2).await;
    assert_eq!(problems(&engine, Scope::Blocking).await.total, 0, "it holds back nothing that is proven");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_findings_the_run_tells_the_first_and_the_list_all() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    let names: Vec<String> = (0..600).map(|n| format!("raw/<sample>_{n:03}.tif")).collect();
    lab.push(&run, &names.iter().map(|name| (name.as_str(), &b"x"[..])).collect::<Vec<_>>());
    lab.push_usual(&run);
    until_row(&engine, &run, "blocked", |row| row.findings.blocking == 600).await;
    assert_eq!(engine.run_detail(run.as_str()).await.unwrap().findings.len(), 500);
    until("all of them listed", async || (problems(&engine, Scope::All).await.total == 600).then_some(())).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_outlives_a_restart_lets_nothing_through_and_goes_with_its_finding() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("raw/<sample>.tif", b"data")]);
    lab.push_usual(&run);
    fs::create_dir_all(lab.staging("SCOPE_01/Cortex Q3 Pilot/Runs/Other")).unwrap();
    fs::write(lab.staging("SCOPE_01/Cortex Q3 Pilot/Runs/Other/a.bin"), [1; 2_048]).unwrap();
    until_row(&engine, &run, "blocked", |row| row.findings.blocking == 1).await;
    // The folder that is no run may have been seen while it was still filled: its size follows.
    let list = until("both", async || {
        let list = problems(&engine, Scope::All).await;
        let sized = list.findings.get(1).is_some_and(|found| found.finding.rule_detail.contains("(1 file, 2.0 KiB)"));
        sized.then_some(list)
    })
    .await;
    assert_eq!(rules(&list), ["unresolved_placeholder_token", "unrecognised_folder"]);
    assert!(list.findings[1].current_state.is_none());
    let since = list.findings[0].since;
    for found in &list.findings {
        let request = KnownRequest {
            rule: found.finding.rule.as_str().into(),
            offending_path: found.finding.offending_path.clone(),
            operator: Some("kim".into()),
        };
        let marked = engine.mark_known(&found.finding.run_path, request, true).await.unwrap();
        assert_eq!(marked.known.unwrap().operator.as_deref(), Some("kim"));
    }
    engine.stop().await;

    let engine = lab.start().await;
    until_row(&engine, &run, "still blocked", |row| row.findings.blocking == 1).await;
    until("both, known", async || (problems(&engine, Scope::Known).await.total == 2).then_some(())).await;
    assert_eq!(problems(&engine, Scope::Blocking).await.total, 1, "known, and held back all the same");
    assert_eq!(problems(&engine, Scope::Open).await.total, 0);
    assert_eq!(problems(&engine, Scope::All).await.findings[0].since, since);
    let gone = KnownRequest { rule: "orphan".into(), offending_path: "x".into(), operator: None };
    assert_eq!(engine.mark_known(run.as_str(), gone, true).await.unwrap_err().code, ErrorCode::NotFound);

    let raw = lab.staging(run.as_str()).join("raw");
    fs::rename(raw.join("<sample>.tif"), raw.join("sample.tif")).unwrap();
    until_verified(&engine, &run).await;
    until("its note gone", async || (engine.core().store.notes().await.unwrap().len() == 1).then_some(())).await;
    engine.stop().await;
}
