//! Proving again what was proven and is still in staging: finds rot while staging has the bytes, and makes the passes
//! that automatic clearing counts. Keeps to `verify.bytes_per_second` by pausing after each run for as long as its
//! bytes are worth.

use crate::core::Core;
use crate::database::{Job, StoreError};
use crate::machine::blocking::blocking;
use crate::prove::{Proof, count_pass, prove, record_broken};
use crate::transport::CallContext;
use domain::job::FailureClass;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long nothing is proven again after something went wrong, at least.
const AFTER_A_FAILURE: Duration = Duration::from_secs(60);

/// A run of which a look gave no answer is looked at again after so long.
const AGAIN_WITHOUT_ANSWER_MS: i64 = 3_600_000;

/// When the next proofs of an equipment may be made, monotonic.
///
/// Runs in staging wait for what was read of runs in staging alone: a cleared run of many terabytes does not hold up
/// the proofs that clearing counts. Cleared runs wait until all that was read is paid for, so that in the long run both
/// keep to the budget together.
#[derive(Debug, Default)]
pub struct Budget(Mutex<Spent>);

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    staged: Duration,
    cleared: Duration,
}

impl Budget {
    /// When the next run in staging may be proven again, and when the next cleared one.
    pub fn free_at(&self) -> (Duration, Duration) {
        let spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (spent.staged, spent.cleared)
    }

    /// A run was read again; `went_well` when its proof held, or was interrupted.
    pub fn spend(&self, core: &Core, job: &Job, cleared: bool, went_well: bool) {
        let pause =
            Duration::from_secs_f64(job.totals.bytes as f64 / core.site.settings.verify.bytes_per_second.max(1) as f64);
        self.pay(cleared, core.site.clock.monotonic(), if went_well { pause } else { pause.max(AFTER_A_FAILURE) });
    }

    fn pay(&self, cleared: bool, now: Duration, pause: Duration) {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.cleared = spent.cleared.max(now) + pause;
        if !cleared {
            spent.staged = now + pause;
        }
    }
}

/// The equipment's next job in staging whose newest proof is older than `verify.reverify`, when the budget allows one
/// now.
pub async fn due(core: &Core, equipment: &str, budget: &Budget) -> Result<Option<Job>, StoreError> {
    if core.site.clock.monotonic() < budget.free_at().0 {
        return Ok(None);
    }
    core.store
        .reverify_due(equipment, older_than(core, core.site.settings.verify.reverify_seconds), core.site.clock.now_ms())
        .await
}

/// Milliseconds: proofs made before this are older than that age.
pub fn older_than(core: &Core, age_seconds: u64) -> i64 {
    let age_ms = i64::try_from(age_seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
    core.site.clock.now_ms().saturating_sub(age_ms)
}

/// Proves one run again, and notes when the next may be.
pub async fn run(core: &Arc<Core>, job: &Job, context: &CallContext, budget: &Budget) -> Result<(), StoreError> {
    let shown = core.show_beside(&job.run, &context.progress);
    let folder = {
        let (core, run) = (core.clone(), job.run.clone());
        blocking(move || core.staging.run(&run).ok()).await
    };
    let outcome = prove(core, job, folder.as_ref(), context).await;
    drop(shown);
    let (went_well, recorded) = match outcome {
        Ok(Proof::Holds(manifest)) => (true, count_pass(core, job, &manifest).await.map(|_| ())),
        Ok(Proof::Broken(differences)) => {
            let recorded = record_broken(core, job, &differences).await;
            (false, recorded.and(later(core, job).await))
        }
        Err(failure) if failure.class == FailureClass::Interrupted => (true, Ok(())),
        Err(failure) => {
            tracing::warn!(run = %job.run, message = failure.message, "could not be proven again; tried again later");
            // A fault of the destination is not this run's fault: its identity is asked before anything else is read.
            let ails_all =
                matches!(failure.class, FailureClass::DestinationUnreachable | FailureClass::DestinationForeign);
            (false, if ails_all { Ok(()) } else { later(core, job).await })
        }
    };
    budget.spend(core, job, false, went_well && recorded.is_ok());
    core.desk.look_at(&job.run);
    recorded
}

/// Its look gave no proof: others have their turn before it is looked at again.
async fn later(core: &Core, job: &Job) -> Result<(), StoreError> {
    core.store.prove_again_at(job, core.site.clock.now_ms().saturating_add(AGAIN_WITHOUT_ANSWER_MS)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_cleared_run_holds_up_no_run_in_staging_and_waits_until_all_is_paid_for() {
        let budget = Budget::default();
        budget.pay(true, seconds(10), seconds(1_000));
        assert_eq!(budget.free_at(), (Duration::ZERO, seconds(1_010)));
        budget.pay(false, seconds(20), seconds(30));
        assert_eq!(budget.free_at(), (seconds(50), seconds(1_040)));
        budget.pay(false, seconds(2_000), seconds(30));
        assert_eq!(budget.free_at(), (seconds(2_030), seconds(2_030)));
    }
}
