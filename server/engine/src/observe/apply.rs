//! Applying: each step that can be decided on a run, and what it writes. Every one may be repeated after a crash.

use super::evaluate::EvaluateError;
use super::renamed::first_ingest;
use super::rest::Rest;
use crate::core::Core;
use crate::database::{ClearedLife, Job, LedgerKind};
use crate::files::source::RunFolder;
use crate::judge::gatekeeper::{Gated, ask, generation_to_queue, record_event, tell_producer};
use crate::keep::ingest_store::{self, CHECKSUMS, INGEST, fields, read_creation};
use crate::keep::record::{RecordError, RecordFolder};
use crate::machine::blocking::blocking;
use crate::machine::checkpoint::Checkpoint;
use crate::prove::still_as_sealed;
use crate::tell::index::{Facts, Trouble};
use crate::tell::tally::Moved;
use domain::document::creation::SyncStatus;
use domain::job::{JobEvent, JobState};
use domain::lifecycle::{RunEvent, RunState};
use domain::log_line::Level;
use domain::path::{RECORD_FOLDER, RunPath};
use domain::step::Step;
use domain::timestamp::Timestamp;
use serde_json::{Map, json};
use std::sync::Arc;

/// Takes a step; true when it changed anything.
pub async fn apply(core: &Arc<Core>, run: &RunPath, step: Step, folder: &RunFolder) -> Result<bool, EvaluateError> {
    match step {
        // A clear that is due is begun by whoever is told of it.
        Step::Wait | Step::Clear => Ok(false),
        Step::RecordSeen => {
            let life = core.index.look(run, |facts| facts.life).unwrap_or(1);
            record_seen(core, run, folder, Rest::before(core, run, life).await?).await?;
            Ok(true)
        }
        Step::RecordComplete => {
            let totals = core.index.look(run, |facts| facts.totals).unwrap_or_default();
            let extra = fields(json!({"files_received": totals.files, "bytes_received": totals.bytes}));
            record_event(core, run, folder, RunEvent::Completed, extra).await?;
            core.site.checkpoints.reached(Checkpoint::CompleteRecorded);
            core.tell.tally.add(Moved::Received, totals.bytes, core.site.clock.now());
            core.log(
                Some(folder),
                run,
                Level::Info,
                &format!("run complete: files={} bytes={}", totals.files, totals.bytes),
            );
            Ok(true)
        }
        Step::Enqueue if already_judged(core, run) => Ok(false),
        Step::Enqueue => {
            let job = core.index.look(run, |facts| facts.job.clone()).flatten();
            let generation = generation_to_queue(core, job.as_ref()).await;
            enqueue(core, run, folder, generation).await
        }
        Step::RecordVerified => match job_to_record(core, run).await {
            Recordable::Yes(job) => {
                record_verified(core, run, folder, &job).await?;
                Ok(true)
            }
            Recordable::No => Ok(false),
            Recordable::OfOtherContent(job) => enqueue(core, run, folder, job.generation + 1).await,
        },
        Step::BeginNewLife => {
            begin_new_life(core, run, folder).await?;
            Ok(true)
        }
    }
}

/// Takes a run up again whose job failed at the gate, now that the gate lets it through.
pub async fn take_up_again(core: &Arc<Core>, run: &RunPath) -> Result<(), EvaluateError> {
    let Ok(_guard) = core.turns.runs.try_hold(run, "queueing") else { return Ok(()) };
    let Some(job) = core.index.look(run, |facts| facts.job.clone()).flatten() else { return Ok(()) };
    let folder = core.staging.run(run)?;
    enqueue(core, run, &folder, job.generation).await.map(|_| ())
}

async fn enqueue(core: &Arc<Core>, run: &RunPath, folder: &RunFolder, generation: u64) -> Result<bool, EvaluateError> {
    match ask(core, run, generation).await? {
        Gated::Blocked(_) => Ok(false),
        Gated::Queued(job) => {
            if job.state == JobState::Failed
                && let Some(job) = core.store.advance(&job, JobEvent::Rearmed, None).await?
            {
                core.ledger(run, job.life, LedgerKind::Rearmed, "the gate lets its run through again".into()).await;
                core.job_changed(job);
                core.destinations.work_now(run.equipment());
            }
            record_queued(core, run, folder).await?;
            Ok(true)
        }
    }
}

/// Whether a proven job's proof may be written into ingest.json.
enum Recordable {
    Yes(Box<Job>),
    No,
    /// The proof is of what stood here before this was queued: another generation has to be proven.
    OfOtherContent(Box<Job>),
}

/// A proof older than the entry it would follow says nothing of this content by itself: the path may have been pushed
/// anew, or our database restored from a backup (D5, D15).
async fn job_to_record(core: &Arc<Core>, run: &RunPath) -> Recordable {
    let found = core.index.look(run, |facts| {
        let job = facts.job.clone().filter(|job| job.state.is_proven())?;
        let last = facts.ingest.as_ref().ok()?.as_ref()?.history().pop()?;
        Some((job, last, facts.state()?))
    });
    let Some((job, last, state)) = found.flatten() else { return Recordable::No };
    let proven = Timestamp::from_unix_seconds(job.first_proof_ms.unwrap_or(0).div_euclid(1000));
    let job = Box::new(job);
    match state {
        // Documents have whole seconds: within the same one the files decide.
        RunState::SyncQueued if last.at.is_some_and(|at| proven > at) || still_as_sealed(core, &job).await => {
            Recordable::Yes(job)
        }
        RunState::SyncQueued => Recordable::OfOtherContent(job),
        RunState::SyncVerified => match last.generation() {
            // Written by the Python system, or before our state folder was lost.
            None => Recordable::Yes(job),
            Some(generation) if job.generation > generation => Recordable::Yes(job),
            Some(generation) if job.generation == generation && last.at.is_none_or(|at| proven >= at) => {
                Recordable::Yes(job)
            }
            Some(_) => Recordable::No,
        },
        _ => Recordable::No,
    }
}

/// True while a blocked run's files, creation.json and overrides are as the gate judged them.
fn already_judged(core: &Core, run: &RunPath) -> bool {
    let now = core.site.clock.now();
    let judged = core
        .index
        .look(run, |facts| facts.findings.iter().any(domain::finding::Finding::blocks) && facts.is_judged(now));
    judged.unwrap_or(false)
}

/// Appends `sync_queued` to a complete run.
pub async fn record_queued(core: &Arc<Core>, run: &RunPath, folder: &RunFolder) -> Result<(), RecordError> {
    if core.index.look(run, Facts::state).flatten() == Some(RunState::Complete) {
        record_event(core, run, folder, RunEvent::Queued, Map::new()).await?;
        core.site.checkpoints.reached(Checkpoint::QueuedRecorded);
        core.log(Some(folder), run, Level::Info, "NAS sync queued");
    }
    Ok(())
}

/// Writes the first record of a life; `rest`: what was kept of the one before, where this one begins with that.
async fn record_seen(
    core: &Arc<Core>,
    run: &RunPath,
    folder: &RunFolder,
    rest: Option<Rest>,
) -> Result<(), EvaluateError> {
    let (handle, run_path, owned) = (folder.clone(), run.clone(), core.clone());
    let ingest = blocking(move || {
        let creation = match RecordFolder::open(handle.dir())? {
            Some(record) => read_creation(&record).ok().flatten(),
            None => None,
        };
        let mut first = first_ingest(&owned, &run_path, creation.as_ref(), owned.site.clock.now());
        first.rest_of = rest.map(|rest| rest.to_record());
        ingest_store::write_first(handle.dir(), &first)
    })
    .await?;
    core.site.checkpoints.reached(Checkpoint::SeenRecorded);
    core.change(run, |facts| facts.ingest = Ok(Some(ingest)));
    core.log(Some(folder), run, Level::Info, "run seen in staging");
    Ok(())
}

async fn record_verified(core: &Arc<Core>, run: &RunPath, folder: &RunFolder, job: &Job) -> Result<(), EvaluateError> {
    // First, so that a crash in between leaves it to be done again with the rest.
    tell_producer(core, run, folder, SyncStatus::Synced);
    let extra = fields(json!({
        "nas_path": job.nas_path,
        "checksum_file": format!("{RECORD_FOLDER}/{CHECKSUMS}"),
        "generation": job.generation,
        "seal": job.seal,
        "proof": job.proof_level,
    }));
    record_event(core, run, folder, RunEvent::Proven, extra).await?;
    core.change(run, super::judge::now_verified);
    core.site.checkpoints.reached(Checkpoint::VerifiedRecorded);
    core.log(
        Some(folder),
        run,
        Level::Info,
        &format!("NAS sync verified: files={} bytes={}", job.totals.files, job.totals.bytes),
    );
    core.store.record_due_now(&job.id).await?;
    core.destinations.work_now(run.equipment());
    Ok(())
}

async fn begin_new_life(core: &Arc<Core>, run: &RunPath, folder: &RunFolder) -> Result<(), EvaluateError> {
    let Some(facts) = core.index.get(run) else { return Ok(()) };
    let Ok(Some(ingest)) = &facts.ingest else { return Ok(()) };
    let cleared = ingest.last(RunState::Cleared).and_then(|entry| entry.at).unwrap_or(core.site.clock.now());
    let ended = ClearedLife {
        run: run.clone(),
        life: facts.life,
        cleared_ms: cleared.unix_seconds() * 1000,
        freed: domain::proof::Totals::default(),
        nas_path: facts.job.as_ref().and_then(|job| job.nas_path.clone()).unwrap_or_default(),
        seal: facts.job.as_ref().and_then(|job| job.seal),
        last_row: core.index.row(run).and_then(|row| serde_json::to_string(&*row).ok()).unwrap_or_default(),
        history: String::from_utf8_lossy(&ingest.to_bytes()).into_owned(),
    };
    core.store.end_life(&ended, None).await?;
    let (handle, life) = (folder.clone(), facts.life);
    blocking(move || match RecordFolder::open(handle.dir())? {
        Some(record) => record.move_to_lives(life, &[INGEST, CHECKSUMS]),
        None => Ok(()),
    })
    .await?;
    core.ledger(run, life, LedgerKind::NewLife, "data stands at the path of a cleared run: a new life begins".into())
        .await;
    let mut fresh = Facts::new(run.clone(), core.store.current_life(run).await?);
    fresh.kind = facts.kind;
    fresh.overrides = facts.overrides.clone();
    fresh.project_short_id = facts.project_short_id.clone();
    let rest = Rest::before(core, run, fresh.life).await?;
    if let Some(rest) = &rest {
        let problem = rest.problem();
        core.log(Some(folder), run, Level::Warn, &problem.message);
        fresh.troubles.insert(Trouble::Rest, problem);
        fresh.totals = facts.totals;
    }
    core.put(fresh);
    record_seen(core, run, folder, rest).await
}
