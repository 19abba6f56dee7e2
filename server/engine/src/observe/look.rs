//! One look at one run: documents that changed, files while they can still change, and its signal. Reads only.

use super::{manifest, near};
use crate::clear::obstacles::obstacles;
use crate::core::Core;
use crate::files::source::{RunFolder, SourceError, Survey, survey};
use crate::keep::ingest_store::{CREATION, INGEST, override_ids, read_creation, read_ingest, row_problem};
use crate::keep::record::{RecordError, RecordFolder, Stamp};
use crate::keep::seal::{Rehash, SealReader, compare};
use crate::machine::writers::{Writers, Writing, is_shared};
use crate::tell::index::{Facts, Late, Trouble};
use domain::api::RowProblem;
use domain::completeness::Signal;
use domain::document::creation::Creation;
use domain::finding::Finding;
use domain::gate::unusable_manifest;
use domain::lifecycle::RunState;
use domain::path::FilePath;
use domain::proof::Totals;
use domain::settings::{SETTLE_SECONDS, SETTLE_SECONDS_SHARED};
use domain::step::Folder;
use domain::timestamp::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How often the files of a sealed run are compared with their seal, at least.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// An older look at who writes is out of date: programs open and close files.
const WRITERS_AGE: Duration = Duration::from_secs(10);
/// How often it is looked whether the last writer of a run is gone.
const LOOK_AT_WRITERS_EVERY: Duration = Duration::from_secs(3);

/// What a look found beyond the facts it updated.
pub struct Look {
    /// Open handle; `None` when the run is gone.
    pub folder: Option<RunFolder>,
    /// What stands at the path.
    pub standing: Folder,
    /// The signal is there.
    pub signal_present: bool,
    /// Nothing changed for the settle time.
    pub settled: bool,
    /// When to look again for settling, monotonic.
    pub look_again_at: Option<Duration>,
    /// Sealed files have another stat and may hold the sealed bytes: they are to be hashed again.
    pub touched: bool,
}

/// Looks at a run and updates its facts. Blocking.
pub fn look(core: &Core, facts: &mut Facts) -> Result<Look, SourceError> {
    let blank = Look {
        folder: None,
        standing: Folder::Gone,
        signal_present: false,
        settled: false,
        look_again_at: None,
        touched: false,
    };
    let folder = match core.staging.run(&facts.run) {
        Ok(folder) => folder,
        Err(SourceError::RunGone { .. }) => return Ok(blank),
        Err(error) => {
            if facts.watch.folder.is_none() {
                // It was never read: that is no run without a record.
                let (code, message) = ("staging_unreadable".into(), error.to_string());
                facts.ingest = Err(RowProblem { code, message });
            }
            return Err(error);
        }
    };
    let id = folder.identity();
    if facts.watch.folder != id {
        facts.watch.former_folder = std::mem::replace(&mut facts.watch.folder, id);
    }
    read_documents(facts, &folder);
    let now = core.site.clock.monotonic();
    let mut seen = Look { folder: Some(folder.clone()), standing: Folder::WithData, ..blank };
    let sealed = matches!(facts.state(), Some(RunState::SyncQueued | RunState::SyncVerified));
    let folder_mtime_ns = folder_mtime_ns(&folder);
    if sealed && facts.watch.fingerprint.is_some() {
        let due = facts.watch.swept_at.is_none_or(|at| now.saturating_sub(at) >= SWEEP_EVERY)
            || folder_mtime_ns != facts.watch.folder_mtime_ns;
        if due && facts.state() == Some(RunState::SyncVerified) {
            facts.watch.folder_mtime_ns = folder_mtime_ns;
            facts.watch.swept_at = Some(now);
            seen.touched = sweep(core, facts, &folder)?;
        }
        return Ok(seen);
    }
    facts.watch.folder_mtime_ns = folder_mtime_ns;
    let surveyed = survey_files(facts, &folder)?;
    if facts.watch.fingerprint != Some(surveyed.fingerprint) {
        facts.watch.fingerprint = Some(surveyed.fingerprint);
        facts.watch.unchanged_since = now;
    }
    if sealed {
        facts.watch.swept_at = Some(now);
        seen.touched = sweep(core, facts, &folder)?;
        return Ok(seen);
    }
    if surveyed.files == 0 && surveyed.unsupported == 0 {
        seen.standing = Folder::WithoutData;
    }
    if matches!(facts.state(), None | Some(RunState::Staging)) {
        let settle = settle_time(core, facts, &folder);
        let quiet = now.saturating_sub(facts.watch.unchanged_since);
        seen.settled = quiet >= settle && surveyed.vanished == 0;
        facts.waiting_for = signal_lacks(core, facts, &folder);
        seen.signal_present = facts.waiting_for.is_none();
        if seen.signal_present && !seen.settled {
            seen.look_again_at = Some(facts.watch.unchanged_since + settle);
            facts.waiting_for = Some(format!("{} s without a change", settle.as_secs()));
        }
        if seen.signal_present && seen.settled {
            wait_for_writers(core, facts, &folder, &mut seen, now);
        }
    } else {
        facts.waiting_for = None;
    }
    Ok(seen)
}

/// A run of which a file is still open for writing is not complete, for as long as its equipment's config lets it wait.
fn wait_for_writers(core: &Core, facts: &mut Facts, folder: &RunFolder, seen: &mut Look, now: Duration) {
    let patience = core
        .site
        .settings
        .equipment(facts.run.equipment())
        .map_or(3_600, |equipment| equipment.open_files_wait_seconds);
    let since = *facts.watch.written_since.get_or_insert(now);
    if now.saturating_sub(since) >= Duration::from_secs(patience) {
        return;
    }
    let writers = core.staging.writers.no_older_than(Duration::from_secs(2), now);
    let written = first_written(folder, &writers).and_then(|_| first_written(folder, &core.staging.writers.anew(now)));
    let Some((path, program)) = written else {
        facts.watch.written_since = None;
        return;
    };
    facts.waiting_for = Some(format!("{path} is still open for writing by {program}"));
    // Looking through a large run takes a tenth of the time at most.
    let took = core.site.clock.monotonic().saturating_sub(now);
    (seen.signal_present, seen.look_again_at) = (false, Some(now + LOOK_AT_WRITERS_EVERY.max(took * 10)));
}

fn first_written(folder: &RunFolder, writers: &Writers) -> Option<(FilePath, String)> {
    let entries = folder.walk().into_iter().flatten().filter_map(Result::ok).filter(|entry| entry.is_data_file());
    let written = |path: &FilePath| {
        let open = || folder.open_file(path).ok().map(|(file, _)| file);
        match writers.writing(folder.id_of(path)?, open) {
            Writing::By(program) => Some(program),
            Writing::Nobody | Writing::Untold => None,
        }
    };
    entries.map(|entry| entry.path).find_map(|path| written(&path).map(|program| (path, program)))
}

/// Reads the documents anew when they changed.
fn read_documents(facts: &mut Facts, folder: &RunFolder) {
    let record = match RecordFolder::open(folder.dir()) {
        Ok(Some(record)) => record,
        Ok(None) => {
            facts.ingest = Ok(None);
            facts.watch.ingest = None;
            facts.watch.creation = None;
            facts.troubles.remove(&Trouble::Creation);
            return;
        }
        Err(error) => {
            facts.ingest = Err(row_problem(&error));
            facts.watch.ingest = None;
            return;
        }
    };
    let ingest = record.stamp(INGEST);
    if ingest != facts.watch.ingest || ingest.is_none() {
        facts.ingest = read_ingest(&record).map_err(|error| row_problem(&error));
        facts.watch.ingest = ingest;
    }
    let creation = record.stamp(CREATION);
    if creation != facts.watch.creation {
        note_creation(facts, read_creation(&record), creation);
    }
}

/// Takes what creation.json says into the facts.
pub fn note_creation(facts: &mut Facts, creation: Result<Option<Creation>, RecordError>, stamp: Option<Stamp>) {
    facts.watch.creation = stamp;
    match creation {
        Ok(mut creation) => {
            if let Some(creation) = &mut creation {
                creation.fill_override_ids(override_ids(&facts.run));
            }
            facts.kind = creation.as_ref().and_then(Creation::run_kind).unwrap_or(facts.run.kind());
            facts.overrides = creation.as_ref().map(Creation::overrides).unwrap_or_default();
            facts.project_short_id = creation.as_ref().and_then(Creation::project_short_id).map(str::to_owned);
            facts.troubles.remove(&Trouble::Creation);
        }
        Err(error) => drop(facts.troubles.insert(Trouble::Creation, row_problem(&error))),
    }
}

fn folder_mtime_ns(folder: &RunFolder) -> i128 {
    rustix::fs::fstat(folder.dir())
        .map_or(0, |stat| i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec))
}

fn survey_files(facts: &mut Facts, folder: &RunFolder) -> Result<Survey, SourceError> {
    let mut newest: Option<i64> = None;
    let surveyed = survey(folder, |entry| {
        if entry.is_data_file() {
            newest = newest.max(Some(entry.stat.mtime_ns));
        }
    })?;
    facts.totals = Totals { files: surveyed.files, bytes: surveyed.bytes };
    let has_history = matches!(&facts.ingest, Ok(Some(ingest)) if ingest.last_activity().is_some());
    let newest = newest.map(|ns| ns.div_euclid(1_000_000_000)).filter(|_| has_history);
    let folder_seconds = i64::try_from(folder_mtime_ns(folder).div_euclid(1_000_000_000)).unwrap_or(0);
    let without_history = (!has_history).then_some(folder_seconds);
    facts.changed_at = newest.or(without_history).map(Timestamp::from_unix_seconds);
    Ok(surveyed)
}

/// Where other computers write as well it cannot be told who still does, so that silence has to last longer; and so it
/// has where other accounts write whose programs cannot be looked into.
fn settle_time(core: &Core, facts: &Facts, folder: &RunFolder) -> Duration {
    let configured = core.site.settings.equipment(facts.run.equipment()).and_then(|equipment| equipment.settle_seconds);
    let is_untold = || {
        let of_others =
            rustix::fs::fstat(folder.dir()).is_ok_and(|stat| stat.st_uid != rustix::process::geteuid().as_raw());
        of_others && core.staging.writers.no_older_than(WRITERS_AGE, core.site.clock.monotonic()).blind()
    };
    let usual = || if is_shared(folder.dir()) || is_untold() { SETTLE_SECONDS_SHARED } else { SETTLE_SECONDS };
    Duration::from_secs(configured.unwrap_or_else(usual))
}

/// The signal of the run's equipment: local config first, else the pushed creation.json.
fn signal_of(core: &Core, facts: &Facts, folder: &RunFolder) -> Result<Signal, String> {
    if let Some(signal) =
        core.site.settings.equipment(facts.run.equipment()).and_then(|equipment| equipment.signal.clone())
    {
        return Ok(signal);
    }
    let record = RecordFolder::open(folder.dir()).map_err(|error| error.to_string())?;
    let creation = record.as_ref().map(read_creation).transpose().map_err(|error| error.to_string())?.flatten();
    let pushed = creation.as_ref().and_then(Creation::pushed_signal);
    match pushed.as_ref().and_then(Signal::from_pushed) {
        Some(signal) => signal,
        None => Err(format!(
            "equipment {} is not in the config, and its creation.json names no completeness signal",
            facts.run.equipment()
        )),
    }
}

/// What the completeness signal lacks, as a sentence; `None` when it is there.
pub fn signal_lacks(core: &Core, facts: &mut Facts, folder: &RunFolder) -> Option<String> {
    let signal = match signal_of(core, facts, folder) {
        Ok(signal) => signal,
        Err(sentence) => return Some(sentence),
    };
    let filename = signal.filename().to_owned();
    let Ok(path) = FilePath::new(filename.clone()) else { return Some(format!("{filename} is not a file name")) };
    let of_manifest = |finding: &Finding| finding.rule == domain::finding::Rule::UnusableManifest;
    if facts.findings.iter().any(of_manifest) {
        Arc::make_mut(&mut facts.findings).retain(|finding| !of_manifest(finding));
    }
    match signal {
        Signal::SentinelFile { .. } => stands_as_file(folder, &filename, &path).err(),
        Signal::Manifest { .. } => {
            if let Err(sentence) = stands_as_file(folder, &filename, &path) {
                return Some(sentence);
            }
            match manifest::read(folder, &path) {
                Ok(manifest) => manifest::lacks(folder, &manifest),
                Err(detail) => {
                    let finding = manifest_finding(facts, &filename, &detail);
                    Arc::make_mut(&mut facts.findings).push(finding);
                    Some(format!("{filename} cannot be used: {detail}"))
                }
            }
        }
    }
}

fn manifest_finding(facts: &Facts, filename: &str, detail: &str) -> Finding {
    unusable_manifest(&facts.run, filename, detail)
}

/// That a file of this name stands in the run's folder; the error is what to wait for, or to do.
fn stands_as_file(folder: &RunFolder, filename: &str, path: &FilePath) -> Result<(), String> {
    match folder.open_file(path) {
        Ok(_) => Ok(()),
        Err(SourceError::Unreadable { error, .. }) => Err(format!(
            "{filename} is there, but it cannot be read ({error}): let the account of this program read it"
        )),
        Err(SourceError::NotRegular { .. }) => Err(format!("{filename} is there, but it is not a regular file")),
        Err(_) if folder.stat(path).is_ok() => Err(format!("{filename} is there, but it is not a regular file")),
        Err(_) => Err(match near::in_folder(folder, filename) {
            Some(other) => format!("no {filename} yet; {other} stands there: is it meant?"),
            None => format!("no {filename} yet"),
        }),
    }
}

/// Compares a verified run with its seal by `stat` alone. True when files were touched that may hold the sealed bytes.
fn sweep(core: &Core, facts: &mut Facts, folder: &RunFolder) -> Result<bool, SourceError> {
    let Some(job) = facts.job.as_ref().filter(|job| job.state.is_proven()) else {
        facts.late = Late::default();
        facts.waiting_for = None;
        facts.troubles.remove(&Trouble::Seal);
        return Ok(false);
    };
    let Some(digest) = job.seal else { return Ok(false) };
    let file = crate::keep::seal::seal_file(&core.site.work_folder(&facts.run, job.life), job.generation);
    let seal = match SealReader::open(&file) {
        Ok(seal) if seal.digest() == digest => seal,
        Ok(_) => return Ok(false),
        Err(error) => {
            let message = format!("our seal of it cannot be read: {error}; force a sync to seal it anew");
            facts.troubles.insert(Trouble::Seal, RowProblem { code: "seal_unreadable".into(), message });
            return Ok(false);
        }
    };
    let compared = match compare(folder, &seal, Rehash::Never, &core.site.stop) {
        Ok(compared) => compared,
        Err(error) => {
            facts
                .troubles
                .insert(Trouble::Seal, RowProblem { code: "staging_unreadable".into(), message: error.to_string() });
            return Ok(false);
        }
    };
    facts.troubles.remove(&Trouble::Seal);
    facts.late = Late::of(&compared);
    // For files that came after the proof the instrument has to give its signal again.
    facts.waiting_for = if facts.late.count > 0 { signal_lacks(core, facts, folder) } else { None };
    let now = core.site.clock.monotonic();
    facts.obstacles = obstacles(core, &facts.run, folder, &core.staging.writers.no_older_than(WRITERS_AGE, now));
    if facts.obstacles.written {
        facts.obstacles = obstacles(core, &facts.run, folder, &core.staging.writers.anew(now));
    }
    Ok(compared.touched > 0)
}
