//! The record as it stands when a run is cleared: sent, proven, and holding what only it carries.

use super::ClearStop;
use super::back::{not_cleared, take_back};
use super::delete_record::record_totals;
use super::obstacles::may_be_left;
use super::permit::ClearPermit;
use super::refusal::Refusal;
use crate::core::Core;
use crate::database::{ClearStep, Intent, Job};
use crate::files::source::RunFolder;
use crate::keep::ingest_store::METADATA;
use crate::keep::metadata::{self, MetadataError};
use crate::keep::record::{RecordError, RecordFolder};
use crate::machine::blocking::blocking;
use crate::machine::progress::ProgressSink;
use crate::send::{SentRecord, push_record};
use domain::path::RECORD_FOLDER;
use std::sync::Arc;

/// Sends the record, and has streams and labels listed again where its list no longer holds all that were sealed:
/// somebody edited or removed it since. Answers what was proven; where they cannot be listed the clear is taken back.
pub async fn send_whole(
    core: &Arc<Core>,
    intent: &Intent,
    permit: &ClearPermit,
    progress: &ProgressSink,
) -> Result<Vec<SentRecord>, ClearStop> {
    let record = send(core, permit.job(), permit.folder(), progress).await?;
    // Of what is aside some may be gone, and cannot be listed again; it was proven whole before it was renamed.
    if intent.step >= ClearStep::Renamed {
        return Ok(record);
    }
    // Where somebody let go of what it cannot carry, the rest is listed anew: whether it was edited since cannot be
    // told by what it lacks.
    let may_lack = may_be_left(core, &intent.run);
    if !may_lack && carries(permit, &record).await? {
        return Ok(record);
    }
    let (folder, seal) = (permit.folder().clone(), permit.seal().clone());
    let listed = blocking(move || metadata::list(&folder, &seal, &RecordFolder::open_or_create(folder.dir())?)).await;
    match listed {
        Ok(()) => {}
        Err(MetadataError::Record(error @ (RecordError::Full { .. } | RecordError::Locked { .. }))) => {
            return Err(ClearStop::Waiting(error.to_string()));
        }
        Err(error) => {
            let why = format!("{METADATA}, the list of its streams and labels, could not be made again: {error}");
            return Err(unlisted(core, intent, permit, &why).await);
        }
    }
    let record = send(core, permit.job(), permit.folder(), progress).await?;
    if may_lack || carries(permit, &record).await? {
        return Ok(record);
    }
    let why = format!("{METADATA} does not hold all streams and labels that were sealed");
    Err(unlisted(core, intent, permit, &why).await)
}

/// What the run has beside its bytes cannot be carried: the clear is taken back.
async fn unlisted(core: &Arc<Core>, intent: &Intent, permit: &ClearPermit, why: &str) -> ClearStop {
    match take_back(core, intent, permit.folder(), why).await {
        Ok(()) => Refusal::NoAnswer { sentence: not_cleared(intent, why), class: None }.into(),
        Err(stop) => stop,
    }
}

async fn carries(permit: &ClearPermit, record: &[SentRecord]) -> Result<bool, ClearStop> {
    let name = format!("{RECORD_FOLDER}/{METADATA}");
    let list = record
        .iter()
        .map(|sent| &sent.file)
        .find(|file| file.path.as_bytes() == name.as_bytes())
        .map(|file| file.bytes.reader());
    let seal = permit.seal().clone();
    let carried = blocking(move || metadata::carries(list, &seal)).await;
    carried.map_err(|error| ClearStop::Waiting(format!("the seal cannot be read: {error}")))
}

/// What of the record still stands is sent and proven; of a record that a start before this one deleted there is
/// nothing to send.
pub async fn send(
    core: &Arc<Core>,
    job: &Job,
    folder: &RunFolder,
    progress: &ProgressSink,
) -> Result<Vec<SentRecord>, ClearStop> {
    let context = core.site.call_context(job.run.equipment(), &core.site.stop, progress);
    let Some(destination) = core.destinations.get(job.run.equipment()) else {
        return Err(ClearStop::Waiting(format!("equipment {} has no destination in the config", job.run.equipment())));
    };
    let Some(turn) = core.turns.records.take(&job.run, &core.site.stop).await else {
        return Err(ClearStop::Waiting("the program is stopping".into()));
    };
    let stands = {
        let folder = folder.clone();
        blocking(move || record_totals(&folder)).await.map_err(ClearStop::Waiting)?
    };
    if stands.files == 0 {
        return Ok(Vec::new());
    }
    push_record(core, &turn, job, folder, &context).await.map_err(|failure| {
        destination.note_failure(&failure);
        ClearStop::Waiting(format!("the finished record has not reached the NAS: {}", failure.message))
    })
}
