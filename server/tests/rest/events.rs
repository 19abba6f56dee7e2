//! The event stream as bytes: ids, where it goes on, and its end.

use crate::fake::{Fake, RUN};
use crate::wire::{HOST, stoppable};
use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use domain::api::Event;
use futures::StreamExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(20);

async fn open(fake: &Arc<Fake>, stop: &CancellationToken, query: &str, last: Option<&str>) -> BodyDataStream {
    let mut request = Request::get(format!("/api/v1/events{query}")).header("host", HOST);
    if let Some(id) = last {
        request = request.header("last-event-id", id);
    }
    let response = stoppable(fake, stop.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.into_body().into_data_stream()
}

async fn next(stream: &mut BodyDataStream) -> Option<String> {
    let bytes = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the stream goes on")?;
    Some(String::from_utf8(bytes.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn every_event_has_its_number_as_id_and_one_line_of_json() {
    let events = vec![Event::Gone { seq: 8, run_path: RUN.into() }, Event::Reset { seq: 9 }];
    let fake = Arc::new(Fake { events: Mutex::new(events), ..Fake::default() });
    let mut stream = open(&fake, &CancellationToken::new(), "?since=7", None).await;
    assert_eq!(next(&mut stream).await.unwrap(), ": open\n\n");
    let gone = next(&mut stream).await.unwrap();
    assert_eq!(gone, format!("id: 8\ndata: {{\"type\":\"gone\",\"seq\":8,\"run_path\":\"{RUN}\"}}\n\n"));
    assert_eq!(next(&mut stream).await.unwrap(), "id: 9\ndata: {\"type\":\"reset\",\"seq\":9}\n\n");
    assert_eq!(fake.asked(), ["subscribe Some(7)"]);
}

#[tokio::test]
async fn a_browser_that_was_cut_off_goes_on_where_it_stood() {
    let fake = Arc::new(Fake::default());
    drop(open(&fake, &CancellationToken::new(), "?since=7", Some("12")).await);
    drop(open(&fake, &CancellationToken::new(), "", None).await);
    assert_eq!(fake.asked(), ["subscribe Some(12)", "subscribe None"]);
}

#[tokio::test]
async fn the_stream_ends_when_the_program_stops() {
    let (fake, stop) = (Arc::new(Fake::default()), CancellationToken::new());
    let mut stream = open(&fake, &stop, "", None).await;
    assert_eq!(next(&mut stream).await.unwrap(), ": open\n\n");
    stop.cancel();
    assert_eq!(next(&mut stream).await, None);
}
