//! Acts that go on by themselves, over one run or many.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What may be asked for, on one run or many.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActKind {
    /// Queue now.
    ForceSync,
    /// Free the local copy.
    Clear,
    /// Prove the destination again.
    Verify,
    /// Re-arm a failed job.
    Retry,
    /// Give up a clear that waits.
    CallOff,
}

impl ActKind {
    /// As in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            ActKind::ForceSync => "force-sync",
            ActKind::Clear => "clear",
            ActKind::Verify => "verify",
            ActKind::Retry => "retry",
            ActKind::CallOff => "call-off",
        }
    }
}

/// An act that goes on by itself: `GET /api/v1/acts/{id}`, the `Location` of a 202. Kept in memory until the program
/// ends or many newer ones have come.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActView {
    /// Id.
    pub id: String,
    /// What was asked.
    pub kind: ActKind,
    /// When.
    pub started_at: Timestamp,
    /// `None` while it goes on.
    pub finished_at: Option<Timestamp>,
    /// Runs asked for.
    pub runs_total: u64,
    /// One per run that has ended, in the order they ended. Shared: an act over thousands of runs is told of in a
    /// hundred steps.
    pub results: Vec<Arc<ActResult>>,
}

/// How an act ended for one run: an answer or a problem.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActResult {
    /// Relative to the staging root.
    pub run_path: String,
    /// One sentence: what it did, or why not.
    pub sentence: String,
    /// The answer's JSON as the route would give it.
    pub answer: Option<serde_json::Value>,
    /// The problem, when it was refused.
    pub problem: Option<crate::problem::Problem>,
}
