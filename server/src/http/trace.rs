//! Around every request: a trace id, one shape of error, and no handler's panic ends more than its own request.
//!
//! The trace id is ours alone: a client's is not taken, because it is written to the log.

use super::answer::ProblemDocument;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::problem::{ErrorCode, Problem};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use tracing::Instrument;

/// On every answer, and on every request before a handler sees it.
pub const X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

const JSON_ONLY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The outermost layer.
pub async fn around(mut request: Request, next: Next) -> Response {
    let trace_id = uuid::Uuid::new_v4().simple().to_string();
    let header_value = HeaderValue::from_str(&trace_id).unwrap_or(HeaderValue::from_static("unknown"));
    request.headers_mut().insert(X_TRACE_ID, header_value.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", trace_id, %method, path);
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let _entered = span.enter();
    let response = answered.unwrap_or_else(|panic| {
        tracing::error!(fault = panic_text(&*panic), "a request handler panicked");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    });
    let mut response = as_problem(response, &trace_id);
    log(&response);
    let headers = response.headers_mut();
    headers.insert(X_TRACE_ID, header_value);
    secure(headers);
    response
}

/// Every error leaves as a problem, also those that the router made; HTML pages and problems that are written already
/// stay.
fn as_problem(response: Response, trace_id: &str) -> Response {
    let status = response.status();
    let written = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.starts_with(b"application/") || kind.starts_with(b"text/html")
    });
    let (mut parts, body) = response.into_parts();
    let attached = parts.extensions.remove::<Problem>();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || (written && attached.is_none()) {
        return Response::from_parts(parts, body);
    }
    let mut problem = attached.unwrap_or_else(|| of_status(status, trace_id));
    trace_id.clone_into(&mut problem.trace_id);
    let document = serde_json::to_vec(&ProblemDocument::new(status, &problem)).unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    parts.extensions.insert(problem);
    Response::from_parts(parts, Body::from(document))
}

fn of_status(status: StatusCode, trace_id: &str) -> Problem {
    let (code, message) = match status {
        StatusCode::NOT_FOUND => (ErrorCode::NotFound, "There is nothing under this address.".to_owned()),
        StatusCode::METHOD_NOT_ALLOWED => {
            (ErrorCode::MethodNotAllowed, "This address does not take this method; see the Allow header.".to_owned())
        }
        StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::Unprocessable, "The body is too large.".to_owned()),
        status if status.is_client_error() => (ErrorCode::BadRequest, "The request cannot be understood.".to_owned()),
        _ => (ErrorCode::Internal, format!("A fault in this program. The log says more under trace id {trace_id}.")),
    };
    Problem::new(code, message)
}

fn log(response: &Response) {
    let status = response.status().as_u16();
    match response.extensions().get::<Problem>() {
        Some(problem) if problem.code == ErrorCode::Internal => {
            tracing::error!(status, code = problem.code.as_str(), problem = problem.message, "request failed");
        }
        Some(problem) => {
            tracing::info!(status, code = problem.code.as_str(), problem = problem.message, "request refused")
        }
        None => tracing::debug!(status, "request answered"),
    }
}

fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(JSON_ONLY));
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
