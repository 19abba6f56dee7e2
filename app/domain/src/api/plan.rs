//! What an act over many runs would do: shown before it is confirmed. Asking changes nothing.

use super::{ActKind, Action, ProofView, RunRow, reason_sentence};
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Body of `POST /api/v1/acts/plan`: the runs named, or those that a view of the staging table shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// What would be asked.
    pub kind: ActKind,
    /// Absolute, or relative to the staging root.
    #[serde(default)]
    pub runs: Vec<String>,
    /// Instead of `runs`: the query string of the staging page, e.g. `state=sync_verified&equipment=CONFOCAL_01`; empty
    /// is all.
    #[serde(default)]
    pub matching: Option<String>,
}

/// What an act would do now. Starting it names the runs, so that nothing is acted on that was not shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActPlan {
    /// What would be asked.
    pub kind: ActKind,
    /// Runs it would act on, largest first.
    pub runs: Vec<PlannedRun>,
    /// Their data files.
    pub files: u64,
    /// Their data bytes.
    pub bytes: u64,
    /// Runs it would leave alone, and why.
    pub left_out: Vec<LeftOut>,
}

/// A run an act would act on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Relative to the staging root.
    pub run_path: String,
    /// Project folder.
    pub project_name: String,
    /// Data files.
    pub files: u64,
    /// Data bytes.
    pub bytes: u64,
    /// Its newest proof.
    pub proof: Option<ProofView>,
    /// How old that is, by the server's clock.
    pub proof_age_seconds: Option<u64>,
}

/// A run an act would leave alone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// As it was named.
    pub run_path: String,
    /// Code.
    pub reason: String,
    /// For people.
    pub sentence: String,
}

impl Action {
    /// Of a kind of act.
    pub fn of(row: &RunRow, kind: ActKind) -> &Action {
        match kind {
            ActKind::ForceSync => &row.actions.force_sync,
            ActKind::Clear => &row.actions.clear,
            ActKind::Verify => &row.actions.verify,
            ActKind::Retry => &row.actions.retry,
            ActKind::CallOff => &row.actions.call_off,
        }
    }
}

/// A row says when it last changed and how long ago that was: the sum is the server's time.
fn age(row: &RunRow, at: Timestamp) -> Option<u64> {
    let changed = Timestamp::parse(&row.summary.last_activity_at).ok()?;
    let now = changed.plus_seconds(i64::try_from(row.summary.elapsed_seconds_since_last_activity).ok()?);
    Some(u64::try_from(now.seconds_since(at)).unwrap_or(0))
}

impl ActPlan {
    /// Of these rows; `gone` are runs that were named and are not in the list.
    pub fn of<'a>(kind: ActKind, rows: impl Iterator<Item = &'a RunRow>, gone: Vec<String>) -> ActPlan {
        let mut plan = ActPlan { kind, runs: Vec::new(), files: 0, bytes: 0, left_out: Vec::new() };
        for row in rows {
            let run_path = row.run_path.clone();
            let action = Action::of(row, kind);
            if action.allowed {
                plan.bytes = plan.bytes.saturating_add(row.summary.byte_total);
                plan.files = plan.files.saturating_add(row.summary.file_count);
                plan.runs.push(PlannedRun {
                    run_path,
                    project_name: row.summary.project_name.clone(),
                    files: row.summary.file_count,
                    bytes: row.summary.byte_total,
                    proof: row.proof.clone(),
                    proof_age_seconds: row.proof.as_ref().and_then(|proof| age(row, proof.at)),
                });
            } else {
                let reason = action.reason.clone().unwrap_or_default();
                let sentence = reason_sentence(&reason).to_owned();
                plan.left_out.push(LeftOut { run_path, reason, sentence });
            }
        }
        let left = |run_path| LeftOut {
            run_path,
            reason: "not_found".into(),
            sentence: "It is not in the staging list.".into(),
        };
        plan.left_out.extend(gone.into_iter().map(left));
        plan.runs.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.run_path.cmp(&b.run_path)));
        plan
    }
}
