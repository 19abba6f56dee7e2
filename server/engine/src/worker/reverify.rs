//! Proving again what was proven: finds rot while staging still has the bytes, and makes the passes that automatic clearing counts. After
//! those runs come the cleared ones, whose copy on the NAS is the only one. Keeps to `verify.bytes_per_second` by pausing after each run for
//! as long as its bytes are worth.

use crate::core::Core;
use crate::gatekeeper::blocking;
use crate::only_copy;
use crate::prove::{Proof, count_pass, prove, record_broken};
use crate::store::{Job, StoreError};
use crate::transport::CallContext;
use domain::job::{FailureClass, JobState};
use std::sync::Arc;
use std::time::Duration;

/// How long nothing is proven again after something went wrong, at least.
const AFTER_A_FAILURE: Duration = Duration::from_secs(60);

/// When the next proofs may be made, monotonic.
///
/// Runs in staging wait for what was read of runs in staging alone: a cleared run of many terabytes does not hold up the proofs that clearing
/// counts. Cleared runs wait until all that was read is paid for, so that in the long run both keep to the budget together.
#[derive(Default)]
pub struct Budget {
    staged: Duration,
    cleared: Duration,
    /// A run in staging could not be proven and is still the oldest: a cleared one has its turn.
    cleared_first: bool,
}

impl Budget {
    fn spend(&mut self, cleared: bool, now: Duration, pause: Duration) {
        self.cleared = self.cleared.max(now) + pause;
        if !cleared {
            self.staged = now + pause;
        }
    }
}

/// The equipment's next job whose newest proof is too old, when the budget allows one now: of a run in staging after `verify.reverify`, of a
/// cleared run after `verify.reverify_cleared`.
pub async fn due(core: &Core, equipment: &str, budget: &Budget) -> Result<Option<Job>, StoreError> {
    if budget.cleared_first
        && let Some(job) = cleared_due(core, equipment, budget).await?
    {
        return Ok(Some(job));
    }
    if core.clock.monotonic() >= budget.staged
        && let Some(job) = core.store.reverify_due(equipment, older_than(core, core.settings.verify.reverify_seconds)).await?
    {
        return Ok(Some(job));
    }
    cleared_due(core, equipment, budget).await
}

async fn cleared_due(core: &Core, equipment: &str, budget: &Budget) -> Result<Option<Job>, StoreError> {
    match core.settings.verify.reverify_cleared_seconds {
        Some(age) if core.clock.monotonic() >= budget.cleared => {
            core.store.cleared_due(equipment, older_than(core, age), core.clock.now_ms()).await
        }
        _ => Ok(None),
    }
}

fn older_than(core: &Core, age_seconds: u64) -> i64 {
    let age_ms = i64::try_from(age_seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
    core.clock.now_ms().saturating_sub(age_ms)
}

/// Proves one run again, and notes when the next may be.
pub async fn run(core: &Arc<Core>, job: &Job, context: &CallContext, budget: &mut Budget) -> Result<(), StoreError> {
    let cleared = job.state == JobState::Cleaned;
    let (holds, recorded) = if cleared { of_cleared(core, job, context).await } else { of_staged(core, job, context).await };
    let pause = Duration::from_secs_f64(job.totals.bytes as f64 / core.settings.verify.bytes_per_second.max(1) as f64);
    budget.spend(cleared, core.clock.monotonic(), if holds { pause } else { pause.max(AFTER_A_FAILURE) });
    budget.cleared_first = !cleared && !holds;
    recorded
}

/// Whether the proof held, or was interrupted; and whether what it gave could be recorded.
async fn of_staged(core: &Arc<Core>, job: &Job, context: &CallContext) -> (bool, Result<(), StoreError>) {
    core.change(&job.run, |facts| facts.progress = Some(context.progress.clone()));
    let folder = {
        let (core, run) = (core.clone(), job.run.clone());
        blocking(move || core.run_folder(&run).ok()).await
    };
    let outcome = prove(core, job, folder.as_ref(), context).await;
    core.change(&job.run, |facts| facts.progress = None);
    let found = match outcome {
        Ok(Proof::Holds(manifest)) => recorded(count_pass(core, job, &manifest).await.map(|_| ())),
        Ok(Proof::Broken(differences)) => (false, record_broken(core, job, &differences).await),
        Err(failure) if failure.class == FailureClass::Interrupted => (true, Ok(())),
        Err(failure) => {
            tracing::warn!(run = %job.run, message = failure.message, "could not be proven again; tried again later");
            (false, Ok(()))
        }
    };
    core.look_at(&job.run);
    found
}

/// Nothing here is touched: where the path is used again, what stands there is a new life with a job of its own.
async fn of_cleared(core: &Arc<Core>, job: &Job, context: &CallContext) -> (bool, Result<(), StoreError>) {
    match prove(core, job, None, context).await {
        Ok(Proof::Holds(manifest)) => recorded(count_pass(core, job, &manifest).await.map(|_| ())),
        Ok(Proof::Broken(differences)) => (false, record_broken(core, job, &differences).await),
        Err(failure) if failure.class == FailureClass::Interrupted => (true, Ok(())),
        Err(failure) => (false, only_copy::no_answer(core, job, &failure).await),
    }
}

fn recorded(outcome: Result<(), StoreError>) -> (bool, Result<(), StoreError>) {
    (outcome.is_ok(), outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_cleared_run_holds_up_no_run_in_staging_and_waits_until_all_is_paid_for() {
        let mut budget = Budget::default();
        budget.spend(true, seconds(10), seconds(1_000));
        assert_eq!((budget.staged, budget.cleared), (Duration::ZERO, seconds(1_010)));
        budget.spend(false, seconds(20), seconds(30));
        assert_eq!((budget.staged, budget.cleared), (seconds(50), seconds(1_040)));
        budget.spend(false, seconds(2_000), seconds(30));
        assert_eq!((budget.staged, budget.cleared), (seconds(2_030), seconds(2_030)));
    }
}
