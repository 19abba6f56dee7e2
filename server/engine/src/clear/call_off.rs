//! Calling a clear off that waits: nothing more is removed. A run of which nothing went is what it was; the rest of one
//! that had begun to go is put back where it stood and is a new life, as after any clear that was given up. Once all
//! data is gone there is nothing to call off: only the record is left, and a record alone is no run.

use super::back::{all_data_is_gone, back_untouched, end_what_went, give_up_aside, sealed_and_gone, take_back};
use super::refusal::NotCalledOff;
use super::resume::{FolderOf, find, open_intent};
use super::{ClearStop, PATIENCE, note_clearing};
use crate::core::Core;
use crate::database::LedgerKind;
use domain::api::CallOffAnswer;
use domain::log_line::Level;
use domain::path::RunPath;
use domain::proof::Totals;
use std::sync::Arc;

const WHY: &str = "an operator called it off";

/// Gives up the clear of a run that waits; answers when its folder stands where it stood.
pub async fn call_off(core: &Arc<Core>, run: &RunPath) -> Result<CallOffAnswer, NotCalledOff> {
    let held = core.turns.runs.hold(run, "calling off its clear", PATIENCE).await;
    let _guard = held.map_err(|holder| NotCalledOff::Busy { run: run.clone(), holder: holder.to_string() })?;
    let intent = open_intent(core, run).await?;
    let Some(intent) = intent else {
        let is_known = core.index.look(run, |_| ()).is_some() || core.store.last_ended_life(run).await?.is_some();
        let run = run.clone();
        return Err(if is_known { NotCalledOff::NoClear { run } } else { NotCalledOff::Unknown { run } });
    };
    let waits = |stop: ClearStop| match stop {
        ClearStop::ForAPerson { remedy, .. } => NotCalledOff::InTheWay { run: run.clone(), remedy },
        stop => NotCalledOff::NotNow { run: run.clone(), why: stop.why() },
    };
    let job = core.store.job(&intent.job_id).await?;
    let mut ended = None;
    let (folder, aside) = match find(core, &intent).await.map_err(waits)? {
        FolderOf::AtRun { folder, .. } => (folder, false),
        FolderOf::PutBack(folder) => {
            if let Some(job) = &job {
                ended = end_what_went(core, &mut intent.clone(), job, &folder).await.map_err(waits)?;
            }
            (folder, false)
        }
        FolderOf::Aside(folder) => (folder, true),
        FolderOf::Nowhere | FolderOf::Lost => {
            return Err(NotCalledOff::EndsByItself { run: run.clone() });
        }
    };
    if aside
        && let Some(job) = &job
        && all_data_is_gone(job, &folder).await
    {
        let waiting = intent.waiting.unwrap_or_else(|| "its next try".to_owned());
        return Err(NotCalledOff::AllIsGone { run: run.clone(), waiting });
    }
    let freed = match (ended, job) {
        (Some(freed), _) => freed,
        (None, _) if !aside => {
            take_back(core, &intent, &folder, WHY).await.map_err(waits)?;
            Totals::default()
        }
        (None, Some(job)) if sealed_and_gone(core, &job, &folder).await.unwrap_or(intent.freed).files > 0 => {
            give_up_aside(core, &mut intent.clone(), &job, &folder, WHY).await.map_err(waits)?
        }
        (None, _) => {
            back_untouched(core, &intent, &folder, WHY).await.map_err(waits)?;
            Totals::default()
        }
    };
    core.ledger(run, intent.life, LedgerKind::ClearCalledOff, "by an operator".into()).await;
    core.log(None, run, Level::Warn, "its clear was called off by an operator");
    note_clearing(core, run, None);
    core.desk.look_at(run);
    Ok(CallOffAnswer { run_path: run.as_str().to_owned(), files_freed: freed.files, bytes_freed: freed.bytes })
}
