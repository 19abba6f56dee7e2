//! `/problems`: every finding of the gate with what stands around it, and what operators do about it.
//!
//! A mark "known" is ours alone and lives in the state folder: it takes a finding out of sight, it never lets a run
//! through. What lets a run through is an override, which lives in the run's creation.json.

use super::ProblemQuery;
use crate::finding::Finding;
use crate::lifecycle::RunState;
use crate::overrides::OverrideEntry;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A finding as listed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProblemFinding {
    /// The gate's own nine fields.
    #[serde(flatten)]
    pub finding: Finding,
    /// State of the run; `None` for a folder that is no run.
    pub current_state: Option<String>,
    /// First segment of the path.
    pub equipment_id: String,
    /// When this installation found it first.
    pub since: Timestamp,
    /// The mark, when an operator made one.
    pub known: Option<KnownMark>,
    /// Whether its class may be overridden.
    pub overridable: bool,
    /// The override of the run that lets its class through now.
    #[serde(rename = "override")]
    pub active_override: Option<OverrideEntry>,
}

impl ProblemFinding {
    /// True when it holds its run back now: hard, not overridden, and the run not proven before it was found.
    pub fn holds_back(&self) -> bool {
        let over = [RunState::SyncVerified.as_str(), RunState::Cleared.as_str()];
        self.finding.blocks() && !self.current_state.as_deref().is_some_and(|state| over.contains(&state))
    }

    /// Where it stands, in one word of [`super::Scope`]'s.
    pub fn is_overridden(&self) -> bool {
        self.finding.rule.can_be_overridden() && self.finding.override_active
    }
}

/// An operator's mark that a finding is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KnownMark {
    /// When.
    pub at: Timestamp,
    /// Who, if said.
    pub operator: Option<String>,
}

/// `GET /api/v1/problems`
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ProblemList {
    /// Hard before soft, then by run, rule, offending path.
    pub findings: Vec<ProblemFinding>,
    /// When the staging tree was last looked through; `None` before the first time.
    pub audit_at: Option<Timestamp>,
    /// All that match, also beyond the page asked for.
    pub total: u64,
    /// How many stand before the first one listed.
    pub offset: u64,
    /// For the filters.
    pub counts: ProblemCounts,
}

/// How many findings each choice of a filter would show, the other filters being as they are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProblemCounts {
    /// By scope.
    pub scopes: BTreeMap<String, u64>,
    /// By tier.
    pub tiers: BTreeMap<String, u64>,
    /// By rule.
    pub rules: BTreeMap<String, u64>,
    /// By state of the run; `none` for folders that are not runs.
    pub states: BTreeMap<String, u64>,
}

impl ProblemList {
    /// Filters, counts, sorts and pages. The same input gives the same bytes.
    pub fn select(all: Vec<ProblemFinding>, query: &ProblemQuery, audit_at: Option<Timestamp>) -> ProblemList {
        let mut counts = ProblemCounts::default();
        let words = query.words();
        let mut matching: Vec<ProblemFinding> =
            all.into_iter().filter(|found| query.select_counting(found, &words, &mut counts)).collect();
        matching.sort_by(|a, b| crate::finding::order(&a.finding, &b.finding));
        let total = matching.len() as u64;
        let offset = query.offset.min(total);
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let take = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let findings = matching.into_iter().skip(skip).take(take).collect();
        ProblemList { findings, audit_at, total, offset, counts }
    }
}

/// Body of `POST /api/v1/problems/{run_path}/override`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverrideRequest {
    /// The rule to let through on this run.
    pub problem_class: String,
    /// Why: 10-500 characters after trimming.
    pub reason: String,
    /// Who.
    pub operator: String,
    /// Until when, strictly in the future; `null` is for good.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// Body of `POST /api/v1/problems/{run_path}/override/revoke`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Id of the override.
    pub revokes: String,
    /// Why: 10-500 characters after trimming.
    pub reason: String,
    /// Who.
    pub operator: String,
}

/// Body of `POST /api/v1/problems/{run_path}/known` and `.../unknown`: which finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownRequest {
    /// Its rule.
    pub rule: String,
    /// Its offending path, as listed.
    pub offending_path: String,
    /// Who, if said.
    #[serde(default)]
    pub operator: Option<String>,
}
