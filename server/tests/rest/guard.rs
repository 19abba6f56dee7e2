//! Who may ask at all (S12, S15), before anything else is looked at.

use crate::fake::{Fake, RUN};
use crate::wire::{HOST, send};
use rstest::rstest;
use std::sync::Arc;

fn clear() -> String {
    format!("/api/v1/staging/{}/clear", domain::address::encode_path(RUN))
}

#[rstest]
#[case("evil.example")]
#[case("evil.example:8080")]
#[case("127.0.0.1:8081")]
#[case("localhost.evil.example:8080")]
#[tokio::test]
async fn s12_a_foreign_host_reads_and_changes_nothing(#[case] host: &str) {
    let fake = Arc::new(Fake::default());
    for (method, path) in [("GET", "/staging".to_owned()), ("GET", "/healthz".to_owned()), ("POST", clear())] {
        assert_eq!(send(&fake, method, &path, &[("host", host)], "").await.problem(), (403, "forbidden".into()));
    }
    assert!(fake.asked().is_empty());
}

#[rstest]
#[case("http://127.0.0.1:8888")]
#[case("http://localhost:8080")]
#[case("https://127.0.0.1:8080")]
#[case("http://evil.example")]
#[case("null")]
#[tokio::test]
async fn s15_a_page_of_another_origin_changes_nothing(#[case] origin: &str) {
    let fake = Arc::new(Fake::default());
    for path in [clear(), "/api/v1/acts".to_owned(), "/api/v1/fn/start_act".to_owned(), "/staging/x/clear".to_owned()] {
        assert_eq!(
            send(&fake, "POST", &path, &[("origin", origin)], "").await.problem(),
            (403, "forbidden".into()),
            "{path}"
        );
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn s15_two_origins_are_none() {
    let fake = Arc::new(Fake::default());
    let both = [("origin", "http://127.0.0.1:8080"), ("origin", "http://evil.example")];
    assert_eq!(send(&fake, "POST", &clear(), &both, "").await.problem().0, 403);
}

#[rstest]
#[case(&[])]
#[case(&[("origin", "http://127.0.0.1:8080")])]
#[case(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")])]
#[case(&[("origin", "http://[::1]:8080"), ("host", "[::1]:8080")])]
#[case(&[("sec-fetch-site", "same-origin")])]
#[tokio::test]
async fn our_own_pages_and_programs_may_act(#[case] headers: &[(&str, &str)]) {
    let fake = Arc::new(Fake::default());
    assert_eq!(send(&fake, "POST", &clear(), headers, "").await.status, 200);
}

#[rstest]
#[case("cross-site")]
#[case("same-site")]
#[tokio::test]
async fn s12_a_form_of_another_site_changes_nothing(#[case] site: &str) {
    let fake = Arc::new(Fake::default());
    assert_eq!(
        send(&fake, "POST", &clear(), &[("sec-fetch-site", site)], "").await.problem(),
        (403, "forbidden".into())
    );
    assert_eq!(
        send(&fake, "GET", "/staging", &[("sec-fetch-site", site)], "").await.status,
        200,
        "a link may lead here"
    );
}

#[tokio::test]
async fn s12_without_host_nothing_is_answered() {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;
    let request = Request::builder().uri("/staging").body(Body::empty()).unwrap();
    let response = crate::wire::service(&Arc::new(Fake::default())).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), HOST), (403, "127.0.0.1:8080"));
}
