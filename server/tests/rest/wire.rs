//! A request through the whole router, as a client on the loopback port makes it.

use crate::fake::Fake;
use app::backend::Backend;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use server::http::limits::Limits;
use server::http::site::{SiteFile, SiteFiles};
use server::http::{Options, router};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub const HOST: &str = "127.0.0.1:8080";

/// A site with one file, so that pages count as built.
pub struct SmallSite;

impl SiteFiles for SmallSite {
    fn file(&self, path: &str) -> Option<SiteFile> {
        (path == "pkg/exlab-orchestrator.js")
            .then(|| SiteFile { bytes: b"export {}".as_slice().into(), sha256: [1; 32] })
    }
}

pub fn service(fake: &Arc<Fake>) -> Router {
    stoppable(fake, CancellationToken::new())
}

pub fn stoppable(fake: &Arc<Fake>, stop: CancellationToken) -> Router {
    let backend = Backend::there(fake.clone());
    router(
        backend,
        Options { address: HOST.parse().unwrap(), stop, site: Arc::new(SmallSite), limits: Limits::default() },
    )
}

pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem, after its shape was checked.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let json = self.json();
        assert_eq!(json["trace_id"].as_str().unwrap(), self.header("x-trace-id"));
        assert_eq!(json["status"], self.status.as_u16());
        assert!(json["title"].is_string() && json["type"].is_string());
        assert!(json["message"].as_str().unwrap().len() > 5, "{json}");
        (self.status.as_u16(), json["code"].as_str().unwrap().to_owned())
    }
}

pub async fn send(fake: &Arc<Fake>, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answered {
    send_to(service(fake), method, path, headers, body).await
}

pub async fn send_to(service: Router, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answered {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", HOST);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = service.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answered { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

pub async fn get(fake: &Arc<Fake>, path: &str) -> Answered {
    send(fake, "GET", path, &[], "").await
}

pub async fn post(fake: &Arc<Fake>, path: &str) -> Answered {
    send(fake, "POST", path, &[], "").await
}

pub async fn post_json(fake: &Arc<Fake>, path: &str, body: &str) -> Answered {
    send(fake, "POST", path, &[("content-type", "application/json")], body).await
}
