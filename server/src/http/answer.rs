//! Answers: JSON, and problems that the outermost layer turns into `application/problem+json` with their trace id.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::problem::{ErrorCode, Problem};
use serde::Serialize;

/// A problem on its way out. The body is written by [`super::trace`], which knows the trace id.
#[derive(Debug)]
pub struct Refusal(pub Problem);

/// What handlers answer.
pub type Answer = Result<Response, Refusal>;

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE
            && matches!(self.0.code, ErrorCode::Starting | ErrorCode::StagingUnavailable)
        {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response.extensions_mut().insert(self.0);
        response
    }
}

/// JSON, never stored by a browser: the next answer may differ.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = (status, Json(value)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 with JSON.
pub fn ok(value: &impl Serialize) -> Response {
    json(StatusCode::OK, value)
}

/// The problem's JSON: RFC 9457's members, then ours at top level.
#[derive(Serialize)]
pub struct ProblemDocument<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl<'a> ProblemDocument<'a> {
    /// With the status that is really answered.
    pub fn new(status: StatusCode, problem: &'a Problem) -> ProblemDocument<'a> {
        ProblemDocument {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            problem,
        }
    }
}
