//! The error of every server function: a [`Problem`], as REST answers it.

use crate::codec::JsonText;
use domain::problem::{ErrorCode, Problem};
use serde::{Deserialize, Serialize};
use server_fn::error::{FromServerFnError, ServerFnErrorErr};
use std::fmt;

/// A [`Problem`] that can travel as a server function's error. Its JSON is the problem's own: `code`, `message`,
/// `trace_id` at top level.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PanelError(pub Problem);

impl fmt::Display for PanelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for PanelError {}

/// Set in [`Problem::details`] when there was no answer at all.
const NO_ANSWER: &str = "no_answer";

impl PanelError {
    /// True when nothing came back: the program is stopped, or the network is down.
    pub fn is_no_answer(&self) -> bool {
        self.0.details.contains_key(NO_ANSWER)
    }
}

impl FromServerFnError for PanelError {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let problem = match error {
            ServerFnErrorErr::Request(why) => {
                Problem::new(ErrorCode::Internal, format!("The orchestrator does not answer ({why})."))
                    .with(NO_ANSWER, true)
            }
            ServerFnErrorErr::Deserialization(why) | ServerFnErrorErr::Args(why) => {
                Problem::new(ErrorCode::BadRequest, why)
            }
            ServerFnErrorErr::MissingArg(name) => Problem::new(ErrorCode::BadRequest, format!("{name} is missing")),
            ServerFnErrorErr::UnsupportedRequestMethod(why) => Problem::new(ErrorCode::MethodNotAllowed, why),
            ServerFnErrorErr::Registration(why)
            | ServerFnErrorErr::Response(why)
            | ServerFnErrorErr::Serialization(why)
            | ServerFnErrorErr::MiddlewareError(why)
            | ServerFnErrorErr::ServerError(why) => Problem::new(ErrorCode::Internal, why),
        };
        answered(problem)
    }
}

/// Makes a problem the answer of the request in hand: status, content type and trace id, where this is a server
/// function's own request. A page that shows a problem keeps its own status.
#[cfg(feature = "ssr")]
pub fn answered(mut problem: Problem) -> PanelError {
    use axum::http::{HeaderValue, StatusCode, header, request::Parts};
    use leptos::prelude::use_context;

    let is_page = use_context::<leptos_router::location::RequestUrl>().is_some();
    if problem.trace_id.is_empty()
        && let Some(parts) = use_context::<Parts>()
        && let Some(id) = parts.headers.get("x-trace-id").and_then(|id| id.to_str().ok())
    {
        problem.trace_id = id.to_owned();
    }
    if let (false, Some(response)) = (is_page, use_context::<leptos_axum::ResponseOptions>()) {
        response.set_status(StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        response.insert_header(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Ok(id) = HeaderValue::from_str(&problem.trace_id) {
            response.insert_header(header::HeaderName::from_static("x-trace-id"), id);
        }
    }
    PanelError(problem)
}

/// In the browser a problem is only shown.
#[cfg(not(feature = "ssr"))]
pub fn answered(problem: Problem) -> PanelError {
    PanelError(problem)
}
