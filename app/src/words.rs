//! What a row says, in words. State, what stands beside it, and whether it needs an operator. The same on server and
//! browser.
//!
//! Never by colour alone: every tone comes with an icon and a text.

use domain::api::{AttentionKind, JobError, RunRow};
use domain::job::{FailureClass, JobState};

/// Which way a word leans; chooses colour, never replaces the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Idle,
    Busy,
    Good,
    /// Waits, or worth a look.
    Warn,
    Bad,
}

impl Tone {
    /// Class name.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Idle => "tone-idle",
            Tone::Busy => "tone-busy",
            Tone::Good => "tone-good",
            Tone::Warn => "tone-warn",
            Tone::Bad => "tone-bad",
        }
    }
}

/// A word with its icon (a symbol of the shell's sprite).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    pub tone: Tone,
    pub icon: &'static str,
    pub text: String,
}

fn word(tone: Tone, icon: &'static str, text: impl Into<String>) -> Word {
    Word { tone, icon, text: text.into() }
}

/// The states that have a chip of their own, in order of the lifecycle.
pub const STATES: [&str; 6] = ["staging", "complete", "sync_queued", "sync_verified", "cleared", "unknown"];

/// A state for people. A newer version's own text is shown as it is.
pub fn state(text: &str) -> Word {
    match text {
        "staging" => word(Tone::Idle, "receiving", "Staging"),
        "complete" => word(Tone::Busy, "complete", "Complete"),
        "sync_queued" => word(Tone::Busy, "queued", "Queued"),
        "sync_verified" => word(Tone::Good, "verified", "Verified"),
        "cleared" => word(Tone::Idle, "cleared", "Cleared"),
        "unknown" => word(Tone::Bad, "unreadable", "Unreadable"),
        other => word(Tone::Warn, "unreadable", other),
    }
}

/// What stands beside the state: never a sixth state (docs/lifecycle.md).
pub fn beside(row: &RunRow) -> Option<Word> {
    let job = row.job.as_ref();
    if let Some(problem) = &row.problem {
        let text = match problem.code.as_str() {
            "schema_major_mismatch" => "Other version",
            "staging_unreadable" | "staging_unavailable" => "Not readable now",
            _ => "Cannot be read",
        };
        return Some(word(Tone::Bad, "alert", text));
    }
    if let Some(clearing) = &row.clearing {
        return Some(match clearing.waiting {
            Some(_) => word(Tone::Warn, "waiting", "Clear waits"),
            None => word(Tone::Busy, "working", "Clearing"),
        });
    }
    if job.is_some_and(|job| job.state == JobState::Failed) {
        return Some(word(Tone::Bad, "failed", "Failed"));
    }
    if row.findings.blocking > 0 && row.summary.current_state == "complete" {
        return Some(word(Tone::Bad, "blocked", "Blocked"));
    }
    if row.late_files > 0 {
        let text =
            if row.late_files == 1 { "1 late file".to_owned() } else { format!("{} late files", row.late_files) };
        return Some(word(Tone::Warn, "late", text));
    }
    if let Some(error) = job.filter(|job| job.state == JobState::Cleaned).and_then(|job| job.error.as_ref()) {
        return Some(damage(error));
    }
    let job = job.filter(|_| row.summary.current_state != "cleared")?;
    match (&job.progress, job.state) {
        (Some(progress), _) => Some(word(Tone::Busy, "working", capitalised(progress.phase.label()))),
        (None, _) if job.waiting_for_destination => Some(word(Tone::Warn, "waiting", "Waiting for NAS")),
        (None, JobState::Queued) if job.error.is_some() => Some(word(Tone::Warn, "retrying", "Retrying")),
        (None, JobState::Running) => Some(word(Tone::Busy, "working", "Starting")),
        (None, JobState::AwaitingVerify) => Some(word(Tone::Busy, "working", "To be verified")),
        (None, JobState::CleanupEligible) => Some(word(Tone::Good, "eligible", "Clears by itself")),
        _ => None,
    }
}

/// What speaks against the copy of a cleared run, in a word.
pub fn damage(error: &JobError) -> Word {
    match error.code {
        FailureClass::HashMismatch => word(Tone::Bad, "alert", "Damaged on the NAS"),
        _ => word(Tone::Bad, "alert", "Not provable"),
    }
}

/// True when nothing goes on without an operator, or data is not where it should be.
pub fn needs_attention(row: &RunRow) -> bool {
    AttentionKind::any(row)
}

/// Why runs need an operator, for a filter: `Failed jobs`.
pub fn reason(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::Staging => "Staging tree",
        AttentionKind::ClearedDamaged => "Cleared runs with a damaged copy",
        AttentionKind::Failed => "Failed jobs",
        AttentionKind::Blocked => "Blocked runs",
        AttentionKind::Unreadable => "Unreadable runs",
        AttentionKind::Rest => "Rests of cleared runs",
        AttentionKind::Destination => "Waiting for the NAS",
        AttentionKind::Late => "Late files",
        AttentionKind::ClearWaits => "Clears that wait",
        AttentionKind::Silent => "Without a signal",
        AttentionKind::Disk => "Staging disk",
        AttentionKind::Paused => "Queue",
    }
}

/// What a clear is doing at a step.
pub fn clearing_step(step: &str) -> String {
    match step {
        "intended" => "Writing its history".to_owned(),
        "recorded" => "Sending its record to the NAS".to_owned(),
        "renamed" => "Deleting, file by file".to_owned(),
        other => capitalised(&other.replace('_', " ")),
    }
}

/// First letter large.
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// `1 run`, `2 runs`
pub fn counted(count: u64, one: &str, many: &str) -> String {
    domain::units::plural(count, one, many)
}

/// Bytes for people.
pub fn bytes(count: u64) -> String {
    domain::units::bytes_u64(count)
}

/// The last segment of a run's path.
pub fn leaf(run_path: &str) -> &str {
    run_path.rsplit('/').next().unwrap_or(run_path)
}
