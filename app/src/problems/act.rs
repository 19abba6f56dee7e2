//! What operators do about findings: asked of the server, and what came of it told.

use super::page::PageState;
use crate::acts::force::OPERATOR_KEY;
use crate::api;
use domain::api::{KnownRequest, ProblemFinding};
use domain::finding::Rule;
use domain::overrides::{OverrideEntry, REASON_CHARACTERS};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// What a dialog is open for.
#[derive(Clone, PartialEq, Debug)]
pub enum Asked {
    /// To let a class through.
    Override {
        run: String,
        rule: Rule,
    },
    Revoke {
        run: String,
        rule: Rule,
        entry: OverrideEntry,
    },
}

/// Who works here, as this browser remembers. Browser only.
pub fn kept_operator() -> String {
    window()
        .local_storage()
        .ok()
        .flatten()
        .and_then(|storage| storage.get_item(OPERATOR_KEY).ok().flatten())
        .unwrap_or_default()
}

/// Remembers it.
pub fn keep_operator(operator: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // A browser that keeps nothing asks again next time.
        let _ = storage.set_item(OPERATOR_KEY, operator);
    }
}

/// What is still lacking; `None` when it can be sent.
pub fn lacking(operator: &str, reason: &str) -> Option<String> {
    let length = reason.trim().chars().count();
    if operator.trim().is_empty() {
        Some("Say who you are.".to_owned())
    } else if length < *REASON_CHARACTERS.start() {
        Some(format!("Say why: {} more characters at least.", REASON_CHARACTERS.start() - length))
    } else if length > *REASON_CHARACTERS.end() {
        Some(format!("The reason has {} characters too many.", length - REASON_CHARACTERS.end()))
    } else {
        None
    }
}

/// `17 of 500 characters, at least 10`
pub fn counter(reason: &str) -> String {
    let (least, most) = (REASON_CHARACTERS.start(), REASON_CHARACTERS.end());
    format!("{} of {most} characters, at least {least}", reason.trim().chars().count())
}

/// Marks a finding, or takes the mark away. The list follows by the event that it causes.
pub fn mark(state: PageState, found: ProblemFinding, known: bool) {
    let operator = Some(kept_operator()).filter(|operator| !operator.is_empty());
    let finding = found.finding;
    let request =
        KnownRequest { rule: finding.rule.as_str().to_owned(), offending_path: finding.offending_path, operator };
    spawn_local(async move {
        match api::mark_known(finding.run_path, request, known).await {
            Ok(_) => {
                state.store.say(if known {
                    "Marked as known. The run stays as it is."
                } else {
                    "No longer marked as known."
                });
                state.store.problems_changes.update(|n| *n += 1);
            }
            Err(error) => {
                state.refused.try_set(Some(error.0));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{counter, lacking};

    #[test]
    fn a_reason_is_counted_as_the_server_counts_it() {
        assert_eq!(counter("  ten äöüß!  "), "9 of 500 characters, at least 10");
        assert!(
            lacking("kim", "  too short ").is_some()
                && lacking("", "ten characters").is_some()
                && lacking("kim", &"x".repeat(501)).is_some()
        );
        assert_eq!(lacking("kim", &"ä".repeat(500)), None);
    }
}
