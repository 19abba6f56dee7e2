//! What the page says of findings, classes and scopes.

use crate::words::{Tone, Word, capitalised};
use domain::api::{ProblemFinding, Scope};
use domain::finding::{Rule, Tier};

/// A class for people.
pub fn class(rule: Rule) -> String {
    capitalised(&rule.as_str().replace('_', " "))
}

/// A scope's chip.
pub fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::All => "All",
        Scope::Open => "Open",
        Scope::Blocking => "Holding runs back",
        Scope::Overridden => "Overridden",
        Scope::Known => "Known",
    }
}

/// A tier's chip.
pub fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Hard => "Hard",
        Tier::Soft => "Soft",
    }
}

/// What a finding means for its run, with icon and tone.
pub fn weight(found: &ProblemFinding) -> Word {
    let (tone, icon, text) = match found.finding.tier {
        Tier::Soft => (Tone::Warn, "alert", "Soft"),
        Tier::Hard if found.is_overridden() => (Tone::Idle, "check", "Hard, overridden"),
        Tier::Hard if found.holds_back() => (Tone::Bad, "blocked", "Hard"),
        Tier::Hard => (Tone::Warn, "alert", "Hard, already proven"),
    };
    Word { tone, icon, text: text.to_owned() }
}
