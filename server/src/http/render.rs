//! Rendering pages, each from its first to its last step on one thread, with a runtime of its own that ends with it.
//!
//! Leptos spreads the parts of a page over the threads of the runtime it runs in. Its reactive values then meet under several locks,
//! and two threads can wait for each other for ever, or one misses that the other is done: the page never ends, and takes the
//! program's threads with it. What a thread renders must not be mixed with another page either: which page's values a thread
//! means is told by what it did last. So a page shares its thread with nothing while it is rendered, and what it asks of the
//! backend is answered on the program's own runtime.

use super::orchestrator_stopping;
use app::backend::{EventStream, LogFile, PanelBackend};
use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::api::{
    ActKind, ActView, CallOffAnswer, Certificate, ClearAnswer, ClearPlan, ClearedRuns, FilesQuery, ForceSyncAnswer, ForceSyncRequest,
    KnownRequest, LogQuery, OverrideRequest, Overview, PanelStatus, ProblemFinding, ProblemList, ProblemQuery, RetryAnswer, RevokeRequest,
    RunDetail, RunFiles, RunLog, RunRow, StagingList, VerifyAnswer,
};
use domain::overrides::OverrideEntry;
use domain::problem::{ErrorCode, Problem};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Renders a page, its body included; a page that waits ends with `stop`. A panic in it is a 500 of this page alone.
pub async fn render(page: impl FnOnce() -> BoxFuture<'static, Response> + Send + 'static, stop: CancellationToken) -> Response {
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

/// Answers on the program's runtime whatever a page asks, so that nothing of the backend ends with the page's runtime.
pub struct Elsewhere {
    backend: Arc<dyn PanelBackend>,
    runtime: Handle,
}

impl Elsewhere {
    /// Of the runtime this is called in.
    pub fn here(backend: Arc<dyn PanelBackend>) -> Elsewhere {
        Elsewhere { backend, runtime: Handle::current() }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(Arc<dyn PanelBackend>) -> BoxFuture<'static, Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let answered = self.runtime.spawn(question(Arc::clone(&self.backend))).await;
        answered.unwrap_or_else(|error| Err(Problem::new(ErrorCode::Internal, format!("A fault in this program: {error}"))))
    }
}

#[async_trait::async_trait]
impl PanelBackend for Elsewhere {
    fn status(&self) -> PanelStatus {
        self.backend.status()
    }

    async fn staging(&self) -> Result<StagingList<RunRow>, Problem> {
        self.ask(|backend| Box::pin(async move { backend.staging().await })).await
    }

    async fn overview(&self) -> Result<Overview, Problem> {
        self.ask(|backend| Box::pin(async move { backend.overview().await })).await
    }

    async fn run(&self, run: &str) -> Result<RunDetail, Problem> {
        let run = run.to_owned();
        self.ask(|backend| Box::pin(async move { backend.run(&run).await })).await
    }

    async fn run_files(&self, run: &str, query: FilesQuery) -> Result<RunFiles, Problem> {
        let run = run.to_owned();
        self.ask(move |backend| Box::pin(async move { backend.run_files(&run, query).await })).await
    }

    async fn run_log(&self, run: &str, query: LogQuery) -> Result<RunLog, Problem> {
        let run = run.to_owned();
        self.ask(move |backend| Box::pin(async move { backend.run_log(&run, query).await })).await
    }

    async fn log_file(&self, run: &str) -> Result<LogFile, Problem> {
        let run = run.to_owned();
        self.ask(|backend| Box::pin(async move { backend.log_file(&run).await })).await
    }

    async fn certificate(&self, run: &str) -> Result<Certificate, Problem> {
        let run = run.to_owned();
        self.ask(move |backend| Box::pin(async move { backend.certificate(&run).await })).await
    }

    async fn cleared_runs(&self, before: Option<u64>, limit: u32) -> Result<ClearedRuns, Problem> {
        self.ask(move |backend| Box::pin(async move { backend.cleared_runs(before, limit).await })).await
    }

    async fn clear_plan(&self, run: &str) -> Result<ClearPlan, Problem> {
        let run = run.to_owned();
        self.ask(|backend| Box::pin(async move { backend.clear_plan(&run).await })).await
    }

    async fn force_sync(&self, _: &str, _: ForceSyncRequest) -> Result<ForceSyncAnswer, Problem> {
        Err(no_act())
    }

    async fn clear(&self, _: &str) -> Result<ClearAnswer, Problem> {
        Err(no_act())
    }

    async fn verify(&self, _: &str) -> Result<VerifyAnswer, Problem> {
        Err(no_act())
    }

    async fn retry(&self, _: &str) -> Result<RetryAnswer, Problem> {
        Err(no_act())
    }

    async fn call_off(&self, _: &str) -> Result<CallOffAnswer, Problem> {
        Err(no_act())
    }

    async fn problems(&self, query: ProblemQuery) -> Result<ProblemList, Problem> {
        self.ask(|backend| Box::pin(async move { backend.problems(query).await })).await
    }

    async fn override_findings(&self, _: &str, _: OverrideRequest) -> Result<OverrideEntry, Problem> {
        Err(no_act())
    }

    async fn revoke_override(&self, _: &str, _: RevokeRequest) -> Result<OverrideEntry, Problem> {
        Err(no_act())
    }

    async fn mark_known(&self, _: &str, _: KnownRequest, _: bool) -> Result<ProblemFinding, Problem> {
        Err(no_act())
    }

    async fn start_act(&self, _: ActKind, _: Vec<String>, _: ForceSyncRequest) -> Result<ActView, Problem> {
        Err(no_act())
    }

    fn act(&self, id: &str) -> Option<ActView> {
        self.backend.act(id)
    }

    fn subscribe(&self, _: Option<u64>) -> EventStream {
        Box::pin(futures::stream::empty())
    }
}

/// Nothing changes over GET: a page that is rendered only asks.
fn no_act() -> Problem {
    Problem::new(ErrorCode::Internal, "A page that is rendered cannot act.")
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
        let waiting: Vec<_> = (0..8).map(|_| tokio::spawn(render(|| Box::pin(std::future::pending()), stop.clone()))).collect();
        assert_eq!(text(render(|| Box::pin(async { "page".into_response() }), stop.clone()).await).await, "page");
        stop.cancel();
        for page in waiting {
            assert_eq!(page.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
