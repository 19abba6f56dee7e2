//! Answers that the made-up backend gives.

use crate::fake::{BLOCKED, ROOT, RUN};
use domain::api::{
    ActKind, ActView, Action, Actions, AttentionItem, AttentionKind, ClearPlan, DestinationView, EquipmentOverview,
    FindingCounts, HourTraffic, JobView, LastRun, Overview, ProblemFinding, RunRow, StagedRunSummary,
};
use domain::finding::{Finding, OffendingKind, Rule};
use domain::job::JobState;
use domain::overrides::OverrideEntry;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use domain::timestamp::Timestamp;

pub fn at() -> Timestamp {
    Timestamp::from_unix_seconds(1_776_436_320)
}

pub fn entry(problem_class: String, revokes: Option<String>, expires_at: Option<String>) -> OverrideEntry {
    OverrideEntry {
        id: "11111111-1111-4111-8111-111111111111".into(),
        problem_class,
        operator: "kim".into(),
        recorded_at: Some(at().to_string()),
        reason: "The vendor names files so.".into(),
        revoked: revokes.is_some(),
        revokes,
        expires_at,
    }
}

/// A finding that holds a run back.
pub fn problem() -> ProblemFinding {
    let (run, rule) = (RunPath::parse(BLOCKED).unwrap(), Rule::UnresolvedPlaceholderToken);
    ProblemFinding {
        finding: Finding::new(
            rule,
            &run,
            (OffendingKind::DirectorySegment, "Run_<date>".into()),
            "<date>".into(),
            "Fix.".into(),
        ),
        current_state: Some("complete".into()),
        equipment_id: run.equipment().into(),
        since: at(),
        known: None,
        overridable: true,
        active_override: None,
    }
}

/// A soft one whose name is a script.
pub fn unsafe_name() -> ProblemFinding {
    let mut found = problem();
    let offending = (OffendingKind::FileName, "<script>alert(1)</script>".to_owned());
    let run = RunPath::parse(RUN).unwrap();
    found.finding = Finding::new(Rule::UnsafeProjectName, &run, offending, "<script>".into(), "<b>Fix.</b>".into());
    ProblemFinding { current_state: Some("sync_verified".into()), overridable: false, ..found }
}

pub fn not_verified() -> Problem {
    let refused = Problem::new(ErrorCode::StagingNotSyncVerified, "The NAS has not been proven to hold this run yet.");
    refused.with("current_state", "staging")
}

pub fn act_view(kind: ActKind, runs_total: u64) -> ActView {
    let started_at = Timestamp::from_unix_seconds(1_776_436_320);
    ActView { id: "act-1".into(), kind, started_at, finished_at: None, runs_total, results: vec![] }
}

pub fn plan(run: &str) -> ClearPlan {
    ClearPlan {
        run_path: run.into(),
        clearable: true,
        automatic: false,
        files: 12,
        bytes: 3_400,
        proof: None,
        conditions: vec![],
    }
}

pub fn overview() -> Overview {
    let at = Timestamp::from_unix_seconds(1_776_436_320);
    let failed = AttentionItem {
        kind: AttentionKind::Failed,
        runs: 1,
        equipment_id: None,
        message: "1 job failed: <script>alert(1)</script>.".into(),
        remedy: "Retry.".into(),
    };
    let hour = |n: i64| HourTraffic {
        from: at.plus_seconds(n * 3_600),
        received_bytes: 5_000,
        proven_bytes: 0,
        cleared_bytes: 70,
    };
    Overview {
        at,
        attention: vec![failed],
        equipment: vec![EquipmentOverview {
            equipment_id: "CONFOCAL_01".into(),
            label: "Confocal".into(),
            destination: Some(destination(1)),
            states: [("sync_verified".to_owned(), 1)].into(),
            last_run: Some(LastRun { run_path: RUN.into(), last_activity_at: "2026-04-17T14:32:00Z".into() }),
            runs_waiting: 2,
            bytes_waiting: 4_096,
            bytes_per_second: 0,
            in_work: 0,
            last_error: None,
        }],
        disk: None,
        hours: (0..24).map(hour).collect(),
        counted_since: at,
    }
}

pub fn job() -> JobView {
    JobView {
        job_id: "job-1".into(),
        state: JobState::Queued,
        generation: 1,
        attempts: 0,
        hash_retries: 0,
        verify_passes: 0,
        error: None,
        next_attempt_at: None,
        waiting_for_destination: false,
        progress: None,
        nas_path: Some("/mnt/nas/x".into()),
        record_sent: false,
    }
}

pub fn row(run_path: &str, state: &str) -> RunRow {
    let run = RunPath::parse(run_path).unwrap();
    RunRow {
        summary: StagedRunSummary {
            path: format!("{ROOT}/{run_path}"),
            current_state: state.into(),
            equipment_id: run.equipment().into(),
            project_name: run.project().into(),
            run_kind: run.kind().to_string(),
            file_count: 12,
            byte_total: 3_400,
            elapsed_seconds_since_last_activity: 60,
            last_activity_at: "2026-04-17T14:32:00Z".into(),
        },
        run_path: run_path.into(),
        life: 1,
        job: Some(job()),
        proof: None,
        problem: None,
        waiting_for: None,
        findings: FindingCounts::default(),
        late_files: 0,
        clearing: None,
        actions: Actions {
            force_sync: Action::yes(),
            clear: Action::yes(),
            verify: Action::yes(),
            retry: Action::no("not_failed"),
            call_off: Action::nothing_to_call_off(),
        },
    }
}

pub fn destination(n: u32) -> DestinationView {
    DestinationView {
        equipment_id: format!("SCOPE_{n}"),
        label: format!("Microscope {n}"),
        transport: "mount".into(),
        target: format!("/mnt/nas/SCOPE_{n}"),
        health: domain::api::DestinationHealth::Reachable,
        detail: None,
        asked_at: None,
        read_again_by: None,
    }
}
