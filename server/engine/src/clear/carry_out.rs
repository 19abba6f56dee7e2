//! From the intent to the end of the life, step by step; each step is recorded after it was done.

use super::aside::{self, Renamed};
use super::back::{back_untouched, not_cleared, put_back, refused};
use super::delete::{Absent, End, delete_data, remove_folders};
use super::delete_record::{delete_record, record_totals};
use super::finished_record;
use super::permit::{ClearPermit, still_whole};
use super::refusal::Refusal;
use super::{ClearStop, note_clearing};
use crate::core::Core;
use crate::database::{ClearStep, ClearedLife, Intent, Job, LedgerKind};
use crate::files::source::RunFolder;
use crate::judge::gatekeeper::tell_producer;
use crate::keep::ingest_store::{self, fields, read_ingest};
use crate::keep::record::{RecordError, RecordFolder};
use crate::machine::blocking::blocking;
use crate::machine::checkpoint::Checkpoint;
use crate::machine::progress::ProgressSink;
use crate::prove::last_look::{LastLook, Looked};
use crate::prove::only_copy::retire;
use crate::prove::{Differences, record_broken};
use crate::send::SentRecord;
use crate::tell::tally::Moved;
use domain::api::{ClearingView, Event, Phase};
use domain::document::creation::SyncStatus;
use domain::lifecycle::{RunEvent, RunState};
use domain::log_line::Level;
use domain::proof::{SealedFile, Totals};
use serde_json::json;
use std::sync::Arc;

/// How often a record that is written to while it goes is sent again before the clear waits.
const RECORD_ROUNDS: u32 = 3;

/// Goes on from wherever the intent stands.
pub async fn carry_out(
    core: &Arc<Core>,
    mut intent: Intent,
    permit: ClearPermit,
    progress: &ProgressSink,
) -> Result<Totals, ClearStop> {
    show(core, &intent);
    let outcome = steps(core, &mut intent, permit, progress).await.map_err(ClearStop::once_intended);
    match &outcome {
        Err(stop) if stop.stands() => waits(core, &mut intent, &stop.why()).await,
        _ => note_clearing(core, &intent.run, None),
    }
    outcome
}

/// Notes why an intent waits, on its row and where it is kept; where that cannot be written it stands all the same.
pub async fn waits(core: &Core, intent: &mut Intent, why: &str) {
    intent.waiting = Some(why.to_owned());
    if let Err(error) = core.store.note_intent(intent).await {
        tracing::warn!(run = %intent.run, %error, "why the clear waits could not be noted");
    }
    show(core, intent);
}

fn show(core: &Core, intent: &Intent) {
    let view = ClearingView {
        intent: intent.id.clone(),
        step: intent.step.as_str().to_owned(),
        waiting: intent.waiting.clone(),
    };
    note_clearing(core, &intent.run, Some(view));
}

async fn steps(
    core: &Arc<Core>,
    intent: &mut Intent,
    permit: ClearPermit,
    progress: &ProgressSink,
) -> Result<Totals, ClearStop> {
    let folder = permit.folder().clone();
    // What is aside before this call was whole when it was renamed: what is missing there now, a start before this one
    // removed.
    let absent = if intent.step >= ClearStep::Renamed { Absent::RemovedBefore } else { Absent::Unknown };
    if intent.step == ClearStep::Intended {
        append_cleared(core, intent, &folder).await?;
        core.site.checkpoints.reached(Checkpoint::ClearedRecorded);
        intent.history = history_of(&folder).await;
        intent.last_row = last_row(core, intent);
    }
    progress.begin(Phase::Record, 0, 0);
    let record = finished_record::send_whole(core, intent, &permit, progress).await?;
    core.site.checkpoints.reached(Checkpoint::FinishedRecordSent);
    if intent.step == ClearStep::Intended {
        core.store.advance_intent(intent, ClearStep::Recorded).await?;
        core.site.checkpoints.reached(Checkpoint::IntentRecorded);
        show(core, intent);
    }
    if intent.step == ClearStep::Recorded {
        rename_aside(core, intent, &folder).await?;
        core.site.checkpoints.reached(Checkpoint::RenamedAside);
        core.store.advance_intent(intent, ClearStep::Renamed).await?;
        core.site.checkpoints.reached(Checkpoint::IntentRenamed);
        show(core, intent);
        // Half a run gone, and the rest another life, is what nobody wants.
        if let Err(refusal) = still_whole(core, &permit, progress).await {
            if core.site.stop.is_cancelled() {
                return Err(ClearStop::Waiting("the program is stopping".into()));
            }
            back_untouched(core, intent, &folder, &refusal.to_string()).await?;
            return Err(refusal.into());
        }
        core.site.checkpoints.reached(Checkpoint::FoundWhole);
    }
    let job = permit.job().clone();
    let retain = core.site.settings.nas_cleanup.retain_cache;
    let kept = delete(core, intent, permit, record, progress, absent).await?;
    if kept.is_empty() && !retain {
        remove_aside(core, intent, &folder).await?;
        core.site.checkpoints.reached(Checkpoint::FolderRemoved);
    } else {
        if kept.is_empty() {
            blocking(move || remove_folders(&folder, true)).await.map_err(ClearStop::Waiting)?;
        }
        put_back(core, intent).await;
    }
    finish(core, intent, &job, &kept).await?;
    if kept.is_empty() { Ok(intent.freed) } else { Err(Refusal::KeptBack { freed: intent.freed, kept }.into()) }
}

/// Appends `cleared` with the intent's id, unless a start before this one did.
async fn append_cleared(core: &Arc<Core>, intent: &Intent, folder: &RunFolder) -> Result<(), ClearStop> {
    let already = {
        let (folder, id) = (folder.clone(), intent.id.clone());
        blocking(move || is_cleared_by(&folder, &id)).await
    };
    if already {
        return Ok(());
    }
    tell_producer(core, &intent.run, folder, SyncStatus::Cleaned);
    let extra = fields(json!({"intent": intent.id, "life": intent.life}));
    let (handle, at, host) = (folder.clone(), core.site.clock.now(), core.site.host.clone());
    let appended = blocking(move || ingest_store::append(handle.dir(), RunEvent::Cleared, at, &host, extra)).await;
    match appended {
        Ok((ingest, stamp)) => {
            core.change(&intent.run, |facts| {
                facts.ingest = Ok(Some(ingest));
                facts.watch.ingest = stamp;
            });
            Ok(())
        }
        Err(error @ (RecordError::Full { .. } | RecordError::Locked { .. })) => {
            Err(ClearStop::Waiting(error.to_string()))
        }
        Err(error) => {
            tell_producer(core, &intent.run, folder, SyncStatus::Synced);
            Err(refused(core, intent, folder, &error.to_string()).await)
        }
    }
}

/// True when ingest.json's last entry is the `cleared` of this intent.
pub fn is_cleared_by(folder: &RunFolder, intent: &str) -> bool {
    let ingest = RecordFolder::open(folder.dir()).ok().flatten().and_then(|record| read_ingest(&record).ok().flatten());
    let ingest = ingest.filter(|ingest| ingest.current_state().known() == Some(RunState::Cleared));
    let entry = ingest.and_then(|ingest| ingest.last(RunState::Cleared));
    entry.is_some_and(|entry| entry.fields.get("intent").and_then(serde_json::Value::as_str) == Some(intent))
}

async fn history_of(folder: &RunFolder) -> String {
    let folder = folder.clone();
    blocking(move || {
        let record = RecordFolder::open(folder.dir()).ok().flatten();
        let bytes = record.and_then(|record| record.read(ingest_store::INGEST).ok().flatten());
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    })
    .await
}

fn last_row(core: &Core, intent: &Intent) -> String {
    core.index.row(&intent.run).and_then(|row| serde_json::to_string(&*row).ok()).unwrap_or_default()
}

/// Renames the run aside; what was not proven is not renamed, and ends the clear.
async fn rename_aside(core: &Arc<Core>, intent: &Intent, folder: &RunFolder) -> Result<(), ClearStop> {
    let (owned, run, id, handle) = (core.clone(), intent.run.clone(), intent.id.clone(), folder.clone());
    let why = match blocking(move || aside::rename_aside(&owned, &run, &id, &handle)).await {
        Ok(Renamed::Aside) => return Ok(()),
        Ok(Renamed::Another) => "another folder was put in its place while it was being cleared".to_owned(),
        Err(errno) => format!("it could not be renamed aside: {errno}"),
    };
    Err(refused(core, intent, folder, &why).await)
}

/// Deletes the data, and then, when all of it went, the record. Answers what was kept, and why. The intent knows what
/// was freed, by what went and not by what this start removed: a crash in between loses no count.
async fn delete(
    core: &Arc<Core>,
    intent: &mut Intent,
    permit: ClearPermit,
    record: Vec<SentRecord>,
    progress: &ProgressSink,
    absent: Absent,
) -> Result<Vec<(String, String)>, ClearStop> {
    let totals = permit.seal().totals();
    progress.begin(Phase::Clearing, totals.files, totals.bytes);
    let (owned, shown, runtime) = (core.clone(), progress.clone(), tokio::runtime::Handle::current());
    let progress = progress.clone();
    let (ended, permit, mut look) = blocking(move || {
        let mut look = LastLook::of(permit.seal());
        let mut ask = |batch: Vec<SealedFile>| runtime.block_on(look_once_more(&owned, &permit, &mut look, batch));
        let destination = owned.destinations.get(permit.job().run.equipment());
        let at_once = destination.map_or(1, |destination| destination.transport.looks_at_once());
        let ended =
            delete_data(&permit, absent, &owned.site.checkpoints, &progress, &owned.site.stop, (at_once, &mut ask));
        (ended, permit, look)
    })
    .await;
    let data = match ended.map_err(ClearStop::Waiting)? {
        End::Through(data) => data,
        End::Untouched(differences) => return Err(untouched(core, intent, &permit, &differences).await),
        End::Disturbed(kept) => return Err(disturbed(core, intent, &permit, &kept).await),
    };
    intent.freed = data.freed;
    core.store.note_intent(intent).await?;
    core.site.checkpoints.reached(Checkpoint::DataUnlinked);
    if data.kept.is_empty()
        && let Some(why) = rest(&data.stuck)
    {
        return Err(ClearStop::Waiting(why));
    }
    let mut data = data;
    data.kept.append(&mut data.stuck);
    if !data.kept.is_empty() || core.site.settings.nas_cleanup.retain_cache {
        return Ok(data.kept);
    }
    let folder = permit.folder().clone();
    if intent.record == Totals::default() {
        let handle = folder.clone();
        intent.record = blocking(move || record_totals(&handle)).await.map_err(ClearStop::Waiting)?;
        core.store.note_intent(intent).await?;
    }
    let mut record = record;
    if !still_there(core, &permit, &mut look, &record).await? {
        record = finished_record::send(core, permit.job(), &folder, &shown).await?;
    }
    let mut rounds = 0;
    let (gone, left) = loop {
        let handle = folder.clone();
        let deleted = move || Ok((delete_record(&handle, &record)?, record_totals(&handle)?));
        let (gone, left) = blocking(deleted).await.map_err(ClearStop::Waiting)?;
        let Some((name, why)) = gone.kept.first() else { break (gone, left) };
        if rounds == RECORD_ROUNDS {
            return Err(ClearStop::Waiting(format!("something still writes to its record: {name} {why}")));
        }
        // What came into the record meanwhile is sent and proven like the rest of it.
        rounds += 1;
        record = finished_record::send(core, permit.job(), &folder, &shown).await?;
    };
    intent.freed.files = data.freed.files + intent.record.files.saturating_sub(left.files);
    intent.freed.bytes = data.freed.bytes + intent.record.bytes.saturating_sub(left.bytes);
    core.store.note_intent(intent).await?;
    core.site.checkpoints.reached(Checkpoint::RecordUnlinked);
    match rest(&gone.stuck) {
        Some(why) => Err(ClearStop::Waiting(why)),
        None => {
            blocking(move || look.forget()).await;
            Ok(Vec::new())
        }
    }
}

/// Looks at files of one batch at the destination, its identity first.
async fn look_once_more(
    core: &Arc<Core>,
    permit: &ClearPermit,
    look: &mut LastLook,
    batch: Vec<SealedFile>,
) -> Result<Looked, String> {
    let (run, folder) = (&permit.job().run, permit.folder());
    let equipment = run.equipment();
    let destination = core.destinations.get(equipment);
    let destination = destination.ok_or_else(|| format!("equipment {equipment} has no destination in the config"))?;
    let context = core.site.call_context(equipment, &core.site.stop, &ProgressSink::new());
    let looked = look.at(destination, run, batch, folder, &context).await;
    looked.map_err(|failure| format!("the last look at the NAS had no answer: {}", failure.message))
}

/// True while the NAS holds the record as it was sent.
async fn still_there(
    core: &Arc<Core>,
    permit: &ClearPermit,
    look: &mut LastLook,
    record: &[SentRecord],
) -> Result<bool, ClearStop> {
    let mut batch: Vec<SealedFile> = record.iter().map(SentRecord::as_sealed).collect();
    batch.sort_by(|a, b| a.path.cmp(&b.path));
    if batch.is_empty() {
        return Ok(true);
    }
    let looked = look_once_more(core, permit, look, batch).await.map_err(ClearStop::Waiting)?;
    Ok(looked.files.iter().all(Result::is_ok))
}

/// The NAS was damaged after its proof, and nothing is gone here: the run is what it was, and its damage is dealt with
/// as any other.
async fn untouched(core: &Arc<Core>, intent: &Intent, permit: &ClearPermit, differences: &Differences) -> ClearStop {
    let why = format!("the NAS changed after it was proven: {}", differences.sentence);
    if let Err(stop) = back_untouched(core, intent, permit.folder(), &why).await {
        return stop;
    }
    if let Err(error) = record_broken(core, permit.job(), differences).await {
        return error.into();
    }
    let files = differences.first.iter().map(|difference| difference.path.to_string()).collect();
    Refusal::Disproven { sentence: not_cleared(intent, &why), files }.into()
}

/// Something here has to stay, and nothing is gone: all of it stays.
async fn disturbed(core: &Arc<Core>, intent: &Intent, permit: &ClearPermit, kept: &[(String, String)]) -> ClearStop {
    let why = kept.first().map(|(name, why)| format!("{name} {why}")).unwrap_or_default();
    if let Err(stop) = back_untouched(core, intent, permit.folder(), &why).await {
        return stop;
    }
    let files = kept.iter().map(|(name, _)| name.clone()).collect();
    Refusal::Held { sentence: not_cleared(intent, &why), files }.into()
}

/// What is proven but cannot be removed: it waits aside, and goes when it can.
fn rest(stuck: &[(String, String)]) -> Option<String> {
    let (name, why) = stuck.first()?;
    Some(format!(
        "rest of a cleared run: {} still here; {name} {why}",
        domain::units::counted(stuck.len() as u64, "file")
    ))
}

/// Removes the emptied folder.
async fn remove_aside(core: &Arc<Core>, intent: &Intent, folder: &RunFolder) -> Result<(), ClearStop> {
    let (core, id, folder) = (core.clone(), intent.id.clone(), folder.clone());
    let removed = blocking(move || {
        remove_folders(&folder, false)?;
        aside::remove(&core, &id).map_err(|errno| format!("the emptied folder could not be removed: {errno}"))
    })
    .await;
    removed.map_err(ClearStop::Waiting)
}

/// Life and ledger, job, intent, in this order: a crash between two of them repeats the rest.
pub async fn finish(
    core: &Arc<Core>,
    intent: &mut Intent,
    job: &Job,
    kept: &[(String, String)],
) -> Result<(), ClearStop> {
    let run = intent.run.clone();
    let line = format!(
        "staging cleared: path={}/{run} files={} bytes_freed={} host={}",
        core.staging.root(),
        intent.freed.files,
        intent.freed.bytes,
        core.site.host
    );
    let life = ClearedLife {
        run: run.clone(),
        life: intent.life,
        cleared_ms: core.site.clock.now_ms(),
        freed: intent.freed,
        nas_path: job.nas_path.clone().unwrap_or_default(),
        seal: job.seal,
        last_row: intent.last_row.clone(),
        history: intent.history.clone(),
    };
    core.store.end_life(&life, Some(&line)).await?;
    core.site.checkpoints.reached(Checkpoint::LifeEnded);
    retire(core, job).await?;
    core.site.checkpoints.reached(Checkpoint::JobRetired);
    for (name, why) in kept {
        core.ledger(&run, intent.life, LedgerKind::Kept, format!("{name} {why}")).await;
    }
    let step = if kept.is_empty() { ClearStep::Done } else { ClearStep::Aborted };
    core.store.advance_intent(intent, step).await?;
    core.site.checkpoints.reached(Checkpoint::IntentDone);
    let work_folder = core.site.work_folder(&run, intent.life);
    blocking(move || crate::send::forget_placed(&work_folder)).await;
    core.tell.tally.add(Moved::Cleared, intent.freed.bytes, core.site.clock.now());
    core.log(None, &run, Level::Info, &line);
    // What was kept or retained still stands; everything else is gone from the list.
    let stands = !kept.is_empty() || core.site.settings.nas_cleanup.retain_cache;
    if core.index.remove(&run).is_some() && !stands {
        core.tell.events.publish(|seq| Event::Gone { seq, run_path: run.as_str().to_owned() });
    }
    core.desk.look_at(&run);
    Ok(())
}
