//! Operators' overrides of gate findings, and the tombstones that revoke them (contract section 7). Append-only.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One entry of `validation_overrides`: an override, or a tombstone when `revokes` is set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OverrideEntry {
    /// UUID; empty when an old minor wrote none.
    pub id: String,
    /// The rule it lets through; empty on a tombstone.
    pub problem_class: String,
    /// The entry a tombstone revokes.
    pub revokes: Option<String>,
    /// Who.
    pub operator: String,
    /// When, as written.
    pub recorded_at: Option<String>,
    /// Why: 10-500 characters.
    pub reason: String,
    /// Set on tombstones, and by some writers on the entry itself.
    pub revoked: bool,
    /// As written: `null` never expires, a malformed text has expired.
    pub expires_at: Option<String>,
}

impl OverrideEntry {
    /// Reads an entry leniently: what is missing is empty.
    pub fn read(object: &Map<String, Value>) -> Option<OverrideEntry> {
        let own = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(OverrideEntry {
            id: own("id").unwrap_or_default(),
            problem_class: own("problem_class").unwrap_or_default(),
            revokes: own("revokes"),
            operator: own("operator").unwrap_or_default(),
            recorded_at: own("recorded_at"),
            reason: own("reason").unwrap_or_default(),
            revoked: object.get("revoked").and_then(Value::as_bool).unwrap_or(false),
            expires_at: match object.get("expires_at") {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
            },
        })
    }

    /// As written to the document: an override carries its class and expiry, a tombstone what it revokes.
    pub fn to_object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("id".into(), self.id.clone().into());
        match &self.revokes {
            Some(target) => {
                object.insert("revokes".into(), target.clone().into());
            }
            None => {
                object.insert("problem_class".into(), self.problem_class.clone().into());
            }
        }
        object.insert("operator".into(), self.operator.clone().into());
        object.insert("recorded_at".into(), self.recorded_at.clone().into());
        object.insert("reason".into(), self.reason.clone().into());
        object.insert("revoked".into(), self.revoked.into());
        if self.revokes.is_none() {
            object.insert("expires_at".into(), self.expires_at.clone().into());
        }
        object
    }

    fn recorded(&self) -> Option<Timestamp> {
        self.recorded_at.as_deref().and_then(|at| Timestamp::parse(at).ok())
    }
}

/// The reason of an override, a revocation or an assumed completeness, without outer blanks; the error is a sentence.
pub fn check_reason(reason: &str) -> Result<&str, String> {
    let reason = reason.trim();
    match reason.chars().count() {
        10..=500 => Ok(reason),
        n => Err(format!("`reason` has {n} characters: give one of 10 to 500, for whoever reads the record later")),
    }
}

/// True when some active override lets this class through at `now`.
///
/// Active: not a tombstone, not revoked by one, and `now` strictly before its expiry.
pub fn is_overridden(entries: &[OverrideEntry], class: &str, now: Timestamp) -> bool {
    active(entries, now).any(|entry| entry.problem_class == class)
}

/// The entries that count at `now`.
pub fn active(entries: &[OverrideEntry], now: Timestamp) -> impl Iterator<Item = &OverrideEntry> {
    entries.iter().filter(move |entry| {
        let tombstoned =
            entries.iter().any(|other| other.revokes.as_deref().is_some_and(|target| !target.is_empty() && target == entry.id));
        let unexpired = match &entry.expires_at {
            None => true,
            Some(text) => Timestamp::parse(text).is_ok_and(|expiry| now < expiry),
        };
        entry.revokes.is_none() && !entry.revoked && !tombstoned && unexpired && !entry.problem_class.is_empty()
    })
}

/// When the next active override expires: the run must be judged again then.
pub fn next_expiry(entries: &[OverrideEntry], now: Timestamp) -> Option<Timestamp> {
    active(entries, now).filter_map(|entry| Timestamp::parse(entry.expires_at.as_deref()?).ok()).min()
}

/// True when something was revoked since `verified_at`: automatic clearing stops. A revocation without a readable time counts.
pub fn revoked_since(entries: &[OverrideEntry], verified_at: Timestamp) -> bool {
    let revocations = entries.iter().filter(|entry| entry.revoked || entry.revokes.is_some());
    revocations.into_iter().any(|entry| entry.recorded().is_none_or(|at| at > verified_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        now: Timestamp,
        entries: Vec<Map<String, Value>>,
        active_ids: Vec<String>,
        active_ids_at_exact_expiry: Vec<String>,
    }

    #[test]
    fn golden_vectors() {
        let vectors: Vectors = serde_json::from_str(include_str!("../tests/fixtures/vectors/overrides.json")).unwrap();
        let entries: Vec<_> = vectors.entries.iter().filter_map(OverrideEntry::read).collect();
        let ids = |now| active(&entries, now).map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(vectors.now), vectors.active_ids);
        let expiry = next_expiry(&entries, vectors.now).unwrap();
        assert_eq!(ids(expiry), vectors.active_ids_at_exact_expiry);
        assert!(is_overridden(&entries, "unresolved_placeholder_token", vectors.now));
        assert!(!is_overridden(&entries, "leftover_jinja_marker", vectors.now), "a malformed expiry has expired");
    }

    #[test]
    fn reasons_have_10_to_500_characters() {
        for (reason, accepted) in [("ö".repeat(10), true), ("ö".repeat(9), false), ("x".repeat(500), true), ("x".repeat(501), false)] {
            assert_eq!(check_reason(&format!(" {reason}\n")).is_ok(), accepted, "{}", reason.len());
        }
    }

    #[test]
    fn a_tombstone_counts_as_revoked_whatever_it_says_of_itself() {
        let tombstone = |revoked: bool| {
            let object = serde_json::json!({"id": "t", "revokes": "o", "recorded_at": "2026-04-18T09:14:22Z", "revoked": revoked});
            OverrideEntry::read(object.as_object().unwrap()).unwrap()
        };
        let before = Timestamp::parse("2026-04-18T09:14:21Z").unwrap();
        for revoked in [false, true] {
            assert!(revoked_since(&[tombstone(revoked)], before));
            assert!(!revoked_since(&[tombstone(revoked)], before.plus_seconds(1)));
        }
    }

    #[test]
    fn what_is_written_reads_back_equal() {
        let vectors: Vectors = serde_json::from_str(include_str!("../tests/fixtures/vectors/overrides.json")).unwrap();
        for object in &vectors.entries {
            assert_eq!(&OverrideEntry::read(object).unwrap().to_object(), object);
        }
    }
}
