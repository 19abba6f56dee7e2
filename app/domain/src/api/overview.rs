//! The whole installation at a glance: what needs an operator, each equipment, the staging disk, and what moved in the
//! last day.

use super::{DestinationView, DiskGauge, RowProblem, RunRow};
use crate::job::JobState;
use crate::lifecycle::RunState;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /api/v1/overview`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Overview {
    /// When it was made.
    pub at: Timestamp,
    /// What needs an operator, gravest first; empty when nothing does.
    pub attention: Vec<AttentionItem>,
    /// Configured equipment in the config's order, then what else stands in the tree.
    pub equipment: Vec<EquipmentOverview>,
    /// The staging disk; `None` when it cannot be asked.
    pub disk: Option<DiskOverview>,
    /// The last 24 hours by UTC hour, oldest first; the last one is still running.
    pub hours: Vec<HourTraffic>,
    /// Nothing before this is counted in `hours`: the first start of this installation.
    pub counted_since: Timestamp,
}

/// How long nothing may happen to a run that waits for its signal before somebody is told.
pub const SILENT_AFTER_SECONDS: u64 = 24 * 3_600;

/// What may need an operator. The order is that of the list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// The staging tree cannot be read.
    Staging,
    /// The copy of a cleared run on the NAS, the only one left, is damaged or cannot be proven any more.
    ClearedDamaged,
    /// A job has failed.
    Failed,
    /// The gate holds a run back.
    Blocked,
    /// A run's documents or files cannot be read.
    Unreadable,
    /// What is left of a cleared run was not proven, and is the only copy.
    Rest,
    /// A destination is not there, or is not ours.
    Destination,
    /// Files arrived or changed after the proof.
    Late,
    /// A clear cannot go on.
    ClearWaits,
    /// A run's signal has not come for [`SILENT_AFTER_SECONDS`].
    Silent,
    /// The staging disk is almost full.
    Disk,
    /// The queue is paused in the config.
    Paused,
}

impl AttentionKind {
    /// Those that are about single runs of the staging tree.
    pub const OF_RUNS: [AttentionKind; 8] = [
        AttentionKind::Failed,
        AttentionKind::Blocked,
        AttentionKind::Unreadable,
        AttentionKind::Rest,
        AttentionKind::Destination,
        AttentionKind::Late,
        AttentionKind::ClearWaits,
        AttentionKind::Silent,
    ];

    /// As in addresses and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            AttentionKind::Staging => "staging",
            AttentionKind::ClearedDamaged => "cleared_damaged",
            AttentionKind::Failed => "failed",
            AttentionKind::Blocked => "blocked",
            AttentionKind::Unreadable => "unreadable",
            AttentionKind::Rest => "rest",
            AttentionKind::Destination => "destination",
            AttentionKind::Late => "late",
            AttentionKind::ClearWaits => "clear_waits",
            AttentionKind::Silent => "silent",
            AttentionKind::Disk => "disk",
            AttentionKind::Paused => "paused",
        }
    }

    /// Reads one that is about single runs.
    pub fn of_runs(text: &str) -> Option<AttentionKind> {
        AttentionKind::OF_RUNS.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether a run needs an operator for this reason.
    pub fn concerns(self, row: &RunRow) -> bool {
        let job = row.job.as_ref();
        match self {
            AttentionKind::Failed => job.is_some_and(|job| job.state == JobState::Failed),
            AttentionKind::Blocked => row.findings.blocking > 0 && row.summary.current_state == "complete",
            AttentionKind::Unreadable => {
                row.problem.as_ref().is_some_and(|problem| problem.code != RowProblem::REST_OF_CLEARED)
                    || RunState::from_text(&row.summary.current_state).is_none()
            }
            AttentionKind::Rest => {
                row.problem.as_ref().is_some_and(|problem| problem.code == RowProblem::REST_OF_CLEARED)
            }
            AttentionKind::Destination => job.is_some_and(|job| job.waiting_for_destination),
            AttentionKind::Late => row.late_files > 0,
            AttentionKind::ClearWaits => row.clearing.as_ref().is_some_and(|clearing| clearing.waiting.is_some()),
            AttentionKind::Silent => {
                let quiet = row.summary.elapsed_seconds_since_last_activity >= SILENT_AFTER_SECONDS;
                row.summary.current_state == "staging" && row.waiting_for.is_some() && quiet
            }
            AttentionKind::Staging | AttentionKind::ClearedDamaged | AttentionKind::Disk | AttentionKind::Paused => {
                false
            }
        }
    }

    /// Whether a run needs an operator for any reason.
    pub fn any(row: &RunRow) -> bool {
        AttentionKind::OF_RUNS.into_iter().any(|kind| kind.concerns(row))
    }
}

/// One thing that needs an operator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttentionItem {
    /// What.
    pub kind: AttentionKind,
    /// Runs it is about; of a destination, those that wait for it.
    pub runs: u64,
    /// The equipment, where it is about one.
    pub equipment_id: Option<String>,
    /// One sentence: what it is.
    pub message: String,
    /// One sentence: the way out.
    pub remedy: String,
}

/// One equipment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EquipmentOverview {
    /// First segment of its runs' paths.
    pub equipment_id: String,
    /// Its label; empty when it is not in the config.
    pub label: String,
    /// Where its runs go; `None` when it is not synced from here.
    pub destination: Option<DestinationView>,
    /// Runs by state text.
    pub states: BTreeMap<String, u64>,
    /// The run with the latest activity.
    pub last_run: Option<LastRun>,
    /// Runs that no proof covers yet.
    pub runs_waiting: u64,
    /// Their bytes.
    pub bytes_waiting: u64,
    /// Of everything in work.
    pub bytes_per_second: u64,
    /// Runs in work.
    pub in_work: u64,
    /// The failure of the run with the latest activity that has one.
    pub last_error: Option<LastError>,
}

/// The latest run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastRun {
    /// Relative to the staging root.
    pub run_path: String,
    /// Its latest activity, as the documents write it.
    pub last_activity_at: String,
}

/// A failure with the way out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastError {
    /// Relative to the staging root.
    pub run_path: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// The staging disk and where it is heading.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DiskOverview {
    /// How it stands.
    pub gauge: DiskGauge,
    /// How it changed; `None` while there is not enough history.
    pub trend: Option<DiskTrend>,
}

/// How the free space changed over the last hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DiskTrend {
    /// Seconds it is taken over; at most six hours.
    pub over_seconds: u64,
    /// Bytes the disk filled by in an hour; negative: it emptied.
    pub bytes_per_hour: i64,
    /// At that rate; `None` when it does not fill.
    pub seconds_until_full: Option<u64>,
}

/// What moved in one hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HourTraffic {
    /// Its first second.
    pub from: Timestamp,
    /// Bytes of runs that became complete.
    pub received_bytes: u64,
    /// Bytes of runs that were proven on their destination.
    pub proven_bytes: u64,
    /// Bytes freed by clears.
    pub cleared_bytes: u64,
}
