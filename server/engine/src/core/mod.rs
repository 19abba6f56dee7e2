//! What watcher, workers, clears and acts share. Holds no rule of its own.

mod clears;
mod desk;
mod destinations;
pub mod problems;
pub mod record_turn;
pub mod run_locks;
mod site;
mod staging;

pub use self::clears::Clears;
pub use self::desk::{Desk, ToLookAt};
pub use self::destinations::Destinations;
pub use self::site::Site;
pub use self::staging::{ANOTHER_ROOT, Staging};

use self::problems::Notes;
use self::record_turn::RecordTurns;
use self::run_locks::RunLocks;
use crate::database::{Job, LedgerKind, NewLedgerEntry, Store, StoreError};
use crate::files::source::RunFolder;
use crate::keep::record::RecordFolder;
use crate::keep::reserve::Borrowed;
use crate::machine::progress::ProgressSink;
use crate::tell::acts::Acts;
use crate::tell::events::Events;
use crate::tell::index::{Facts, Index, RowContext};
use crate::tell::only_copies::OnlyCopies;
use crate::tell::tally::Tally;
use domain::log_line::{Level, LogLine};
use domain::path::RunPath;
use futures::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::Instant;

/// Everything shared; one per running engine. Each part keeps its own state.
pub struct Core {
    /// What the program was started with.
    pub site: Site,
    pub staging: Staging,
    pub store: Store,
    pub index: Index,
    /// What everyone is told.
    pub tell: Tell,
    /// One hand on a run at a time, and on its record.
    pub turns: Turns,
    /// What the watcher is asked.
    pub desk: Desk,
    /// Where runs are sent.
    pub destinations: Destinations,
    pub clears: Clears,
    /// Cleared runs, whose copy on the NAS is the only one.
    pub only_copies: OnlyCopies,
}

/// What everyone is told beside the rows.
pub struct Tell {
    pub events: Events,
    pub acts: Acts,
    /// What moved in the last day, for the overview.
    pub tally: Tally,
    /// Since when findings stand, and which are known.
    pub notes: Notes,
}

/// Who may do something with a run now.
#[derive(Default)]
pub struct Turns {
    /// One hand on a run at a time.
    pub runs: RunLocks,
    /// One sender of a run's record at a time.
    pub records: RecordTurns,
}

impl Core {
    /// What rows of this equipment need.
    pub fn row_context(&self, equipment: &str) -> RowContext<'_> {
        let destination = match self.destinations.get(equipment) {
            Some(destination) => destination.last_known(),
            None => Err(format!("equipment {equipment} is not synced from here")),
        };
        RowContext {
            settings: &self.site.settings,
            staging_root: self.staging.root(),
            destination,
            now: self.site.clock.now(),
        }
    }

    /// Changes a run's facts and its row.
    pub fn change(&self, run: &RunPath, change: impl FnOnce(&mut Facts)) {
        self.index.change(run, &self.row_context(run.equipment()), change);
    }

    /// Puts a run's facts and builds its row.
    pub fn put(&self, facts: Facts) {
        self.merge(facts, |_, _| {});
    }

    /// Like [`Core::put`]; `keep` takes over, in the same moment, what others changed meanwhile (see [`Index::merge`]).
    pub fn merge(&self, facts: Facts, keep: impl FnOnce(&mut Facts, Option<&Facts>)) {
        let context = self.row_context(facts.run.equipment());
        self.index.merge(facts, &context, keep);
    }

    /// A job changed: its row follows when it is the run's newest, and not older than what is shown.
    pub fn job_changed(&self, job: Job) {
        let run = job.run.clone();
        self.change(&run, |facts| facts.take_job(job));
    }

    /// Rows of an equipment are built anew: its destination's health changed.
    pub fn refresh_equipment(&self, equipment: &str) {
        for run in self.index.runs().iter().filter(|run| run.equipment() == equipment) {
            self.change(run, |_| {});
        }
    }

    /// Shows work on a run until what is answered is dropped, unless other work takes its place on the row.
    pub fn show(&self, run: &RunPath, progress: &ProgressSink) -> Shown<'_> {
        self.change(run, |facts| facts.progress = Some(progress.clone()));
        Shown { core: self, run: run.clone(), progress: progress.clone() }
    }

    /// The same for work that goes on beside other work on the run, which then stays on the row.
    pub fn show_beside(&self, run: &RunPath, progress: &ProgressSink) -> Shown<'_> {
        self.change(run, |facts| facts.progress = facts.progress.take().or_else(|| Some(progress.clone())));
        Shown { core: self, run: run.clone(), progress: progress.clone() }
    }

    /// Waits until the staging tree was scanned for the first time, or the program stops: until then no run is known.
    pub async fn first_scan(&self) {
        tokio::select! {
            () = self.site.stop.cancelled() => {}
            () = self.desk.until_ready() => {}
        }
    }

    /// Room to clear in, also on a disk that is full to the last byte; until what is answered is dropped. Blocking, and
    /// so is the drop.
    pub fn room_for_clearing(&self) -> Vec<Borrowed> {
        // Of a tree that is another installation's nothing is touched.
        if self.staging.owner.known().is_err() {
            return Vec::new();
        }
        self.clears.borrow_room()
    }

    /// A clear was tried for so long and came to nothing: until when it is not tried again by itself.
    pub fn rest_from_clearing(&self, run: &RunPath, took: Duration) -> Instant {
        let is_reachable =
            self.destinations.get(run.equipment()).is_none_or(|destination| destination.last_known().is_ok());
        self.clears.rest(run, took, is_reachable)
    }

    /// A line for people: into the program log, and into the run's own log while its folder stands and is ours to
    /// write.
    pub fn log(&self, folder: Option<&RunFolder>, run: &RunPath, level: Level, message: &str) {
        match level {
            Level::Debug => tracing::debug!(run = %run, "{message}"),
            Level::Info => tracing::info!(run = %run, "{message}"),
            Level::Warn => tracing::warn!(run = %run, "{message}"),
            Level::Error => tracing::error!(run = %run, "{message}"),
        }
        let Some(folder) = folder else { return };
        let (kind, project) =
            self.index.look(run, |facts| (facts.kind, facts.project_short_id.clone())).unwrap_or((run.kind(), None));
        let line = LogLine {
            at: self.site.clock.now(),
            level,
            host: Some(&self.site.host),
            run: Some(run),
            project: Some(project.as_deref().unwrap_or(run.project())),
            kind: Some(kind),
            message,
        };
        let written = RecordFolder::open(folder.dir()).and_then(|record| match record {
            Some(record) => record.append_line(&self.site.log_name(), &line.format()),
            None => Ok(()),
        });
        if let Err(error) = written {
            tracing::warn!(run = %run, %error, "the run's own log could not be written");
        }
    }

    /// Appends a fact to the ledger; a failure is logged, since the act it tells of has happened.
    pub async fn ledger(&self, run: &RunPath, life: u64, kind: LedgerKind, detail: String) {
        let entry = NewLedgerEntry { at_ms: self.site.clock.now_ms(), run, life, kind, detail };
        if let Err(error) = self.store.append(entry).await {
            tracing::error!(run = %run, kind = kind.as_str(), %error, "the ledger could not be written");
        }
    }

    /// Reads the run's newest job into its row.
    pub async fn reload_job(&self, run: &RunPath, life: u64) -> Result<Option<Job>, StoreError> {
        let job = self.store.latest_job(run, life).await?;
        if let Some(job) = &job {
            self.job_changed(job.clone());
        }
        Ok(job)
    }
}

/// Work on a run that its row shows.
pub struct Shown<'a> {
    core: &'a Core,
    run: RunPath,
    progress: ProgressSink,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.core.change(&self.run, |facts| {
            if facts.progress.as_ref().is_some_and(|shown| shown.is(&self.progress)) {
                facts.progress = None;
            }
        });
    }
}

/// Runs work to its end; a panic in it is answered as its text, so that a loop that serves many outlives a fault met at
/// one (S3).
pub async fn unless_it_panics<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "no words".to_owned())
    })
}
