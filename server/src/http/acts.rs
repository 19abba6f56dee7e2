//! `/acts`: what goes on by itself. Started over many runs here, or over one run with `Prefer: respond-async`.

use super::answer::{Answer, json, ok};
use super::body::{self, PREFERENCE_APPLIED};
use super::{Http, run_path};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use domain::api::{ActKind, ForceSyncRequest, PlanRequest};
use domain::problem::{ErrorCode, Problem};
use serde::Deserialize;

/// Body of `POST /api/v1/acts`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    kind: ActKind,
    runs: Vec<String>,
    #[serde(default)]
    request: ForceSyncRequest,
}

/// `POST /api/v1/acts`: 202 with the act and its `Location`.
pub async fn start_many(State(http): State<Http>, headers: HeaderMap, body: Bytes) -> Answer {
    http.require_on()?;
    let Start { kind, runs, request } = body::required(&headers, &body)?;
    if runs.is_empty() {
        return Err(
            Problem::new(ErrorCode::Unprocessable, "An act names at least one run; this one names none.").into()
        );
    }
    runs.iter().try_for_each(|run| run_path::require_plain(run))?;
    start(&http, kind, runs, request, body::prefers_async(&headers)).await
}

/// `POST /api/v1/acts/plan`: what an act would do; changes nothing.
pub async fn plan(State(http): State<Http>, headers: HeaderMap, body: Bytes) -> Answer {
    http.require_on()?;
    let request: PlanRequest = body::required(&headers, &body)?;
    Ok(ok(&app::lists::plan::plan(&http.backend, request).await?))
}

/// Starts an act and answers where to follow it.
pub async fn start(
    http: &Http,
    kind: ActKind,
    runs: Vec<String>,
    request: ForceSyncRequest,
    preferred: bool,
) -> Answer {
    let act = http.backend.start_act(kind, runs, request).await?;
    let mut response = json(StatusCode::ACCEPTED, &act);
    let location = HeaderValue::from_str(&format!("/api/v1/acts/{}", act.id))
        .map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
    response.headers_mut().insert(header::LOCATION, location);
    if preferred {
        response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
    }
    Ok(response)
}

/// `GET /api/v1/acts/{id}`
pub async fn one(State(http): State<Http>, Path(id): Path<String>) -> Answer {
    http.require_on()?;
    let missing = || {
        Problem::new(
            ErrorCode::NotFound,
            "This act is not known here: the program was restarted since, or it was long ago.",
        )
    };
    Ok(ok(&http.backend.act(&id).ok_or_else(missing)?))
}
