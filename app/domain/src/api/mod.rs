//! What REST, server functions and events carry (docs/rest.md): one set of types for every face.
//!
//! The browser compiles these too, so they hold no engine types and no borrowed data.

mod act;
mod action;
mod answer;
mod certificate;
mod detail;
mod event;
mod files;
mod job;
mod log;
mod overview;
mod plan;
mod problems;
mod problems_query;
mod row;
mod status;

pub use act::{ActKind, ActResult, ActView};
pub use action::{Action, Actions, reason_sentence};
pub use answer::{
    CallOffAnswer, ClearAnswer, ClearPlan, Condition, FileDifference, ForceSyncAnswer, ForceSyncRequest, RetryAnswer,
    VerifyAnswer,
};
pub use certificate::Certificate;
pub use detail::{ClearedRun, ClearedRuns, HistoryView, LedgerEntry, ProofRecord, RunDetail, SealSummary};
pub use event::Event;
pub use files::{FILES_PER_PAGE, FileState, FilesQuery, RunFile, RunFiles};
pub use job::{JobError, JobView, Phase, Progress, ProofView};
pub use log::{LOG_TAIL, LogEntry, LogQuery, RunLog};
pub use overview::{
    AttentionItem, AttentionKind, DiskOverview, DiskTrend, EquipmentOverview, HourTraffic, LastError, LastRun,
    Overview, SILENT_AFTER_SECONDS,
};
pub use plan::{ActPlan, LeftOut, PlanRequest, PlannedRun};
pub use problems::{
    KnownMark, KnownRequest, OverrideRequest, ProblemCounts, ProblemFinding, ProblemList, RevokeRequest,
};
pub use problems_query::{ProblemQuery, Scope};
pub use row::{ClearingView, FindingCounts, RowProblem, RunRow, StagedRunSummary, StagingList};
pub use status::{DestinationHealth, DestinationView, DiskGauge, PanelStatus};
