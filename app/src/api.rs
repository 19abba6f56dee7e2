//! The panel's server functions.
//!
//! `POST /api/v1/fn/<name>` with a JSON object of the arguments, answering JSON.
//!
//! | endpoint | arguments | answers |
//! |---|---|---|
//! | `status` | | `PanelStatus` |
//! | `staging` | | `StagingList<RunRow>`, as `GET /api/v1/staging` |
//! | `staging_view` | `search` | [`StagingView`]: one window of the table |
//! | `overview` | | `Overview`, as `GET /api/v1/overview` |
//! | `run_detail` | `run` | `RunDetail`, as `GET /api/v1/runs/{run}` |
//! | `run_files` | `run`, `query` | `RunFiles`, as `GET /api/v1/runs/{run}/files` |
//! | `run_log` | `run`, `query` | `RunLog`, as `GET /api/v1/runs/{run}/log` |
//! | `certificate` | `run` | `Certificate`, as `GET /api/v1/runs/{run}/certificate` |
//! | `cleared_runs` | `before` | `ClearedRuns`, as `GET /api/v1/runs?state=cleared` |
//! | `clear_plan` | `run` | `ClearPlan` |
//! | `act_plan` | `request` | `ActPlan`, as `POST /api/v1/acts/plan`: what an act over many runs would do; changes nothing |
//! | `start_act` | `kind`, `runs`, `request` | `ActView` at once; it goes on by itself |
//! | `act` | `id` | `ActView` |
//! | `problems` | `query` | `ProblemList`, as `GET /api/v1/problems` |
//! | `override` | `run`, `request` | `OverrideEntry`, as `POST /api/v1/problems/{run}/override` |
//! | `revoke` | `run`, `request` | the tombstone, as `POST /api/v1/problems/{run}/override/revoke` |
//! | `mark_known` | `path`, `request`, `known` | `ProblemFinding`, as `POST /api/v1/problems/{run}/known` and `unknown` |
//!
//! An error is a problem with its status, as REST answers it. All are POST, so nothing changes over GET.

use crate::codec::Json;
use crate::error::PanelError;
use crate::lists::select::Summary;
use domain::api::{
    ActKind, ActPlan, ActView, Certificate, ClearPlan, ClearedRuns, FilesQuery, ForceSyncRequest, KnownRequest,
    LogQuery, OverrideRequest, Overview, PanelStatus, PlanRequest, ProblemFinding, ProblemList, ProblemQuery,
    RevokeRequest, RunDetail, RunFiles, RunLog, RunRow, StagingList,
};
use domain::overrides::OverrideEntry;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// One window of the staging table, filtered and sorted as an address says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StagingView {
    /// Rows of the window.
    pub rows: Vec<RunRow>,
    /// How many rows stand before it.
    pub offset: u64,
    /// Counts over all rows.
    pub summary: Summary,
}

/// Runs per page of history.
#[cfg(feature = "ssr")]
const CLEARED_PER_PAGE: u32 = 100;

#[cfg(feature = "ssr")]
fn backend() -> Result<crate::backend::Backend, PanelError> {
    use domain::problem::{ErrorCode, Problem};
    use_context().ok_or_else(|| {
        crate::error::answered(Problem::new(ErrorCode::Internal, "The panel was started without its backend."))
    })
}

/// The header of the panel.
#[server(name = AskStatus, prefix = "/api/v1/fn", endpoint = "status", input = Json, output = Json)]
pub async fn status() -> Result<PanelStatus, PanelError> {
    Ok(backend()?.status())
}

/// All rows.
#[server(name = AskStaging, prefix = "/api/v1/fn", endpoint = "staging", input = Json, output = Json)]
pub async fn staging() -> Result<StagingList<RunRow>, PanelError> {
    backend()?.staging().await.map_err(crate::error::answered)
}

/// One window of the table; `search` is the query string of the page's address.
#[server(name = AskStagingView, prefix = "/api/v1/fn", endpoint = "staging_view", input = Json, output = Json)]
pub async fn staging_view(search: String) -> Result<StagingView, PanelError> {
    use crate::lists::{query::ViewQuery, select};
    let list = backend()?.staging().await.map_err(crate::error::answered)?;
    let query = ViewQuery::parse(&search);
    let selection = select::select(list.runs.iter().enumerate(), &query);
    let last_page = selection.keys.len().saturating_sub(1) / select::WINDOW;
    let offset = (query.page - 1).min(last_page) * select::WINDOW;
    let rows = selection.keys.iter().skip(offset).take(select::WINDOW).map(|at| list.runs[*at].clone()).collect();
    Ok(StagingView { rows, offset: offset as u64, summary: selection.summary })
}

/// The whole installation at a glance.
#[server(name = AskOverview, prefix = "/api/v1/fn", endpoint = "overview", input = Json, output = Json)]
pub async fn overview() -> Result<Overview, PanelError> {
    backend()?.overview().await.map_err(crate::error::answered)
}

/// Everything known of a run.
#[server(name = AskRunDetail, prefix = "/api/v1/fn", endpoint = "run_detail", input = Json, output = Json)]
pub async fn run_detail(
    /// Absolute, or relative to the staging root.
    run: String,
) -> Result<RunDetail, PanelError> {
    backend()?.run(&run).await.map_err(crate::error::answered)
}

/// One window of a run's files.
#[server(name = AskRunFiles, prefix = "/api/v1/fn", endpoint = "run_files", input = Json, output = Json)]
pub async fn run_files(
    /// Absolute, or relative to the staging root.
    run: String,
    query: FilesQuery,
) -> Result<RunFiles, PanelError> {
    backend()?.run_files(&run, query).await.map_err(crate::error::answered)
}

/// The last lines of a run's log.
#[server(name = AskRunLog, prefix = "/api/v1/fn", endpoint = "run_log", input = Json, output = Json)]
pub async fn run_log(
    /// Absolute, or relative to the staging root.
    run: String,
    query: LogQuery,
) -> Result<RunLog, PanelError> {
    backend()?.run_log(&run, query).await.map_err(crate::error::answered)
}

/// The certificate of custody.
#[server(name = AskCertificate, prefix = "/api/v1/fn", endpoint = "certificate", input = Json, output = Json)]
pub async fn certificate(
    /// Absolute, or relative to the staging root.
    run: String,
) -> Result<Certificate, PanelError> {
    backend()?.certificate(&run).await.map_err(crate::error::answered)
}

/// Runs that are gone, newest first.
#[server(name = AskClearedRuns, prefix = "/api/v1/fn", endpoint = "cleared_runs", input = Json, output = Json)]
pub async fn cleared_runs(
    /// A previous page's `next_before`.
    before: Option<u64>,
) -> Result<ClearedRuns, PanelError> {
    backend()?.cleared_runs(before, CLEARED_PER_PAGE).await.map_err(crate::error::answered)
}

/// Why a run can or cannot be cleared.
#[server(name = AskClearPlan, prefix = "/api/v1/fn", endpoint = "clear_plan", input = Json, output = Json)]
pub async fn clear_plan(
    /// Absolute, or relative to the staging root.
    run: String,
) -> Result<ClearPlan, PanelError> {
    backend()?.clear_plan(&run).await.map_err(crate::error::answered)
}

/// What an act over many runs would do.
#[server(name = AskActPlan, prefix = "/api/v1/fn", endpoint = "act_plan", input = Json, output = Json)]
pub async fn act_plan(
    /// Which act, on which runs.
    request: PlanRequest,
) -> Result<ActPlan, PanelError> {
    crate::lists::plan::plan(&backend()?, request).await.map_err(crate::error::answered)
}

/// Starts an act over one run or many.
#[server(name = AskStartAct, prefix = "/api/v1/fn", endpoint = "start_act", input = Json, output = Json)]
pub async fn start_act(
    kind: ActKind,
    /// On which runs; at least one.
    runs: Vec<String>,
    /// Only for `force-sync`; `{}` otherwise.
    request: ForceSyncRequest,
) -> Result<ActView, PanelError> {
    backend()?.start_act(kind, runs, request).await.map_err(crate::error::answered)
}

/// A started act.
#[server(name = AskAct, prefix = "/api/v1/fn", endpoint = "act", input = Json, output = Json)]
pub async fn act(
    /// As `start_act` gave it.
    id: String,
) -> Result<ActView, PanelError> {
    use domain::problem::{ErrorCode, Problem};
    let missing = || {
        Problem::new(ErrorCode::NotFound, "This act is not known here; the program was restarted or it was long ago.")
    };
    backend()?.act(&id).ok_or_else(|| crate::error::answered(missing()))
}

/// Findings of the gate as asked for.
#[server(name = AskProblems, prefix = "/api/v1/fn", endpoint = "problems", input = Json, output = Json)]
pub async fn problems(query: ProblemQuery) -> Result<ProblemList, PanelError> {
    backend()?.problems(query).await.map_err(crate::error::answered)
}

/// Lets a class of a run's findings through.
#[server(name = AskOverride, prefix = "/api/v1/fn", endpoint = "override", input = Json, output = Json)]
pub async fn override_findings(
    /// Absolute, or relative to the staging root.
    run: String,
    /// Class, reason, operator, expiry.
    request: OverrideRequest,
) -> Result<OverrideEntry, PanelError> {
    backend()?.override_findings(&run, request).await.map_err(crate::error::answered)
}

/// Ends an override.
#[server(name = AskRevoke, prefix = "/api/v1/fn", endpoint = "revoke", input = Json, output = Json)]
pub async fn revoke_override(
    /// Absolute, or relative to the staging root.
    run: String,
    request: RevokeRequest,
) -> Result<OverrideEntry, PanelError> {
    backend()?.revoke_override(&run, request).await.map_err(crate::error::answered)
}

/// Marks a finding known, or takes the mark away.
#[server(name = AskMarkKnown, prefix = "/api/v1/fn", endpoint = "mark_known", input = Json, output = Json)]
pub async fn mark_known(
    /// The finding's `run_path`, or a run's absolute path.
    path: String,
    request: KnownRequest,
    /// Known, or not any more.
    known: bool,
) -> Result<ProblemFinding, PanelError> {
    backend()?.mark_known(&path, request, known).await.map_err(crate::error::answered)
}
