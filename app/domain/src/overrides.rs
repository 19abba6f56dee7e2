//! Operators' overrides of gate findings, and the tombstones that revoke them (docs/operation.md). Append-only.

use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One entry of `validation_overrides`: an override, or a tombstone when `revokes` is set.
///
/// Serialised exactly as the document holds it, so that REST, panel and creation.json speak one language.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "Map<String, Value>", from = "Map<String, Value>")]
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
    pub fn read(object: &Map<String, Value>) -> OverrideEntry {
        let own = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        OverrideEntry {
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
        }
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

impl From<OverrideEntry> for Map<String, Value> {
    fn from(entry: OverrideEntry) -> Self {
        entry.to_object()
    }
}

impl From<Map<String, Value>> for OverrideEntry {
    fn from(object: Map<String, Value>) -> Self {
        OverrideEntry::read(&object)
    }
}

/// Bounds of a reason, in characters after trimming (docs/operation.md).
pub const REASON_CHARACTERS: std::ops::RangeInclusive<usize> = 10..=500;

/// Most characters of an operator's name.
const OPERATOR_CHARACTERS: usize = 100;

/// Who overrides, revokes or marks, without outer blanks; the error is a sentence.
pub fn check_operator(operator: &str) -> Result<&str, String> {
    let operator = operator.trim();
    match operator.chars().count() {
        0 => Err("`operator` is empty: say who you are, it is recorded".into()),
        n if n > OPERATOR_CHARACTERS => {
            Err(format!("`operator` has {n} characters: give a name of at most {OPERATOR_CHARACTERS}"))
        }
        _ if operator.chars().any(char::is_control) => {
            Err("`operator` holds a control character: give a plain name".into())
        }
        _ => Ok(operator),
    }
}

/// When an override ends: strictly after `now`, or never; the error is a sentence.
pub fn check_expiry(expires_at: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let Some(text) = expires_at else { return Ok(None) };
    match Timestamp::parse(text) {
        Ok(expiry) if expiry > now => Ok(Some(expiry)),
        Ok(expiry) => Err(format!(
            "`expires_at` is {expiry}, which is not in the future (it is {now} now): give a later time, or null for never"
        )),
        Err(error) => Err(format!("`expires_at`: {error}, or null for never")),
    }
}

/// The reason of an override, a revocation or an assumed completeness, without outer blanks; the error is a sentence.
pub fn check_reason(reason: &str) -> Result<&str, String> {
    let reason = reason.trim();
    match reason.chars().count() {
        n if REASON_CHARACTERS.contains(&n) => Ok(reason),
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
        let tombstoned = entries
            .iter()
            .any(|other| other.revokes.as_deref().is_some_and(|target| !target.is_empty() && target == entry.id));
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

/// True when something was revoked since `verified_at`: automatic clearing stops. A revocation without a readable time
/// counts.
pub fn revoked_since(entries: &[OverrideEntry], verified_at: Timestamp) -> bool {
    let revocations = entries.iter().filter(|entry| entry.revoked || entry.revokes.is_some());
    revocations.into_iter().any(|entry| entry.recorded().is_none_or(|at| at > verified_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let entries: Vec<_> = vectors.entries.iter().map(OverrideEntry::read).collect();
        let ids = |now| active(&entries, now).map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(vectors.now), vectors.active_ids);
        let expiry = next_expiry(&entries, vectors.now).unwrap();
        assert_eq!(ids(expiry), vectors.active_ids_at_exact_expiry);
        assert!(is_overridden(&entries, "unresolved_placeholder_token", vectors.now));
        assert!(!is_overridden(&entries, "leftover_jinja_marker", vectors.now), "a malformed expiry has expired");
    }

    #[test]
    fn reasons_have_10_to_500_characters() {
        for (reason, accepted) in
            [("ö".repeat(10), true), ("ö".repeat(9), false), ("x".repeat(500), true), ("x".repeat(501), false)]
        {
            assert_eq!(check_reason(&format!(" {reason}\n")).is_ok(), accepted, "{}", reason.len());
        }
    }

    #[test]
    fn a_tombstone_counts_as_revoked_whatever_it_says_of_itself() {
        let tombstone = |revoked: bool| {
            let object = serde_json::json!({"id": "t", "revokes": "o", "recorded_at": "2026-04-18T09:14:22Z", "revoked": revoked});
            OverrideEntry::read(object.as_object().unwrap())
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
            assert_eq!(&OverrideEntry::read(object).to_object(), object);
            assert_eq!(
                &serde_json::to_value(OverrideEntry::read(object)).unwrap(),
                &Value::Object(object.clone()),
                "REST too"
            );
        }
    }

    #[test]
    fn an_expiry_is_strictly_in_the_future() {
        let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
        assert_eq!(check_expiry(None, now), Ok(None));
        assert_eq!(check_expiry(Some("2026-06-01T02:00:01+02:00"), now), Ok(Some(now.plus_seconds(1))));
        for refused in ["2026-06-01T00:00:00Z", "2026-05-31T00:00:00Z", "next week", ""] {
            assert!(check_expiry(Some(refused), now).is_err(), "{refused}");
        }
    }

    #[test]
    fn an_operator_has_a_plain_name() {
        assert_eq!(check_operator(" A. Smith "), Ok("A. Smith"));
        assert!(
            ["", "  ", "a\nb"].iter().all(|name| check_operator(name).is_err())
                && check_operator(&"x".repeat(101)).is_err()
        );
    }

    fn any_entries() -> impl Strategy<Value = Vec<OverrideEntry>> {
        let classes = proptest::sample::select(vec![
            "unresolved_placeholder_token",
            "leftover_jinja_marker",
            "mode_prefix_mismatch",
        ]);
        let one = (classes, 0_usize..8, any::<bool>(), proptest::option::of(-3_i64..4));
        proptest::collection::vec(one, 0..8).prop_map(|raw| {
            let entry =
                |(n, (class, target, tombstone, expiry)): (usize, (&str, usize, bool, Option<i64>))| OverrideEntry {
                    id: n.to_string(),
                    problem_class: if tombstone { String::new() } else { class.into() },
                    revokes: tombstone.then(|| target.to_string()),
                    operator: "kim".into(),
                    recorded_at: None,
                    reason: "for the test".into(),
                    revoked: tombstone,
                    expires_at: expiry.map(|days| Timestamp::from_unix_seconds(days).to_string()),
                };
            raw.into_iter().enumerate().map(entry).collect()
        })
    }

    proptest! {
        #[test]
        fn a_tombstone_ends_its_entry_and_touches_no_other(entries in any_entries(), target in 0_usize..8) {
            let now = Timestamp::default();
            let ids = |entries: &[OverrideEntry]| active(entries, now).map(|entry| entry.id.clone()).collect::<Vec<_>>();
            let mut after = entries.clone();
            after.push(OverrideEntry { id: "t".into(), problem_class: String::new(), revokes: Some(target.to_string()), revoked: true, ..blank() });
            let mut expected = ids(&entries);
            expected.retain(|id| *id != target.to_string());
            prop_assert_eq!(ids(&after), expected);
        }

        #[test]
        fn an_override_opens_its_own_class_only(entries in any_entries()) {
            let now = Timestamp::default();
            for class in ["unresolved_placeholder_token", "leftover_jinja_marker", "mode_prefix_mismatch", "orphan", ""] {
                let without: Vec<_> = entries.iter().filter(|entry| entry.problem_class == class || entry.revokes.is_some()).cloned().collect();
                prop_assert_eq!(is_overridden(&entries, class, now), is_overridden(&without, class, now), "{}", class);
            }
        }
    }

    fn blank() -> OverrideEntry {
        OverrideEntry::read(&Map::new())
    }
}
