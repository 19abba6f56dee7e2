//! One implementation, two faces: a server function and its route answer the same JSON and the same problems. And the
//! pages.

use crate::fake::{BLOCKED, Fake, RUN};
use crate::wire::{Answered, get, post_json, send};
use domain::api::{ClearedRun, ClearedRuns, JobError};
use domain::job::{FailureClass, Side};
use domain::proof::ProofLevel;
use domain::timestamp::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

fn url() -> String {
    domain::address::encode_path(RUN)
}

async fn function(fake: &Arc<Fake>, name: &str, arguments: Value) -> Answered {
    post_json(fake, &format!("/api/v1/fn/{name}"), &arguments.to_string()).await
}

#[rstest]
#[case("status", json!({}), "/api/v1/status".to_owned())]
#[case("staging", json!({}), "/api/v1/staging".to_owned())]
#[case("overview", json!({}), "/api/v1/overview".to_owned())]
#[case("run_detail", json!({"run": RUN}), format!("/api/v1/runs/{}", url()))]
#[case("run_detail", json!({"run": format!("/staging/{RUN}")}), format!("/api/v1/runs//staging/{}", url()))]
#[case("clear_plan", json!({"run": RUN}), format!("/api/v1/runs/{}/clear-plan", url()))]
#[case("run_files", json!({"run": RUN, "query": {"offset": 100, "limit": 50, "text": "a b", "state": "late"}}), format!("/api/v1/runs/{}/files?offset=100&limit=50&q=a+b&state=late", url()))]
#[case("run_log", json!({"run": RUN, "query": {"tail": 20, "level": "warn", "text": "NAS"}}), format!("/api/v1/runs/{}/log?tail=20&level=warn&q=NAS", url()))]
#[case("certificate", json!({"run": RUN}), format!("/api/v1/runs/{}/certificate", url()))]
#[case("cleared_runs", json!({"before": 9}), "/api/v1/runs?state=cleared&before=9".to_owned())]
#[tokio::test]
async fn a_function_and_its_route_answer_the_same(#[case] name: &str, #[case] arguments: Value, #[case] route: String) {
    let fake = Arc::new(Fake::default());
    let (function, route) = (function(&fake, name, arguments).await, get(&fake, &route).await);
    assert_eq!((function.status.as_u16(), route.status.as_u16()), (200, 200), "{}", function.text);
    assert_eq!(function.json(), route.json());
    let asked = fake.asked();
    assert!(asked.len() < 2 || asked[0] == asked[1], "both asked the same of the backend: {asked:?}");
}

#[tokio::test]
async fn an_act_over_many_runs_is_the_same_from_both() {
    let fake = Arc::new(Fake::default());
    let arguments = json!({"kind": "clear", "runs": [RUN], "request": {"assume_complete": false}});
    let (function, route) = (
        function(&fake, "start_act", arguments.clone()).await,
        post_json(&fake, "/api/v1/acts", &arguments.to_string()).await,
    );
    assert_eq!((function.status.as_u16(), route.status.as_u16()), (200, 202), "{}", function.text);
    assert_eq!(function.json(), route.json());
    assert_eq!(fake.asked()[0], fake.asked()[1]);
    let (function, route) =
        (self::function(&fake, "act", json!({"id": "act-1"})).await, get(&fake, "/api/v1/acts/act-1").await);
    assert_eq!(function.json(), route.json());
}

#[rstest]
#[case("run_detail", json!({"run": "E/p/Runs/Run_never"}), "/api/v1/runs/E/p/Runs/Run_never", 404)]
#[case("run_detail", json!({"run": "../bait"}), "/api/v1/runs/../bait", 400)]
#[case("run_files", json!({"run": "E/p/Runs/Run_never", "query": {"offset": 0, "limit": 1, "text": "", "state": null}}), "/api/v1/runs/E/p/Runs/Run_never/files?limit=1", 404)]
#[case("act", json!({"id": "never"}), "/api/v1/acts/never", 404)]
#[tokio::test]
async fn both_refuse_with_the_same_code_and_status(
    #[case] name: &str,
    #[case] arguments: Value,
    #[case] route: &str,
    #[case] status: u16,
) {
    let fake = Arc::new(Fake::default());
    let (function, route) = (function(&fake, name, arguments).await, get(&fake, route).await);
    assert_eq!((function.status.as_u16(), route.status.as_u16()), (status, status), "{}", function.text);
    assert_eq!(function.json()["code"], route.json()["code"]);
    assert_eq!(function.json()["trace_id"], function.header("x-trace-id"));
    assert_eq!(function.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn off_is_the_same_from_both() {
    let fake = Arc::new(Fake { off: true, ..Fake::default() });
    assert_eq!(function(&fake, "status", json!({})).await.json()["orchestrator_on"], false);
    let answered = function(&fake, "staging", json!({})).await;
    assert_eq!(
        (answered.status.as_u16(), &answered.json()["code"]),
        (503, &json!("orchestrator_disabled")),
        "{}",
        answered.text
    );
}

#[tokio::test]
async fn an_unknown_function_and_a_bad_argument_are_problems() {
    let fake = Arc::new(Fake::default());
    assert_eq!(function(&fake, "erase", json!({})).await.problem().0, 404);
    let bad = function(&fake, "run_detail", json!({"path": RUN})).await;
    assert_eq!((bad.status.as_u16(), &bad.json()["code"]), (400, &json!("bad_request")), "{}", bad.text);
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_refused_by_functions_too() {
    let fake = Arc::new(Fake::default());
    let body = format!("{{\"run\":\"{}\"}}", "x".repeat(32 << 20));
    let answered = post_json(&fake, "/api/v1/fn/run_detail", &body).await;
    assert_eq!(
        (answered.status.as_u16(), &answered.json()["code"]),
        (413, &json!("unprocessable")),
        "{:.300}",
        answered.text
    );
    assert!(fake.asked().is_empty());
}

const BROWSER: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

#[tokio::test]
async fn pages_are_rendered_on_the_server_with_their_rows_and_a_nonce_of_their_own() {
    let fake = Arc::new(Fake::default());
    let mut nonces = Vec::new();
    let run_page = format!("/runs/{}", url());
    for path in ["/", "/staging", "/overview", run_page.as_str()] {
        let answered = send(&fake, "GET", path, &BROWSER, "").await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.text);
        assert!(answered.text.contains("Run_2026-04-17T14-32"), "{path}: {}", answered.text);
        let policy = answered.header("content-security-policy");
        let nonce =
            policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce").to_owned();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        for script in answered.text.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap();
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: a script without the nonce: <script{tag}>");
        }
        nonces.push(nonce);
    }
    nonces.dedup();
    assert_eq!(nonces.len(), 4, "every answer has a nonce of its own");
}

#[tokio::test]
async fn the_overview_is_a_page_with_the_way_out_and_text_stays_text() {
    let answered = send(&Arc::new(Fake::default()), "GET", "/overview", &BROWSER, "").await;
    assert_eq!(answered.status, 200);
    for part in [
        "Needs you",
        "/staging?why=failed",
        "&lt;script",
        "4.0 KiB",
        "role=\"img\"",
        "The staging disk does not answer",
    ] {
        assert!(answered.text.contains(part), "{part}: {}", answered.text);
    }
    assert!(!answered.text.contains("<script>alert(1)"));
    assert!(!answered.text.contains("style=\""), "the content policy forbids inline styles");
}

#[tokio::test]
async fn a_cleared_run_says_when_its_copy_was_proven_and_a_damaged_one_stands_first() {
    let run = |seal: &str| ClearedRun {
        run_path: RUN.into(),
        life: 1,
        cleared_at: Timestamp::from_unix_seconds(1_776_436_320),
        files_freed: 2,
        bytes_freed: 4_096,
        nas_path: "/nas".into(),
        seal: seal.into(),
        proven_at: Some(Timestamp::from_unix_seconds(1_779_028_320)),
        proof_level: Some(ProofLevel::L4),
        damage: None,
    };
    let code = FailureClass::HashMismatch;
    let message = "1 of 2 files differ; <script>.tif: is missing at the destination".to_owned();
    let error = JobError { code, side: Side::Destination, message, remedy: code.remedy_when_cleared().into() };
    let damaged = ClearedRun { damage: Some(error), ..run("d4a9") };
    let cleared = ClearedRuns { runs: vec![run("5e41"), damaged.clone()], next_before: None, damaged: vec![damaged] };
    let text = send(&Arc::new(Fake { cleared, ..Fake::default() }), "GET", "/cleared", &BROWSER, "").await.text;
    for part in ["2026-05-17", ">L4<", "Damaged on the NAS", "&lt;script&gt;.tif: is missing", "snapshot or backup"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.find("d4a9") < text.find("5e41"), "{text}");
    let whole = ClearedRuns { runs: vec![run("5e41")], ..ClearedRuns::default() };
    let text = send(&Arc::new(Fake { cleared: whole, ..Fake::default() }), "GET", "/cleared", &BROWSER, "").await.text;
    assert!(text.contains(">L4<") && !text.contains("Damaged on the NAS"), "{text}");
}

#[tokio::test]
async fn a_runs_files_are_in_its_page_as_text_and_in_pages_of_links() {
    let fake = Arc::new(Fake::default());
    let answered = send(&fake, "GET", &format!("/runs/{}?from=100&file=tif&files=proven", url()), &BROWSER, "").await;
    assert_eq!(answered.status, 200);
    for part in ["raw/&lt;b", "101–200 of 250 files", "from=200", "?file=tif&amp;files=proven\"", "abababababab"] {
        assert!(answered.text.contains(part), "{part}: {}", answered.text);
    }
    assert!(
        fake.asked()
            .iter()
            .any(|asked| asked.starts_with("files") && asked.contains("offset: 100, limit: 100, text: \"tif\""))
    );
}

#[tokio::test]
async fn a_runs_log_is_in_its_page_as_text_and_can_be_taken_away_as_a_file() {
    let fake = Arc::new(Fake::default());
    let answered = send(&fake, "GET", &format!("/runs/{}?level=warn&log=retry", url()), &BROWSER, "").await;
    for part in ["&lt;script", "Warning", "Traceback, of another program", "/log?download=1"] {
        assert!(answered.text.contains(part), "{part}: {}", answered.text);
    }
    let file = get(&fake, &format!("/api/v1/runs/{}/log?download=1", url())).await;
    assert_eq!((file.status.as_u16(), file.text.as_str()), (200, "[package]"));
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"wizard.orch-01.log\"");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(get(&fake, "/api/v1/runs/E/p/Runs/Run_never/log?download=1").await.problem(), (404, "not_found".into()));
}

#[tokio::test]
async fn the_certificate_is_a_page_that_vouches_only_for_what_is_proven() {
    let fake = Arc::new(Fake::default());
    let answered = send(&fake, "GET", &format!("/certificate/{}", url()), &BROWSER, "").await;
    assert_eq!(answered.status, 200);
    for part in ["Certificate of custody", "Run_2026-04-17T14-32", "Station &lt;i", "vouches for nothing", "5d0c"] {
        assert!(answered.text.contains(part), "{part}: {}", answered.text);
    }
    let never = send(&fake, "GET", "/certificate/E/p/Runs/Run_never", &BROWSER, "").await;
    assert_eq!(never.status, 404);
    assert!(never.text.contains("This run is not known here"), "{}", never.text);
}

#[tokio::test]
async fn problems_are_rendered_on_the_server_and_names_are_text() {
    let fake = Arc::new(Fake::default());
    let answered = send(&fake, "GET", "/problems?scope=all&q=script", &BROWSER, "").await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    // Between texts Leptos leaves marks for hydration.
    let plain = answered.text.replace("<!>", "");
    assert!(plain.contains("<mark>&lt;script&gt;</mark>alert(1)&lt;/script&gt;"), "{plain}");
    assert!(!answered.text.contains("<script>alert") && !answered.text.contains("<b>Fix"), "{}", answered.text);
    assert!(!answered.text.contains("style=\""), "no inline style");
    let open = send(&fake, "GET", "/problems", &BROWSER, "").await;
    assert!(open.text.replace("<!>", "").contains("<mark>&lt;date&gt;</mark>"), "{}", open.text);
    let asked = fake.asked();
    assert!(
        asked[0].contains("scope: All") && asked[0].contains("q: \"script\"") && asked[0].contains("limit: Some(100)"),
        "{asked:?}"
    );
    assert!(asked[1].contains("scope: Open"), "{asked:?}");
}

#[tokio::test]
async fn a_page_that_is_not_there_is_a_page_with_404() {
    let answered = send(&Arc::new(Fake::default()), "GET", "/no/such/page", &BROWSER, "").await;
    assert_eq!(answered.status, 404);
    assert!(answered.text.contains("There is no such page"), "{}", answered.text);
}

/// Parts of one page that met on several threads have waited for each other for ever, and took the whole program with
/// them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_asked_for_all_at_once_are_all_answered() {
    let fake = Arc::new(Fake::default());
    let service = crate::wire::service(&fake);
    let run_page = format!("/runs/{}", url());
    for _ in 0..100 {
        let pages = ["/", "/staging", "/overview", run_page.as_str(), "/cleared"].repeat(4);
        let asked = pages.into_iter().map(|path| {
            let (service, path) = (service.clone(), path.to_owned());
            tokio::spawn(async move { crate::wire::send_to(service, "GET", &path, &BROWSER, "").await })
        });
        for answered in futures::future::join_all(asked.collect::<Vec<_>>()).await {
            assert_eq!(answered.unwrap().status, 200);
        }
    }
}

#[rstest]
#[case(json!({"kind": "clear", "runs": [RUN, BLOCKED, "E/p/Runs/Run_never", RUN]}))]
#[case(json!({"kind": "force-sync", "matching": "state=complete"}))]
#[case(json!({"kind": "verify", "matching": ""}))]
#[tokio::test]
async fn a_plan_is_the_same_from_both_and_starts_nothing(#[case] request: Value) {
    let fake = Arc::new(Fake::default());
    let (function, route) = (
        function(&fake, "act_plan", json!({"request": request})).await,
        post_json(&fake, "/api/v1/acts/plan", &request.to_string()).await,
    );
    assert_eq!((function.status.as_u16(), route.status.as_u16()), (200, 200), "{}", function.text);
    assert_eq!(function.json(), route.json());
    assert!(fake.started.lock().unwrap().is_none());
    let plan = route.json();
    let (goes, left) = (plan["runs"].as_array().unwrap(), plan["left_out"].as_array().unwrap());
    let bytes: u64 = goes.iter().map(|run| run["bytes"].as_u64().unwrap()).sum();
    assert_eq!(plan["bytes"], bytes);
    assert!(left.iter().all(|left| !left["sentence"].as_str().unwrap().is_empty()), "{left:?}");
    if let Some(named) = request["runs"].as_array() {
        assert_eq!(goes.len() + left.len(), named.len() - 1, "every run is told of, and once: {plan}");
        assert!(left.iter().any(|left| left["reason"] == "not_found"));
    }
}

#[rstest]
#[case(json!({"kind": "clear"}))]
#[case(json!({"kind": "clear", "runs": []}))]
#[case(json!({"kind": "clear", "runs": [RUN], "matching": "state=complete"}))]
#[tokio::test]
async fn a_plan_of_nothing_or_of_two_things_is_refused(#[case] request: Value) {
    let fake = Arc::new(Fake::default());
    assert_eq!(post_json(&fake, "/api/v1/acts/plan", &request.to_string()).await.problem().0, 422);
    assert_eq!(function(&fake, "act_plan", json!({"request": request})).await.status.as_u16(), 422);
}
