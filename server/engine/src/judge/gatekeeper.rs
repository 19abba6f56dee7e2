//! The gate's eyes and the only way into the queue: reads what the domain's judge asks for, and enqueues what it
//! admits.

use crate::core::Core;
use crate::database::{Job, StoreError};
use crate::files::source::{Entry, RunFolder, ShownPath, SourceError};
use crate::keep::ingest_store::{self, read_creation};
use crate::keep::metadata::not_carried;
use crate::keep::record::{RecordError, RecordFolder};
use crate::machine::blocking::blocking;
use crate::machine::checkpoint::Checkpoint;
use crate::prove::still_as_sealed;
use domain::document::creation::{Creation, SyncStatus};
use domain::finding::Finding;
use domain::gate::{Circumstances, EntryKind, EquipmentStanding, Judge, Verdict, metadata_not_carried};
use domain::lifecycle::{RunEvent, RunState};
use domain::log_line::Level;
use domain::path::{FilePath, RunPath};
use domain::units;
use std::io::Read;
use std::sync::Arc;

/// Why a run could not be judged or queued.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What asking for the queue gave.
pub enum Gated {
    Queued(Box<Job>),
    /// Held back by these.
    Blocked(Vec<Finding>),
}

/// How the config sees a run's equipment.
pub fn standing(core: &Core, run: &RunPath) -> EquipmentStanding {
    match core.site.settings.equipment(run.equipment()) {
        None => EquipmentStanding::Unconfigured,
        Some(equipment) if equipment.synced_here && equipment.transport.is_some() => EquipmentStanding::SyncedHere,
        Some(_) => EquipmentStanding::NotSyncedHere,
    }
}

/// The gate at one run: gives the domain's judge every entry, and the contents it asks for. Blocking.
pub struct Examiner<'a> {
    core: &'a Core,
    folder: &'a RunFolder,
    run: &'a RunPath,
    judge: Judge<'a>,
    failed: Option<SourceError>,
}

impl<'a> Examiner<'a> {
    /// `creation` is the run's creation.json as it stands.
    pub fn new(
        core: &'a Core,
        folder: &'a RunFolder,
        run: &'a RunPath,
        creation: Option<&'a Creation>,
        already_verified: bool,
    ) -> Examiner<'a> {
        let judge = Judge::new(Circumstances {
            run,
            creation,
            equipment: standing(core, run),
            validator: &core.site.settings.validator,
            now: core.site.clock.now(),
            already_verified,
        });
        Examiner { core, folder, run, judge, failed: None }
    }

    /// Judges one entry; those of the record are passed over.
    pub fn entry(&mut self, entry: &Entry) {
        if entry.is_record() {
            return;
        }
        self.judge.entry(&entry.path, entry.kind);
        if let EntryKind::File { size } = entry.kind
            && self.judge.wants_content(&entry.path, size)
        {
            match self.content(&entry.path) {
                Ok(bytes) => self.judge.content(&entry.path, &bytes),
                Err(error) => self.failed = self.failed.take().or(Some(error)),
            }
        }
    }

    fn content(&self, path: &FilePath) -> Result<Vec<u8>, SourceError> {
        let (file, _) = self.folder.open_file(path)?;
        let mut bytes = Vec::new();
        let limit = self.core.site.settings.validator.content_scan_max_mib << 20;
        let read = file.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| SourceError::Unreadable { path: ShownPath(Some(path.clone())), error })?;
        Ok(bytes)
    }

    /// The verdict, unless a content could not be read.
    pub fn finish(mut self) -> Result<Verdict, SourceError> {
        if let Some(left) = not_carried(self.folder) {
            self.judge.also(metadata_not_carried(self.run, left.attributes, left.bytes, &left.first));
        }
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.judge.finish()),
        }
    }
}

/// creation.json of a run, when it has one.
pub fn creation_of(folder: &RunFolder) -> Result<Option<Creation>, RecordError> {
    match RecordFolder::open(folder.dir())? {
        Some(record) => read_creation(&record),
        None => Ok(None),
    }
}

/// Judges a run where it lies. Blocking.
pub fn judge(core: &Core, folder: &RunFolder, run: &RunPath, already_verified: bool) -> Result<Verdict, GateError> {
    let creation = creation_of(folder)?;
    let mut examiner = Examiner::new(core, folder, run, creation.as_ref(), already_verified);
    for entry in folder.walk()? {
        match entry {
            Ok(entry) => examiner.entry(&entry),
            Err(SourceError::Vanished { path }) if path.is_record() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(examiner.finish()?)
}

/// The generation that a complete run is queued as. The job of what stands here is taken up again. If that job was
/// proven for other content (the path was pushed anew, or our database is an old backup), it vouches for nothing, and
/// the next generation begins.
pub async fn generation_to_queue(core: &Arc<Core>, job: Option<&Job>) -> u64 {
    match job {
        None => 1,
        Some(job) if job.state.is_proven() && !still_as_sealed(core, job).await => job.generation + 1,
        Some(job) => job.generation,
    }
}

/// Asks the gate, and queues what it admits as this generation. Says what blocks otherwise. The caller holds the run.
pub async fn ask(core: &Arc<Core>, run: &RunPath, generation: u64) -> Result<Gated, GateError> {
    let (verdict, folder) = {
        let (core, run) = (core.clone(), run.clone());
        let verified = core.index.look(&run, |facts| facts.state() == Some(RunState::SyncVerified)).unwrap_or(false);
        blocking(move || {
            let folder = core.staging.run(&run)?;
            Ok::<_, GateError>((judge(&core, &folder, &run, verified)?, folder))
        })
        .await?
    };
    let life = core.index.look(run, |facts| facts.life).unwrap_or(1);
    core.change(run, |facts| {
        facts.findings = Arc::new(verdict.findings().to_vec());
        facts.watch.judged = facts.to_judge(core.site.clock.now());
    });
    match verdict.admit() {
        Ok(admitted) => {
            let job = core.store.enqueue(&admitted, life, generation, core.site.clock.now_ms()).await?;
            core.site.checkpoints.reached(Checkpoint::Enqueued);
            core.job_changed(job.clone());
            tell_producer(core, run, &folder, SyncStatus::Pending);
            core.destinations.work_now(run.equipment());
            Ok(Gated::Queued(Box::new(job)))
        }
        Err(blocking_findings) => {
            tell_producer(core, run, &folder, SyncStatus::BlockedByValidation);
            let first = blocking_findings
                .first()
                .map(|f| format!("{}: {}", f.rule.as_str(), f.rule_detail))
                .unwrap_or_default();
            core.log(
                Some(&folder),
                run,
                Level::Warn,
                &format!("NAS sync blocked by {}; {first}", units::counted(blocking_findings.len() as u64, "finding")),
            );
            Ok(Gated::Blocked(blocking_findings))
        }
    }
}

/// Sets creation.json's `sync_status`, keeping the watcher from taking our own write for news.
pub fn tell_producer(core: &Core, run: &RunPath, folder: &RunFolder, status: SyncStatus) {
    let before =
        RecordFolder::open(folder.dir()).ok().flatten().and_then(|record| record.stamp(ingest_store::CREATION));
    match ingest_store::set_sync_status(folder.dir(), status) {
        Err(error) => {
            core.log(None, run, Level::Warn, &format!("creation.json could not be told `{status:?}`: {error}"))
        }
        Ok(None) => {}
        Ok(stamp) => core.change(run, |facts| {
            // If nobody else wrote in between, what was read before is still true; otherwise the watcher reads it anew.
            if facts.watch.creation == before {
                facts.watch.creation = stamp;
                if let Some(judged) = facts.watch.judged.as_mut().filter(|judged| judged.creation == before) {
                    judged.creation = stamp;
                }
            }
        }),
    }
}

/// Appends a lifecycle event to ingest.json and takes the written document into the row.
pub async fn record_event(
    core: &Arc<Core>,
    run: &RunPath,
    folder: &RunFolder,
    event: RunEvent,
    extra: serde_json::Map<String, serde_json::Value>,
) -> Result<(), RecordError> {
    let (at, host) = (core.site.clock.now(), core.site.host.clone());
    let handle = folder.clone();
    let (ingest, stamp) = blocking(move || ingest_store::append(handle.dir(), event, at, &host, extra)).await?;
    core.change(run, |facts| {
        facts.ingest = Ok(Some(ingest));
        facts.watch.ingest = stamp;
    });
    Ok(())
}
