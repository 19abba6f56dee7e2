//! A row of the staging list: the fields of the Python system, then ours.

use super::Actions;
use super::JobView;
use super::ProofView;
use crate::finding::Finding;
use crate::finding::Tier;
use serde::{Deserialize, Serialize};

/// The nine fields of the Python system of a row, in their order. `GET /staging` answers exactly these.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StagedRunSummary {
    /// Absolute path of the run.
    pub path: String,
    /// One of the five states, `unknown` for an unreadable run, or a newer version's own text.
    pub current_state: String,
    /// First segment of the run's path.
    pub equipment_id: String,
    /// The project folder.
    pub project_name: String,
    /// `experimental` or `test`.
    pub run_kind: String,
    /// Data files: `.exlab-wizard` left out.
    pub file_count: u64,
    /// Their bytes.
    pub byte_total: u64,
    /// Seconds between the answer and `last_activity_at`, at least 0.
    pub elapsed_seconds_since_last_activity: u64,
    /// Latest of history and file changes; without history the folder's mtime.
    pub last_activity_at: String,
}

/// `GET /staging`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StagingList<Row = RunRow> {
    /// Most recent activity first, then path.
    pub runs: Vec<Row>,
}

/// A row of `GET /api/v1/staging`, of the panel, and of events: the fields of the Python system, then ours.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunRow {
    /// The fields of the Python system.
    #[serde(flatten)]
    pub summary: StagedRunSummary,
    /// Path relative to the staging root: the row's key.
    pub run_path: String,
    /// Times the path has been pushed and cleared before, plus one.
    pub life: u64,
    /// The job of this life and its latest generation.
    pub job: Option<JobView>,
    /// The newest proof of what is sealed.
    pub proof: Option<ProofView>,
    /// Why the documents cannot be used, or the staging root cannot be read.
    pub problem: Option<RowProblem>,
    /// What the watcher waits for while `staging`, e.g. `no sentinel acquisition_complete.flag yet`.
    pub waiting_for: Option<String>,
    /// Findings of the gate by weight.
    pub findings: FindingCounts,
    /// Files that appeared or changed since the run was sealed.
    pub late_files: u64,
    /// Set while the run is being cleared or its clear waits.
    pub clearing: Option<ClearingView>,
    /// What an operator may do now.
    pub actions: Actions,
}

/// What is wrong with a row's documents or files.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RowProblem {
    /// `schema_major_mismatch`, `document_unreadable`, `staging_unreadable`, ...
    pub code: String,
    /// One sentence: what, where, what to do.
    pub message: String,
}

impl RowProblem {
    /// The code of what is left of a cleared run: it can be read, and nobody has another copy.
    pub const REST_OF_CLEARED: &str = "rest_of_cleared_run";
}

/// Counts of findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Hard findings that hold the run back.
    pub blocking: u32,
    /// Hard findings an active override lets through.
    pub overridden: u32,
    /// Soft findings.
    pub soft: u32,
}

impl FindingCounts {
    /// Counts findings by weight.
    pub fn of(findings: &[Finding]) -> FindingCounts {
        let mut counts = FindingCounts::default();
        for finding in findings {
            match (finding.tier, finding.blocks()) {
                (Tier::Soft, _) => counts.soft += 1,
                (Tier::Hard, true) => counts.blocking += 1,
                (Tier::Hard, false) => counts.overridden += 1,
            }
        }
        counts
    }
}

/// A clear in work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClearingView {
    /// The intent's id.
    pub intent: String,
    /// Which step it stands at.
    pub step: String,
    /// Why it waits, when it does.
    pub waiting: Option<String>,
}
