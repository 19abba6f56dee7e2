//! Overrides, their tombstones, and marks: what operators say to findings. An override and a tombstone go into the
//! run's creation.json and the run is judged again at once; a mark stays here and lets nothing through.

use super::Engine;
use super::answers::store_problem;
use super::unreadable::{gate_problem, record_problem};
use crate::database::LedgerKind;
use crate::judge::gatekeeper::judge;
use crate::keep::ingest_store::{Appended, append_override};
use crate::keep::record::Stamp;
use crate::machine::blocking::blocking;
use crate::observe::{evaluate_run, judge_sealed, note_creation};
use crate::tell::index::Facts;
use domain::api::{KnownRequest, OverrideRequest, ProblemFinding, ProblemList, ProblemQuery, RevokeRequest};
use domain::document::creation::Creation;
use domain::finding::{Rule, Tier};
use domain::lifecycle::RunState;
use domain::log_line::Level;
use domain::overrides::{OverrideEntry, check_expiry, check_operator, check_reason};
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

fn refused(sentence: String) -> Problem {
    Problem::new(ErrorCode::Unprocessable, format!("{sentence}."))
}

fn no_creation(run: &RunPath) -> Problem {
    let message =
        format!("{run} has no creation.json, and an override is recorded there: let its producer write one first.");
    Problem::new(ErrorCode::CreationMissing, message)
}

impl Engine {
    /// Findings as asked for, with what stands around them; answers from memory.
    pub async fn problems(&self, query: ProblemQuery) -> Result<ProblemList, Problem> {
        self.ready(super::answers::FIRST_SCAN_PATIENCE).await?;
        let audited_at = self.core.staging.looked_through_at();
        Ok(ProblemList::select(self.core.problems(), &query, audited_at))
    }

    /// Lets a class of findings of a run through, and judges it anew at once.
    pub(super) async fn override_run(
        &self,
        run: &RunPath,
        request: &OverrideRequest,
    ) -> Result<OverrideEntry, Problem> {
        let core = &self.core;
        let rule = Rule::from_text(&request.problem_class).ok_or_else(|| {
            refused(format!("`problem_class` {:?} is not a class of findings", request.problem_class))
        })?;
        if !rule.can_be_overridden() {
            let why = match rule.tier() {
                Tier::Soft => "blocks nothing, so there is nothing to override",
                Tier::Hard => "cannot be overridden: nobody would know where the run goes",
            };
            return Err(refused(format!("{} {why}", rule.as_str())));
        }
        let operator = check_operator(&request.operator).map_err(refused)?.to_owned();
        let reason = check_reason(&request.reason).map_err(refused)?.to_owned();
        let expires = check_expiry(request.expires_at.as_deref(), core.site.clock.now()).map_err(refused)?;
        let entry = OverrideEntry {
            id: uuid::Uuid::new_v4().to_string(),
            problem_class: rule.as_str().to_owned(),
            revokes: None,
            operator,
            recorded_at: Some(core.site.clock.now().to_string()),
            reason,
            revoked: false,
            expires_at: expires.map(|at| at.to_string()),
        };
        let written = entry.clone();
        self.append(run, Some(rule), move |_| Ok(written.clone())).await?;
        let until = entry.expires_at.as_deref().map_or_else(|| "for good".to_owned(), |at| format!("until {at}"));
        self.overridden(
            run,
            LedgerKind::Overridden,
            &format!("{} let through {until} by {}: {}", entry.problem_class, entry.operator, entry.reason),
        )
        .await;
        Ok(entry)
    }

    /// Ends an override by a tombstone, and judges its run anew at once.
    pub(super) async fn revoke_run(&self, run: &RunPath, request: &RevokeRequest) -> Result<OverrideEntry, Problem> {
        let operator = check_operator(&request.operator).map_err(refused)?.to_owned();
        let reason = check_reason(&request.reason).map_err(refused)?.to_owned();
        let (id, named) = (request.revokes.clone(), run.to_string());
        let tombstone = OverrideEntry {
            id: uuid::Uuid::new_v4().to_string(),
            problem_class: String::new(),
            revokes: Some(id.clone()),
            operator,
            recorded_at: Some(self.core.site.clock.now().to_string()),
            reason,
            revoked: true,
            expires_at: None,
        };
        let written = tombstone.clone();
        let make = move |creation: &Creation| {
            let entries = creation.overrides();
            let missing = || Problem::new(ErrorCode::NotFound, format!("{named} has no override with the id {id:?}."));
            let entry = entries
                .iter()
                .find(|entry| !id.is_empty() && entry.id == id && entry.revokes.is_none())
                .ok_or_else(missing)?;
            if entry.revoked || entries.iter().any(|other| other.revokes.as_deref() == Some(&id)) {
                return Err(Problem::new(
                    ErrorCode::AlreadyRevoked,
                    format!("The override {id} of {named} was revoked before."),
                ));
            }
            Ok(written.clone())
        };
        self.append(run, None, make).await?;
        let line = format!("override {} revoked by {}: {}", request.revokes, tombstone.operator, tombstone.reason);
        self.overridden(run, LedgerKind::OverrideRevoked, &line).await;
        Ok(tombstone)
    }

    /// Appends an entry to the run's creation.json. With a rule: only when the run, as it stands now, has a finding of
    /// it.
    async fn append(
        &self,
        run: &RunPath,
        rule: Option<Rule>,
        make: impl Fn(&Creation) -> Result<OverrideEntry, Problem> + Send + 'static,
    ) -> Result<(), Problem> {
        let core = &self.core;
        let held = core.turns.runs.hold(run, "override", PATIENCE).await;
        let _guard = held.map_err(|holder| {
            Problem::new(ErrorCode::RunBusy, format!("{run} is busy ({holder}): try again when that has ended."))
        })?;
        self.may_act_on(run)?;
        let Some(state) = core.index.look(run, Facts::state) else { return Err(self.gone_problem(run).await?) };
        if state == Some(RunState::Cleared) {
            return Err(Problem::new(ErrorCode::RunCleared, format!("{run} is already cleared.")));
        }
        let (shared, run_path) = (core.clone(), run.clone());
        let (creation, stamp): (Creation, Option<Stamp>) = blocking(move || {
            let (core, run) = (&*shared, &run_path);
            let folder = core.staging.run(run).map_err(|error| gate_problem(run, error.into()))?;
            if let Some(rule) = rule {
                let verdict = judge(core, &folder, run, state == Some(RunState::SyncVerified))
                    .map_err(|error| gate_problem(run, error))?;
                if !verdict.findings().iter().any(|finding| finding.rule == rule) {
                    let message =
                        format!("{run} has no finding of {} now: there is nothing to override.", rule.as_str());
                    return Err(Problem::new(ErrorCode::NothingToOverride, message));
                }
            }
            match append_override(folder.dir(), run, make).map_err(|error| record_problem(run, error))? {
                Appended::Written(creation, stamp) => Ok((*creation, stamp)),
                Appended::Missing => Err(no_creation(run)),
                Appended::Refused(problem) => Err(problem),
            }
        })
        .await?;
        core.change(run, |facts| note_creation(facts, Ok(Some(creation)), stamp));
        Ok(())
    }

    /// Tells of it, and judges the run anew: a blocked one may go, one that was let through may not any more.
    async fn overridden(&self, run: &RunPath, kind: LedgerKind, line: &str) {
        let core = &self.core;
        let life = core.index.look(run, |facts| facts.life).unwrap_or(1);
        core.ledger(run, life, kind, line.to_owned()).await;
        let folder = {
            let (core, run) = (core.clone(), run.clone());
            blocking(move || core.staging.run(&run).ok()).await
        };
        core.log(folder.as_ref(), run, Level::Warn, line);
        if let Err(error) = evaluate_run(core, run).await {
            tracing::warn!(run = %run, %error, "it could not be judged after its overrides changed; it is tried again");
        }
        if judge_sealed(core, run).await
            && let Err(problem) = self.retry_run(run).await
        {
            tracing::warn!(run = %run, %problem, "its job failed at the gate and could not be taken up again");
        }
        core.desk.look_at(run);
    }

    /// Marks a finding known here, or takes the mark away. The run stays held back.
    pub(super) async fn mark(
        &self,
        path: &str,
        request: &KnownRequest,
        known: bool,
    ) -> Result<ProblemFinding, Problem> {
        let core = &self.core;
        let rule = Rule::from_text(&request.rule)
            .ok_or_else(|| refused(format!("`rule` {:?} is not a class of findings", request.rule)))?;
        let operator = match request.operator.as_deref().map(str::trim).filter(|operator| !operator.is_empty()) {
            Some(operator) => Some(check_operator(operator).map_err(refused)?),
            None => None,
        };
        // A folder that is no run has findings too, under its shown path.
        let no_run = core.staging.unrecognised().iter().any(|finding| finding.run_path == path);
        let run_path = if no_run { path.to_owned() } else { self.parse(path)?.to_string() };
        let key = (run_path, rule, request.offending_path.clone());
        let marked = core.mark_finding(&key, operator, known).await.map_err(store_problem)?;
        marked.ok_or_else(|| {
            let message = format!("{} has no finding of {} at {:?} now.", key.0, rule.as_str(), key.2);
            Problem::new(ErrorCode::NotFound, message)
        })
    }
}
