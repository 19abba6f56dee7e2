//! Proving again what the NAS holds of cleared runs, the only copy. Beside the worker of the equipment, never in its
//! way: a cleared run of many terabytes is read for hours, and nothing that is to be sent waits for it. One cleared run
//! at a time in the whole program.

use super::reverify::{Budget, older_than};
use super::{AFTER_AN_ERROR, LOOK_EVERY, recovered};
use crate::core::{Core, unless_it_panics};
use crate::database::{Job, StoreError};
use crate::machine::progress::ProgressSink;
use crate::prove::only_copy;
use crate::prove::{Proof, count_pass, prove, record_broken};
use crate::transport::CallContext;
use crate::transport::destination::Destination;
use domain::job::FailureClass;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Proves cleared runs of one equipment again, until the program stops.
pub async fn serve(core: Arc<Core>, destination: Arc<Destination>, turns: Arc<Semaphore>, budget: Arc<Budget>) {
    let equipment = destination.equipment.id.clone();
    if core.site.settings.verify.reverify_cleared_seconds.is_none() {
        return;
    }
    core.first_scan().await;
    while !core.site.stop.is_cancelled() {
        let wait = match unless_it_panics(round(&core, &destination, &turns, &budget)).await {
            Ok(Ok(Some(wait))) => wait,
            Ok(Ok(None)) => continue,
            Ok(Err(error)) => {
                tracing::error!(equipment, %error, "cleared runs cannot be proven again now; tried again soon");
                AFTER_AN_ERROR
            }
            Err(fault) => {
                tracing::error!(
                    equipment,
                    fault,
                    "a fault in this program stopped a proof of a cleared run; tried again soon"
                );
                AFTER_AN_ERROR
            }
        };
        tokio::select! {
            () = core.site.stop.cancelled() => return,
            () = core.destinations.has_something_to_reread(&equipment) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One round: `None` when a run was looked at; else how long nothing is due.
async fn round(
    core: &Arc<Core>,
    destination: &Arc<Destination>,
    turns: &Semaphore,
    budget: &Budget,
) -> Result<Option<Duration>, StoreError> {
    let equipment = &destination.equipment.id;
    if !core.site.settings.sync.enabled || due(core, equipment, budget).await?.is_none() {
        return Ok(Some(LOOK_EVERY));
    }
    let turn = tokio::select! {
        turn = turns.acquire() => turn,
        () = core.site.stop.cancelled() => return Ok(Some(LOOK_EVERY)),
    };
    // Others had their turn meanwhile.
    let Some(job) = due(core, equipment, budget).await? else { return Ok(Some(LOOK_EVERY)) };
    if let Some(wait) = destination.until_probe().filter(|wait| !wait.is_zero()) {
        return Ok(Some(wait.min(LOOK_EVERY)));
    }
    let context = core.site.call_context(equipment, &core.site.stop, &ProgressSink::new());
    match destination.prove_identity(&context).await {
        Ok(()) => recovered(core, destination).await?,
        Err(failure) => {
            tracing::warn!(
                equipment,
                message = failure.message,
                "the destination cannot show its identity; its cleared runs wait"
            );
            core.refresh_equipment(equipment);
            return Ok(Some(destination.until_probe().unwrap_or(LOOK_EVERY).min(LOOK_EVERY)));
        }
    }
    run(core, &job, &context, budget).await?;
    drop(turn);
    Ok(None)
}

/// The equipment's next cleared run whose newest proof is older than `verify.reverify_cleared`, when the budget allows
/// one now.
async fn due(core: &Core, equipment: &str, budget: &Budget) -> Result<Option<Job>, StoreError> {
    match core.site.settings.verify.reverify_cleared_seconds {
        Some(age) if core.site.clock.monotonic() >= budget.free_at().1 => {
            core.store.cleared_due(equipment, older_than(core, age), core.site.clock.now_ms()).await
        }
        _ => Ok(None),
    }
}

/// Nothing here is touched: where the path is used again, what stands there is a new life with a job of its own.
async fn run(core: &Arc<Core>, job: &Job, context: &CallContext, budget: &Budget) -> Result<(), StoreError> {
    let (went_well, recorded) = match prove(core, job, None, context).await {
        Ok(Proof::Holds(manifest)) => (true, count_pass(core, job, &manifest).await.map(|_| ())),
        Ok(Proof::Broken(differences)) => (false, record_broken(core, job, &differences).await),
        Err(failure) if failure.class == FailureClass::Interrupted => (true, Ok(())),
        Err(failure) => (false, only_copy::no_answer(core, job, &failure).await),
    };
    budget.spend(core, job, true, went_well && recorded.is_ok());
    recorded
}
