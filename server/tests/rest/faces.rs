//! Who gets which fields, pages and errors.

use crate::fake::{BLOCKED, Fake, RUN};
use crate::wire::{get, post, send};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

const SEEDS_FIELDS: [&str; 9] = [
    "path",
    "current_state",
    "equipment_id",
    "project_name",
    "run_kind",
    "file_count",
    "byte_total",
    "elapsed_seconds_since_last_activity",
    "last_activity_at",
];

#[tokio::test]
async fn the_bare_list_has_exactly_the_seeds_fields() {
    let fake = Arc::new(Fake::default());
    let answered = get(&fake, "/staging").await;
    let rows = answered.json()["runs"].as_array().unwrap().clone();
    assert_eq!((answered.status.as_u16(), rows.len()), (200, 2));
    for row in &rows {
        assert_eq!(row.as_object().unwrap().keys().collect::<Vec<_>>(), SEEDS_FIELDS);
    }
    assert_eq!(rows[0]["path"], format!("/staging/{RUN}"));
    assert_eq!(answered.header("content-type"), "application/json");
    assert_eq!(answered.header("vary"), "Accept");
}

#[tokio::test]
async fn our_list_begins_with_the_seeds_fields() {
    let answered = get(&Arc::new(Fake::default()), "/api/v1/staging").await;
    let row = answered.json()["runs"][0].clone();
    let keys: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys[..9], SEEDS_FIELDS);
    assert_eq!((&row["run_path"], &row["job"]["state"]), (&json!(RUN), &json!("queued")));
}

#[tokio::test]
async fn acts_answer_the_seeds_fields_bare_and_ours_after_them() {
    let fake = Arc::new(Fake::default());
    let blocked = format!("{}/force-sync", domain::address::encode_path(BLOCKED));
    let run = domain::address::encode_path(RUN);
    let expected = json!({"run_path": BLOCKED, "state": "blocked", "job_id": null});
    assert_eq!(post(&fake, &format!("/staging/{blocked}")).await.json(), expected);
    let ours = post(&fake, &format!("/api/v1/staging/{blocked}")).await.json();
    assert_eq!(ours["blocking_findings"][0]["rule"], "unresolved_placeholder_token");
    let cleared = json!({"run_path": RUN, "files_freed": 12, "bytes_freed": 3_400});
    assert_eq!(post(&fake, &format!("/staging/{run}/clear")).await.json(), cleared);
    assert_eq!(post(&fake, &format!("/api/v1/staging/{run}/clear")).await.json(), cleared);
    assert_eq!(post(&fake, &format!("/staging/{run}/verify")).await.problem(), (404, "not_found".into()));
    assert_eq!(post(&fake, &format!("/api/v1/staging/{run}/verify")).await.json()["proven"], true);
    assert_eq!(post(&fake, &format!("/api/v1/staging/{run}/retry")).await.json()["job"]["job_id"], "job-1");
}

#[tokio::test]
async fn a_browser_gets_a_page_and_never_json() {
    let fake = Arc::new(Fake::default());
    for path in ["/", "/staging", "/no/such/page"] {
        let answered = send(&fake, "GET", path, &[("accept", "text/html,*/*;q=0.8")], "").await;
        assert!(answered.header("content-type").starts_with("text/html"), "{path}: {}", answered.text);
        assert!(answered.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
}

#[rstest]
#[case("GET", "/staging")]
#[case("GET", "/api/v1/staging")]
#[case("POST", "/staging/a/b/Run_1/clear")]
#[case("POST", "/api/v1/staging/../clear")]
#[case("GET", "/api/v1/runs/a/b/Run_1")]
#[case("GET", "/api/v1/overview")]
#[case("GET", "/api/v1/runs/a/b/Run_1/files")]
#[case("GET", "/api/v1/runs/a/b/Run_1/log")]
#[case("GET", "/api/v1/runs/a/b/Run_1/log?download=1")]
#[case("GET", "/api/v1/runs/a/b/Run_1/certificate")]
#[case("GET", "/api/v1/runs?state=cleared")]
#[case("POST", "/api/v1/acts")]
#[case("GET", "/api/v1/acts/x")]
#[case("GET", "/api/v1/events")]
#[case("GET", "/readyz")]
#[tokio::test]
async fn off_answers_orchestrator_disabled_everywhere(#[case] method: &str, #[case] path: &str) {
    let fake = Arc::new(Fake { off: true, ..Fake::default() });
    assert_eq!(send(&fake, method, path, &[], "").await.problem(), (503, "orchestrator_disabled".into()));
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn off_is_still_alive_and_says_so() {
    let fake = Arc::new(Fake { off: true, ..Fake::default() });
    assert_eq!(get(&fake, "/healthz").await.status, 200);
    assert_eq!(get(&fake, "/api/v1/status").await.json()["orchestrator_on"], false);
}

#[tokio::test]
async fn before_the_first_scan_it_is_alive_but_not_ready() {
    let fake = Arc::new(Fake { ready: false, ..Fake::default() });
    assert_eq!(get(&fake, "/healthz").await.status, 200);
    assert_eq!(get(&fake, "/readyz").await.problem(), (503, "starting".into()));
    let answered = get(&fake, "/staging").await;
    assert_eq!((answered.problem(), answered.header("retry-after")), ((503, "starting".into()), "5"));
}

#[tokio::test]
async fn every_answer_carries_a_trace_id_of_ours_and_safe_headers() {
    let fake = Arc::new(Fake::default());
    for path in ["/healthz", "/staging", "/nowhere", "/pkg/exlab-orchestrator.js", "/api/v1/status"] {
        let answered = send(&fake, "GET", path, &[("x-trace-id", "forged\tentry")], "").await;
        assert_eq!(answered.header("x-trace-id").len(), 32, "{path}");
        assert_eq!(answered.header("x-content-type-options"), "nosniff");
        assert_eq!(answered.header("referrer-policy"), "same-origin");
        assert!(answered.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
}

#[rstest]
#[case("GET", "/api/v1/nowhere", 404, "not_found")]
#[case("GET", "/nowhere", 404, "not_found")]
#[case("DELETE", "/staging", 405, "method_not_allowed")]
#[case("POST", "/api/v1/staging", 405, "method_not_allowed")]
#[case("GET", "/api/v1/staging/a/b/Run_1/clear", 405, "method_not_allowed")]
#[case("GET", "/api/v1/acts/unknown", 404, "not_found")]
#[case("GET", "/api/v1/runs", 400, "bad_request")]
#[case("GET", "/api/v1/runs/a/b/Run_1/files?limit=0", 400, "bad_request")]
#[case("GET", "/api/v1/runs/a/b/../files", 400, "bad_path")]
#[case("GET", "/api/v1/runs/a/b/Run_1/log?level=loud", 400, "bad_request")]
#[case("GET", "/api/v1/events?since=x", 400, "bad_request")]
#[tokio::test]
async fn what_the_router_refuses_is_a_problem_too(
    #[case] method: &str,
    #[case] path: &str,
    #[case] status: u16,
    #[case] code: &str,
) {
    let answered = send(&Arc::new(Fake::default()), method, path, &[], "").await;
    assert_eq!(answered.problem(), (status, code.into()));
    assert_eq!(status == 405, !answered.header("allow").is_empty());
}

#[tokio::test]
async fn a_problems_details_stand_at_top_level() {
    let answered = post(&Arc::new(Fake::default()), "/staging/FLOW_01/p/TestRuns/TestRun_1/clear").await;
    assert_eq!(answered.problem(), (409, "staging_not_sync_verified".into()));
    assert_eq!(answered.json()["current_state"], "staging");
    assert_eq!(answered.json()["title"], "Conflict");
}

#[rstest]
#[case("/staging/FLOW_01/p/Runs/Run_waits/clear")]
#[case("/api/v1/staging/FLOW_01/p/Runs/Run_waits/clear")]
#[tokio::test]
async fn s20_a_clear_that_goes_on_by_itself_is_accepted_and_says_where_it_stands(#[case] path: &str) {
    let answered = post(&Arc::new(Fake::default()), path).await;
    assert_eq!((answered.status.as_u16(), answered.header("location")), (202, "/api/v1/runs/FLOW_01/p/Runs/Run_waits"));
    let answer = answered.json();
    assert_eq!((&answer["clearing"]["step"], &answer["files_freed"]), (&json!("intended"), &json!(0)));
    assert!(answer["clearing"]["waiting"].as_str().unwrap().contains("not mounted"));
    assert!(
        post(&Arc::new(Fake::default()), &format!("/staging/{}/clear", domain::address::encode_path(RUN)))
            .await
            .json()
            .get("clearing")
            .is_none()
    );
}

#[tokio::test]
async fn a_panic_ends_only_its_own_request() {
    let fake = Arc::new(Fake::default());
    let answered = get(&fake, "/api/v1/runs/a/b/Run_panics").await;
    assert_eq!(answered.problem(), (500, "internal".into()));
    assert!(answered.json()["message"].as_str().unwrap().contains(answered.header("x-trace-id")));
    assert_eq!(get(&fake, "/staging").await.status, 200);
}
