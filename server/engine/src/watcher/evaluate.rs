//! Evaluating one run (docs/lifecycle.md): look, let the domain decide, take that one step.

use super::again;
use super::cleared::{ClearedBy, cleared_by, settle_life};
use super::look::{Look, look};
use super::renamed::{Followed, first_ingest, follow, renamed_from};
use crate::checkpoint::Checkpoint;
use crate::core::Core;
use crate::gatekeeper::{Asked, GateError, ask, blocking, generation_to_queue, record_event, tell_producer};
use crate::index::Facts;
use crate::ingest_store::{self, CHECKSUMS, INGEST, read_creation};
use crate::prove::still_as_sealed;
use crate::record::{RecordError, RecordFolder};
use crate::source::{RunFolder, SourceError};
use crate::store::{ClearedLife, Job, LedgerKind, StoreError};
use crate::tally::Moved;
use domain::cleanup::{automatic_clear_due, conditions};
use domain::document::creation::SyncStatus;
use domain::job::{JobEvent, JobState};
use domain::lifecycle::{RunEvent, RunState};
use domain::log_line::Level;
use domain::path::{RECORD_FOLDER, RunPath};
use domain::step::{Observation, Step, next_step};
use domain::timestamp::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Why a run could not be evaluated. One run's failure never stops the others.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Its folder or files.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its documents.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Our database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Judging or queueing it.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A panic.
    #[error("a fault in this program stopped the look at it: {0}")]
    Fault(String),
}

/// When a run that somebody else holds is looked at again.
const BUSY_FOR: Duration = Duration::from_millis(500);

/// What evaluating a run led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Evaluated {
    /// State after it; `None` for a run that is gone or cannot be read.
    pub state: Option<RunState>,
    /// A step was taken: look again at once.
    pub stepped: bool,
    /// Look again then (monotonic), for settling.
    pub look_again_at: Option<Duration>,
}

/// Evaluates one run: at most one step, idempotent. A run that somebody else holds is left alone.
pub async fn evaluate_run(core: &Arc<Core>, run: &RunPath) -> Result<Evaluated, EvaluateError> {
    let Ok(_guard) = core.locks.try_hold(run, "evaluating") else {
        let state = core.index.look(run, Facts::state).flatten();
        return Ok(Evaluated { state, stepped: false, look_again_at: Some(core.clock.monotonic() + BUSY_FOR) });
    };
    let (mut facts, first) = match core.index.get(run) {
        Some(facts) => (facts, false),
        None => (first_facts(core, run).await?, true),
    };
    let (looked, mut facts) = {
        let core = core.clone();
        blocking(move || {
            if first {
                remove_leftovers(&core, &facts.run);
            }
            let looked = look(&core, &mut facts);
            (looked, facts)
        })
        .await
    };
    let looked = looked?;
    let Some(folder) = &looked.folder else { return Ok(Evaluated::default()) };
    if let (Some(token), Ok(None)) = (run.arriving(), &facts.ingest) {
        facts.waiting_for = Some(format!("its new name; it is still arriving, as the {token} in this one says"));
        core.merge(facts, |_, _| ());
        return Ok(Evaluated::default());
    }
    settle_life(&mut facts);
    // Workers and clears may have changed these while the files were looked at.
    let sealed = matches!(facts.state(), Some(RunState::SyncQueued | RunState::SyncVerified));
    core.merge(facts, |facts, known| {
        facts.clearing = core.clearing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(run).cloned();
        let Some(known) = known else { return };
        facts.job.clone_from(&known.job);
        facts.progress.clone_from(&known.progress);
        facts.sending.clone_from(&known.sending);
        if sealed {
            facts.findings = known.findings.clone();
            facts.watch.judged = known.watch.judged;
        }
    });
    if first {
        // A job of a run that was away may have changed before its row was there.
        let life = core.index.look(run, |facts| facts.life).unwrap_or(1);
        core.reload_job(run, life).await?;
    }
    match cleared_by(core, run, folder).await? {
        ClearedBy::UnderWay => return Ok(busy(core)),
        ClearedBy::TakenBack => return Ok(Evaluated { state: Some(RunState::SyncVerified), stepped: true, look_again_at: None }),
        ClearedBy::Ended => {}
    }
    if let Some(facts) = core.index.get(run)
        && let Some(before) = renamed_from(core, &facts).await
    {
        return Ok(match follow(core, run, &before, folder).await? {
            Followed::Done => Evaluated { state: Some(RunState::Staging), stepped: true, look_again_at: None },
            Followed::Stopping => busy(core),
        });
    }
    follow_interlocks(core, run).await?;
    let observation = observe(core, run, &looked);
    let step = next_step(&observation);
    let stepped = take(core, run, step, &looked).await?;
    if looked.touched {
        again::hash_touched(core, run);
    }
    let state = core.index.look(run, Facts::state).flatten();
    Ok(Evaluated { state, stepped, look_again_at: looked.look_again_at })
}

fn busy(core: &Core) -> Evaluated {
    Evaluated { look_again_at: Some(core.clock.monotonic() + BUSY_FOR), ..Evaluated::default() }
}

async fn first_facts(core: &Core, run: &RunPath) -> Result<Facts, StoreError> {
    let life = core.store.current_life(run).await?;
    let mut facts = Facts::new(run.clone(), life);
    facts.job = core.store.latest_job(run, life).await?;
    Ok(facts)
}

/// What a crash left in the record goes when a start of the program first sees the run (docs/format.md). Blocking.
fn remove_leftovers(core: &Core, run: &RunPath) {
    let removed =
        core.run_folder(run).ok().and_then(|folder| RecordFolder::open(folder.dir()).ok().flatten().map(|r| r.remove_leftovers()));
    if let Some(Err(error)) = removed {
        tracing::warn!(run = %run, %error, "what a crash left in the record could not be removed");
    }
}

fn observe(core: &Core, run: &RunPath, looked: &Look) -> Observation {
    let seen = core.index.look(run, |facts| {
        let late_names = facts.late_names();
        let context = core.row_context(run.equipment());
        let conditions = conditions(&facts.clear_facts(&context, &late_names));
        let job = facts.job.as_ref().map(|job| job.state);
        let readable = facts.ingest.as_ref().ok().map(|_| facts.state());
        let unknown_state = matches!(&facts.ingest, Ok(Some(ingest)) if ingest.current_state().known().is_none());
        (readable.filter(|_| !unknown_state), job, facts.proof_recorded(), facts.clearing.is_some(), automatic_clear_due(&conditions))
    });
    let (readable, job, proof_recorded, intent_pending, clear_due) = seen.unwrap_or_default();
    Observation {
        state: readable.flatten(),
        folder: looked.standing,
        signal_present: looked.signal_present,
        settled: looked.settled,
        job,
        proof_recorded,
        // An unreadable document bars every step, as a pending intent does.
        intent_pending: intent_pending || readable.is_none(),
        clear_due,
    }
}

/// Keeps `cleanup_eligible` true to its meaning: every automatic-clear interlock holds.
async fn follow_interlocks(core: &Arc<Core>, run: &RunPath) -> Result<(), StoreError> {
    let Some(facts) = core.index.get(run) else { return Ok(()) };
    let Some(job) = &facts.job else { return Ok(()) };
    if !matches!(job.state, JobState::Verified | JobState::CleanupEligible) || facts.clearing.is_some() {
        return Ok(());
    }
    let holds = super::quiet::eligible(core, &facts);
    let event = match (job.state, holds) {
        (JobState::Verified, true) => JobEvent::BecameEligible,
        (JobState::CleanupEligible, false) => JobEvent::LostEligibility,
        _ => return Ok(()),
    };
    if let Some(job) = core.store.advance(job, event, None).await? {
        core.job_changed(job);
    }
    Ok(())
}

async fn take(core: &Arc<Core>, run: &RunPath, step: Step, looked: &Look) -> Result<bool, EvaluateError> {
    let Some(folder) = &looked.folder else { return Ok(false) };
    match step {
        Step::Wait => Ok(false),
        Step::RecordSeen => {
            record_seen(core, run, folder).await?;
            Ok(true)
        }
        Step::RecordComplete => {
            let totals = core.index.look(run, |facts| facts.totals).unwrap_or_default();
            let extra = object(json!({"files_received": totals.files, "bytes_received": totals.bytes}));
            record_event(core, run, folder, RunEvent::Completed, extra).await?;
            core.checkpoints.reached(Checkpoint::CompleteRecorded);
            core.tally.add(Moved::Received, totals.bytes, core.clock.now());
            core.log(Some(folder), run, Level::Info, &format!("run complete: files={} bytes={}", totals.files, totals.bytes));
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
        Step::Clear => {
            crate::clear::start_automatic(core, run);
            Ok(false)
        }
        Step::BeginNewLife => {
            begin_new_life(core, run, folder).await?;
            Ok(true)
        }
    }
}

/// Takes a run up again whose job failed at the gate, now that the gate lets it through.
pub async fn take_up_again(core: &Arc<Core>, run: &RunPath) -> Result<(), EvaluateError> {
    let Ok(_guard) = core.locks.try_hold(run, "queueing") else { return Ok(()) };
    let Some(job) = core.index.look(run, |facts| facts.job.clone()).flatten() else { return Ok(()) };
    let folder = core.run_folder(run)?;
    enqueue(core, run, &folder, job.generation).await.map(|_| ())
}

async fn enqueue(core: &Arc<Core>, run: &RunPath, folder: &RunFolder, generation: u64) -> Result<bool, EvaluateError> {
    match ask(core, run, generation).await? {
        Asked::Blocked(_) => Ok(false),
        Asked::Queued(job) => {
            if job.state == JobState::Failed
                && let Some(job) = core.store.advance(&job, JobEvent::Rearmed, None).await?
            {
                core.ledger(run, job.life, LedgerKind::Rearmed, "the gate lets its run through again".into()).await;
                core.job_changed(job);
                core.work_now(run.equipment());
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

/// A proof older than the entry it would follow says nothing of this content by itself: the path may have been pushed anew, or our
/// database restored from a backup (D5, D15).
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
        RunState::SyncQueued if last.at.is_some_and(|at| proven > at) || still_as_sealed(core, &job).await => Recordable::Yes(job),
        RunState::SyncQueued => Recordable::OfOtherContent(job),
        RunState::SyncVerified => match last.generation() {
            // Written by the Python system, or before our state folder was lost.
            None => Recordable::Yes(job),
            Some(generation) if job.generation > generation => Recordable::Yes(job),
            Some(generation) if job.generation == generation && last.at.is_none_or(|at| proven >= at) => Recordable::Yes(job),
            Some(_) => Recordable::No,
        },
        _ => Recordable::No,
    }
}

/// True while a blocked run's files, creation.json and overrides are as the gate judged them.
fn already_judged(core: &Core, run: &RunPath) -> bool {
    let now = core.clock.now();
    let judged = core.index.look(run, |facts| facts.findings.iter().any(domain::finding::Finding::blocks) && facts.is_judged(now));
    judged.unwrap_or(false)
}

/// Appends `sync_queued` to a complete run.
pub async fn record_queued(core: &Arc<Core>, run: &RunPath, folder: &RunFolder) -> Result<(), RecordError> {
    if core.index.look(run, Facts::state).flatten() == Some(RunState::Complete) {
        record_event(core, run, folder, RunEvent::Queued, Map::new()).await?;
        core.checkpoints.reached(Checkpoint::QueuedRecorded);
        core.log(Some(folder), run, Level::Info, "NAS sync queued");
    }
    Ok(())
}

async fn record_seen(core: &Arc<Core>, run: &RunPath, folder: &RunFolder) -> Result<(), EvaluateError> {
    let (handle, run_path, owned) = (folder.clone(), run.clone(), core.clone());
    let ingest = blocking(move || {
        let creation = match RecordFolder::open(handle.dir())? {
            Some(record) => read_creation(&record).ok().flatten(),
            None => None,
        };
        ingest_store::write_first(handle.dir(), &first_ingest(&owned, &run_path, creation.as_ref(), owned.clock.now()))
    })
    .await?;
    core.checkpoints.reached(Checkpoint::SeenRecorded);
    core.change(run, |facts| facts.ingest = Ok(Some(ingest)));
    core.log(Some(folder), run, Level::Info, "run seen in staging");
    Ok(())
}

async fn record_verified(core: &Arc<Core>, run: &RunPath, folder: &RunFolder, job: &Job) -> Result<(), EvaluateError> {
    // First, so that a crash in between leaves it to be done again with the rest.
    tell_producer(core, run, folder, SyncStatus::Synced);
    let extra = object(json!({
        "nas_path": job.nas_path,
        "checksum_file": format!("{RECORD_FOLDER}/{CHECKSUMS}"),
        "generation": job.generation,
        "seal": job.seal,
        "proof": job.proof_level,
    }));
    record_event(core, run, folder, RunEvent::Proven, extra).await?;
    core.change(run, super::judge::now_verified);
    core.checkpoints.reached(Checkpoint::VerifiedRecorded);
    core.log(Some(folder), run, Level::Info, &format!("NAS sync verified: files={} bytes={}", job.totals.files, job.totals.bytes));
    core.store.record_due_now(&job.id).await?;
    core.work_now(run.equipment());
    Ok(())
}

async fn begin_new_life(core: &Arc<Core>, run: &RunPath, folder: &RunFolder) -> Result<(), EvaluateError> {
    let Some(facts) = core.index.get(run) else { return Ok(()) };
    let Ok(Some(ingest)) = &facts.ingest else { return Ok(()) };
    let cleared = ingest.last(RunState::Cleared).and_then(|entry| entry.at).unwrap_or(core.clock.now());
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
    core.ledger(run, life, LedgerKind::NewLife, "data stands at the path of a cleared run: a new life begins".into()).await;
    let mut fresh = Facts::new(run.clone(), core.store.current_life(run).await?);
    fresh.kind = facts.kind;
    fresh.overrides = facts.overrides.clone();
    fresh.project_short_id = facts.project_short_id.clone();
    core.put(fresh);
    record_seen(core, run, folder).await
}

/// The map of a JSON object written in place.
pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
