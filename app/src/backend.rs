//! What the panel and REST need of the world behind them. The server implements it over the engine; everybody else
//! holds a [`Backend`].

mod door;

pub use door::{Backend, orchestrator_disabled};

use domain::api::{
    ActKind, ActView, CallOffAnswer, Certificate, ClearAnswer, ClearPlan, ClearedRuns, Event, FilesQuery,
    ForceSyncAnswer, ForceSyncRequest, KnownRequest, LogQuery, OverrideRequest, Overview, PanelStatus, ProblemFinding,
    ProblemList, ProblemQuery, RetryAnswer, RevokeRequest, RunDetail, RunFiles, RunLog, RunRow, StagingList,
    VerifyAnswer,
};
use domain::overrides::OverrideEntry;
use domain::problem::Problem;
use std::pin::Pin;

/// Events from a sequence number on; ends when the program stops.
pub type EventStream = Pin<Box<dyn futures::Stream<Item = Event> + Send>>;

/// A log to be sent as it is.
#[derive(Debug)]
pub struct LogFile {
    pub name: String,
    /// Its size when it was opened: what is sent, however it grows.
    pub bytes: u64,
    /// Opened for reading, at its start.
    pub file: std::fs::File,
}

/// Spells every question and act once: for whoever answers it, and for whoever asks through a [`Backend`]. `[run]` is a
/// request's text: absolute, or relative to the staging root; whoever answers parses it.
macro_rules! questions_and_acts {
    ($($(#[$doc:meta])* $how:ident fn $name:ident[$($text:ident)?]($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        /// Everything that pages, server functions and REST routes may ask. Every act goes on when its caller hangs up.
        #[async_trait::async_trait]
        pub trait PanelBackend: Send + std::marker::Sync + 'static {
            /// The header; never fails and never waits.
            fn status(&self) -> PanelStatus;
            /// A started act.
            fn act(&self, id: &str) -> Option<ActView>;
            /// Events after `since`; without it, from now on.
            fn subscribe(&self, since: Option<u64>) -> EventStream;
            $($(#[$doc])* async fn $name(&self, $($text: &str,)? $($argument: $type),*) -> Result<$answer, Problem>;)*
        }

        impl Backend {
            $($(#[$doc])* pub async fn $name(&self, $($text: &str,)? $($argument: $type),*) -> Result<$answer, Problem> {
                $(let $text = $text.to_owned();)?
                self.$how(move |there| Box::pin(async move { there.$name($(&$text,)? $($argument),*).await })).await
            })*
        }
    };
}

questions_and_acts! {
    /// All rows, most recent activity first. Waits up to 10 s for the first scan, then `starting`.
    asks fn staging[]() -> StagingList<RunRow>;
    /// What needs an operator, each equipment, the staging disk, and what moved in the last day.
    asks fn overview[]() -> Overview;
    /// Everything known of a run, also when it is cleared and gone.
    asks fn run[run]() -> RunDetail;
    /// One window of a run's files, also when it is cleared and gone.
    asks fn run_files[run](query: FilesQuery) -> RunFiles;
    /// The last lines of a run's log that match.
    asks fn run_log[run](query: LogQuery) -> RunLog;
    /// The whole log of a run, opened.
    asks fn log_file[run]() -> LogFile;
    /// Everything that shows what became of a run's data, also when it is cleared and gone.
    asks fn certificate[run]() -> Certificate;
    /// Runs that are gone, newest first; `before` is a previous page's `next_before`.
    asks fn cleared_runs[](before: Option<u64>, limit: u32) -> ClearedRuns;
    /// Why a run can or cannot be cleared.
    asks fn clear_plan[run]() -> ClearPlan;
    /// Queues a run now; answers when it is queued or blocked.
    carries_out fn force_sync[run](request: ForceSyncRequest) -> ForceSyncAnswer;
    /// Proves the destination and frees the local copy; answers when it is gone.
    carries_out fn clear[run]() -> ClearAnswer;
    /// Proves the destination; answers when it is read.
    carries_out fn verify[run]() -> VerifyAnswer;
    /// Re-arms a failed job.
    carries_out fn retry[run]() -> RetryAnswer;
    /// Gives up a clear that waits: the run, or what is left of it, stands where it stood.
    carries_out fn call_off[run]() -> CallOffAnswer;
    /// Findings of the gate as asked for. Waits up to 10 s for the first scan, then `starting`.
    asks fn problems[](query: ProblemQuery) -> ProblemList;
    /// Lets a class of a run's findings through; answers the entry when it is written and the run judged anew.
    carries_out fn override_findings[run](request: OverrideRequest) -> OverrideEntry;
    /// Ends an override; answers the tombstone when it is written and the run judged anew.
    carries_out fn revoke_override[run](request: RevokeRequest) -> OverrideEntry;
    /// Marks a finding known (or not): local, and lets nothing through. `path` may name a folder that is no run.
    carries_out fn mark_known[path](request: KnownRequest, known: bool) -> ProblemFinding;
    /// Starts an act over one or many runs and answers at once; follow it by [`PanelBackend::act`] or by events.
    carries_out fn start_act[](kind: ActKind, runs: Vec<String>, request: ForceSyncRequest) -> ActView;
}
