//! What of the problems is asked for: the query string of `GET /api/v1/problems` and of the panel's page, which share
//! it.

use super::{ProblemCounts, ProblemFinding};
use crate::finding::{Rule, Tier};
use crate::lifecycle::RunState;
use serde::{Deserialize, Serialize};

/// Which findings, by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything.
    #[default]
    All,
    /// Neither overridden nor marked known: what still asks for a decision.
    Open,
    /// Holds its run back now, known or not.
    Blocking,
    /// Hard, and let through by an active override.
    Overridden,
    /// Marked known.
    Known,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 5] = [Scope::All, Scope::Open, Scope::Blocking, Scope::Overridden, Scope::Known];

    /// As in the query.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::All => "all",
            Scope::Open => "open",
            Scope::Blocking => "blocking",
            Scope::Overridden => "overridden",
            Scope::Known => "known",
        }
    }

    fn holds(self, found: &ProblemFinding) -> bool {
        match self {
            Scope::All => true,
            Scope::Open => found.known.is_none() && !found.is_overridden(),
            Scope::Blocking => found.holds_back(),
            Scope::Overridden => found.is_overridden(),
            Scope::Known => found.known.is_some(),
        }
    }
}

/// A question for problems.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProblemQuery {
    /// By what became of them.
    pub scope: Scope,
    /// By weight.
    pub tier: Option<Tier>,
    /// By class.
    pub rule: Option<Rule>,
    /// By state of the run: one of the five, `unknown`, or `none` for folders that are not runs.
    pub state: Option<String>,
    /// Words that must all occur in run, path, token or class; case does not matter.
    pub q: String,
    /// How many to leave out.
    pub offset: u64,
    /// How many at most; all without it.
    pub limit: Option<u64>,
}

/// States that can be asked for.
pub const PROBLEM_STATES: [&str; 7] =
    ["staging", "complete", "sync_queued", "sync_verified", "cleared", "unknown", "none"];

impl ProblemQuery {
    /// Takes one pair of a query string, decoded; the error is a sentence. An empty value is no filter.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let unknown = |known: String| format!("{key} takes one of {known}, not {value:?}.");
        let number = || value.parse::<u64>().map_err(|_| format!("{key} must be a whole number, not {value:?}."));
        match (key, value) {
            ("q", _) => self.q = value.to_owned(),
            ("scope", "") => self.scope = Scope::All,
            ("tier", "") => self.tier = None,
            ("rule", "") => self.rule = None,
            ("state", "") => self.state = None,
            ("scope", _) => {
                let found = Scope::ALL.into_iter().find(|scope| scope.as_str() == value);
                self.scope = found.ok_or_else(|| unknown(Scope::ALL.map(Scope::as_str).join(", ")))?;
            }
            ("tier", "hard") => self.tier = Some(Tier::Hard),
            ("tier", "soft") => self.tier = Some(Tier::Soft),
            ("tier", _) => return Err(unknown("hard and soft".into())),
            ("rule", _) => self.rule = Some(Rule::from_text(value).ok_or_else(|| unknown("the gate's rules".into()))?),
            ("state", _) if PROBLEM_STATES.contains(&value) => self.state = Some(value.to_owned()),
            ("state", _) => return Err(unknown(PROBLEM_STATES.join(", "))),
            ("offset", _) => self.offset = number()?,
            ("limit", _) => self.limit = Some(number()?),
            _ => return Err(format!("The query takes scope, tier, rule, state, q, offset and limit, not {key:?}.")),
        }
        Ok(())
    }

    /// Its words, in small letters.
    pub(super) fn words(&self) -> Vec<String> {
        self.q.to_lowercase().split_whitespace().map(str::to_owned).collect()
    }

    /// Whether it is asked for; counts what each choice of a filter would show.
    pub(super) fn select_counting(&self, found: &ProblemFinding, words: &[String], counts: &mut ProblemCounts) -> bool {
        if !words.is_empty() {
            let finding = &found.finding;
            let text = [&finding.run_path, &finding.offending_path, &finding.matched_token, finding.rule.as_str()]
                .map(str::to_lowercase);
            if !words.iter().all(|word| text.iter().any(|text| text.contains(word))) {
                return false;
            }
        }
        let state = match found.current_state.as_deref() {
            None => "none",
            Some(text) if RunState::from_text(text).is_none() => "unknown",
            Some(text) => text,
        };
        let tier = match found.finding.tier {
            Tier::Hard => "hard",
            Tier::Soft => "soft",
        };
        let scope_holds = self.scope.holds(found);
        let tier_holds = self.tier.is_none_or(|tier| tier == found.finding.tier);
        let rule_holds = self.rule.is_none_or(|rule| rule == found.finding.rule);
        let state_holds = self.state.as_deref().is_none_or(|asked| asked == state);
        if tier_holds && rule_holds && state_holds {
            for scope in Scope::ALL.into_iter().filter(|scope| scope.holds(found)) {
                *counts.scopes.entry(scope.as_str().to_owned()).or_default() += 1;
            }
        }
        if scope_holds && rule_holds && state_holds {
            *counts.tiers.entry(tier.to_owned()).or_default() += 1;
        }
        if scope_holds && tier_holds && state_holds {
            *counts.rules.entry(found.finding.rule.as_str().to_owned()).or_default() += 1;
        }
        if scope_holds && tier_holds && rule_holds {
            *counts.states.entry(state.to_owned()).or_default() += 1;
        }
        scope_holds && tier_holds && rule_holds && state_holds
    }
}

#[cfg(test)]
#[path = "problems_tests.rs"]
mod tests;
