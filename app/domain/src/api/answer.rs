//! What acts are asked with and answer.

use super::ProofView;
use super::{ClearingView, JobView};
use crate::finding::Finding;
use serde::{Deserialize, Serialize};

/// `POST /staging/{run_path}/force-sync`: the fields of the Python system, then ours.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ForceSyncAnswer {
    /// Relative to the staging root.
    pub run_path: String,
    /// `queued`; `blocked`; `unchanged` when the NAS is proven to hold it as it is, so that there is nothing to queue.
    pub state: String,
    /// `None` when blocked.
    pub job_id: Option<String>,
    /// What blocks it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocking_findings: Vec<Finding>,
}

/// Body of force-sync; all optional.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForceSyncRequest {
    /// Take the run as complete although its signal is missing. Needs operator and reason; recorded.
    #[serde(default)]
    pub assume_complete: bool,
    /// Who says so.
    #[serde(default)]
    pub operator: Option<String>,
    /// Why: 10-500 characters.
    #[serde(default)]
    pub reason: Option<String>,
}

/// `POST /staging/{run_path}/clear`: exactly the fields of the Python system when it is done; while it goes on by
/// itself, where it stands too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClearAnswer {
    /// Relative to the staging root.
    pub run_path: String,
    /// Files really removed, the record included.
    pub files_freed: u64,
    /// Their bytes.
    pub bytes_freed: u64,
    /// The clear cannot end now and goes on by itself: where it stands, and what it waits for. Answered as 202.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearing: Option<ClearingView>,
}

impl ClearAnswer {
    /// It ended, with what it freed.
    pub fn ended(run_path: &str, files_freed: u64, bytes_freed: u64) -> ClearAnswer {
        ClearAnswer { run_path: run_path.to_owned(), files_freed, bytes_freed, clearing: None }
    }
}

/// `POST /staging/{run_path}/verify`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct VerifyAnswer {
    /// Relative to the staging root.
    pub run_path: String,
    /// True when every sealed file equals its seal.
    pub proven: bool,
    /// The proof, when it holds.
    pub proof: Option<ProofView>,
    /// What differs; empty when it holds. At most 1,000 are listed.
    pub differences: Vec<FileDifference>,
    /// All that differ.
    pub differences_total: u64,
}

/// One file that differs, as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileDifference {
    /// Path inside the run, as shown text.
    pub path: String,
    /// One sentence.
    pub what: String,
}

/// `POST /staging/{run_path}/retry`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RetryAnswer {
    /// Relative to the staging root.
    pub run_path: String,
    /// The job, re-armed.
    pub job: JobView,
}

/// `POST /api/v1/staging/{run_path}/call-off`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallOffAnswer {
    /// Relative to the staging root.
    pub run_path: String,
    /// Data files that had gone before, every one proven on the NAS; 0 when the run is what it was.
    pub files_freed: u64,
    /// Their bytes.
    pub bytes_freed: u64,
}

/// Why a run can or cannot be cleared: every condition with its value. The same in CLI, REST and panel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClearPlan {
    /// Relative to the staging root.
    pub run_path: String,
    /// The operator's own clear would be accepted (the destination is proven again when it is carried out).
    pub clearable: bool,
    /// It would be cleared by itself now.
    pub automatic: bool,
    /// Files that would go, the record included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The proof it rests on until it is made anew.
    pub proof: Option<ProofView>,
    /// Everything that was looked at.
    pub conditions: Vec<Condition>,
}

/// One condition of clearing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Condition {
    /// Stable name, e.g. `no_late_files`.
    pub code: String,
    /// For people, e.g. `No file arrived or changed after the proof`.
    pub title: String,
    /// Whether it holds now.
    pub holds: bool,
    /// What was found, e.g. `2 late files: raw/a.tif, raw/b.tif`.
    pub value: String,
    /// Only automatic clearing needs it.
    pub automatic_only: bool,
}
