//! What may be cleared, and when by itself (docs/clearing.md). The proof itself is the engine's; this is the policy and
//! the answer "why not".
//!
//! Nothing here permits a deletion: it says whether asking for one makes sense. The engine proves the destination
//! again, compares every file, and only then holds a permit.

use crate::api::Condition;
use crate::lifecycle::RunState;
use crate::overrides::{OverrideEntry, revoked_since};
use crate::proof::{ProofLevel, Totals};
use crate::settings::{NasCleanup, StagingCleanup};
use crate::timestamp::Timestamp;
use crate::units;

/// The staging policy: `manual` never; `scheduled` when verified for `retain_hours`.
pub fn cleanup_eligible(
    policy: StagingCleanup,
    state: RunState,
    verified_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    match policy {
        StagingCleanup::Manual => false,
        StagingCleanup::Scheduled { retain_hours } => {
            state == RunState::SyncVerified && older_than(verified_at, retain_hours, now)
        }
    }
}

/// The interlocks of automatic clearing (`nas_cleanup`).
///
/// Passes and ages are those of the run's present generation. An override revoked after the generation's first proof
/// counts as revoked since verification, also when a later proof came after it.
pub fn interlocks_hold(
    config: &NasCleanup,
    passes: u32,
    first_proof_at: Option<Timestamp>,
    destination_reachable: bool,
    overrides: &[OverrideEntry],
    now: Timestamp,
) -> bool {
    config.enabled
        && passes >= config.min_verify_passes
        && older_than(first_proof_at, config.min_age_hours, now)
        && destination_reachable
        && first_proof_at.is_some_and(|at| !revoked_since(overrides, at))
}

/// True once `hours` have passed since `at`; never for a time that is missing or still to come.
fn older_than(at: Option<Timestamp>, hours: u32, now: Timestamp) -> bool {
    at.is_some_and(|at| now.seconds_since(at) >= i64::from(hours) * 3_600)
}

/// What is known of a run when someone asks whether it can be cleared.
#[derive(Clone, Debug)]
pub struct ClearFacts<'a> {
    /// Readable state; the error is the sentence of the unreadable document.
    pub state: Result<RunState, String>,
    /// Sealed and proven by this installation, with its ingest.json agreeing on generation and seal; else why not.
    pub sealed_by_us: Result<Totals, String>,
    /// Late or changed files: all, and the first few by name.
    pub late_files: u64,
    /// Shown text of the first few.
    pub late_names: &'a [String],
    /// Newest proof: level.
    pub proof_level: Option<ProofLevel>,
    /// When the newest proof was made.
    pub proof_at: Option<Timestamp>,
    /// When the first proof of this generation was made.
    pub first_proof_at: Option<Timestamp>,
    /// Proofs of this generation.
    pub passes: u32,
    /// Nothing was seen that would stop it from being moved aside and deleted, or what.
    pub removable: Result<(), String>,
    /// It could not be told of every file whether a program has it open for writing.
    pub writers_untold: bool,
    /// Last known health of the destination; else why not.
    pub destination: Result<(), String>,
    /// A worker or another clear is on it.
    pub busy: Option<String>,
    /// A clear of it is open: it was proven and permitted, and may stand aside by now.
    pub clear_open: bool,
    /// Overrides and tombstones.
    pub overrides: &'a [OverrideEntry],
    /// Policy.
    pub staging_cleanup: StagingCleanup,
    /// Interlocks.
    pub nas_cleanup: NasCleanup,
    /// `verify.clear_needs`
    pub clear_needs: ProofLevel,
    /// Now.
    pub now: Timestamp,
}

/// What the operator's own clear needs, with the reason code of [`crate::api::reason_sentence`] when it does not hold.
const MANUAL: [(&str, &str); 8] = [
    ("readable", "document_unreadable"),
    ("sync_verified", "staging_not_sync_verified"),
    ("sealed_by_us", "staging_not_proven"),
    ("no_late_files", "late_files"),
    ("removable", "not_removable"),
    ("not_busy", "job_in_work"),
    ("proof_level", "proof_too_weak"),
    ("destination_reachable", "destination_unreachable"),
];

/// What automatic clearing needs besides.
const AUTOMATIC: [&str; 6] =
    ["policy_scheduled", "retained", "nas_cleanup_enabled", "verify_passes", "proof_age", "no_override_revoked"];

/// True when the operator's own clear would be accepted. A condition that was not looked at does not hold.
pub fn manual_clear_allowed(conditions: &[Condition]) -> bool {
    MANUAL.iter().all(|(code, _)| holds(conditions, code))
}

/// True when the run would be cleared by itself now. A condition that was not looked at does not hold.
pub fn automatic_clear_due(conditions: &[Condition]) -> bool {
    manual_clear_allowed(conditions) && AUTOMATIC.iter().all(|code| holds(conditions, code))
}

/// Why the operator's own clear is refused, as a code of [`crate::api::reason_sentence`]; `None` when it is not.
pub fn first_failing_reason(conditions: &[Condition]) -> Option<&'static str> {
    MANUAL.iter().find(|(code, _)| !holds(conditions, code)).map(|(_, reason)| *reason)
}

fn holds(conditions: &[Condition], code: &str) -> bool {
    let mut found = conditions.iter().filter(|condition| condition.code == code).peekable();
    found.peek().is_some() && found.all(|condition| condition.holds)
}

/// Every condition with its value, in the order people read them: first what the operator's clear needs, then what only
/// automatic clearing needs.
///
/// Codes: `readable`, `sync_verified`, `sealed_by_us`, `no_late_files`, `not_busy`, `proof_level`,
/// `destination_reachable`; automatic only: `policy_scheduled`, `retained`, `nas_cleanup_enabled`, `verify_passes`,
/// `proof_age`, `no_override_revoked`. The time a run is retained counts from the first proof of its present
/// generation.
pub fn conditions(facts: &ClearFacts<'_>) -> Vec<Condition> {
    let mut all = operators_conditions(facts);
    all.extend(automatic_conditions(facts));
    all
}

fn condition(code: &str, title: &str, holds: bool, value: String) -> Condition {
    Condition {
        code: code.to_owned(),
        title: title.to_owned(),
        holds,
        value,
        automatic_only: AUTOMATIC.contains(&code),
    }
}

fn operators_conditions(facts: &ClearFacts<'_>) -> Vec<Condition> {
    let readable = match &facts.state {
        Ok(_) => "readable".to_owned(),
        Err(sentence) => sentence.clone(),
    };
    // The `cleared` of a clear that is open rests on a proof; the run is no less proven for it.
    let under_clear = facts.clear_open && facts.state == Ok(RunState::Cleared);
    let verified = match &facts.state {
        Ok(_) if under_clear => "it was, and its clear is under way".to_owned(),
        Ok(state) => format!("its state is {state}"),
        Err(_) => "its state is not known".to_owned(),
    };
    let sealed = match &facts.sealed_by_us {
        Ok(totals) => format!("{}, {}", units::counted(totals.files, "file"), units::bytes_u64(totals.bytes)),
        Err(why) => why.clone(),
    };
    let needed = facts.clear_needs;
    let proof = match (facts.proof_level, facts.proof_at) {
        (Some(level), at) => {
            let ago = at.map_or_else(String::new, |at| format!(", {}", since(at, facts.now)));
            format!("{level} ({}){ago}; {needed} needed", level.meaning())
        }
        (None, _) => format!("no proof yet; {needed} needed"),
    };
    let removable = match &facts.removable {
        Ok(()) if facts.clear_open => "looked at whenever its clear goes on".to_owned(),
        Ok(()) if facts.writers_untold => {
            "no obstacle was seen; whether another computer or account still writes to its files cannot be seen here"
                .to_owned()
        }
        Ok(()) => "no obstacle was seen".to_owned(),
        Err(why) => why.clone(),
    };
    let destination = match &facts.destination {
        Ok(()) => "reachable when it was last asked".to_owned(),
        Err(why) => why.clone(),
    };
    let strong_enough = facts.proof_level.is_some_and(|level| level >= needed);
    vec![
        condition("readable", "Its ingest.json can be read", facts.state.is_ok(), readable),
        condition(
            "sync_verified",
            "The NAS was proven to hold this run",
            under_clear || facts.state == Ok(RunState::SyncVerified),
            verified,
        ),
        condition("sealed_by_us", "It was sealed and proven by this installation", facts.sealed_by_us.is_ok(), sealed),
        condition("no_late_files", "No file arrived or changed after the proof", facts.late_files == 0, late(facts)),
        condition("removable", "It can be moved aside and deleted", facts.removable.is_ok(), removable),
        condition(
            "not_busy",
            "Nothing else is at work on it",
            facts.busy.is_none(),
            facts.busy.clone().unwrap_or_else(|| "nothing is".to_owned()),
        ),
        condition("proof_level", "The proof is as strong as verify.clear_needs asks for", strong_enough, proof),
        condition("destination_reachable", "The NAS can be reached", facts.destination.is_ok(), destination),
    ]
}

fn automatic_conditions(facts: &ClearFacts<'_>) -> Vec<Condition> {
    let (now, first, config) = (facts.now, facts.first_proof_at, &facts.nas_cleanup);
    let (scheduled, retained, policy, retention) = match facts.staging_cleanup {
        StagingCleanup::Manual => {
            (false, false, "manual: only an operator clears".to_owned(), "manual: no time is set".to_owned())
        }
        StagingCleanup::Scheduled { retain_hours } => (
            true,
            older_than(first, retain_hours, now),
            format!("scheduled: {} after the first proof", hours(retain_hours)),
            age(first, retain_hours, now),
        ),
    };
    let passes = format!(
        "{} of {}",
        units::count(facts.passes.into()),
        units::counted(config.min_verify_passes.into(), "proof")
    );
    let enabled = if config.enabled { "on" } else { "off: nothing is cleared by itself" };
    let (unrevoked, revoked) = match first {
        None => (false, "no proof yet"),
        Some(at) if revoked_since(facts.overrides, at) => {
            (false, "an override was revoked after the first proof: prove it anew by force-sync")
        }
        Some(_) => (true, "none"),
    };
    vec![
        condition("policy_scheduled", "staging_cleanup clears runs by itself", scheduled, policy),
        condition("retained", "It was kept for retain_hours after its proof", retained, retention),
        condition("nas_cleanup_enabled", "nas_cleanup is on", config.enabled, enabled.to_owned()),
        condition("verify_passes", "It was proven often enough", facts.passes >= config.min_verify_passes, passes),
        condition(
            "proof_age",
            "Its first proof is old enough",
            older_than(first, config.min_age_hours, now),
            age(first, config.min_age_hours, now),
        ),
        condition("no_override_revoked", "No override was revoked since the proof", unrevoked, revoked.to_owned()),
    ]
}

/// `12 late files: raw/a.tif, raw/b.tif and 10 more`
fn late(facts: &ClearFacts<'_>) -> String {
    if facts.late_files == 0 {
        return "none".to_owned();
    }
    let more = facts.late_files.saturating_sub(facts.late_names.len() as u64);
    let names = facts.late_names.join(", ");
    let head = units::counted(facts.late_files, "late file");
    match (names.is_empty(), more) {
        (true, _) => head,
        (false, 0) => format!("{head}: {names}"),
        (false, more) => format!("{head}: {names} and {} more", units::count(more)),
    }
}

/// `first proof 3h 5m ago, 24h 0m needed`
fn age(first_proof_at: Option<Timestamp>, needed_hours: u32, now: Timestamp) -> String {
    let first =
        first_proof_at.map_or_else(|| "no proof yet".to_owned(), |at| format!("first proof {}", since(at, now)));
    format!("{first}, {} needed", hours(needed_hours))
}

fn since(at: Timestamp, now: Timestamp) -> String {
    match now.seconds_since(at) {
        ..0 => format!("at {at}, which is still to come: check this computer's clock"),
        seconds => format!("{} ago", units::elapsed(seconds)),
    }
}

/// Hours as the config counts them, in the form of [`units::elapsed`]: `48h 0m`.
fn hours(n: u32) -> String {
    format!("{n}h 0m")
}

#[cfg(test)]
#[path = "cleanup_tests.rs"]
mod tests;
