//! Rows for tests.

use domain::api::{Action, Actions, FindingCounts, JobView, RunRow, StagedRunSummary};
use domain::job::JobState;

/// A quiet row: no job, no proof, nothing allowed.
pub fn row(run_path: &str, state: &str) -> RunRow {
    let segments: Vec<&str> = run_path.split('/').collect();
    let no = || Action::no("staging_not_complete");
    RunRow {
        summary: StagedRunSummary {
            path: format!("/staging/{run_path}"),
            current_state: state.to_owned(),
            equipment_id: segments[0].to_owned(),
            project_name: segments[1].to_owned(),
            run_kind: if run_path.contains("TestRun_") { "test".into() } else { "experimental".into() },
            file_count: 1,
            byte_total: 10,
            elapsed_seconds_since_last_activity: 60,
            last_activity_at: "2026-04-17T14:32:00Z".into(),
        },
        run_path: run_path.to_owned(),
        life: 1,
        job: None,
        proof: None,
        problem: None,
        waiting_for: None,
        findings: FindingCounts::default(),
        late_files: 0,
        clearing: None,
        actions: Actions {
            force_sync: no(),
            clear: no(),
            verify: no(),
            retry: no(),
            call_off: Action::nothing_to_call_off(),
        },
    }
}

/// A job in this state, nothing else known.
pub fn job(state: JobState) -> JobView {
    JobView {
        job_id: "j".into(),
        state,
        generation: 1,
        attempts: 0,
        hash_retries: 0,
        verify_passes: 0,
        error: None,
        next_attempt_at: None,
        waiting_for_destination: false,
        progress: None,
        nas_path: None,
        record_sent: false,
    }
}
