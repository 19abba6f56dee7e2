//! Acts: bodies, following them, and clients that hang up.

use crate::fake::{Fake, RUN};
use crate::wire::{get, post, post_json, send, service};
use axum::body::Body;
use axum::http::Request;
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::ServiceExt;

fn act(kind: &str) -> String {
    format!("/api/v1/staging/{}/{kind}", domain::address::encode_path(RUN))
}

/// Far longer than anything here takes; only a fault makes a test wait for it.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn s14_a_client_that_hangs_up_changes_nothing() {
    let fake = Arc::new(Fake { gate: Semaphore::new(0), ..Fake::default() });
    let request = Request::post(act("clear")).header("host", crate::wire::HOST).body(Body::empty()).unwrap();
    let waiting = tokio::spawn(service(&fake).oneshot(request));
    tokio::time::timeout(PATIENCE, fake.begun.notified()).await.expect("the act begins");
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    fake.gate.add_permits(1);
    tokio::time::timeout(PATIENCE, fake.ended.notified()).await.expect("the act goes on to its end");
}

#[rstest]
#[case("force-sync")]
#[case("clear")]
#[case("verify")]
#[case("retry")]
#[tokio::test]
async fn prefer_respond_async_answers_at_once_with_where_to_look(#[case] kind: &str) {
    let fake = Arc::new(Fake { gate: Semaphore::new(0), ..Fake::default() });
    let answered = send(&fake, "POST", &act(kind), &[("prefer", "respond-async")], "").await;
    assert_eq!((answered.status.as_u16(), answered.header("location")), (202, "/api/v1/acts/act-1"));
    assert_eq!(answered.header("preference-applied"), "respond-async");
    assert_eq!(answered.json()["kind"], kind);
    assert_eq!(fake.asked(), [format!("start {kind} {RUN}")]);
    assert_eq!(get(&fake, answered.header("location")).await.json()["id"], "act-1");
}

#[tokio::test]
async fn one_act_over_many_runs() {
    let fake = Arc::new(Fake::default());
    let body = json!({"kind": "force-sync", "runs": ["A/p/Runs/Run_1", "/staging/A/p/Runs/Run_2"]}).to_string();
    let answered = post_json(&fake, "/api/v1/acts", &body).await;
    assert_eq!((answered.status.as_u16(), &answered.json()["runs_total"]), (202, &json!(2)));
    assert_eq!(answered.header("preference-applied"), "");
    assert_eq!(fake.asked(), ["start force-sync A/p/Runs/Run_1 + /staging/A/p/Runs/Run_2"]);
}

#[rstest]
#[case(json!({"kind": "clear", "runs": []}), 422)]
#[case(json!({"kind": "erase", "runs": ["A/p/Run_1"]}), 422)]
#[case(json!({"kind": "clear"}), 422)]
#[case(json!({"kind": "clear", "runs": ["A/p/Run_1"], "force": true}), 422)]
#[case(json!({"kind": "clear", "runs": ["A/p/Run_1"], "request": {"x": 1}}), 422)]
#[case(json!({"kind": "clear", "runs": ["A/p/Run_1", "../x"]}), 400)]
#[tokio::test]
async fn a_bad_bulk_act_starts_nothing(#[case] body: serde_json::Value, #[case] status: u16) {
    let fake = Arc::new(Fake::default());
    assert_eq!(post_json(&fake, "/api/v1/acts", &body.to_string()).await.problem().0, status);
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn bodies_are_optional_and_read_strictly() {
    let fake = Arc::new(Fake::default());
    assert_eq!(post(&fake, &act("force-sync")).await.status, 200);
    assert_eq!(post_json(&fake, &act("force-sync"), "{}").await.status, 200);
    let assume =
        json!({"assume_complete": true, "operator": "alex", "reason": "the sentinel was forgotten"}).to_string();
    assert_eq!(post_json(&fake, &act("force-sync"), &assume).await.status, 200);
    assert_eq!(post_json(&fake, &act("clear"), "{}").await.status, 200);
    assert_eq!(post_json(&fake, &act("clear"), &assume).await.problem(), (422, "unprocessable".into()));
    assert_eq!(post_json(&fake, &act("force-sync"), "{\"assume\":1}").await.problem(), (422, "unprocessable".into()));
    assert_eq!(post_json(&fake, &act("force-sync"), "[").await.problem(), (422, "unprocessable".into()));
    let form = send(&fake, "POST", &act("clear"), &[("content-type", "text/plain")], "{}").await;
    assert_eq!(form.problem(), (422, "unprocessable".into()));
    let asked = fake.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[2], format!("assume-complete {RUN}"));
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_refused() {
    let fake = Arc::new(Fake::default());
    let answered = post_json(&fake, "/api/v1/acts", &" ".repeat((32 << 20) + 1)).await;
    assert_eq!(answered.problem(), (413, "unprocessable".into()));
}

#[tokio::test]
async fn pages_of_history_are_asked_for_by_query() {
    let fake = Arc::new(Fake::default());
    assert_eq!(
        get(&fake, "/api/v1/runs?state=cleared&before=9&limit=5").await.json(),
        json!({"runs": [], "next_before": null, "damaged": []})
    );
    assert_eq!(fake.asked(), ["cleared Some(9) 5"]);
}
