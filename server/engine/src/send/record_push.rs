//! The record follows the data: a durable step of its own, tried again until it has reached the NAS and was hashed
//! there.

use crate::core::Core;
use crate::core::record_turn::RecordTurn;
use crate::database::{Failure, Job, StoreError};
use crate::files::source::RunFolder;
use crate::keep::record::RecordFolder;
use crate::machine::blocking::blocking;
use crate::machine::checkpoint::Checkpoint;
use crate::machine::progress::ProgressSink;
use crate::send::record_there::{self, SentRecord};
use crate::tell::index::Facts;
use crate::transport::destination::Destination;
use crate::transport::{CallContext, RecordFile};
use domain::job::{FailureClass, Side};
use domain::log_line::Level;
use domain::units;
use std::sync::Arc;

/// Sends the record of a proven job once its proof stands in ingest.json; a failure is tried again later.
pub async fn attempt(core: &Arc<Core>, destination: &Arc<Destination>, job: &Job) -> Result<(), StoreError> {
    let recorded =
        core.index.look(&job.run, |facts| facts.life == job.life && Facts::proof_recorded(facts)).unwrap_or(false);
    if !recorded {
        // The watcher writes it first, and wakes us; until then others go before.
        core.desk.look_at(&job.run);
        return core.store.record_failed(job, core.site.clock.now_ms()).await;
    }
    let progress = ProgressSink::new();
    let context = core.site.call_context(job.run.equipment(), &core.site.stop, &progress);
    let Some(turn) = core.turns.records.take(&job.run, &core.site.stop).await else { return Ok(()) };
    if core.index.look(&job.run, |facts| facts.clearing.is_some()).unwrap_or(false) {
        // The clear sends the finished record, or takes `cleared` back and has this done again.
        return core.store.record_failed(job, core.site.clock.now_ms()).await;
    }
    let opened = {
        let (core, run) = (core.clone(), job.run.clone());
        blocking(move || core.staging.run(&run)).await
    };
    let sent = match opened {
        Ok(folder) => push_record(core, &turn, job, &folder, &context).await,
        Err(error) => Err(Failure { class: FailureClass::LocalRead, side: Side::Source, message: error.to_string() }),
    };
    match sent {
        Ok(_) => {
            destination.took_something();
            core.store.record_sent(job).await?;
            core.site.checkpoints.reached(Checkpoint::RecordSent);
            core.reload_job(&job.run, job.life).await?;
        }
        Err(failure) if failure.class == FailureClass::Interrupted => {}
        Err(failure) => {
            destination.note_failure(&failure);
            core.log(None, &job.run, Level::Warn, &format!("the record could not be sent yet: {}", failure.message));
            core.store.record_failed(job, core.site.clock.now_ms()).await?;
        }
    }
    Ok(())
}

/// Sends the record as it stands, and proves that the NAS holds it. Answers what was proven. Takes the right to do so,
/// since two senders would meet in one folder, and the older record could arrive last.
pub async fn push_record(
    core: &Core,
    turn: &RecordTurn,
    job: &Job,
    folder: &RunFolder,
    context: &CallContext,
) -> Result<Vec<SentRecord>, Failure> {
    if turn.run() != &job.run {
        let message = format!("the turn of {} does not cover {}", turn.run(), job.run);
        return Err(Failure { class: FailureClass::Unknown, side: Side::Here, message });
    }
    let handle = folder.clone();
    let files = blocking(move || match RecordFolder::open(handle.dir())? {
        Some(record) => record.files(),
        None => Ok(Vec::new()),
    })
    .await
    .map_err(|error| Failure {
        class: FailureClass::LocalRead,
        side: Side::Source,
        message: format!("the record cannot be read: {error}"),
    })?;
    core.site.checkpoints.reached(Checkpoint::RecordRead);
    let files: Vec<RecordFile> = files.into_iter().map(|(path, bytes)| RecordFile { path, bytes }).collect();
    let Some(destination) = core.destinations.get(job.run.equipment()) else {
        let message = format!("equipment {} has no destination in the config", job.run.equipment());
        return Err(Failure { class: FailureClass::Configuration, side: Side::Here, message });
    };
    let sent = record_there::put(&*destination.transport, &job.run, job.life, files, context).await?;
    let beside = sent.iter().filter(|sent| sent.is_beside()).count() as u64;
    if beside > 0 {
        let what = units::plural(beside, "file of the record stands", "files of the record stand");
        core.log(
            None,
            &job.run,
            Level::Info,
            &format!("{what} beside earlier versions, in .exlab-wizard/versions/: the NAS lets no file be replaced"),
        );
    }
    Ok(sent)
}
