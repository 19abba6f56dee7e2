//! Rendering pages, each from its first to its last step on one thread, with a runtime of its own that ends with it.
//!
//! Leptos spreads the parts of a page over the threads of the runtime it runs in. Its reactive values then meet under
//! several locks, and two threads can wait for each other for ever, or one misses that the other is done: the page
//! never ends, and takes the program's threads with it. What a thread renders must not be mixed with another page
//! either: which page's values a thread means is told by what it did last. So a page shares its thread with nothing
//! while it is rendered, and what it asks of the backend is answered on the program's own runtime.

use super::orchestrator_stopping;
use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

/// Renders a page, its body included; a page that waits ends with `stop`. A panic in it is a 500 of this page alone.
pub async fn render(
    page: impl FnOnce() -> BoxFuture<'static, Response> + Send + 'static,
    stop: CancellationToken,
) -> Response {
    let rendered = tokio::task::spawn_blocking(move || -> std::io::Result<Response> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rendered = runtime.block_on(async {
            tokio::select! {
                response = async { whole(page().await).await } => response,
                () = stop.cancelled() => super::answer::Refusal(orchestrator_stopping()).into_response(),
            }
        });
        runtime.shutdown_background();
        Ok(rendered)
    });
    let fault = match rendered.await {
        Ok(Ok(response)) => return response,
        Ok(Err(error)) => error.to_string(),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => super::panic_text(&*panic).to_owned(),
            Err(error) => error.to_string(),
        },
    };
    tracing::error!(fault, "a page could not be rendered");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// The response with its body read to the end, so that nothing of the page is left to be polled elsewhere.
async fn whole(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    match to_bytes(body, usize::MAX).await {
        Ok(bytes) => Response::from_parts(parts, Body::from(bytes)),
        Err(error) => {
            tracing::error!(%error, "a page broke off");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_a_page_starts_runs_on_the_pages_thread() {
        for _ in 0..20 {
            let page = || -> BoxFuture<'static, Response> {
                Box::pin(async {
                    let here = std::thread::current().id();
                    let there = tokio::spawn(async { std::thread::current().id() }).await.unwrap();
                    (here == there).to_string().into_response()
                })
            };
            assert_eq!(text(render(page, CancellationToken::new()).await).await, "true");
        }
    }

    #[tokio::test]
    async fn a_page_that_panics_or_waits_stops_no_other() {
        let stop = CancellationToken::new();
        let answered = render(|| Box::pin(async { panic!("no such luck") }), stop.clone()).await;
        assert_eq!(answered.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let waiting: Vec<_> =
            (0..8).map(|_| tokio::spawn(render(|| Box::pin(std::future::pending()), stop.clone()))).collect();
        assert_eq!(text(render(|| Box::pin(async { "page".into_response() }), stop.clone()).await).await, "page");
        stop.cancel();
        for page in waiting {
            assert_eq!(page.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
