//! The ways back from a clear that does not come to its end: nothing was removed, and the run is what it was; or
//! something was, and what is left is a new life.

use super::ClearStop;
use super::aside::{self, CLEARING_FOLDER};
use super::carry_out::{finish, is_cleared_by};
use super::refusal::Refusal;
use crate::core::Core;
use crate::database::{ClearStep, Intent, Job, LedgerKind};
use crate::files::source::{Entry, RunFolder, SourceError};
use crate::judge::gatekeeper::tell_producer;
use crate::keep::ingest_store::{self, read_ingest};
use crate::keep::record::{RecordError, RecordFolder, Stamp};
use crate::machine::blocking::blocking;
use crate::prove::seal_of;
use domain::document::creation::SyncStatus;
use domain::document::ingest::Ingest;
use domain::lifecycle::{RunEvent, RunState};
use domain::log_line::Level;
use domain::proof::Totals;
use rustix::io::Errno;
use serde_json::json;
use std::sync::Arc;

/// Gives up a clear of which nothing was removed: `cleared`, where it was recorded, is followed by an entry that takes
/// it back, so that the run is what it was, and no new life begins. While that entry cannot be written the intent
/// stands.
pub async fn take_back(core: &Arc<Core>, intent: &Intent, folder: &RunFolder, why: &str) -> Result<(), ClearStop> {
    let written = say_taken_back(core, folder, &intent.id, why).await;
    match written {
        Ok(None) => {}
        Ok(Some((ingest, stamp))) => {
            core.change(&intent.run, |facts| {
                facts.ingest = Ok(Some(ingest));
                facts.watch.ingest = stamp;
            });
            core.store.record_due_now(&intent.job_id).await?;
            core.destinations.work_now(intent.run.equipment());
        }
        Err(error) => {
            return Err(ClearStop::Waiting(format!(
                "{why}; and it could not be recorded that the run was not cleared: {error}"
            )));
        }
    }
    tell_producer(core, &intent.run, folder, SyncStatus::Synced);
    abort(core, intent, why).await
}

/// The same, as the answer of the clear that is given up: the run was not cleared, and why.
pub async fn refused(core: &Arc<Core>, intent: &Intent, folder: &RunFolder, why: &str) -> ClearStop {
    match take_back(core, intent, folder, why).await {
        Ok(()) => Refusal::held(not_cleared(intent, why)).into(),
        Err(stop) => stop,
    }
}

/// What is said of a run that was not cleared.
pub fn not_cleared(intent: &Intent, why: &str) -> String {
    format!("{} was not cleared: {why}", intent.run)
}

/// Gives up a clear that was renamed aside, and of which nothing was removed: its folder goes back to where it stood
/// first. Where it cannot go there the intent stands.
pub async fn back_untouched(core: &Arc<Core>, intent: &Intent, folder: &RunFolder, why: &str) -> Result<(), ClearStop> {
    put_back_or_wait(core, intent, why).await?;
    take_back(core, intent, folder, why).await
}

/// Puts the folder back to where it stood; where it cannot go back the intent stands, and says what to do.
async fn put_back_or_wait(core: &Arc<Core>, intent: &Intent, why: &str) -> Result<(), ClearStop> {
    let (owned, run, id) = (core.clone(), intent.run.clone(), intent.id.clone());
    let Err(errno) = blocking(move || aside::put_back(&owned, &run, &id)).await else { return Ok(()) };
    let stays = format!("it stays in {CLEARING_FOLDER}/{}", intent.id);
    let remedy = match errno {
        Errno::EXIST | Errno::NOTEMPTY => "something new stands at its path; move that away first".to_owned(),
        Errno::NOENT | Errno::NOTDIR => "the folder that it stood in is gone; make it again first".to_owned(),
        Errno::ACCESS | Errno::PERM => format!(
            "this program (user {}) may not put it back into the folder that it stood in; let it write there first",
            rustix::process::geteuid().as_raw()
        ),
        errno => return Err(ClearStop::Waiting(format!("{why}; {stays}: it cannot be put back: {errno}"))),
    };
    Err(ClearStop::ForAPerson { why: why.to_owned(), remedy: format!("{stays}: {remedy}") })
}

/// Appends to a record that was called cleared by this intent that it was not; nothing where it says nothing of the
/// kind.
pub async fn say_taken_back(
    core: &Core,
    folder: &RunFolder,
    id: &str,
    why: &str,
) -> Result<Option<(Ingest, Option<Stamp>)>, RecordError> {
    let (handle, id, at, host, reason) =
        (folder.clone(), id.to_owned(), core.site.clock.now(), core.site.host.clone(), why.to_owned());
    blocking(move || {
        if !is_cleared_by(&handle, &id) {
            return Ok(None);
        }
        // What was proven is said again: the latest `sync_verified` is what a proof is held against.
        let record = RecordFolder::open(handle.dir())?;
        let ingest = record.as_ref().map(read_ingest).transpose()?.flatten();
        let mut extra =
            ingest.and_then(|ingest| ingest.last(RunState::SyncVerified)).map(|entry| entry.fields).unwrap_or_default();
        for own in ["state", "at", "host"] {
            extra.remove(own);
        }
        extra.insert("clear_taken_back".into(), json!({"intent": id, "reason": reason}));
        ingest_store::append(handle.dir(), RunEvent::ClearTakenBack, at, &host, extra).map(Some)
    })
    .await
}

/// Puts what is left back to where the run stood; where something new stands there, it stays aside and is named in the
/// ledger.
pub async fn put_back(core: &Arc<Core>, intent: &Intent) {
    let (owned, run, id) = (core.clone(), intent.run.clone(), intent.id.clone());
    if let Err(errno) = blocking(move || aside::put_back(&owned, &run, &id)).await {
        let place = format!("{CLEARING_FOLDER}/{}", intent.id);
        core.ledger(
            &intent.run,
            intent.life,
            LedgerKind::KeptAside,
            format!("what was not proven stays in {place}: {errno}"),
        )
        .await;
        core.log(
            None,
            &intent.run,
            Level::Error,
            &format!("what was not proven could not be put back and stays in {place}: {errno}"),
        );
    }
}

/// Gives the intent up; what stands, stands.
pub async fn abort(core: &Arc<Core>, intent: &Intent, why: &str) -> Result<(), ClearStop> {
    let mut intent = intent.clone();
    core.store.advance_intent(&mut intent, ClearStep::Aborted).await?;
    core.ledger(&intent.run, intent.life, LedgerKind::ClearAborted, why.to_owned()).await;
    core.log(None, &intent.run, Level::Error, &format!("the clear was given up: {why}"));
    Ok(())
}

/// Gives up a clear that stands aside, and answers what had gone. Where nothing had, the run is what it was; else what
/// is left goes back and is a new life, and what went is counted.
pub(super) async fn give_up_aside(
    core: &Arc<Core>,
    intent: &mut Intent,
    job: &Job,
    folder: &RunFolder,
    why: &str,
) -> Result<Totals, ClearStop> {
    match sealed_and_gone(core, job, folder).await {
        Ok(gone) if gone.files == 0 => return back_untouched(core, intent, folder, why).await.map(|()| gone),
        Ok(gone) => intent.freed = gone,
        Err(error) => {
            tracing::error!(run = %intent.run, error, "what was freed before the clear was given up cannot be counted")
        }
    }
    put_back_or_wait(core, intent, why).await?;
    finish(core, intent, job, &[("the clear was given up:".to_owned(), why.to_owned())]).await?;
    Ok(intent.freed)
}

/// Ends a clear that had put back what it kept or retained, and was stopped before that was written: files went, so
/// what stands at the run's path is another life. `None`, and nothing is done, where nothing went: that run is what it
/// was.
pub(super) async fn end_what_went(
    core: &Arc<Core>,
    intent: &mut Intent,
    job: &Job,
    folder: &RunFolder,
) -> Result<Option<Totals>, ClearStop> {
    let gone = sealed_and_gone(core, job, folder).await.unwrap_or_else(|error| {
        tracing::error!(run = %intent.run, error, "what went before the clear was stopped cannot be counted");
        intent.freed
    });
    if gone.files == 0 {
        return Ok(None);
    }
    intent.freed = gone;
    let all = gone.files >= job.totals.files;
    let kept = ("some of it".to_owned(), "was kept, and put back before the program was stopped".to_owned());
    finish(core, intent, job, if all { &[] } else { std::slice::from_ref(&kept) }).await?;
    Ok(Some(gone))
}

/// True where nothing but the record is left of a run that was whole when it was renamed aside: every sealed file went,
/// and each was proven a moment before. There is nothing to put back or to send again, so its clear is neither given up
/// nor called off: it ends when the record has gone.
pub(super) async fn all_data_is_gone(job: &Job, folder: &RunFolder) -> bool {
    if job.totals.files == 0 {
        return false;
    }
    let folder = folder.clone();
    blocking(move || {
        let data = |entry: Result<Entry, SourceError>| match entry {
            Ok(entry) => entry.is_data_file() || entry.is_unsupported(),
            Err(SourceError::Vanished { .. }) => false,
            // What cannot be looked at may be data.
            Err(_) => true,
        };
        folder.walk().is_ok_and(|mut entries| !entries.any(data))
    })
    .await
}

/// True unless everything that was sealed is still there.
pub(super) async fn has_begun(core: &Arc<Core>, job: &Job, folder: &RunFolder) -> bool {
    sealed_and_gone(core, job, folder).await.map_or(true, |gone| gone.files > 0)
}

/// Sealed files that are not there any more, and their bytes.
pub(super) async fn sealed_and_gone(core: &Arc<Core>, job: &Job, folder: &RunFolder) -> Result<Totals, String> {
    let (core, job, folder) = (core.clone(), job.clone(), folder.clone());
    blocking(move || {
        let seal = seal_of(&core, &job).map_err(|failure| failure.message)?;
        let mut gone = Totals::default();
        for file in seal.files().map_err(|error| error.to_string())? {
            let file = file.map_err(|error| error.to_string())?;
            if matches!(folder.stat(&file.path), Err(SourceError::Vanished { .. })) {
                gone.add(file.stat.size);
            }
        }
        Ok(gone)
    })
    .await
}
