//! Stands in for the backend while the engine opens its state folder, so that the port answers at once.
//!
//! Questions wait for the real backend as long as a client can be expected to, then answer `starting`.

use app::backend::{EventStream, LogFile, PanelBackend};
use domain::api::{
    ActKind, ActView, CallOffAnswer, Certificate, ClearAnswer, ClearPlan, ClearedRuns, FilesQuery, ForceSyncAnswer, ForceSyncRequest,
    KnownRequest, LogQuery, OverrideRequest, Overview, PanelStatus, ProblemFinding, ProblemList, ProblemQuery, RetryAnswer, RevokeRequest,
    RunDetail, RunFiles, RunLog, RunRow, StagingList, VerifyAnswer,
};
use domain::overrides::OverrideEntry;
use domain::problem::{ErrorCode, Problem};
use futures::{FutureExt, StreamExt};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a question waits (docs/rest.md).
const PATIENCE: Duration = Duration::from_secs(10);

/// A backend that comes later.
pub struct LateBackend {
    status: Mutex<PanelStatus>,
    real: watch::Sender<Option<Arc<dyn PanelBackend>>>,
}

impl LateBackend {
    /// Answers `status` until the real one is there.
    pub fn new(status: PanelStatus) -> LateBackend {
        LateBackend { status: Mutex::new(status), real: watch::Sender::new(None) }
    }

    /// Hands over to the real one, for good.
    pub fn is_there(&self, backend: Arc<dyn PanelBackend>) {
        self.real.send_replace(Some(backend));
    }

    /// Why the real one has not come yet; it is still tried.
    pub fn waits_for(&self, why: &str) {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).state_error = Some(why.to_owned());
    }

    fn first_status(&self) -> PanelStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn now(&self) -> Option<Arc<dyn PanelBackend>> {
        self.real.borrow().clone()
    }

    async fn real(&self) -> Result<Arc<dyn PanelBackend>, Problem> {
        if let Some(real) = self.now() {
            return Ok(real);
        }
        if let Some(error) = self.first_status().state_error {
            return Err(Problem::new(ErrorCode::StateUnavailable, format!("The disk of the state folder is full. {error}")));
        }
        let starting = || Problem::new(ErrorCode::Starting, "The program is starting: its state folder is being opened. Ask again soon.");
        let mut changes = self.real.subscribe();
        let arrived = tokio::time::timeout(PATIENCE, changes.wait_for(Option::is_some)).await;
        arrived.ok().and_then(Result::ok).and_then(|real| real.clone()).ok_or_else(starting)
    }
}

#[async_trait::async_trait]
impl PanelBackend for LateBackend {
    fn status(&self) -> PanelStatus {
        self.now().map_or_else(|| self.first_status(), |real| real.status())
    }

    async fn staging(&self) -> Result<StagingList<RunRow>, Problem> {
        self.real().await?.staging().await
    }

    async fn overview(&self) -> Result<Overview, Problem> {
        self.real().await?.overview().await
    }

    async fn run(&self, run: &str) -> Result<RunDetail, Problem> {
        self.real().await?.run(run).await
    }

    async fn run_files(&self, run: &str, query: FilesQuery) -> Result<RunFiles, Problem> {
        self.real().await?.run_files(run, query).await
    }

    async fn run_log(&self, run: &str, query: LogQuery) -> Result<RunLog, Problem> {
        self.real().await?.run_log(run, query).await
    }

    async fn log_file(&self, run: &str) -> Result<LogFile, Problem> {
        self.real().await?.log_file(run).await
    }

    async fn certificate(&self, run: &str) -> Result<Certificate, Problem> {
        self.real().await?.certificate(run).await
    }

    async fn cleared_runs(&self, before: Option<u64>, limit: u32) -> Result<ClearedRuns, Problem> {
        self.real().await?.cleared_runs(before, limit).await
    }

    async fn clear_plan(&self, run: &str) -> Result<ClearPlan, Problem> {
        self.real().await?.clear_plan(run).await
    }

    async fn force_sync(&self, run: &str, request: ForceSyncRequest) -> Result<ForceSyncAnswer, Problem> {
        self.real().await?.force_sync(run, request).await
    }

    async fn clear(&self, run: &str) -> Result<ClearAnswer, Problem> {
        self.real().await?.clear(run).await
    }

    async fn verify(&self, run: &str) -> Result<VerifyAnswer, Problem> {
        self.real().await?.verify(run).await
    }

    async fn retry(&self, run: &str) -> Result<RetryAnswer, Problem> {
        self.real().await?.retry(run).await
    }

    async fn call_off(&self, run: &str) -> Result<CallOffAnswer, Problem> {
        self.real().await?.call_off(run).await
    }

    async fn problems(&self, query: ProblemQuery) -> Result<ProblemList, Problem> {
        self.real().await?.problems(query).await
    }

    async fn override_findings(&self, run: &str, request: OverrideRequest) -> Result<OverrideEntry, Problem> {
        self.real().await?.override_findings(run, request).await
    }

    async fn revoke_override(&self, run: &str, request: RevokeRequest) -> Result<OverrideEntry, Problem> {
        self.real().await?.revoke_override(run, request).await
    }

    async fn mark_known(&self, path: &str, request: KnownRequest, known: bool) -> Result<ProblemFinding, Problem> {
        self.real().await?.mark_known(path, request, known).await
    }

    async fn start_act(&self, kind: ActKind, runs: Vec<String>, request: ForceSyncRequest) -> Result<ActView, Problem> {
        self.real().await?.start_act(kind, runs, request).await
    }

    fn act(&self, id: &str) -> Option<ActView> {
        self.now()?.act(id)
    }

    fn subscribe(&self, since: Option<u64>) -> EventStream {
        if let Some(real) = self.now() {
            return real.subscribe(since);
        }
        let mut changes = self.real.subscribe();
        let arrival = async move {
            let real = changes.wait_for(Option::is_some).await.ok().and_then(|real| real.clone());
            real.map_or_else(|| futures::stream::empty().boxed(), |real| real.subscribe(since))
        };
        Box::pin(arrival.flatten_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::off::{OffBackend, first_status};
    use domain::settings::{Orchestrator, Settings, StagingCleanup};

    fn on() -> Settings {
        let orchestrator =
            Orchestrator { label: "Station".into(), staging_root: "/staging".into(), staging_cleanup: StagingCleanup::Manual };
        Settings { orchestrator: Some(orchestrator), ..Settings::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn questions_wait_ten_seconds_then_say_starting() {
        let late = LateBackend::new(first_status(&on(), "orch-01"));
        assert!(late.status().orchestrator_on && !late.status().ready);
        let begun = tokio::time::Instant::now();
        assert_eq!(late.staging().await.unwrap_err().code, ErrorCode::Starting);
        assert_eq!(begun.elapsed(), PATIENCE);
        assert!(late.act("x").is_none());
    }

    #[tokio::test]
    async fn a_waiting_question_is_answered_by_the_real_one() {
        let late = Arc::new(LateBackend::new(first_status(&on(), "orch-01")));
        let asked = tokio::spawn({
            let late = Arc::clone(&late);
            async move { late.staging().await }
        });
        tokio::task::yield_now().await;
        late.is_there(Arc::new(OffBackend::new(&Settings::default(), "orch-01")));
        assert_eq!(asked.await.unwrap().unwrap_err().code, ErrorCode::OrchestratorDisabled);
        assert!(!late.status().orchestrator_on);
    }
}
