//! The sync job (docs/lifecycle.md): its states, what may happen to it, and why it can fail.

use serde::{Deserialize, Serialize};
use std::fmt;

/// States of a job in the durable queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its turn, its time, or its destination.
    Queued,
    /// A worker seals and sends.
    Running,
    /// Everything is sent; the destination is to be hashed.
    AwaitingVerify,
    /// Proven.
    Verified,
    /// Proven, and every automatic-clear interlock holds.
    CleanupEligible,
    /// Its run was cleared.
    Cleaned,
    /// Gave up; an operator or changed content re-arms it.
    Failed,
}

impl JobState {
    /// All states.
    pub const ALL: [JobState; 7] = [
        JobState::Queued,
        JobState::Running,
        JobState::AwaitingVerify,
        JobState::Verified,
        JobState::CleanupEligible,
        JobState::Cleaned,
        JobState::Failed,
    ];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::AwaitingVerify => "awaiting_verify",
            JobState::Verified => "verified",
            JobState::CleanupEligible => "cleanup_eligible",
            JobState::Cleaned => "cleaned",
            JobState::Failed => "failed",
        }
    }

    /// Reads the stored text.
    pub fn from_text(text: &str) -> Option<JobState> {
        JobState::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True from `verified` on.
    pub fn is_proven(self) -> bool {
        matches!(self, JobState::Verified | JobState::CleanupEligible | JobState::Cleaned)
    }

    /// True while a worker owns it.
    pub fn is_in_work(self) -> bool {
        matches!(self, JobState::Running | JobState::AwaitingVerify)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may happen to a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobEvent {
    /// A worker takes it.
    Claimed,
    /// Everything sealed is at the destination.
    Sent,
    /// The destination's hashes equal the seal.
    Proven,
    /// Put back: shutdown, waiting for the destination, a retry later.
    Postponed,
    /// No more retries, or none would help.
    GaveUp,
    /// An operator, or changed content, starts it again.
    Rearmed,
    /// Every automatic-clear interlock holds.
    BecameEligible,
    /// An interlock no longer holds.
    LostEligibility,
    /// The destination no longer equals the seal.
    Disproven,
    /// Its run was cleared.
    Cleaned,
}

/// The next state, or `None` when the event is illegal there. Every database change is compare-and-set on the old
/// state.
pub fn apply(state: JobState, event: JobEvent) -> Option<JobState> {
    use JobState::{AwaitingVerify, Cleaned, CleanupEligible, Failed, Queued, Running, Verified};
    match (state, event) {
        (Queued, JobEvent::Claimed) => Some(Running),
        (Running, JobEvent::Sent) => Some(AwaitingVerify),
        (AwaitingVerify | Verified | CleanupEligible, JobEvent::Proven) => {
            Some(if state == CleanupEligible { CleanupEligible } else { Verified })
        }
        (Running | AwaitingVerify, JobEvent::Postponed) => Some(Queued),
        (Queued | Running | AwaitingVerify, JobEvent::GaveUp) => Some(Failed),
        (Failed | Verified | CleanupEligible, JobEvent::Rearmed) => Some(Queued),
        (Verified, JobEvent::BecameEligible) => Some(CleanupEligible),
        (CleanupEligible, JobEvent::LostEligibility) => Some(Verified),
        (Verified | CleanupEligible, JobEvent::Disproven) => Some(Failed),
        (Verified | CleanupEligible, JobEvent::Cleaned) => Some(Cleaned),
        _ => None,
    }
}

/// Which side a failure was on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The staging tree.
    Source,
    /// The NAS, or the way to it.
    Destination,
    /// This program or its state folder.
    Here,
}

/// Why a job failed; decides what happens next (docs/lifecycle.md). Network transports use all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Wrong key, password or permission at the destination.
    Authentication,
    /// Unknown remote, missing binary, bad path.
    Configuration,
    /// Timeouts, resets, unreachable in the middle of a transfer.
    Network,
    /// No space or quota left at the destination.
    DestinationFull,
    /// No space left here: state folder or staging.
    LocalFull,
    /// A sealed file cannot be read here.
    LocalRead,
    /// A sealed file, or the run, is gone here.
    LocalFileVanished,
    /// A file changed here while it was sealed or sent.
    LocalFileChanged,
    /// The destination's bytes differ from the seal.
    HashMismatch,
    /// The destination could not be hashed.
    CouldNotHash,
    /// A file larger than `verify.max_stream_bytes` would have to be read back.
    VerifySkippedOversize,
    /// A different file, not ours, stands under a target name.
    Conflict,
    /// The destination's identity cannot be shown: no marker, not mounted, connection fails.
    DestinationUnreachable,
    /// The marker names another installation or equipment, or is visible inside the staging tree.
    DestinationForeign,
    /// The gate holds what the seal would contain.
    BlockedByValidation,
    /// Shutdown or an operator's stop.
    Interrupted,
    /// Anything else, a fault in this program included.
    Unknown,
}

impl FailureClass {
    /// All classes.
    pub const ALL: [FailureClass; 17] = [
        FailureClass::Authentication,
        FailureClass::Configuration,
        FailureClass::Network,
        FailureClass::DestinationFull,
        FailureClass::LocalFull,
        FailureClass::LocalRead,
        FailureClass::LocalFileVanished,
        FailureClass::LocalFileChanged,
        FailureClass::HashMismatch,
        FailureClass::CouldNotHash,
        FailureClass::VerifySkippedOversize,
        FailureClass::Conflict,
        FailureClass::DestinationUnreachable,
        FailureClass::DestinationForeign,
        FailureClass::BlockedByValidation,
        FailureClass::Interrupted,
        FailureClass::Unknown,
    ];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureClass::Authentication => "authentication",
            FailureClass::Configuration => "configuration",
            FailureClass::Network => "network",
            FailureClass::DestinationFull => "destination_full",
            FailureClass::LocalFull => "local_full",
            FailureClass::LocalRead => "local_read",
            FailureClass::LocalFileVanished => "local_file_vanished",
            FailureClass::LocalFileChanged => "local_file_changed",
            FailureClass::HashMismatch => "hash_mismatch",
            FailureClass::CouldNotHash => "could_not_hash",
            FailureClass::VerifySkippedOversize => "verify_skipped_oversize",
            FailureClass::Conflict => "conflict",
            FailureClass::DestinationUnreachable => "destination_unreachable",
            FailureClass::DestinationForeign => "destination_foreign",
            FailureClass::BlockedByValidation => "blocked_by_validation",
            FailureClass::Interrupted => "interrupted",
            FailureClass::Unknown => "unknown",
        }
    }

    /// Reads the stored text; what is not known is `unknown`.
    pub fn from_text(text: &str) -> FailureClass {
        FailureClass::ALL.into_iter().find(|class| class.as_str() == text).unwrap_or(FailureClass::Unknown)
    }

    /// The way out, in one sentence, for the row.
    pub fn remedy(self) -> &'static str {
        match self {
            FailureClass::Authentication => {
                "Check the key or password of this equipment's NAS account, and what it may do there, then retry."
            }
            FailureClass::Configuration => {
                "Do what the message says: correct this equipment's transport in the config file and restart, or mend \
                 what it names at the NAS; then retry."
            }
            FailureClass::Network => "Nothing to do now: it is tried again by itself.",
            FailureClass::DestinationFull => {
                "Make room on the NAS, or remove files there where no more can be made; it is tried again by itself."
            }
            FailureClass::LocalFull => "Make room on this workstation; it is tried again by itself.",
            FailureClass::LocalRead => "Make the file readable for this program; it goes on by itself.",
            FailureClass::LocalFileVanished => "Put the missing files back, or force a sync to seal what is there now.",
            FailureClass::LocalFileChanged => "Wait until the instrument has finished, then force a sync.",
            FailureClass::HashMismatch => {
                "The NAS does not hold what was sent: check the NAS's disks and memory, then retry."
            }
            FailureClass::CouldNotHash => {
                "The NAS could not prove what it holds: check that it can be read, then retry."
            }
            FailureClass::VerifySkippedOversize => {
                "Raise verify.max_stream_bytes, or let the destination hash by itself."
            }
            FailureClass::Conflict => "Move the foreign file on the NAS aside, then retry.",
            FailureClass::DestinationUnreachable => {
                "Mount or connect the NAS, or make it writable again; it goes on by itself."
            }
            FailureClass::DestinationForeign => {
                "Point this equipment at its own folder on the NAS, or adopt it with `nas init`."
            }
            FailureClass::BlockedByValidation => "Fix or override the findings of this run.",
            FailureClass::Interrupted => "Nothing to do: it goes on by itself.",
            FailureClass::Unknown => "Read the log of this run, then retry.",
        }
    }

    /// The way out when the failure is at the NAS copy of a cleared run: there is nothing to send again.
    pub fn remedy_when_cleared(self) -> &'static str {
        match self {
            FailureClass::HashMismatch => {
                "Nothing local is left: restore these files from a snapshot or backup of the NAS, then verify the run, \
                 or wait until it is proven again."
            }
            _ => {
                "Restore our state folder from a backup, then verify the run; checksums.sha256 in the run's record on the NAS lists its files too."
            }
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [JobEvent; 10] = [
        JobEvent::Claimed,
        JobEvent::Sent,
        JobEvent::Proven,
        JobEvent::Postponed,
        JobEvent::GaveUp,
        JobEvent::Rearmed,
        JobEvent::BecameEligible,
        JobEvent::LostEligibility,
        JobEvent::Disproven,
        JobEvent::Cleaned,
    ];

    #[test]
    fn only_a_proof_makes_a_job_proven() {
        for state in JobState::ALL.into_iter().filter(|state| !state.is_proven()) {
            for event in EVENTS {
                let proven = apply(state, event).is_some_and(JobState::is_proven);
                assert!(!proven || event == JobEvent::Proven, "{state} -> {event:?}");
            }
        }
    }

    #[test]
    fn d5_a_cleaned_job_is_retired_for_good() {
        assert!(EVENTS.into_iter().all(|event| apply(JobState::Cleaned, event).is_none()));
    }

    #[test]
    fn s3_every_job_in_work_can_be_recorded_as_failed() {
        for state in [JobState::Queued, JobState::Running, JobState::AwaitingVerify] {
            assert_eq!(apply(state, JobEvent::GaveUp), Some(JobState::Failed));
        }
    }

    #[test]
    fn texts_round_trip() {
        assert!(JobState::ALL.into_iter().all(|state| JobState::from_text(state.as_str()) == Some(state)));
        assert!(FailureClass::ALL.into_iter().all(|class| FailureClass::from_text(class.as_str()) == class));
        assert!(
            JobState::ALL.into_iter().all(|state| serde_json::to_value(state).unwrap() == state.as_str()),
            "stored as shown"
        );
        assert!(
            FailureClass::ALL.into_iter().all(|class| serde_json::to_value(class).unwrap() == class.as_str()),
            "stored as shown"
        );
    }
}
