//! Where the engine is joined to what panel and REST ask. No rule of its own.

use app::backend::{Backend, EventStream, LogFile, PanelBackend};
use domain::api::{
    ActKind, ActView, CallOffAnswer, Certificate, ClearAnswer, ClearPlan, ClearedRuns, FilesQuery, ForceSyncAnswer,
    ForceSyncRequest, KnownRequest, LogQuery, OverrideRequest, Overview, PanelStatus, ProblemFinding, ProblemList,
    ProblemQuery, RetryAnswer, RevokeRequest, RunDetail, RunFiles, RunLog, RunRow, StagingList, VerifyAnswer,
};
use domain::overrides::OverrideEntry;
use domain::problem::{ErrorCode, Problem};
use domain::settings::{Settings, StagingCleanup};
use domain::units::plural;
use engine::keep::staging_owner::adopt;
use engine::machine::clock::Clock;
use engine::{Engine, MarkError, Options, StartError};
use futures::future::BoxFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long after a full disk the start is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(3);

/// How the work behind a backend is ended: what is in work is interrupted so that it resumes, and the state folder
/// closed. Called once.
pub type Stop = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

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
        queue_paused: !settings.sync.enabled,
        ..PanelStatus::default()
    }
}

/// Opens the state folder and starts the engine, which answers from then on; the error is a sentence for the operator.
/// A full disk is told to whoever asks meanwhile, and tried again until there is room.
pub async fn start(
    settings: Settings,
    state_folder: &Path,
    hostname: &str,
    backend: &Backend,
) -> Result<Stop, Problem> {
    if settings.orchestrator.is_none() {
        backend.is_off(first_status(&settings, hostname));
        return Ok(Box::new(|| Box::pin(async {})));
    }
    let options = Options::new(state_folder.to_owned(), hostname.to_owned());
    let engine = loop {
        match Engine::start(settings.clone(), options.clone()).await {
            Ok(engine) => break engine,
            Err(error) if error.is_a_full_disk() => {
                let why = format!("{}: make room, everything goes on by itself", state_folder.display());
                tracing::error!(%error, state_folder = %state_folder.display(), "cannot start yet; it is tried again");
                backend.waits_for(&why);
                tokio::time::sleep(TRY_AGAIN).await;
            }
            Err(error) => return Err(start_problem(&error)),
        }
    };
    backend.is_there(Arc::new(EngineBackend(engine.clone())));
    Ok(Box::new(move || Box::pin(async move { engine.stop().await })))
}

/// Writes the identity marker; the answer is a sentence.
pub async fn nas_init(
    settings: &Settings,
    state_folder: &Path,
    hostname: &str,
    equipment: &str,
    adopt: bool,
) -> Result<String, Problem> {
    let marked = engine::mark_destination(settings, equipment, state_folder, hostname, adopt).await;
    let marker = marked.map_err(|error| Problem::new(mark_code(&error), error.to_string()))?;
    let target = settings
        .equipment(equipment)
        .and_then(|e| e.transport.as_ref())
        .map(|t| t.target.describe())
        .unwrap_or_default();
    Ok(format!("{target} is marked for {} of installation {}.", marker.equipment, marker.installation))
}

/// Takes over a staging tree; the answer is a sentence.
pub fn staging_adopt(settings: &Settings, state_folder: &Path, hostname: &str, force: bool) -> Result<String, Problem> {
    let orchestrator = settings.orchestrator.as_ref();
    let orchestrator =
        orchestrator.ok_or_else(|| Problem::new(ErrorCode::OrchestratorDisabled, StartError::Off.to_string()))?;
    let installation = engine::keep::state_folder::installation(state_folder);
    let installation = installation.map_err(|error| Problem::new(ErrorCode::StateUnavailable, error.to_string()))?;
    let root = &orchestrator.staging_root;
    let adopted = adopt(Path::new(root), &installation, hostname, Clock::system().now(), force);
    let before = adopted.map_err(|error| Problem::new(ErrorCode::StagingUnavailable, error.to_string()))?;
    Ok(match before {
        Some(before) => format!(
            "{root} is this installation's now; it belonged to {} on {} since {}. Its destinations are taken over one by one: `nas init EQUIPMENT --adopt`.",
            before.installation, before.host, before.since
        ),
        None => format!("{root} is this installation's."),
    })
}

/// Takes over the Python system's queue; the answer is a sentence.
pub async fn import_queue(settings: &Settings, state_folder: &Path, file: &Path) -> Result<String, Problem> {
    let imported = engine::import_queue(settings, state_folder, file).await;
    let report = imported.map_err(|error| start_problem(&error))?;
    let mut sentence = taken_over(report.imported, report.already_here);
    for (path, why) in report.refused {
        sentence.push_str(&format!("\nLeft out: {path}: {why}"));
    }
    Ok(sentence)
}

fn taken_over(imported: u64, already_here: u64) -> String {
    let (came, known) =
        (plural(imported, "job was", "jobs were"), plural(already_here, "run already had", "runs already had"));
    format!("{came} taken over; {known} one here.")
}

fn start_problem(error: &StartError) -> Problem {
    let code = match error {
        StartError::Off => ErrorCode::OrchestratorDisabled,
        StartError::StateFolder(_) | StartError::Store(_) => ErrorCode::StateUnavailable,
    };
    Problem::new(code, error.to_string())
}

fn mark_code(error: &MarkError) -> ErrorCode {
    match error {
        MarkError::Off => ErrorCode::OrchestratorDisabled,
        MarkError::Unknown { .. } | MarkError::NoTransport(_) => ErrorCode::Unprocessable,
        MarkError::StateFolder(_) => ErrorCode::StateUnavailable,
        MarkError::Transport(_) => ErrorCode::DestinationNotProven,
    }
}

struct EngineBackend(Engine);

#[async_trait::async_trait]
impl PanelBackend for EngineBackend {
    fn status(&self) -> PanelStatus {
        self.0.status()
    }

    async fn staging(&self) -> Result<StagingList<RunRow>, Problem> {
        self.0.list_staged_runs().await
    }

    async fn overview(&self) -> Result<Overview, Problem> {
        self.0.overview().await
    }

    async fn run(&self, run: &str) -> Result<RunDetail, Problem> {
        self.0.run_detail(run).await
    }

    async fn run_files(&self, run: &str, query: FilesQuery) -> Result<RunFiles, Problem> {
        self.0.run_files(run, query).await
    }

    async fn run_log(&self, run: &str, query: LogQuery) -> Result<RunLog, Problem> {
        self.0.run_log(run, query).await
    }

    async fn log_file(&self, run: &str) -> Result<LogFile, Problem> {
        let engine::LogFile { name, bytes, file } = self.0.log_file(run).await?;
        Ok(LogFile { name, bytes, file })
    }

    async fn certificate(&self, run: &str) -> Result<Certificate, Problem> {
        self.0.certificate(run).await
    }

    async fn cleared_runs(&self, before: Option<u64>, limit: u32) -> Result<ClearedRuns, Problem> {
        self.0.cleared_runs(before, limit).await
    }

    async fn clear_plan(&self, run: &str) -> Result<ClearPlan, Problem> {
        self.0.clear_plan(run).await
    }

    async fn force_sync(&self, run: &str, request: ForceSyncRequest) -> Result<ForceSyncAnswer, Problem> {
        self.0.force_sync(run, request).await
    }

    async fn clear(&self, run: &str) -> Result<ClearAnswer, Problem> {
        self.0.clear(run).await
    }

    async fn verify(&self, run: &str) -> Result<VerifyAnswer, Problem> {
        self.0.verify(run).await
    }

    async fn retry(&self, run: &str) -> Result<RetryAnswer, Problem> {
        self.0.retry(run).await
    }

    async fn call_off(&self, run: &str) -> Result<CallOffAnswer, Problem> {
        self.0.call_off(run).await
    }

    async fn problems(&self, query: ProblemQuery) -> Result<ProblemList, Problem> {
        self.0.problems(query).await
    }

    async fn override_findings(&self, run: &str, request: OverrideRequest) -> Result<OverrideEntry, Problem> {
        self.0.override_findings(run, request).await
    }

    async fn revoke_override(&self, run: &str, request: RevokeRequest) -> Result<OverrideEntry, Problem> {
        self.0.revoke_override(run, request).await
    }

    async fn mark_known(&self, path: &str, request: KnownRequest, known: bool) -> Result<ProblemFinding, Problem> {
        self.0.mark_known(path, request, known).await
    }

    async fn start_act(&self, kind: ActKind, runs: Vec<String>, request: ForceSyncRequest) -> Result<ActView, Problem> {
        self.0.start_act(kind, runs, request)
    }

    fn act(&self, id: &str) -> Option<ActView> {
        self.0.act(id)
    }

    fn subscribe(&self, since: Option<u64>) -> EventStream {
        Box::pin(self.0.subscribe(since))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_job_is_one_job() {
        assert_eq!(super::taken_over(1, 0), "1 job was taken over; 0 runs already had one here.");
        assert_eq!(super::taken_over(2, 1), "2 jobs were taken over; 1 run already had one here.");
    }
}
