//! `/staging`: the list, and the acts on one run. The bare routes answer with exactly the fields of the Python system,
//! `/api/v1` with ours too.

use super::answer::{Answer, Refusal, json, ok};
use super::body::{self, Nothing};
use super::{Http, acts, run_path};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use domain::api::{ActKind, ClearAnswer, ForceSyncAnswer, ForceSyncRequest, StagedRunSummary, StagingList};
use domain::problem::{ErrorCode, Problem};
use serde::Serialize;
use std::future::Future;
use tracing::Instrument;

/// Who is answered: clients of the Python system know fewer acts and fewer fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Face {
    Seeds,
    Ours,
}

/// The seeds' answer to force-sync.
#[derive(Serialize)]
struct ForceSyncOfSeeds<'a> {
    run_path: &'a str,
    state: &'a str,
    job_id: Option<&'a str>,
}

/// Bytes a row takes at most as JSON; a guess that spares growing the buffer.
const ROW_BYTES: usize = 1_024;

/// `GET /api/v1/staging`
pub async fn list_with_ours(State(http): State<Http>) -> Answer {
    http.require_on()?;
    let list = http.backend.staging().await?;
    listed(&list, list.runs.len())
}

/// `GET /staging` for whoever does not ask for HTML.
pub async fn list_of_seeds(http: &Http) -> Answer {
    http.require_on()?;
    let list = http.backend.staging().await?;
    let runs: Vec<&StagedRunSummary> = list.runs.iter().map(|row| &row.summary).collect();
    let count = runs.len();
    listed(&StagingList { runs }, count)
}

fn listed(list: &impl Serialize, count: usize) -> Answer {
    let mut bytes = Vec::with_capacity(64 + count * ROW_BYTES);
    serde_json::to_writer(&mut bytes, list).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("Accept")),
    ];
    Ok((StatusCode::OK, headers, bytes).into_response())
}

/// `POST /staging/{run_path}/{act}`
pub async fn act_of_seeds(State(http): State<Http>, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer {
    act(http, &uri, &headers, &body, Face::Seeds).await
}

/// `POST /api/v1/staging/{run_path}/{act}`
pub async fn act_with_ours(State(http): State<Http>, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer {
    act(http, &uri, &headers, &body, Face::Ours).await
}

async fn act(http: Http, uri: &Uri, headers: &HeaderMap, body: &Bytes, face: Face) -> Answer {
    http.require_on()?;
    let raw = uri.path().strip_prefix("/staging/").unwrap_or("");
    let (raw_run, act) = run_path::split_act(raw).ok_or_else(|| unknown_act(raw))?;
    let kind = kind_of(act, face).ok_or_else(|| unknown_act(act))?;
    let run = run_path::decode(raw_run)?;
    let request = match kind {
        ActKind::ForceSync => body::optional::<ForceSyncRequest>(headers, body)?,
        _ => body::optional::<Nothing>(headers, body).map(|Nothing {}| ForceSyncRequest::default())?,
    };
    if body::prefers_async(headers) {
        return acts::start(&http, kind, vec![run], request, true).await;
    }
    let backend = http.backend;
    detached(async move {
        match kind {
            ActKind::ForceSync => backend.force_sync(&run, request).await.map(|answer| force_synced(&answer, face)),
            ActKind::Clear => backend.clear(&run).await.map(|answer| cleared(&answer)),
            ActKind::Verify => backend.verify(&run).await.map(|answer| ok(&answer)),
            ActKind::Retry => backend.retry(&run).await.map(|answer| ok(&answer)),
            ActKind::CallOff => backend.call_off(&run).await.map(|answer| ok(&answer)),
        }
    })
    .await
}

/// A clear that goes on by itself is accepted, not refused: its run's detail tells where it stands.
fn cleared(answer: &ClearAnswer) -> Response {
    if answer.clearing.is_none() {
        return ok(answer);
    }
    let mut response = json(StatusCode::ACCEPTED, answer);
    if let Ok(location) =
        HeaderValue::from_str(&format!("/api/v1/runs/{}", domain::address::encode_path(&answer.run_path)))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn force_synced(answer: &ForceSyncAnswer, face: Face) -> Response {
    match face {
        Face::Ours => ok(answer),
        Face::Seeds => {
            ok(&ForceSyncOfSeeds { run_path: &answer.run_path, state: &answer.state, job_id: answer.job_id.as_deref() })
        }
    }
}

fn kind_of(act: &str, face: Face) -> Option<ActKind> {
    let known = [ActKind::ForceSync, ActKind::Clear, ActKind::Verify, ActKind::Retry, ActKind::CallOff];
    let of_seeds = |kind: &ActKind| matches!(kind, ActKind::ForceSync | ActKind::Clear);
    known.into_iter().find(|kind| kind.as_str() == act && (face == Face::Ours || of_seeds(kind)))
}

fn unknown_act(act: &str) -> Refusal {
    let known = "POST /api/v1/staging/RUN/ takes force-sync, clear, verify and retry; POST /staging/RUN/ the first two";
    Problem::new(ErrorCode::NotFound, format!("{act:?} is not an act on a run: {known}.")).into()
}

/// Runs an act as a task of its own: a client that hangs up only stops waiting (S14).
pub(super) async fn detached(act: impl Future<Output = Result<Response, Problem>> + Send + 'static) -> Answer {
    match tokio::spawn(act.in_current_span()).await {
        Ok(answered) => Ok(answered?),
        Err(ended) => match ended.try_into_panic() {
            // Caught, logged and answered by the outermost layer.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => {
                Err(Problem::new(ErrorCode::Stopping, "The program is stopping; the act goes on after its next start.")
                    .into())
            }
        },
    }
}
