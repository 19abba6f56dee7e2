//! Calling a clear off that waits: nothing more is removed. A run of which nothing went is what it was; the rest of one that had begun to go
//! is put back where it stood and is a new life, as after any clear that was given up.

use super::aside::CLEARING_FOLDER;
use super::back::{back_untouched, give_back, sealed_and_gone, take_back};
use super::resume::{Place, find, open_intent};
use super::{ClearStop, PATIENCE, note_clearing};
use crate::core::Core;
use domain::api::CallOffAnswer;
use domain::log_line::Level;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use domain::proof::Totals;
use std::sync::Arc;

const WHY: &str = "an operator called it off";

/// Gives up the clear of a run that waits; answers when its folder stands where it stood.
pub async fn call_off(core: &Arc<Core>, run: &RunPath) -> Result<CallOffAnswer, Problem> {
    let held = core.locks.hold(run, "calling off its clear", PATIENCE).await;
    let _guard = held.map_err(|holder| {
        Problem::new(ErrorCode::RunBusy, format!("{run} is busy ({holder}): a clear that is at work ends or waits; call it off then"))
    })?;
    let intent = open_intent(core, run).await?;
    let intent = intent.ok_or_else(|| Problem::new(ErrorCode::NothingToCallOff, format!("{run}: no clear of it waits")))?;
    let waits =
        |stop: ClearStop| Problem::new(ErrorCode::StagingUnavailable, format!("{run}: it cannot be called off now: {}", stop.sentence()));
    let (folder, aside) = match find(core, &intent).await.map_err(waits)? {
        Place::AtRun { folder, .. } => (folder, false),
        Place::Aside(folder) => (folder, true),
        Place::Nowhere | Place::Lost => {
            let sentence = format!("{run}: its folder is neither at its path nor in {CLEARING_FOLDER}: its clear ends by itself");
            return Err(Problem::new(ErrorCode::NothingToCallOff, sentence));
        }
    };
    let job = core.store.job(&intent.job_id).await.map_err(|error| Problem::new(ErrorCode::StateUnavailable, error.to_string()))?;
    let gone = match &job {
        Some(job) => sealed_and_gone(core, job, &folder).await.unwrap_or(intent.freed),
        None => intent.freed,
    };
    let freed = if !aside {
        take_back(core, &intent, &folder, WHY).await.map_err(waits)?;
        Totals::default()
    } else if let Some(job) = job.filter(|_| gone.files > 0) {
        let mut intent = intent.clone();
        // What is left is a new life; that the clear was given up is what the answer says.
        let _given_up = give_back(core, &mut intent, &job, folder, Problem::new(ErrorCode::StagingNotProven, WHY)).await;
        gone
    } else {
        back_untouched(core, &intent, &folder, WHY).await.map_err(waits)?;
        Totals::default()
    };
    core.ledger(run, intent.life, "clear_called_off", "by an operator".into()).await;
    core.log(None, run, Level::Warn, "its clear was called off by an operator");
    note_clearing(core, run, None);
    core.look_at(run);
    Ok(CallOffAnswer { run_path: run.as_str().to_owned(), files_freed: freed.files, bytes_freed: freed.bytes })
}
