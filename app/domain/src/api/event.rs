//! What changed: the events of `GET /api/v1/events`.

use super::ActView;
use super::PanelStatus;
use super::RunRow;
use serde::{Deserialize, Serialize};

/// One event of `GET /api/v1/events`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A row is new or changed.
    Row {
        /// Sequence number.
        seq: u64,
        /// The whole row.
        row: Box<RunRow>,
    },
    /// A row is gone from the list.
    Gone {
        /// Sequence number.
        seq: u64,
        /// Its key.
        run_path: String,
    },
    /// The header changed.
    Status {
        /// Sequence number.
        seq: u64,
        /// The whole header.
        status: Box<PanelStatus>,
    },
    /// An act began, went on or ended.
    Act {
        /// Sequence number.
        seq: u64,
        /// The whole act.
        act: Box<ActView>,
    },
    /// Findings, overrides or marks changed: ask for the list of problems again.
    Problems {
        /// Sequence number.
        seq: u64,
        /// Findings that hold runs back now.
        blocking: u64,
        /// Of these, how many came since the last such event: to be announced once.
        new_blocking: u64,
    },
    /// The client is too far behind: load everything anew, then go on from `seq`.
    Reset {
        /// Sequence number.
        seq: u64,
    },
}

impl Event {
    /// Sequence number.
    pub fn seq(&self) -> u64 {
        match self {
            Event::Row { seq, .. }
            | Event::Gone { seq, .. }
            | Event::Status { seq, .. }
            | Event::Act { seq, .. }
            | Event::Problems { seq, .. }
            | Event::Reset { seq } => *seq,
        }
    }
}
