//! `GET /api/v1/events`: changes as they happen, one JSON event per message, its sequence number as the message's id.
//!
//! A client that was cut off goes on where it stood: with `Last-Event-ID`, which browsers send by themselves, or
//! `?since=`.

use super::Http;
use super::answer::Answer;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use domain::address::pairs;
use domain::api::Event;
use domain::problem::{ErrorCode, Problem};
use futures::StreamExt;
use std::time::Duration;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Shorter than what proxies and ssh tunnels take for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The stream; ends when the program stops.
pub async fn stream(State(http): State<Http>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    http.require_on()?;
    let since = since(query.as_deref(), &headers)?;
    // A first comment makes the client see at once that the stream is open.
    let opened = futures::stream::iter([Ok(Message::default().comment("open"))]);
    let events = http.backend.subscribe(since).map(|event| message(&event));
    let until_stop = opened.chain(events).take_until(http.stop.clone().cancelled_owned());
    let mut response =
        Sse::new(until_stop).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive")).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn message(event: &Event) -> Result<Message, axum::Error> {
    Message::default().id(event.seq().to_string()).json_data(event)
}

fn since(query: Option<&str>, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let number = |text: &str, name: &str| {
        text.parse::<u64>().map_err(|_| {
            Problem::new(
                ErrorCode::BadRequest,
                format!("{name} must be the sequence number of an event, not {text:?}."),
            )
        })
    };
    if let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) {
        return number(id.to_str().unwrap_or("?"), "Last-Event-ID").map(Some);
    }
    let mut found = None;
    for (key, value) in pairs(query.unwrap_or("")) {
        match key.as_str() {
            "since" => found = Some(number(&value, "since")?),
            _ => return Err(Problem::new(ErrorCode::BadRequest, format!("The query takes only since=, not {key:?}."))),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, None, Ok(None))]
    #[case(Some("since=7"), None, Ok(Some(7)))]
    #[case(Some("since=7"), Some("9"), Ok(Some(9)))]
    #[case(Some("since=x"), None, Err(()))]
    #[case(Some("since=-1"), None, Err(()))]
    #[case(Some("sinc=7"), None, Err(()))]
    #[case(None, Some("x"), Err(()))]
    fn where_to_go_on(
        #[case] query: Option<&str>,
        #[case] last: Option<&str>,
        #[case] expected: Result<Option<u64>, ()>,
    ) {
        let headers = last.map(|id| (LAST_EVENT_ID, id.parse().unwrap())).into_iter().collect();
        assert_eq!(since(query, &headers).map_err(|_| ()), expected);
    }
}
