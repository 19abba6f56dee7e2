//! Going on with intents: after a restart, and when a destination that a clear waits for is back.
//!
//! Nothing is trusted across the gap: the destination is proven again, the folder is found by the intent's own id, and
//! an ingest.json that does not carry that id is somebody else's.

use super::aside::{self, CLEARING_FOLDER};
use super::back::{abort, all_data_is_gone, end_what_went, give_up_aside, has_begun, not_cleared, take_back};
use super::carry_out::{carry_out, finish, is_cleared_by, waits};
use super::obstacles::obstacle_inside;
use super::permit::{PermitFor, permit};
use super::refusal::Refusal;
use super::{ClearStop, note_clearing, with_room};
use crate::core::{Core, unless_it_panics};
use crate::database::{ClearStep, Intent, StoreError};
use crate::files::source::{RunFolder, SourceError};
use crate::machine::blocking::blocking;
use crate::machine::progress::ProgressSink;
use crate::tell::index::Facts;
use domain::api::ClearingView;
use domain::document::ingest::Ingest;
use domain::path::RunPath;
use domain::proof::Totals;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often waiting intents are tried again.
const TRY_EVERY: Duration = Duration::from_secs(15);

/// The open intent of a run.
pub async fn open_intent(core: &Core, run: &RunPath) -> Result<Option<Intent>, StoreError> {
    let intents = core.store.open_intents().await?;
    Ok(intents.into_iter().find(|intent| &intent.run == run))
}

/// A run that was renamed aside has no folder at its path any more, and none has one while the staging disk is away:
/// its row is made from what the intent kept, its job, and what stands aside.
async fn show_aside(core: &Arc<Core>, intent: &Intent) {
    if core.index.look(&intent.run, |_| ()).is_some() {
        return;
    }
    let mut facts = Facts::new(intent.run.clone(), intent.life);
    facts.ingest = Ok(Ingest::parse(intent.history.as_bytes()).ok());
    facts.clearing = core.clears.of(&intent.run);
    facts.job = core.store.job(&intent.job_id).await.ok().flatten();
    let (owned, id) = (core.clone(), intent.id.clone());
    facts.totals = blocking(move || aside::data_totals(&owned, &id)).await;
    core.merge(facts, |facts, known| {
        if let Some(known) = known {
            *facts = known.clone();
        }
    });
}

/// Marks the runs of open intents, so that the watcher leaves them alone from the first scan on.
pub async fn mark_open(core: &Core) -> Result<(), StoreError> {
    for intent in core.store.open_intents().await? {
        let view = ClearingView { intent: intent.id, step: intent.step.as_str().to_owned(), waiting: intent.waiting };
        note_clearing(core, &intent.run, Some(view));
    }
    Ok(())
}

/// Goes on with every open intent, now and whenever they waited, until the program stops. Those of one equipment in
/// turn: a destination that hangs, or has much to read, holds up no clear of another.
pub async fn resume_loop(core: Arc<Core>) {
    core.first_scan().await;
    let mut at_work: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
    while !core.site.stop.is_cancelled() {
        match core.store.open_intents().await {
            Ok(intents) => {
                let mut of_each: BTreeMap<String, Vec<Intent>> = BTreeMap::new();
                for intent in intents {
                    of_each.entry(intent.run.equipment().to_owned()).or_default().push(intent);
                }
                at_work.retain(|_, task| !task.is_finished());
                for (equipment, intents) in of_each {
                    at_work.entry(equipment).or_insert_with(|| tokio::spawn(go_on_with(core.clone(), intents)));
                }
            }
            Err(error) => tracing::error!(%error, "open clears cannot be read"),
        }
        tokio::select! {
            () = core.site.stop.cancelled() => {}
            () = tokio::time::sleep(TRY_EVERY) => {}
        }
    }
    futures::future::join_all(at_work.into_values()).await;
}

/// Intents of one equipment, one after the other.
async fn go_on_with(core: Arc<Core>, intents: Vec<Intent>) {
    for intent in intents.into_iter().filter(|intent| !core.clears.is_resting(&intent.run)) {
        if core.site.stop.is_cancelled() {
            return;
        }
        let Ok(_guard) = core.turns.runs.try_hold(&intent.run, "clearing") else { continue };
        // Those before it took their time: somebody else may have ended it.
        let intent = match core.store.intent(&intent.id).await {
            Ok(Some(intent)) if !intent.step.is_over() => intent,
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(run = %intent.run, %error, "the clear cannot be read; it is tried again");
                continue;
            }
        };
        let (run, began) = (intent.run.clone(), Instant::now());
        match unless_it_panics(resume(&core, intent)).await {
            Ok(Ok(_)) => {}
            Ok(Err(stop)) => {
                core.rest_from_clearing(&run, began.elapsed());
                tracing::warn!(run = %run, "{stop}");
            }
            Err(fault) => {
                tracing::error!(run = %run, fault, "a fault in this program stopped the clear; it is tried again")
            }
        }
    }
}

/// Where the folder of an intent is.
pub(super) enum FolderOf {
    Aside(RunFolder),
    /// Still at the run's path, untouched or with this intent's `cleared`.
    AtRun {
        folder: RunFolder,
        cleared: bool,
    },
    /// At the run's path again, with this intent's `cleared`: the clear was being given up, or what it kept or retained
    /// had been put back, and that is not written yet.
    PutBack(RunFolder),
    /// Nowhere: everything was removed before.
    Nowhere,
    /// Gone or replaced, and not by this clear.
    Lost,
}

/// Goes on with one intent. The caller holds the run.
pub async fn resume(core: &Arc<Core>, mut intent: Intent) -> Result<Totals, ClearStop> {
    let progress = ProgressSink::new();
    let shown = core.show(&intent.run, &progress);
    let outcome = with_room(core, go_on(core, &mut intent, &progress)).await.map_err(ClearStop::once_intended);
    drop(shown);
    if !outcome.as_ref().is_err_and(ClearStop::stands) {
        note_clearing(core, &intent.run, None);
        core.desk.look_at(&intent.run);
    }
    outcome
}

async fn go_on(core: &Arc<Core>, intent: &mut Intent, progress: &ProgressSink) -> Result<Totals, ClearStop> {
    let Some(job) = core.store.job(&intent.job_id).await? else {
        abort(core, intent, "its job is not in the queue's database").await?;
        return Err(Refusal::held("the clear was given up: its job is gone").into());
    };
    let found = match find(core, intent).await {
        Ok(found) => found,
        Err(stop) => return wait(core, intent, stop.why()).await,
    };
    if matches!(found, FolderOf::Aside(_)) {
        show_aside(core, intent).await;
    }
    match found {
        FolderOf::Nowhere => {
            finish(core, intent, &job, &[]).await?;
            Ok(intent.freed)
        }
        FolderOf::Lost => {
            let why = "its folder was moved, removed or replaced by somebody else";
            abort(core, intent, why).await?;
            Err(Refusal::held(format!("the clear of {} was given up: {why}", intent.run)).into())
        }
        FolderOf::PutBack(folder) => {
            if let Some(freed) = end_what_went(core, intent, &job, &folder).await? {
                return Ok(freed);
            }
            let why = "it was being given up";
            take_back(core, intent, &folder, why).await?;
            Err(Refusal::held(not_cleared(intent, why)).into())
        }
        FolderOf::AtRun { folder, cleared: false } => {
            // Nothing was touched yet: the whole question is asked anew.
            let (at_run, renewed) = (folder, permit(core, PermitFor::Run(&intent.run), progress).await);
            match renewed {
                Ok(permit) => carry_out(core, intent.clone(), permit, progress).await,
                Err(refusal) => give_up_or_wait(core, intent, &at_run, refusal).await,
            }
        }
        FolderOf::AtRun { folder, cleared: true } => {
            let (at_run, asked) = (folder.clone(), PermitFor::Intent { job: &job, folder: &folder, whole: true });
            let renewed = permit(core, asked, progress).await;
            match renewed {
                Ok(permit) => carry_out(core, intent.clone(), permit, progress).await,
                Err(refusal) => give_up_or_wait(core, intent, &at_run, refusal).await,
            }
        }
        FolderOf::Aside(folder) => {
            if intent.step < ClearStep::Renamed {
                // Killed between the rename and its note.
                if intent.step == ClearStep::Intended {
                    core.store.advance_intent(intent, ClearStep::Recorded).await?;
                }
                core.store.advance_intent(intent, ClearStep::Renamed).await?;
            }
            // A rest that still cannot be removed is not worth reading the NAS for.
            let handle = folder.clone();
            if let Some(obstacle) = blocking(move || obstacle_inside(&handle)).await {
                let why = format!("rest of a cleared run: {obstacle}");
                return wait(core, intent, why).await;
            }
            let asked = PermitFor::Intent { job: &job, folder: &folder, whole: false };
            let renewed = permit(core, asked, progress).await;
            match renewed {
                Ok(permit) => carry_out(core, intent.clone(), permit, progress).await,
                // What is left has lost the files that went, its signal perhaps among them: nobody is to make a run of
                // it again.
                Err(refusal @ Refusal::TooWeak { .. }) if has_begun(core, &job, &folder).await => {
                    let why = format!("rest of a cleared run: {refusal}");
                    waits(core, intent, &why).await;
                    show_aside(core, intent).await;
                    Err(ClearStop::Waiting(why))
                }
                // Nor of a record alone: there is nothing to put back, and nothing here to send again.
                Err(refusal) if refusal.is_final() && all_data_is_gone(&job, &folder).await => {
                    let why =
                        format!("rest of a cleared run: all of its data is gone here, its record waits: {refusal}");
                    wait(core, intent, why).await
                }
                Err(refusal) if refusal.is_final() => {
                    match give_up_aside(core, intent, &job, &folder, &refusal.to_string()).await {
                        Ok(_) => Err(refusal.into()),
                        Err(stop) => {
                            waits(core, intent, &stop.why()).await;
                            show_aside(core, intent).await;
                            Err(stop)
                        }
                    }
                }
                Err(refusal) => wait(core, intent, refusal.to_string()).await,
            }
        }
    }
}

async fn give_up_or_wait(
    core: &Arc<Core>,
    intent: &mut Intent,
    folder: &RunFolder,
    refusal: Refusal,
) -> Result<Totals, ClearStop> {
    if !refusal.is_final() {
        return wait(core, intent, refusal.to_string()).await;
    }
    take_back(core, intent, folder, &refusal.to_string()).await?;
    Err(refusal.into())
}

async fn wait(core: &Arc<Core>, intent: &mut Intent, why: String) -> Result<Totals, ClearStop> {
    waits(core, intent, &why).await;
    show_aside(core, intent).await;
    Err(ClearStop::Waiting(why))
}

pub(super) async fn find(core: &Arc<Core>, intent: &Intent) -> Result<FolderOf, ClearStop> {
    let (owned, intent) = (core.clone(), intent.clone());
    let found = blocking(move || -> Result<FolderOf, SourceError> {
        let root = owned.staging.open()?;
        if !aside::is_prepared(&owned)? {
            let error =
                std::io::Error::other(format!("it holds no {CLEARING_FOLDER}: is the staging disk not mounted?"));
            return Err(SourceError::Root { path: root.path().to_owned(), error });
        }
        match root.run_at(&format!("{CLEARING_FOLDER}/{}", intent.id)) {
            Ok(folder) => return Ok(FolderOf::Aside(folder)),
            Err(SourceError::RunGone { .. }) => {}
            Err(error) => return Err(error),
        }
        match root.run(&intent.run) {
            Ok(folder) => {
                let cleared = is_cleared_by(&folder, &intent.id);
                // After the rename, what stands at the path is a new life and none of this intent's business.
                match intent.step {
                    ClearStep::Intended => Ok(FolderOf::AtRun { folder, cleared }),
                    ClearStep::Recorded if cleared => Ok(FolderOf::AtRun { folder, cleared }),
                    ClearStep::Recorded => Ok(FolderOf::Lost),
                    ClearStep::Renamed if cleared => Ok(FolderOf::PutBack(folder)),
                    _ => Ok(FolderOf::Nowhere),
                }
            }
            Err(SourceError::RunGone { .. }) if intent.step >= ClearStep::Renamed => Ok(FolderOf::Nowhere),
            Err(SourceError::RunGone { .. }) => Ok(FolderOf::Lost),
            Err(error) => Err(error),
        }
    })
    .await;
    found.map_err(|error| ClearStop::Waiting(error.to_string()))
}
