//! Proving again what was proven: finds rot while staging still has the bytes, and makes the passes that automatic clearing
//! counts. Keeps to `verify.bytes_per_second` by pausing after each run for as long as its bytes are worth.

use crate::core::Core;
use crate::gatekeeper::blocking;
use crate::prove::{Proof, count_pass, prove, record_broken};
use crate::store::{Job, StoreError};
use crate::transport::CallContext;
use domain::job::FailureClass;
use std::sync::Arc;
use std::time::Duration;

/// The equipment's next job whose newest proof is older than `verify.reverify`, when the budget allows one now.
pub async fn due(core: &Core, equipment: &str, not_before: Duration) -> Result<Option<Job>, StoreError> {
    if core.clock.monotonic() < not_before {
        return Ok(None);
    }
    let age_ms = i64::try_from(core.settings.verify.reverify_seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
    core.store.reverify_due(equipment, core.clock.now_ms().saturating_sub(age_ms)).await
}

/// Proves one run again. Answers when (monotonic) the next may be.
pub async fn run(core: &Arc<Core>, job: &Job, context: &CallContext) -> Result<Duration, StoreError> {
    core.change(&job.run, |facts| facts.progress = Some(context.progress.clone()));
    let folder = {
        let (core, run) = (core.clone(), job.run.clone());
        blocking(move || core.run_folder(&run).ok()).await
    };
    let outcome = prove(core, job, folder.as_ref(), context).await;
    core.change(&job.run, |facts| facts.progress = None);
    let mut pause = Duration::from_secs_f64(job.totals.bytes as f64 / core.settings.verify.bytes_per_second.max(1) as f64);
    match outcome {
        Ok(Proof::Holds(manifest)) => {
            count_pass(core, job, &manifest).await?;
        }
        Ok(Proof::Broken(differences)) => {
            record_broken(core, job, &differences).await?;
            pause = pause.max(Duration::from_secs(60));
        }
        Err(failure) if failure.class == FailureClass::Interrupted => {}
        Err(failure) => {
            tracing::warn!(run = %job.run, message = failure.message, "could not be proven again; tried again later");
            pause = pause.max(Duration::from_secs(60));
        }
    }
    core.look_at(&job.run);
    Ok(core.clock.monotonic() + pause)
}
