//! A backend that holds rows in memory, records what it was asked, and can be told to wait, refuse or panic.

use crate::answers::{act_view, at, destination, entry, job, not_verified, overview, plan, problem, row, unsafe_name};
use app::backend::{EventStream, LogFile, PanelBackend};
use domain::api::{
    ActKind, ActResult, ActView, CallOffAnswer, Certificate, ClearAnswer, ClearPlan, ClearedRuns, ClearingView, Event,
    FileState, FilesQuery, ForceSyncAnswer, ForceSyncRequest, KnownMark, KnownRequest, LogEntry, LogQuery,
    OverrideRequest, Overview, PanelStatus, ProblemFinding, ProblemList, ProblemQuery, RetryAnswer, RevokeRequest,
    RunDetail, RunFile, RunFiles, RunLog, RunRow, StagingList, VerifyAnswer,
};
use domain::finding::{Finding, OffendingKind, Rule};
use domain::overrides::OverrideEntry;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use domain::settings::StagingCleanup;
use domain::timestamp::Timestamp;
use futures::StreamExt;
use std::sync::Mutex;
use tokio::sync::{Notify, Semaphore};

pub const ROOT: &str = "/staging";
/// A clear of it goes on by itself.
pub const WAITS: &str = "FLOW_01/p/Runs/Run_waits";
pub const RUN: &str = "CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_2026-04-17T14-32";
pub const BLOCKED: &str = "CONFOCAL_01/p/Runs/Run_<date>";

pub struct Fake {
    pub rows: Vec<RunRow>,
    pub cleared: ClearedRuns,
    pub off: bool,
    pub ready: bool,
    pub asked: Mutex<Vec<String>>,
    /// Acts wait for a permit.
    pub gate: Semaphore,
    pub begun: Notify,
    pub ended: Notify,
    pub events: Mutex<Vec<Event>>,
    pub started: Mutex<Option<(ActKind, String)>>,
}

impl Default for Fake {
    fn default() -> Fake {
        Fake {
            rows: vec![row(RUN, "sync_verified"), row("FLOW_01/p/TestRuns/TestRun_1", "staging")],
            cleared: ClearedRuns::default(),
            off: false,
            ready: true,
            asked: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            begun: Notify::new(),
            ended: Notify::new(),
            events: Mutex::default(),
            started: Mutex::default(),
        }
    }
}

impl Fake {
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn record(&self, what: &str, run: &str) {
        self.asked.lock().unwrap().push(format!("{what} {run}"));
    }

    fn parse(&self, run: &str) -> Result<RunPath, Problem> {
        let run = RunPath::parse_request(run, ROOT)?;
        let known =
            self.rows.iter().any(|row| row.run_path == run.as_str()) || [BLOCKED, WAITS].contains(&run.as_str());
        if known { Ok(run) } else { Err(Problem::new(ErrorCode::NotFound, "Never known.")) }
    }

    fn ended(&self, kind: ActKind, run: &str) -> ActResult {
        let (answer, problem) = match self.parse(run) {
            Err(problem) => (None, Some(problem)),
            Ok(run) if run.leaf() == "TestRun_1" => (None, Some(not_verified())),
            Ok(run) if kind == ActKind::Clear => {
                (serde_json::to_value(ClearAnswer::ended(run.as_str(), 12, 3_400)).ok(), None)
            }
            Ok(_) => (Some(serde_json::json!({"state": "queued"})), None),
        };
        ActResult { run_path: run.into(), sentence: format!("{} done.", kind.as_str()), answer, problem }
    }

    async fn act(&self, what: &str, run: &str) -> Result<RunPath, Problem> {
        self.record(what, run);
        let run = self.parse(run)?;
        if run.leaf() == "TestRun_1" && what == "clear" {
            return Err(not_verified());
        }
        self.begun.notify_one();
        self.gate.acquire().await.unwrap().forget();
        self.ended.notify_one();
        Ok(run)
    }
}

#[async_trait::async_trait]
impl PanelBackend for Fake {
    fn status(&self) -> PanelStatus {
        PanelStatus {
            orchestrator_on: !self.off,
            label: "Station".into(),
            host: "orch-01".into(),
            version: "0".into(),
            staging_root: ROOT.into(),
            staging_cleanup: StagingCleanup::Manual,
            disk: None,
            state_error: None,
            staging_error: None,
            queue_paused: false,
            ready: self.ready,
            destinations: (1..=8).map(destination).collect(),
            unrecognised: vec![],
            blocking_findings: 1,
            cleared_damaged: 0,
            seq: 7,
        }
    }

    async fn staging(&self) -> Result<StagingList<RunRow>, Problem> {
        if self.off {
            return Err(app::backend::orchestrator_disabled());
        }
        if !self.ready {
            return Err(Problem::new(ErrorCode::Starting, "The first scan has not ended."));
        }
        Ok(StagingList { runs: self.rows.clone() })
    }

    async fn overview(&self) -> Result<Overview, Problem> {
        self.record("overview", "");
        if self.off {
            return Err(app::backend::orchestrator_disabled());
        }
        Ok(overview())
    }

    async fn run(&self, run: &str) -> Result<RunDetail, Problem> {
        self.record("run", run);
        if run.ends_with("Run_panics") {
            panic!("a fault in the backend");
        }
        let run = self.parse(run)?;
        Ok(RunDetail {
            row: row(run.as_str(), "sync_verified"),
            history: vec![],
            seal: None,
            proofs: vec![],
            clear_plan: plan(run.as_str()),
            findings: vec![],
            overrides: vec![],
            late_files: vec![],
            ledger: vec![],
        })
    }

    async fn run_files(&self, run: &str, query: FilesQuery) -> Result<RunFiles, Problem> {
        self.record("files", &format!("{run} {query:?}"));
        let run = self.parse(run)?;
        let file = |n: u64| RunFile {
            path: format!("raw/<b>{n}</b>.tif"),
            state: FileState::Proven,
            bytes: Some(n),
            sha256: Some("ab".repeat(32)),
            note: None,
        };
        let files = (query.offset..(query.offset + u64::from(query.limit)).min(250)).map(file).collect();
        Ok(RunFiles { run_path: run.to_string(), files, offset: query.offset, matching: 250, total: 250, cut: false })
    }

    async fn run_log(&self, run: &str, query: LogQuery) -> Result<RunLog, Problem> {
        self.record("log", &format!("{run} {query:?}"));
        let run_path = self.parse(run)?.to_string();
        let lines = vec![
            LogEntry::parse("2026-04-17T14:32:00Z [WARN ] sync retry 1 of 3: <script>alert(2)</script>"),
            LogEntry::parse("Traceback, of another program"),
        ];
        Ok(RunLog { run_path, file: Some("wizard.orch-01.log".into()), bytes: 100, lines, cut: true })
    }

    async fn log_file(&self, run: &str) -> Result<LogFile, Problem> {
        self.parse(run)?;
        let file = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        Ok(LogFile { name: "wizard.orch-01.log".into(), bytes: 9, file })
    }

    async fn certificate(&self, run: &str) -> Result<Certificate, Problem> {
        let detail = self.run(run).await?;
        let at = Timestamp::from_unix_seconds(1_776_436_320);
        let (installation, label) = ("5d0c".to_owned(), "Station <i>".to_owned());
        let (host, version, equipment_label) = ("orch-01".to_owned(), "0".to_owned(), "Confocal".to_owned());
        Ok(Certificate {
            issued_at: at,
            installation,
            label,
            host,
            version,
            equipment_label,
            cleared: None,
            run: detail,
        })
    }

    async fn cleared_runs(&self, before: Option<u64>, limit: u32) -> Result<ClearedRuns, Problem> {
        self.record("cleared", &format!("{before:?} {limit}"));
        Ok(self.cleared.clone())
    }

    async fn clear_plan(&self, run: &str) -> Result<ClearPlan, Problem> {
        self.record("clear-plan", run);
        Ok(plan(self.parse(run)?.as_str()))
    }

    async fn force_sync(&self, run: &str, request: ForceSyncRequest) -> Result<ForceSyncAnswer, Problem> {
        let run = self.act(if request.assume_complete { "assume-complete" } else { "force-sync" }, run).await?;
        if run.as_str() == BLOCKED {
            let rule = Rule::UnresolvedPlaceholderToken;
            let finding = Finding::new(
                rule,
                &run,
                (OffendingKind::DirectorySegment, "Run_<date>".into()),
                "<date>".into(),
                "Fix.".into(),
            );
            let blocking_findings = vec![finding];
            return Ok(ForceSyncAnswer {
                run_path: run.to_string(),
                state: "blocked".into(),
                job_id: None,
                blocking_findings,
            });
        }
        let job_id = Some("job-1".into());
        Ok(ForceSyncAnswer { run_path: run.to_string(), state: "queued".into(), job_id, blocking_findings: vec![] })
    }

    async fn clear(&self, run: &str) -> Result<ClearAnswer, Problem> {
        let run = self.act("clear", run).await?;
        if run.as_str() == WAITS {
            let waiting = Some("the finished record has not reached the NAS: not mounted".to_owned());
            let clearing = Some(ClearingView { intent: "i".into(), step: "intended".into(), waiting });
            return Ok(ClearAnswer { clearing, ..ClearAnswer::ended(run.as_str(), 0, 0) });
        }
        Ok(ClearAnswer::ended(run.as_str(), 12, 3_400))
    }

    async fn verify(&self, run: &str) -> Result<VerifyAnswer, Problem> {
        let run = self.act("verify", run).await?;
        Ok(VerifyAnswer {
            run_path: run.to_string(),
            proven: true,
            proof: None,
            differences: vec![],
            differences_total: 0,
        })
    }

    async fn retry(&self, run: &str) -> Result<RetryAnswer, Problem> {
        let run = self.act("retry", run).await?;
        Ok(RetryAnswer { run_path: run.to_string(), job: job() })
    }

    async fn call_off(&self, run: &str) -> Result<CallOffAnswer, Problem> {
        let run = self.act("call-off", run).await?;
        Ok(CallOffAnswer { run_path: run.to_string(), files_freed: 0, bytes_freed: 0 })
    }

    async fn problems(&self, query: ProblemQuery) -> Result<ProblemList, Problem> {
        if self.off {
            return Err(app::backend::orchestrator_disabled());
        }
        self.record("problems", &format!("{query:?}"));
        Ok(ProblemList::select(vec![problem(), unsafe_name()], &query, Some(at())))
    }

    async fn override_findings(&self, run: &str, request: OverrideRequest) -> Result<OverrideEntry, Problem> {
        let run = self.act(&format!("override {request:?}"), run).await?;
        if request.reason.len() < 10 {
            return Err(Problem::new(ErrorCode::Unprocessable, format!("Too short for {run}.")));
        }
        Ok(entry(request.problem_class, None, request.expires_at))
    }

    async fn revoke_override(&self, run: &str, request: RevokeRequest) -> Result<OverrideEntry, Problem> {
        let run = self.act(&format!("revoke {request:?}"), run).await?;
        if request.revokes == "revoked" {
            return Err(Problem::new(ErrorCode::AlreadyRevoked, format!("Revoked before on {run}.")));
        }
        Ok(entry(String::new(), Some(request.revokes), None))
    }

    async fn mark_known(&self, path: &str, request: KnownRequest, known: bool) -> Result<ProblemFinding, Problem> {
        let _ = self.act(&format!("mark {known} {request:?}"), path).await?;
        Ok(ProblemFinding { known: known.then(|| KnownMark { at: at(), operator: request.operator }), ..problem() })
    }

    async fn start_act(
        &self,
        kind: ActKind,
        runs: Vec<String>,
        _request: ForceSyncRequest,
    ) -> Result<ActView, Problem> {
        self.record("start", &format!("{} {}", kind.as_str(), runs.join(" + ")));
        *self.started.lock().unwrap() = runs.first().map(|run| (kind, run.clone()));
        Ok(act_view(kind, runs.len() as u64))
    }

    fn act(&self, id: &str) -> Option<ActView> {
        let (kind, run) = self.started.lock().unwrap().clone()?;
        let mut view = (id == "act-1").then(|| act_view(kind, 1))?;
        if self.gate.available_permits() > 0 {
            view.finished_at = Some(view.started_at);
            view.results = vec![std::sync::Arc::new(self.ended(kind, &run))];
        }
        Some(view)
    }

    fn subscribe(&self, since: Option<u64>) -> EventStream {
        self.record("subscribe", &format!("{since:?}"));
        let known = self.events.lock().unwrap().clone();
        Box::pin(futures::stream::iter(known).chain(futures::stream::pending()))
    }
}
