//! How a claimed job is settled, and what everyone is told of it.

use super::failures::store_failure;
use crate::core::Core;
use crate::database::{Claim, Failure, Job, LedgerKind, StoreError};
use crate::judge::gatekeeper::tell_producer;
use crate::machine::blocking::blocking;
use crate::machine::checkpoint::Checkpoint;
use crate::tell::tally::Moved;
use crate::transport::destination::Destination;
use crate::verify::VerifiedManifest;
use domain::document::creation::SyncStatus;
use domain::job::{FailureClass, Side};
use domain::log_line::Level;
use domain::retry::{RETRY_WAITS_SECONDS, Settlement, Tried, settle};
use domain::units;
use std::sync::Arc;
use std::time::Duration;

/// Settles the claim as the domain decides; a database that cannot be written is tried again until the program stops.
pub(super) async fn settle_outcome(
    core: &Arc<Core>,
    destination: &Destination,
    claim: &Claim,
    outcome: Result<VerifiedManifest, Failure>,
) -> Result<(), StoreError> {
    if outcome.is_ok() {
        core.site.checkpoints.reached(Checkpoint::ReadBack);
    }
    loop {
        let settled = match &outcome {
            Ok(manifest) => core.store.settle_verified(claim, manifest, core.site.clock.now_ms()).await,
            Err(failure) => settle_failure(core, claim, failure).await,
        };
        match settled {
            Ok(job) => {
                let news = outcome.as_ref().err().map(|failure| &failure.message)
                    != claim.job().error.as_ref().map(|error| &error.message);
                after(core, destination, job, &outcome, news).await;
                return Ok(());
            }
            Err(error @ (StoreError::Full | StoreError::Database(_))) if !core.site.stop.is_cancelled() => {
                tracing::error!(run = %claim.job().run, %error, "the end of a job cannot be recorded yet");
                // The jobs behind it wait for the same reason.
                super::tell_queued(core, &destination.equipment.id, store_failure(error));
                tokio::select! {
                    () = core.site.stop.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_secs(5)) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

async fn settle_failure(core: &Core, claim: &Claim, failure: &Failure) -> Result<Job, StoreError> {
    let job = claim.job();
    let tried = Tried { attempts: job.attempts, hash_retries: job.hash_retries };
    let now_ms = core.site.clock.now_ms();
    if failure.side == Side::Source && core.staging.open().is_err() {
        // The staging disk is away: that is not the same as a file that vanished or cannot be read.
        return core.store.settle_postponed(claim, Some(failure), now_ms, false, false).await;
    }
    match settle(failure.class, tried, core.site.settings.sync.retry_attempts) {
        Settlement::RetryAfter { seconds } => {
            let due_ms = now_ms.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
            core.store.settle_postponed(claim, Some(failure), due_ms, true, false).await
        }
        Settlement::WaitForFile { seconds } => {
            let due_ms = now_ms.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
            core.store.settle_postponed(claim, Some(failure), due_ms, false, false).await
        }
        Settlement::WaitForDestination => core.store.settle_postponed(claim, Some(failure), now_ms, false, true).await,
        Settlement::Interrupted => core.store.settle_postponed(claim, None, now_ms, false, false).await,
        Settlement::PushAgain | Settlement::Stop => core.store.settle_failed(claim, failure).await,
    }
}

/// What everyone is told after settling; what waits for the same as before is told once.
async fn after(
    core: &Arc<Core>,
    destination: &Destination,
    job: Job,
    outcome: &Result<VerifiedManifest, Failure>,
    news: bool,
) {
    let (run, life) = (job.run.clone(), job.life);
    core.job_changed(job.clone());
    let folder = {
        let (core, run) = (core.clone(), run.clone());
        blocking(move || core.staging.run(&run).ok()).await
    };
    match outcome {
        Ok(manifest) => {
            core.site.checkpoints.reached(Checkpoint::Verified);
            destination.took_something();
            let totals = manifest.totals();
            core.tell.tally.add(Moved::Proven, totals.bytes, core.site.clock.now());
            let detail = format!(
                "{}, {} at level {}, {}",
                units::counted(totals.files, "file"),
                units::counted(totals.bytes, "byte"),
                manifest.level(),
                manifest.method()
            );
            core.ledger(&run, life, LedgerKind::Proven, detail).await;
            core.change(&run, |facts| facts.late = crate::tell::index::Late::default());
        }
        Err(failure) if failure.class == FailureClass::Interrupted => {}
        Err(failure) if job.state == domain::job::JobState::Failed => {
            core.ledger(&run, life, LedgerKind::Failed, format!("{}: {}", failure.class, failure.message)).await;
            core.log(
                folder.as_ref(),
                &run,
                Level::Error,
                &format!("NAS sync failed: {}: {}", failure.class, failure.message),
            );
            if let Some(folder) = &folder {
                let status = if failure.class == FailureClass::BlockedByValidation {
                    SyncStatus::BlockedByValidation
                } else {
                    SyncStatus::Failed
                };
                tell_producer(core, &run, folder, status);
            }
        }
        Err(failure) if failure.class == FailureClass::LocalRead => {
            if news {
                core.log(folder.as_ref(), &run, Level::Warn, &format!("NAS sync waits: {}", failure.message));
            }
        }
        Err(failure) if job.waiting => {
            core.log(
                None,
                &run,
                Level::Warn,
                &format!("waiting for {}: {}", destination.transport.describe(), failure.message),
            );
        }
        Err(failure) => {
            let most = core
                .site
                .settings
                .sync
                .retry_attempts
                .unwrap_or(u32::MAX)
                .min(u32::try_from(RETRY_WAITS_SECONDS.len()).unwrap_or(u32::MAX));
            core.log(
                folder.as_ref(),
                &run,
                Level::Warn,
                &format!("sync retry {} of {most}: {}: {}", job.attempts, failure.class, failure.message),
            );
        }
    }
}
