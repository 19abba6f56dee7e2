//! What the panel and REST need of the world behind them. The server implements it over the engine.

use domain::api::{
    ActKind, ActView, CallOffAnswer, Certificate, ClearAnswer, ClearPlan, ClearedRuns, Event, FilesQuery, ForceSyncAnswer,
    ForceSyncRequest, KnownRequest, LogQuery, OverrideRequest, Overview, PanelStatus, ProblemFinding, ProblemList, ProblemQuery,
    RetryAnswer, RevokeRequest, RunDetail, RunFiles, RunLog, RunRow, StagingList, VerifyAnswer,
};
use domain::overrides::OverrideEntry;
use domain::problem::Problem;
use std::pin::Pin;

/// Events from a sequence number on; ends when the program stops.
pub type EventStream = Pin<Box<dyn futures::Stream<Item = Event> + Send>>;

/// A log to be sent as it is.
#[derive(Debug)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Its size when it was opened: what is sent, however it grows.
    pub bytes: u64,
    /// Opened for reading, at its start.
    pub file: std::fs::File,
}

/// Everything that pages, server functions and REST routes may ask. `run` is a request's text: absolute, or relative to the
/// staging root; it is parsed by the implementation. Every act goes on when its caller hangs up.
#[async_trait::async_trait]
pub trait PanelBackend: Send + std::marker::Sync + 'static {
    /// The header; never fails and never waits.
    fn status(&self) -> PanelStatus;
    /// All rows, most recent activity first. Waits up to 10 s for the first scan, then `starting`.
    async fn staging(&self) -> Result<StagingList<RunRow>, Problem>;
    /// What needs an operator, each equipment, the staging disk, and what moved in the last day.
    async fn overview(&self) -> Result<Overview, Problem>;
    /// Everything known of a run, also when it is cleared and gone.
    async fn run(&self, run: &str) -> Result<RunDetail, Problem>;
    /// One window of a run's files, also when it is cleared and gone.
    async fn run_files(&self, run: &str, query: FilesQuery) -> Result<RunFiles, Problem>;
    /// The last lines of a run's log that match.
    async fn run_log(&self, run: &str, query: LogQuery) -> Result<RunLog, Problem>;
    /// The whole log of a run, opened.
    async fn log_file(&self, run: &str) -> Result<LogFile, Problem>;
    /// Everything that shows what became of a run's data, also when it is cleared and gone.
    async fn certificate(&self, run: &str) -> Result<Certificate, Problem>;
    /// Runs that are gone, newest first; `before` is a previous page's `next_before`.
    async fn cleared_runs(&self, before: Option<u64>, limit: u32) -> Result<ClearedRuns, Problem>;
    /// Why a run can or cannot be cleared.
    async fn clear_plan(&self, run: &str) -> Result<ClearPlan, Problem>;
    /// Queues a run now; answers when it is queued or blocked.
    async fn force_sync(&self, run: &str, request: ForceSyncRequest) -> Result<ForceSyncAnswer, Problem>;
    /// Proves the destination and frees the local copy; answers when it is gone.
    async fn clear(&self, run: &str) -> Result<ClearAnswer, Problem>;
    /// Proves the destination; answers when it is read.
    async fn verify(&self, run: &str) -> Result<VerifyAnswer, Problem>;
    /// Re-arms a failed job.
    async fn retry(&self, run: &str) -> Result<RetryAnswer, Problem>;
    /// Gives up a clear that waits: the run, or what is left of it, stands where it stood.
    async fn call_off(&self, run: &str) -> Result<CallOffAnswer, Problem>;
    /// Findings of the gate as asked for. Waits up to 10 s for the first scan, then `starting`.
    async fn problems(&self, query: ProblemQuery) -> Result<ProblemList, Problem>;
    /// Lets a class of a run's findings through; answers the entry when it is written and the run judged anew.
    async fn override_findings(&self, run: &str, request: OverrideRequest) -> Result<OverrideEntry, Problem>;
    /// Ends an override; answers the tombstone when it is written and the run judged anew.
    async fn revoke_override(&self, run: &str, request: RevokeRequest) -> Result<OverrideEntry, Problem>;
    /// Marks a finding known (or not): local, and lets nothing through. `path` may name a folder that is no run.
    async fn mark_known(&self, path: &str, request: KnownRequest, known: bool) -> Result<ProblemFinding, Problem>;
    /// Starts an act over one or many runs and answers at once; follow it by [`PanelBackend::act`] or by events.
    async fn start_act(&self, kind: ActKind, runs: Vec<String>, request: ForceSyncRequest) -> Result<ActView, Problem>;
    /// A started act.
    fn act(&self, id: &str) -> Option<ActView>;
    /// Events after `since`; without it, from now on.
    fn subscribe(&self, since: Option<u64>) -> EventStream;
}
