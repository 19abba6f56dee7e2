//! The panel's header: what concerns all runs.

use crate::finding::Finding;
use crate::settings::StagingCleanup;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Header of the panel: what concerns all runs. The default one knows nothing.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PanelStatus {
    /// False: the orchestrator is off, and everything else is empty.
    pub orchestrator_on: bool,
    /// `orchestrator.label`
    pub label: String,
    /// This host.
    pub host: String,
    /// Program version.
    pub version: String,
    /// Absolute staging root.
    pub staging_root: String,
    /// `manual` or `scheduled`.
    pub staging_cleanup: StagingCleanup,
    /// The staging disk; `None` when it cannot be asked.
    pub disk: Option<DiskGauge>,
    /// The disk of the state folder is full: nothing can be recorded, and nothing is done that could not be.
    #[serde(default)]
    pub state_error: Option<String>,
    /// The staging root cannot be read now: rows are the last known.
    pub staging_error: Option<String>,
    /// `sync.enabled: false`
    pub queue_paused: bool,
    /// The first scan has ended.
    pub ready: bool,
    /// Per equipment.
    pub destinations: Vec<DestinationView>,
    /// Folders at run depth that are not runs, with their size: never touched, and never invisible. At most 100.
    #[serde(default)]
    pub unrecognised: Vec<Finding>,
    /// Findings of the gate that hold runs back now.
    #[serde(default)]
    pub blocking_findings: u64,
    /// Cleared runs whose copy on the NAS is damaged or cannot be proven any more; 0 while they are never looked at
    /// again.
    #[serde(default)]
    pub cleared_damaged: u64,
    /// Sequence number of the newest event: subscribe with `since` this.
    pub seq: u64,
}

/// A disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DiskGauge {
    /// Size.
    pub total_bytes: u64,
    /// Free for this program.
    pub free_bytes: u64,
    /// In verified runs that an operator may clear now.
    pub clearable_bytes: u64,
    /// How many runs that is.
    pub clearable_runs: u64,
}

impl DiskGauge {
    /// True when it is time to clear: less than a tenth is free.
    pub fn is_tight(&self) -> bool {
        u128::from(self.free_bytes) * 10 < u128::from(self.total_bytes)
    }
}

/// Whether runs can be sent to a destination, as it was last asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationHealth {
    /// Not asked yet.
    #[default]
    Unknown,
    /// There, and ours.
    Reachable,
    /// Not there, or without an answer.
    Unreachable,
    /// There, and marked for another installation or equipment.
    Foreign,
}

impl DestinationHealth {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            DestinationHealth::Unknown => "unknown",
            DestinationHealth::Reachable => "reachable",
            DestinationHealth::Unreachable => "unreachable",
            DestinationHealth::Foreign => "foreign",
        }
    }
}

/// A destination's health.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DestinationView {
    /// Equipment id.
    pub equipment_id: String,
    /// Equipment label.
    pub label: String,
    /// `mount`, `rclone`, `rsync_ssh`, or `none` when not synced from here.
    pub transport: String,
    /// Where to.
    pub target: String,
    /// Whether runs can be sent there.
    pub health: DestinationHealth,
    /// Why, when not reachable.
    pub detail: Option<String>,
    /// When that was last asked.
    pub asked_at: Option<Timestamp>,
    /// By when every proven byte will have been read again there, of runs in staging and of cleared ones; `None` while
    /// nothing is proven.
    #[serde(default)]
    pub read_again_by: Option<Timestamp>,
}
