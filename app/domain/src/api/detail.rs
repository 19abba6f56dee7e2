//! Everything known of one run, and the history of those that are gone.

use super::ClearPlan;
use super::FileDifference;
use super::JobError;
use super::RunRow;
use crate::finding::Finding;
use crate::overrides::OverrideEntry;
use crate::proof::ProofLevel;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/runs/{run_path}`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunDetail {
    /// The row; of a cleared run that is gone, as it last was.
    pub row: RunRow,
    /// Lifecycle of this life, oldest first.
    pub history: Vec<HistoryView>,
    /// What was sealed last.
    pub seal: Option<SealSummary>,
    /// All proofs of this life, newest first.
    pub proofs: Vec<ProofRecord>,
    /// Conditions of clearing.
    pub clear_plan: ClearPlan,
    /// Findings of the gate, hard before soft; at most 500. `row.findings` counts all, and `GET
    /// /api/v1/problems?q={run}` pages through them.
    pub findings: Vec<Finding>,
    /// Overrides and tombstones, oldest first.
    pub overrides: Vec<OverrideEntry>,
    /// Late or changed files, as shown text; at most 1,000.
    pub late_files: Vec<FileDifference>,
    /// Facts from outside the folder: proofs, clears, aborted clears, re-arms; newest first.
    pub ledger: Vec<LedgerEntry>,
}

/// One entry of the lifecycle as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HistoryView {
    /// State text.
    pub state: String,
    /// When, if readable.
    pub at: Option<Timestamp>,
    /// Who wrote it.
    pub host: Option<String>,
    /// Further fields, as `key: value` text.
    pub notes: Vec<String>,
}

/// A seal as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealSummary {
    /// Generation it belongs to.
    pub generation: u64,
    /// Files sealed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When it was closed.
    pub sealed_at: Timestamp,
    /// SHA-256 of the sorted list of all files and their digests.
    pub digest: String,
}

/// One proof attempt as recorded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProofRecord {
    /// When it ended.
    pub at: Timestamp,
    /// Generation it was made for.
    pub generation: u64,
    /// Whether everything was equal.
    pub proven: bool,
    /// Strength.
    pub level: ProofLevel,
    /// How.
    pub method: String,
    /// Files compared.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What differed, in one line; empty when proven.
    pub detail: String,
}

/// A fact kept outside the run's folder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Grows by one.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The run.
    pub run_path: String,
    /// Its life.
    pub life: u64,
    /// `sealed`, `proven`, `disproven`, `clear_intended`, `cleared`, `clear_aborted`, `rearmed`, ...
    pub kind: String,
    /// One line.
    pub detail: String,
}

/// `GET /api/v1/runs?state=cleared`: runs that are gone.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ClearedRuns {
    /// Newest first.
    pub runs: Vec<ClearedRun>,
    /// Give as `?before=` for the next page.
    pub next_before: Option<u64>,
    /// With the first page: those whose copy on the NAS is damaged or cannot be proven any more, newest first; at most
    /// 100.
    #[serde(default)]
    pub damaged: Vec<ClearedRun>,
}

/// A run that is gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClearedRun {
    /// Relative to the staging root.
    pub run_path: String,
    /// Which life of the path.
    pub life: u64,
    /// When its local copy went.
    pub cleared_at: Timestamp,
    /// Files freed.
    pub files_freed: u64,
    /// Bytes freed.
    pub bytes_freed: u64,
    /// Where the data is.
    pub nas_path: String,
    /// Digest of its seal.
    pub seal: String,
    /// When its copy on the NAS was last proven.
    #[serde(default)]
    pub proven_at: Option<Timestamp>,
    /// How strong that proof was.
    #[serde(default)]
    pub proof_level: Option<ProofLevel>,
    /// Why its copy on the NAS, the only one left, is no longer proven: it is damaged, or our seal is gone.
    #[serde(default)]
    pub damage: Option<JobError>,
}
