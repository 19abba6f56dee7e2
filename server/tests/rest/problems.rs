//! `/problems`: queries, acts with their bodies, and the shapes of their answers.

use crate::fake::{Fake, RUN};
use crate::wire::{Answered, get, post_json};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

fn route(act: &str) -> String {
    format!("/api/v1/problems/{}/{act}", domain::address::encode_path(RUN))
}

async fn function(fake: &Arc<Fake>, name: &str, arguments: Value) -> Answered {
    post_json(fake, &format!("/api/v1/fn/{name}"), &arguments.to_string()).await
}

fn letting() -> Value {
    json!({"problem_class": "leftover_jinja_marker", "reason": "The vendor names files so.", "operator": "kim", "expires_at": null})
}

fn revoking() -> Value {
    json!({"revokes": "11111111-1111-4111-8111-111111111111", "reason": "No longer needed at all.", "operator": "kim"})
}

fn marking() -> Value {
    json!({"rule": "orphan", "offending_path": "Run_1", "operator": "kim"})
}

#[tokio::test]
async fn a_finding_has_its_nine_fields_and_what_stands_around_it() {
    let list = get(&Arc::new(Fake::default()), "/api/v1/problems?scope=blocking&tier=hard").await.json();
    assert_eq!((&list["total"], &list["audit_at"]), (&json!(1), &json!("2026-04-17T14:32:00Z")));
    let mut fields: Vec<_> = list["findings"][0].as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let mut expected = vec![
        "rule",
        "tier",
        "run_path",
        "offending_path",
        "offending_kind",
        "matched_token",
        "rule_detail",
        "synced_under_prior_policy",
        "override_active",
        "current_state",
        "equipment_id",
        "since",
        "known",
        "overridable",
        "override",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
}

#[rstest]
#[case("override", letting(), "override", json!({"request": letting()}), 201)]
#[case("override/revoke", revoking(), "revoke", json!({"request": revoking()}), 201)]
#[case("known", marking(), "mark_known", json!({"request": marking(), "known": true}), 200)]
#[case("unknown", marking(), "mark_known", json!({"request": marking(), "known": false}), 200)]
#[tokio::test]
async fn an_act_is_the_same_from_both_faces(
    #[case] act: &str,
    #[case] body: Value,
    #[case] name: &str,
    #[case] mut arguments: Value,
    #[case] status: u16,
) {
    let fake = Arc::new(Fake::default());
    arguments[if name == "mark_known" { "path" } else { "run" }] = json!(RUN);
    let (function, route) =
        (function(&fake, name, arguments).await, post_json(&fake, &route(act), &body.to_string()).await);
    assert_eq!((function.status.as_u16(), route.status.as_u16()), (200, status), "{} {}", function.text, route.text);
    assert_eq!(function.json(), route.json());
    let asked = fake.asked();
    assert_eq!(asked[0], asked[1], "both asked the same of the backend");
}

#[rstest]
#[case(json!({}), "")]
#[case(json!({"scope": "blocking", "tier": "hard", "rule": "orphan", "state": "complete", "q": "a b", "offset": 0, "limit": 5}),
    "scope=blocking&tier=hard&rule=orphan&state=complete&q=a+b&offset=0&limit=5")]
#[tokio::test]
async fn a_question_is_the_same_from_both_faces(#[case] query: Value, #[case] text: &str) {
    let fake = Arc::new(Fake::default());
    let function = function(&fake, "problems", json!({"query": query})).await;
    let route = get(&fake, &format!("/api/v1/problems?{text}")).await;
    assert_eq!((function.status.as_u16(), route.status.as_u16()), (200, 200), "{} {}", function.text, route.text);
    assert_eq!(function.json(), route.json());
    assert_eq!(fake.asked()[0], fake.asked()[1]);
}

#[tokio::test]
async fn entries_have_the_shape_of_the_document() {
    let fake = Arc::new(Fake::default());
    let entry = post_json(&fake, &route("override"), &letting().to_string()).await.json();
    let keys: Vec<_> = entry.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(!keys.contains(&"revokes") && keys.contains(&"expires_at") && entry["revoked"] == json!(false), "{entry}");
    let tombstone = post_json(&fake, &route("override/revoke"), &revoking().to_string()).await.json();
    let keys: Vec<_> = tombstone.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(
        !keys.contains(&"problem_class") && !keys.contains(&"expires_at") && tombstone["revoked"] == json!(true),
        "{tombstone}"
    );
}

#[rstest]
#[case("/api/v1/problems?page=2")]
#[case("/api/v1/problems?scope=x")]
#[case("/api/v1/problems?tier=medium")]
#[case("/api/v1/problems?rule=x")]
#[case("/api/v1/problems?state=x")]
#[tokio::test]
async fn unknown_keys_and_values_are_refused(#[case] path: &str) {
    assert_eq!(get(&Arc::new(Fake::default()), path).await.problem(), (400, "bad_request".into()));
}

#[rstest]
#[case("override", json!({"problem_class": "x", "reason": "short", "operator": "kim"}), 422, "unprocessable")]
#[case("override", json!({"problem_class": "x", "reason": "long enough, this"}), 422, "unprocessable")]
#[case("override", json!({"problem_class": "x", "reason": "long enough, this", "operator": "kim", "force": true}), 422, "unprocessable")]
#[case("override", json!([]), 422, "unprocessable")]
#[case("override/revoke", json!({"revokes": "revoked", "reason": "long enough, this", "operator": "kim"}), 409, "already_revoked")]
#[case("override/revoke", json!({}), 422, "unprocessable")]
#[case("known", json!({"rule": 7}), 422, "unprocessable")]
#[case("forget", json!({}), 404, "not_found")]
#[tokio::test]
async fn bad_bodies_are_refused(#[case] act: &str, #[case] body: Value, #[case] status: u16, #[case] code: &str) {
    assert_eq!(
        post_json(&Arc::new(Fake::default()), &route(act), &body.to_string()).await.problem(),
        (status, code.to_owned())
    );
}

#[rstest]
#[case("../bait", 400)]
#[case("%2e%2e/bait", 400)]
#[case("CONFOCAL_01//Runs/Run_1", 400)]
#[case("", 400)]
#[case("CONFOCAL_01/p/Runs/Run_never", 404)]
#[tokio::test]
async fn d1_a_problem_is_of_a_plain_path_only(#[case] raw: &str, #[case] status: u16) {
    let fake = Arc::new(Fake::default());
    for (act, body) in [("override", letting()), ("override/revoke", revoking()), ("known", marking())] {
        let answered = post_json(&fake, &format!("/api/v1/problems/{raw}/{act}"), &body.to_string()).await;
        assert_eq!(answered.problem().0, status, "{raw} {act}");
    }
}

#[tokio::test]
async fn s12_a_foreign_page_overrides_nothing() {
    let fake = Arc::new(Fake::default());
    for path in [route("override"), route("known"), "/api/v1/fn/override".to_owned()] {
        let headers = [("origin", "http://evil.example"), ("content-type", "application/json")];
        assert_eq!(
            crate::wire::send(&fake, "POST", &path, &headers, &letting().to_string()).await.problem(),
            (403, "forbidden".into())
        );
    }
    assert!(fake.asked().is_empty());
}
