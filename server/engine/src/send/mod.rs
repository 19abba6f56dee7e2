//! Workers, one per equipment: a dead or hung destination delays nobody else (docs/lifecycle.md).
//!
//! A worker asks its destination's identity, then takes the equipment's oldest due job; then records that still have to
//! reach the NAS; then proofs that are due again. Cleared runs are proven again beside it, in `reread`. `sync.workers`
//! bounds how many work at once; one that makes no progress for a while lends its place to the others and goes on
//! without it.

mod failures;
mod job;
mod placed_files;
mod record_push;
mod record_there;
mod reread;
mod reverify;
mod sending;
mod settling;
mod unsent;

pub use placed_files::forget as forget_placed;
pub use record_push::push_record;
pub use record_there::{SentRecord, put as put_record};

use crate::core::{Core, unless_it_panics};
use crate::database::{Failure, LedgerKind, StoreError};
use crate::machine::progress::ProgressSink;
use crate::transport::destination::Destination;
use domain::job::{FailureClass, JobState};
use reverify::Budget;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// Without a nudge a worker looks at the queue again after this long.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After the database, a fault or a missing staging disk stopped a round.
const AFTER_AN_ERROR: Duration = Duration::from_secs(5);
/// A job that shows no progress for this long lends its place.
const STALLED_AFTER: Duration = Duration::from_secs(20);

/// Starts one worker per destination, and what proves cleared runs again.
pub fn start(core: &Arc<Core>) -> Vec<JoinHandle<()>> {
    let places = Arc::new(Semaphore::new(core.site.settings.sync.workers.max(1)));
    let turns = Arc::new(Semaphore::new(1));
    let of_each = |destination: &Arc<Destination>| {
        let budget = Arc::new(Budget::default());
        let worker = serve(core.clone(), destination.clone(), places.clone(), budget.clone());
        let rereading = reread::serve(core.clone(), destination.clone(), turns.clone(), budget);
        [tokio::spawn(worker), tokio::spawn(rereading)]
    };
    core.destinations.iter().flat_map(|(_, destination)| of_each(destination)).collect()
}

async fn serve(core: Arc<Core>, destination: Arc<Destination>, places: Arc<Semaphore>, budget: Arc<Budget>) {
    let equipment = destination.equipment.id.clone();
    // A run that the watcher has not seen yet looks like one that is not complete.
    core.first_scan().await;
    let mut latest_ms = i64::MIN;
    let mut told = false;
    while !core.site.stop.is_cancelled() {
        latest_ms = core.site.clock.now_ms().max(latest_ms);
        let wait = match unless_it_panics(round(&core, &destination, &places, &budget)).await {
            Ok(Ok(_)) if core.clears.need_the_room() => {
                tell_queued(&core, &equipment, waits_for_a_clear());
                told = true;
                AFTER_AN_ERROR
            }
            Ok(Ok(wait)) => {
                if std::mem::take(&mut told) {
                    tell_as_they_are(&core, &equipment).await;
                }
                match wait {
                    Some(wait) => wait,
                    None => continue,
                }
            }
            Ok(Err(error)) => {
                tracing::error!(equipment, %error, "the queue cannot be used; tried again soon");
                tell_queued(&core, &equipment, failures::store_failure(error));
                told = true;
                AFTER_AN_ERROR
            }
            Err(fault) => {
                tracing::error!(equipment, fault, "a fault in this program stopped a round of the worker");
                abandoned(&core, &equipment, &fault).await;
                AFTER_AN_ERROR
            }
        };
        tokio::select! {
            () = core.site.stop.cancelled() => return,
            () = core.destinations.has_work(&equipment) => {}
            () = tokio::time::sleep(wait) => {}
        }
        let now_ms = core.site.clock.now_ms();
        if now_ms < latest_ms {
            latest_ms = now_ms;
            match core.store.clock_went_back(now_ms).await {
                Ok(0) => {}
                Ok(jobs) => tracing::warn!(
                    equipment,
                    jobs,
                    "the clock went back: jobs that waited for a time far ahead are due now"
                ),
                Err(error) => {
                    tracing::error!(equipment, %error, "the clock went back, and jobs wait for times that may be far ahead")
                }
            }
        }
    }
}

/// Shows this failure on all queued jobs of the equipment; in memory only, since the queue cannot be written.
fn tell_queued(core: &Core, equipment: &str, failure: Failure) {
    for run in core.index.runs().iter().filter(|run| run.equipment() == equipment) {
        core.change(run, |facts| {
            if let Some(job) = facts.job.as_mut().filter(|job| job.state == JobState::Queued) {
                job.error = Some(failure.clone());
            }
        });
    }
}

fn waits_for_a_clear() -> Failure {
    let message =
        "waits for a clear to end: the disk is almost full, and the room that is left is kept for clearing".to_owned();
    Failure { class: FailureClass::LocalFull, side: domain::job::Side::Here, message }
}

/// The queue can be written again: what rows said meanwhile no longer holds.
async fn tell_as_they_are(core: &Core, equipment: &str) {
    for run in core.index.runs().iter().filter(|run| run.equipment() == equipment) {
        let queued = core
            .index
            .look(run, |facts| facts.job.as_ref().filter(|job| job.state == JobState::Queued).map(|job| job.life));
        let Some(life) = queued.flatten() else { continue };
        if let Err(error) = core.reload_job(run, life).await {
            tracing::error!(run = %run, %error, "its job could not be read again");
        }
    }
}

/// What a fault left in work is failed, so that it is seen and can be retried (S3); rows that missed a change get it.
async fn abandoned(core: &Core, equipment: &str, fault: &str) {
    let failure = failures::fault(fault);
    match core.store.fail_abandoned(equipment, &failure).await {
        Ok(jobs) => {
            for job in jobs {
                core.ledger(&job.run, job.life, LedgerKind::Failed, failure.message.clone()).await;
            }
        }
        Err(error) => tracing::error!(equipment, %error, "jobs that a fault left in work could not be failed"),
    }
    for run in core.index.runs().iter().filter(|run| run.equipment() == equipment) {
        let life = core.index.look(run, |facts| facts.life).unwrap_or(1);
        if let Err(error) = core.reload_job(run, life).await {
            tracing::error!(run = %run, %error, "its job could not be read again");
        }
        core.desk.look_at(run);
    }
}

/// One round: `None` when something was done and the next round is due at once; else how long nothing is due.
async fn round(
    core: &Arc<Core>,
    destination: &Arc<Destination>,
    places: &Arc<Semaphore>,
    budget: &Budget,
) -> Result<Option<Duration>, StoreError> {
    let equipment = &destination.equipment.id;
    if !core.site.settings.sync.enabled {
        return Ok(Some(LOOK_EVERY));
    }
    if core.clears.need_the_room() {
        return Ok(Some(AFTER_AN_ERROR));
    }
    let now_ms = core.site.clock.now_ms();
    let next_job = core.store.next_due_ms(equipment).await?;
    let job_due = next_job.is_some_and(|due| due <= now_ms);
    let record = core.store.record_due(equipment, now_ms).await?;
    let reverify = reverify::due(core, equipment, budget).await?;
    if !job_due && record.is_none() && reverify.is_none() {
        let next = [next_job, core.store.next_record_ms(equipment).await?].into_iter().flatten().min();
        let wait = next.map_or(LOOK_EVERY, |due| Duration::from_millis(u64::try_from(due - now_ms).unwrap_or(0)));
        return Ok(Some(wait.min(LOOK_EVERY)));
    }
    if let Err(error) = core.staging.open() {
        // Nothing is gone: the staging disk is not there, and the watcher says so on every row. Looked at again soon.
        tracing::warn!(equipment, %error, "jobs wait for the staging tree");
        return Ok(Some(AFTER_AN_ERROR));
    }
    if let Some(wait) = destination.until_probe().filter(|wait| !wait.is_zero()) {
        // Queued meanwhile: it says why it waits from the start.
        note_waiting(core, destination).await?;
        return Ok(Some(wait.min(LOOK_EVERY)));
    }
    let progress = ProgressSink::new();
    let context = core.site.call_context(equipment, &core.site.stop, &progress);
    match destination.prove_identity(&context).await {
        Ok(()) => recovered(core, destination).await?,
        Err(failure)
            if matches!(failure.class, FailureClass::Authentication | FailureClass::Configuration) && job_due =>
        {
            // No waiting helps here: the job says so, and an operator re-arms it.
            return job::fail_next(core, destination, failure).await.map(|()| None);
        }
        Err(failure) => {
            tracing::warn!(
                equipment,
                message = failure.message,
                "the destination cannot show its identity; its jobs wait"
            );
            note_waiting(core, destination).await?;
            core.refresh_equipment(equipment);
            return Ok(Some(destination.until_probe().unwrap_or(LOOK_EVERY).min(LOOK_EVERY)));
        }
    }
    if job_due && let Some(claim) = core.store.claim(equipment, now_ms).await? {
        let place = WorkPlace::take(places, &core.site.stop, &progress).await;
        job::run(core, destination, claim, &progress).await?;
        drop(place);
        return Ok(None);
    }
    if let Some(job) = record {
        record_push::attempt(core, destination, &job).await?;
        return Ok(None);
    }
    if let Some(job) = reverify {
        let place = WorkPlace::take(places, &core.site.stop, &progress).await;
        reverify::run(core, &job, &context, budget).await?;
        drop(place);
        return Ok(None);
    }
    Ok(Some(LOOK_EVERY))
}

/// Queued jobs of an equipment say that they wait, and why.
async fn note_waiting(core: &Arc<Core>, destination: &Destination) -> Result<(), StoreError> {
    let Err(message) = destination.last_known() else { return Ok(()) };
    let failure =
        Failure { class: FailureClass::DestinationUnreachable, side: domain::job::Side::Destination, message };
    for job in core.store.set_waiting(&destination.equipment.id, Some(&failure)).await? {
        core.job_changed(job);
    }
    Ok(())
}

async fn recovered(core: &Arc<Core>, destination: &Destination) -> Result<(), StoreError> {
    let changed = core.store.set_waiting(&destination.equipment.id, None).await?;
    if !changed.is_empty() {
        tracing::info!(
            equipment = destination.equipment.id,
            "the destination shows its identity again; its jobs go on"
        );
    }
    for job in changed {
        core.job_changed(job);
    }
    if destination.take_recovered() {
        core.refresh_equipment(&destination.equipment.id);
    }
    Ok(())
}

/// A place among `sync.workers`, given back early when its holder stalls.
struct WorkPlace {
    watchdog: JoinHandle<()>,
    _permit: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl WorkPlace {
    async fn take(
        places: &Arc<Semaphore>,
        stop: &tokio_util::sync::CancellationToken,
        progress: &ProgressSink,
    ) -> WorkPlace {
        let permit = tokio::select! {
            permit = places.clone().acquire_owned() => permit.ok(),
            () = stop.cancelled() => None,
        };
        // It was idle while it waited.
        progress.alive();
        let permit = Arc::new(Mutex::new(permit));
        let watched = permit.clone();
        let progress = progress.clone();
        let watchdog = tokio::spawn(async move {
            while progress.idle_for() < STALLED_AFTER {
                tokio::time::sleep(STALLED_AFTER.saturating_sub(progress.idle_for()).max(Duration::from_millis(100)))
                    .await;
            }
            drop(watched.lock().unwrap_or_else(PoisonError::into_inner).take());
        });
        WorkPlace { watchdog, _permit: permit }
    }
}

impl Drop for WorkPlace {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}
