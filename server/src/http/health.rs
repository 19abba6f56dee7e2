//! For supervisors: `/healthz` answers as soon as the port listens, `/readyz` after the first scan.

use super::Http;
use super::answer::{Answer, ok};
use axum::extract::State;
use axum::response::Response;
use domain::problem::{ErrorCode, Problem};
use serde::Serialize;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// `GET /healthz`
pub async fn alive() -> Response {
    ok(&Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// `GET /readyz`
pub async fn ready(State(http): State<Http>) -> Answer {
    http.require_on()?;
    let status = http.backend.status();
    if let Some(error) = status.state_error {
        return Err(Problem::new(
            ErrorCode::StateUnavailable,
            format!("The disk of the state folder is full: {error}"),
        )
        .into());
    }
    if status.ready {
        return Ok(ok(&Health { status: "ready", version: env!("CARGO_PKG_VERSION") }));
    }
    Err(Problem::new(ErrorCode::Starting, "The first scan of the staging tree has not ended yet.").into())
}
