//! Runs that are queued or verified are judged again when what their judgement rests on has changed: creation.json, an
//! override that expired, late files, a start of the program with another config. Blocked ones are judged again on
//! their way to the queue.

use crate::core::Core;
use crate::judge::gatekeeper::{GateError, judge};
use crate::machine::blocking::blocking;
use crate::tell::index::Facts;
use domain::finding::Finding;
use domain::gate::Verdict;
use domain::job::{FailureClass, JobState};
use domain::lifecycle::RunState;
use domain::path::RunPath;
use std::sync::Arc;
use std::time::Duration;

/// How long one poll may spend on it: after a start there may be thousands.
const BUDGET: Duration = Duration::from_secs(1);

fn is_due(core: &Core, facts: &Facts) -> bool {
    let sealed = matches!(facts.state(), Some(RunState::SyncQueued | RunState::SyncVerified));
    // A worker judges what it takes up; a clear has other rules.
    let in_hand = facts.clearing.is_some() || facts.job.as_ref().is_some_and(|job| job.state.is_in_work());
    sealed
        && !in_hand
        && !facts.is_troubled()
        && facts.watch.fingerprint.is_some()
        && !facts.is_judged(core.site.clock.now())
}

/// Judges what is due, as far as there is time; the rest waits for the next poll. Answers runs that the gate lets
/// through again.
pub async fn judge_due(core: &Arc<Core>) -> Vec<RunPath> {
    let due = core.index.fold(Vec::new(), |mut due, facts| {
        if is_due(core, facts) {
            due.push(facts.run.clone());
        }
        due
    });
    let started = core.site.clock.monotonic();
    let mut released = Vec::new();
    for run in due {
        if core.site.stop.is_cancelled() || core.site.clock.monotonic().saturating_sub(started) > BUDGET {
            break;
        }
        if judge_sealed(core, &run).await {
            released.push(run);
        }
    }
    released
}

/// Judges one run when it is due; true when its job failed at the gate and the gate would let it through now.
pub async fn judge_sealed(core: &Arc<Core>, run: &RunPath) -> bool {
    if !core.index.look(run, |facts| is_due(core, facts)).unwrap_or(false) {
        return false;
    }
    let Ok(_guard) = core.turns.runs.try_hold(run, "judging") else { return false };
    let basis = core.index.look(run, |facts| facts.to_judge(core.site.clock.now())).flatten();
    let verified = basis.is_some_and(|basis| basis.verified);
    let judged: Result<Verdict, GateError> = {
        let (core, run) = (core.clone(), run.clone());
        blocking(move || judge(&core, &core.staging.run(&run)?, &run, verified)).await
    };
    match judged {
        Ok(verdict) => {
            let mut failed_at_gate = false;
            core.change(run, |facts| {
                facts.findings = Arc::new(verdict.findings().to_vec());
                facts.watch.judged = basis;
                let by_gate =
                    facts.job.as_ref().filter(|job| job.state == JobState::Failed).and_then(|job| job.error.as_ref());
                failed_at_gate = by_gate.is_some_and(|error| error.class == FailureClass::BlockedByValidation);
            });
            failed_at_gate && !verdict.findings().iter().any(Finding::blocks)
        }
        Err(error) => {
            tracing::debug!(run = %run, %error, "it could not be judged again; it is tried at the next poll");
            false
        }
    }
}

/// Marks the findings of a run that is verified now as found under an earlier policy.
pub fn now_verified(facts: &mut Facts) {
    if !facts.findings.is_empty() {
        Arc::make_mut(&mut facts.findings).iter_mut().for_each(|finding| finding.synced_under_prior_policy = true);
    }
    if let Some(judged) = &mut facts.watch.judged {
        judged.verified = true;
    }
}
