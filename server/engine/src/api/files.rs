//! The files of a run, a window at a time: streamed from the seal, which may name a million, and never held.
//!
//! What the watcher found late, changed or missing (at most 1,000 names) is laid over it; the files of the window are
//! looked at anew. While a run is sent once more, its files stand as they were sent before, and what is new is late.

use super::Engine;
use super::answers::{FIRST_SCAN_PATIENCE, store_problem};
use super::unreadable::source_problem;
use crate::core::Core;
use crate::database::Job;
use crate::files::source::{RunFolder, SourceError};
use crate::keep::seal::{Change, CompareError, Item, Rehash, SealError, SealItems, compare, seal_file};
use crate::machine::blocking::blocking;
use crate::prove::seal_of;
use crate::tell::index::{Late, LateKind};
use domain::api::{FileState, FilesQuery, RunFile, RunFiles};
use domain::path::{FilePath, RunPath};
use domain::problem::{ErrorCode, Problem};
use domain::proof::{Digest, FileStat};
use std::collections::HashMap;
use std::sync::Arc;

/// Largest window.
const LARGEST_LIMIT: u32 = 1_000;
/// So many entries of a folder that is not sealed are looked at: each costs a `stat`.
const LOOKED_AT_MOST: u64 = 20_000;
/// Every so many files it is asked whether the program stops.
const STOP_EVERY: u64 = 4_096;

impl Engine {
    /// One window of a run's files, also when it is cleared and gone.
    pub async fn run_files(&self, run: &str, query: FilesQuery) -> Result<RunFiles, Problem> {
        self.ready(FIRST_SCAN_PATIENCE).await?;
        let run = self.parse(run)?;
        let core = self.core.clone();
        let (job, late, stands) = match core.index.look(&run, |facts| (facts.job.clone(), facts.late.clone())) {
            Some((job, late)) => (job, late, true),
            None => (self.job_of_gone(&run).await?, Late::default(), false),
        };
        let before = match &job {
            Some(job) if job.seal.is_none() && job.generation > 1 => {
                self.core.store.sent_before(job).await.map_err(store_problem)?
            }
            _ => None,
        };
        match before {
            Some(before) => blocking(move || list_as_before(&core, &before, &query)).await,
            None => blocking(move || list(&core, &run, job.as_ref(), &late, stands, &query)).await,
        }
    }

    async fn job_of_gone(&self, run: &RunPath) -> Result<Option<Job>, Problem> {
        let never = || Problem::new(ErrorCode::NotFound, format!("{run} is not in staging and was never known"));
        let life = self.core.store.last_ended_life(run).await.map_err(store_problem)?.ok_or_else(never)?;
        self.core.store.latest_job(run, life.life).await.map_err(store_problem)
    }
}

/// The folder beside the seal that was sent before.
fn list_as_before(core: &Arc<Core>, before: &Job, query: &FilesQuery) -> Result<RunFiles, Problem> {
    let run = &before.run;
    let seal = seal_of(core, before).map_err(|failure| Problem::new(ErrorCode::StateUnavailable, failure.message))?;
    let late = match core.staging.run(run) {
        Ok(folder) => match compare(&folder, &seal, Rehash::Never, &core.site.stop) {
            Ok(compared) => Late::of(&compared),
            Err(CompareError::Seal(SealError::Source(error))) => return Err(source_problem(run, &error)),
            Err(error) => return Err(Problem::new(ErrorCode::StagingUnavailable, error.to_string())),
        },
        Err(_) => Late::default(),
    };
    list(core, run, Some(before), &late, true, query)
}

fn list(
    core: &Arc<Core>,
    run: &RunPath,
    job: Option<&Job>,
    late: &Late,
    stands: bool,
    query: &FilesQuery,
) -> Result<RunFiles, Problem> {
    let mut window = Window::new(query);
    let folder = match stands.then(|| core.staging.run(run)) {
        None | Some(Err(SourceError::RunGone { .. })) => None,
        Some(Ok(folder)) => Some(folder),
        Some(Err(error)) => return Err(source_problem(run, &error)),
    };
    let mut cut = false;
    match (sealed(core, job)?, &folder) {
        (Some((items, state)), _) => of_seal(core, items, state, job, late, folder.as_ref(), &mut window)?,
        (None, Some(folder)) => cut = of_folder(core, run, folder, &mut window)?,
        (None, None) => {}
    }
    let Window { files, matching, total, .. } = window;
    Ok(RunFiles { run_path: run.as_str().to_owned(), files, offset: query.offset, matching, total, cut })
}

/// The seal of the job, and how far its files are; `None` while there is none.
fn sealed(core: &Core, job: Option<&Job>) -> Result<Option<(SealItems, FileState)>, Problem> {
    let Some(job) = job else { return Ok(None) };
    let state = match job.seal {
        Some(_) if job.state.is_proven() => FileState::Proven,
        Some(_) => FileState::Sent,
        None => FileState::Sealed,
    };
    let file = seal_file(&core.site.work_folder(&job.run, job.life), job.generation);
    match SealItems::open(&file) {
        Ok(items) => Ok(Some((items, state))),
        Err(_) if job.seal.is_none() => Ok(None),
        Err(error) => Err(unreadable(run_of(job), &error)),
    }
}

fn run_of(job: &Job) -> &RunPath {
    &job.run
}

fn unreadable(run: &RunPath, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::StateUnavailable, format!("our seal of {run} cannot be read: {error}"))
}

fn stopping() -> Problem {
    Problem::new(ErrorCode::Stopping, "the program is stopping")
}

fn of_seal(
    core: &Core,
    mut items: SealItems,
    state: FileState,
    job: Option<&Job>,
    late: &Late,
    folder: Option<&RunFolder>,
    window: &mut Window<'_>,
) -> Result<(), Problem> {
    let exceptions: HashMap<&str, &LateKind> = late.names.iter().map(|(path, what)| (path.as_str(), what)).collect();
    for (path, what) in late.names.iter().filter(|(_, what)| *what == LateKind::Arrived) {
        window.offer(FileState::Late, path, || RunFile {
            path: path.clone(),
            state: FileState::Late,
            bytes: FilePath::new(path.as_str()).ok().and_then(|file| folder?.stat(&file).ok()).map(|stat| stat.size),
            sha256: None,
            note: Some(what.to_string()),
        });
    }
    let (mut seen, broken) =
        (0_u64, |error: crate::keep::seal::SealError| job.map_or_else(stopping, |job| unreadable(&job.run, &error)));
    for item in items.by_ref() {
        seen += 1;
        if seen.is_multiple_of(STOP_EVERY) && core.site.stop.is_cancelled() {
            return Err(stopping());
        }
        if let Item::File { path, stat, digest, .. } = item.map_err(broken)? {
            let shown = path.to_string();
            let (state, note) = match exceptions.get(shown.as_str()) {
                Some(LateKind::Gone) => (FileState::Missing, Some(LateKind::Gone.to_string())),
                Some(what) => (FileState::Changed, Some(what.to_string())),
                None => (state, None),
            };
            window.offer(state, &shown, || sealed_file(&path, &stat, digest, state, note, folder));
        }
    }
    match job.and_then(|job| job.seal.map(|seal| (job, seal))) {
        Some((job, seal)) if items.digest() != Some(seal) => {
            Err(unreadable(&job.run, &"it is not the seal that its job was sent with"))
        }
        _ => Ok(()),
    }
}

fn sealed_file(
    path: &FilePath,
    sealed: &FileStat,
    digest: Option<Digest>,
    state: FileState,
    note: Option<String>,
    folder: Option<&RunFolder>,
) -> RunFile {
    let mut file = RunFile {
        path: path.to_string(),
        state,
        bytes: Some(sealed.size),
        sha256: digest.map(|digest| digest.to_string()),
        note,
    };
    // The watcher compares now and then; what is shown is looked at now.
    let now = folder.filter(|_| file.note.is_none()).map(|folder| folder.stat(path));
    match now {
        Some(Ok(stat)) if stat != *sealed => {
            file.state = FileState::Changed;
            file.note = Some(Change::Touched.to_string());
        }
        Some(Err(SourceError::Vanished { .. })) => {
            file.state = FileState::Missing;
            file.note = Some(LateKind::Gone.to_string());
        }
        _ => {}
    }
    file
}

/// Lists a folder that is not sealed; tells whether there is more than was looked at.
fn of_folder(core: &Core, run: &RunPath, folder: &RunFolder, window: &mut Window<'_>) -> Result<bool, Problem> {
    let failed = |error: SourceError| source_problem(run, &error);
    let mut seen = 0_u64;
    for entry in folder.walk().map_err(failed)? {
        seen += 1;
        if seen > LOOKED_AT_MOST {
            return Ok(true);
        }
        if core.site.stop.is_cancelled() {
            return Err(stopping());
        }
        match entry {
            Ok(entry) if entry.is_data_file() => {
                let shown = entry.path.to_string();
                window.offer(FileState::Unsealed, &shown, || RunFile {
                    path: shown.clone(),
                    state: FileState::Unsealed,
                    bytes: Some(entry.stat.size),
                    sha256: None,
                    note: None,
                });
            }
            Ok(_) | Err(SourceError::Vanished { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(false)
}

/// Counts all, keeps those of the window.
struct Window<'q> {
    query: &'q FilesQuery,
    words: Vec<String>,
    limit: usize,
    files: Vec<RunFile>,
    matching: u64,
    total: u64,
}

impl Window<'_> {
    fn new(query: &FilesQuery) -> Window<'_> {
        let words = query.text.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let limit = query.limit.clamp(1, LARGEST_LIMIT) as usize;
        Window { query, words, limit, files: Vec::new(), matching: 0, total: 0 }
    }

    fn offer(&mut self, state: FileState, path: &str, make: impl FnOnce() -> RunFile) {
        self.total += 1;
        let state = self.query.state.is_none_or(|wanted| wanted == state);
        if !state || !self.matches(path) {
            return;
        }
        if self.matching >= self.query.offset && self.files.len() < self.limit {
            self.files.push(make());
        }
        self.matching += 1;
    }

    fn matches(&self, path: &str) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let path = path.to_lowercase();
        self.words.iter().all(|word| path.contains(word.as_str()))
    }
}
