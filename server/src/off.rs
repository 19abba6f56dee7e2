//! The backend of a workstation whose orchestrator is off: it says so, everywhere.

use crate::http::orchestrator_disabled;
use app::backend::{EventStream, LogFile, PanelBackend};
use domain::api::{
    ActKind, ActView, CallOffAnswer, Certificate, ClearAnswer, ClearPlan, ClearedRuns, FilesQuery, ForceSyncAnswer, ForceSyncRequest,
    KnownRequest, LogQuery, OverrideRequest, Overview, PanelStatus, ProblemFinding, ProblemList, ProblemQuery, RetryAnswer, RevokeRequest,
    RunDetail, RunFiles, RunLog, RunRow, StagingList, VerifyAnswer,
};
use domain::overrides::OverrideEntry;
use domain::problem::Problem;
use domain::settings::{Settings, StagingCleanup};

/// Off.
pub struct OffBackend {
    status: PanelStatus,
}

impl OffBackend {
    /// For the header.
    pub fn new(settings: &Settings, hostname: &str) -> OffBackend {
        OffBackend { status: first_status(settings, hostname) }
    }
}

/// The header before anything is known of runs, disks and destinations.
pub fn first_status(settings: &Settings, hostname: &str) -> PanelStatus {
    let on = settings.orchestrator.as_ref();
    PanelStatus {
        orchestrator_on: on.is_some(),
        label: on.map(|on| on.label.clone()).unwrap_or_default(),
        host: hostname.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        staging_root: on.map(|on| on.staging_root.clone()).unwrap_or_default(),
        staging_cleanup: on.map_or(StagingCleanup::Manual, |on| on.staging_cleanup),
        disk: None,
        state_error: None,
        staging_error: None,
        queue_paused: !settings.sync.enabled,
        ready: false,
        destinations: Vec::new(),
        unrecognised: Vec::new(),
        blocking_findings: 0,
        cleared_damaged: 0,
        seq: 0,
    }
}

#[async_trait::async_trait]
impl PanelBackend for OffBackend {
    fn status(&self) -> PanelStatus {
        self.status.clone()
    }

    async fn staging(&self) -> Result<StagingList<RunRow>, Problem> {
        Err(orchestrator_disabled())
    }

    async fn overview(&self) -> Result<Overview, Problem> {
        Err(orchestrator_disabled())
    }

    async fn run(&self, _run: &str) -> Result<RunDetail, Problem> {
        Err(orchestrator_disabled())
    }

    async fn run_files(&self, _run: &str, _query: FilesQuery) -> Result<RunFiles, Problem> {
        Err(orchestrator_disabled())
    }

    async fn run_log(&self, _run: &str, _query: LogQuery) -> Result<RunLog, Problem> {
        Err(orchestrator_disabled())
    }

    async fn log_file(&self, _run: &str) -> Result<LogFile, Problem> {
        Err(orchestrator_disabled())
    }

    async fn certificate(&self, _run: &str) -> Result<Certificate, Problem> {
        Err(orchestrator_disabled())
    }

    async fn cleared_runs(&self, _before: Option<u64>, _limit: u32) -> Result<ClearedRuns, Problem> {
        Err(orchestrator_disabled())
    }

    async fn clear_plan(&self, _run: &str) -> Result<ClearPlan, Problem> {
        Err(orchestrator_disabled())
    }

    async fn force_sync(&self, _run: &str, _request: ForceSyncRequest) -> Result<ForceSyncAnswer, Problem> {
        Err(orchestrator_disabled())
    }

    async fn clear(&self, _run: &str) -> Result<ClearAnswer, Problem> {
        Err(orchestrator_disabled())
    }

    async fn verify(&self, _run: &str) -> Result<VerifyAnswer, Problem> {
        Err(orchestrator_disabled())
    }

    async fn retry(&self, _run: &str) -> Result<RetryAnswer, Problem> {
        Err(orchestrator_disabled())
    }

    async fn call_off(&self, _run: &str) -> Result<CallOffAnswer, Problem> {
        Err(orchestrator_disabled())
    }

    async fn problems(&self, _query: ProblemQuery) -> Result<ProblemList, Problem> {
        Err(orchestrator_disabled())
    }

    async fn override_findings(&self, _run: &str, _request: OverrideRequest) -> Result<OverrideEntry, Problem> {
        Err(orchestrator_disabled())
    }

    async fn revoke_override(&self, _run: &str, _request: RevokeRequest) -> Result<OverrideEntry, Problem> {
        Err(orchestrator_disabled())
    }

    async fn mark_known(&self, _path: &str, _request: KnownRequest, _known: bool) -> Result<ProblemFinding, Problem> {
        Err(orchestrator_disabled())
    }

    async fn start_act(&self, _kind: ActKind, _runs: Vec<String>, _request: ForceSyncRequest) -> Result<ActView, Problem> {
        Err(orchestrator_disabled())
    }

    fn act(&self, _id: &str) -> Option<ActView> {
        None
    }

    fn subscribe(&self, _since: Option<u64>) -> EventStream {
        Box::pin(futures::stream::pending())
    }
}
