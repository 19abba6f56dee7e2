//! What an operator may do with a run, and why not.

use serde::{Deserialize, Serialize};

/// What an operator may do with a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actions {
    /// Queue it now.
    pub force_sync: Action,
    /// Free the local copy.
    pub clear: Action,
    /// Prove it again.
    pub verify: Action,
    /// Re-arm a failed job.
    pub retry: Action,
    /// Give up a clear that waits.
    #[serde(default = "Action::nothing_to_call_off")]
    pub call_off: Action,
}

/// Allowed, or the code of the reason why not. The sentence is [`reason_sentence`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Action {
    /// May be asked for.
    pub allowed: bool,
    /// Code when not.
    pub reason: Option<String>,
}

impl Action {
    /// Allowed.
    pub fn yes() -> Action {
        Action { allowed: true, reason: None }
    }

    /// No clear of the run waits.
    pub fn nothing_to_call_off() -> Action {
        Action::no("no_clear_waits")
    }

    /// Not allowed, because.
    pub fn no(reason: &str) -> Action {
        Action { allowed: false, reason: Some(reason.to_owned()) }
    }
}

/// The sentence for a reason code, for people.
pub fn reason_sentence(code: &str) -> &'static str {
    match code {
        "staging_not_complete" => "The instrument has not finished this run yet.",
        "staging_not_sync_verified" => "The NAS has not been proven to hold this run yet.",
        "staging_not_proven" => "This run was not sealed and proven by this installation: force a sync first.",
        "late_files" => "Files arrived or changed after the proof: force a sync first.",
        "cleared" => "The local copy is already gone.",
        "clearing" => "It is being cleared now.",
        "clear_waits" => "Its clear waits, and goes on by itself; its row says what for.",
        "document_unreadable" => "Its ingest.json cannot be read, so nothing may be done with it.",
        "schema_major_mismatch" => "Its documents were written by an incompatible version.",
        "unknown_state" => "A newer version wrote a state that is not known here.",
        "blocked" => "The Pre-Sync Gate holds it: fix or override its findings first.",
        "no_clear_waits" => "No clear of it waits.",
        "not_failed" => "Its job has not failed.",
        "no_job" => "It has no job yet.",
        "job_in_work" => "A worker is on it now.",
        "sync_paused" => "The queue is paused in the config (sync.enabled: false).",
        "destination_unreachable" => "The NAS cannot be reached.",
        "not_removable" => "Something in or around its folder cannot be moved or deleted; its conditions name it.",
        "proof_too_weak" => "The proof is weaker than verify.clear_needs asks for.",
        _ => "Not possible now.",
    }
}
