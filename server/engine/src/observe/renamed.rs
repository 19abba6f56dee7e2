//! Runs whose folder is renamed or moved within the staging tree, as instruments do that finish `Run_1.tmp` and call it
//! `Run_1` then. The record goes with the folder and names the path it was made for: where nothing stands any more, or
//! where this very folder stood until now, the folder was renamed. A copy is none.

use super::evaluate::EvaluateError;
use crate::core::Core;
use crate::database::{Job, LedgerKind};
use crate::files::source::{RunFolder, SourceError};
use crate::keep::ingest_store::{self, read_creation};
use crate::keep::record::{RecordError, RecordFolder};
use crate::machine::blocking::blocking;
use crate::tell::index::Facts;
use domain::api::Event;
use domain::document::creation::Creation;
use domain::document::ingest::FirstIngest;
use domain::lifecycle::RunState;
use domain::log_line::Level;
use domain::path::RunPath;
use std::sync::Arc;

/// How following a rename stands.
pub enum Followed {
    /// The record says the new path, and what waited under the old one is gone.
    Done,
    /// What is sent under the old name is being stopped: look again soon.
    Stopping,
}

/// The path that a run stood at before it was renamed; `None` for every other run.
pub async fn renamed_from(core: &Arc<Core>, facts: &Facts) -> Option<RunPath> {
    let Ok(Some(ingest)) = &facts.ingest else { return None };
    // What was cleared ends its life here, whatever it is called.
    if matches!(ingest.current_state().known(), None | Some(RunState::Cleared)) || facts.clearing.is_some() {
        return None;
    }
    let before = ingest.run_path().filter(|before| *before != facts.run)?;
    let stood_there = |folder| core.index.look(&before, |facts| facts.stood_here(folder)).unwrap_or(false);
    if facts.watch.folder.is_some_and(stood_there) {
        return Some(before);
    }
    let (core, at) = (core.clone(), before.clone());
    let gone = blocking(move || matches!(core.staging.run(&at), Err(SourceError::RunGone { .. }))).await;
    gone.then_some(before)
}

/// Takes back what is under way for the old path, and gives the record the new one. The caller holds the run.
pub async fn follow(
    core: &Arc<Core>,
    run: &RunPath,
    before: &RunPath,
    folder: &RunFolder,
) -> Result<Followed, EvaluateError> {
    let Ok(_guard) = core.turns.runs.try_hold(before, "following its new name") else { return Ok(Followed::Stopping) };
    let clears = core.store.open_intents().await?.iter().any(|intent| intent.run == *before);
    if clears || !withdraw_jobs(core, run, before).await? {
        return Ok(Followed::Stopping);
    }
    // The record comes last: until it says the new path, a kill leaves all of this to be done again.
    let (ingest, stamp) = write_record(core, run, folder).await?;
    if core.index.remove(before).is_some() {
        core.tell.events.publish(|seq| Event::Gone { seq, run_path: before.as_str().to_owned() });
    }
    core.change(run, |facts| {
        facts.ingest = Ok(Some(ingest));
        facts.watch.ingest = stamp;
    });
    // Another folder may stand under the old name by now: it is seen as what it is.
    core.desk.look_at(before);
    let life = core.index.look(run, |facts| facts.life).unwrap_or(1);
    core.ledger(run, life, LedgerKind::Renamed, format!("from {before}")).await;
    core.log(Some(folder), run, Level::Info, &format!("its folder was renamed: it was {before}"));
    Ok(Followed::Done)
}

/// Takes unproven jobs of the old path out of the queue; false while one is still in work.
async fn withdraw_jobs(core: &Arc<Core>, run: &RunPath, before: &RunPath) -> Result<bool, EvaluateError> {
    let jobs = core.store.unproven_jobs().await?;
    let mut all = true;
    for job in jobs.into_iter().filter(|job| job.run == *before) {
        if job.state.is_in_work() && !core.index.look(before, Facts::stop_sending).unwrap_or(false) {
            tracing::debug!(run = %before, "what is sent under its old name cannot be stopped yet");
        }
        all &= core.store.withdraw(&job).await?;
        if all {
            tell_withdrawn(core, &job, run).await;
        }
    }
    Ok(all)
}

async fn tell_withdrawn(core: &Arc<Core>, job: &Job, run: &RunPath) {
    let sent =
        job.nas_path.as_deref().map(|place| format!("; what was sent of it stays at {place}")).unwrap_or_default();
    core.ledger(
        &job.run,
        job.life,
        LedgerKind::Renamed,
        format!("to {run}: nothing more is sent under this name{sent}"),
    )
    .await;
}

async fn write_record(
    core: &Arc<Core>,
    run: &RunPath,
    folder: &RunFolder,
) -> Result<(domain::document::ingest::Ingest, Option<crate::keep::record::Stamp>), RecordError> {
    let (handle, at) = (folder.clone(), run.clone());
    let (core, now) = (core.clone(), core.site.clock.now());
    blocking(move || {
        let creation = match RecordFolder::open(handle.dir())? {
            Some(record) => read_creation(&record).ok().flatten(),
            None => None,
        };
        ingest_store::rename(handle.dir(), &first_ingest(&core, &at, creation.as_ref(), now))
    })
    .await
}

/// What a record says of a run that is seen for the first time, or under another name.
pub fn first_ingest<'a>(
    core: &'a Core,
    run: &'a RunPath,
    creation: Option<&'a Creation>,
    at: domain::timestamp::Timestamp,
) -> FirstIngest<'a> {
    FirstIngest {
        project_name: creation.and_then(Creation::project_name).unwrap_or(run.project()),
        run_kind: creation.and_then(Creation::run_kind).unwrap_or(run.kind()),
        run,
        transport: core
            .site
            .settings
            .equipment(run.equipment())
            .map_or("smb_mount", |equipment| &equipment.staging_transport),
        at,
        host: &core.site.host,
        rest_of: None,
    }
}
