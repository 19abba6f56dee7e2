//! A job and its proof as a row shows them.

use crate::job::FailureClass;
use crate::job::JobState;
use crate::job::Side;
use crate::proof::ProofLevel;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// A job as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobView {
    /// UUID.
    pub job_id: String,
    /// State in the queue.
    pub state: JobState,
    /// Grows when a verified run's content changed.
    pub generation: u64,
    /// Retries used.
    pub attempts: u32,
    /// Second pushes after a hash mismatch.
    pub hash_retries: u32,
    /// Proofs counted for this generation.
    pub verify_passes: u32,
    /// The latest failure, kept while it is retried.
    pub error: Option<JobError>,
    /// When the next attempt is due; `None`: now, or not waiting.
    pub next_attempt_at: Option<Timestamp>,
    /// The destination cannot show its identity; resumes by itself.
    pub waiting_for_destination: bool,
    /// Set while a worker is on it.
    pub progress: Option<Progress>,
    /// Where the data is or goes: the operator's words for the destination.
    pub nas_path: Option<String>,
    /// The record has reached the NAS after the data.
    pub record_sent: bool,
}

/// A failure as shown, with the way out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobError {
    /// Class; decides what happens next.
    pub code: FailureClass,
    /// Which side failed.
    pub side: Side,
    /// What happened, with the file or address.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// What a worker is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Listing and judging the run.
    Listing,
    /// Reading the local files.
    Hashing,
    /// Copying to the destination.
    Sending,
    /// Reading the destination back.
    Verifying,
    /// Sending the record.
    Record,
    /// Comparing and unlinking.
    Clearing,
}

impl Phase {
    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Phase::Listing => "listing",
            Phase::Hashing => "hashing",
            Phase::Sending => "sending",
            Phase::Verifying => "verifying",
            Phase::Record => "sending record",
            Phase::Clearing => "clearing",
        }
    }
}

/// Progress from our own totals.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Files finished in this phase.
    pub files_done: u64,
    /// Files of this phase.
    pub files_total: u64,
    /// Bytes finished in this phase.
    pub bytes_done: u64,
    /// Bytes of this phase.
    pub bytes_total: u64,
    /// Over the last seconds.
    pub bytes_per_second: u64,
    /// At that rate; `None` while unknown.
    pub eta_seconds: Option<u64>,
    /// What goes on at the same time, e.g. hashing here and verifying there while sending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Progress>,
}

/// A proof as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProofView {
    /// Strength.
    pub level: ProofLevel,
    /// How it was made, e.g. `read back with O_DIRECT`.
    pub method: String,
    /// When the newest proof was made.
    pub at: Timestamp,
    /// When the first proof of this generation was made.
    pub first_at: Timestamp,
    /// Proofs of this generation.
    pub passes: u32,
    /// Files proven.
    pub files: u64,
    /// Bytes proven.
    pub bytes: u64,
}
