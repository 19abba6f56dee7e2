//! What watcher, workers, clears and acts share. Holds no rule of its own.

pub mod problems;
pub mod record_turn;
pub mod run_locks;

use self::record_turn::RecordTurns;
use self::run_locks::RunLocks;
use crate::database::{Job, LedgerKind, NewLedgerEntry, Store, StoreError};
use crate::files::source::{RunFolder, SourceError, StagingRoot};
use crate::keep::record::RecordFolder;
use crate::keep::reserve::{Borrowed, Reserve};
use crate::keep::staging_owner::StagingOwner;
use crate::machine::checkpoint::Checkpoints;
use crate::machine::clock::Clock;
use crate::machine::local_time::local_time;
use crate::machine::progress::ProgressSink;
use crate::tell::acts::Acts;
use crate::tell::events::Events;
use crate::tell::index::{Facts, Index, RowContext};
use crate::tell::only_copies::OnlyCopies;
use crate::tell::tally::Tally;
use crate::transport::CallContext;
use crate::transport::destination::Destination;
use domain::log_line::{Level, LogLine};
use domain::path::RunPath;
use domain::settings::Settings;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// What is wrong with a staging root that is not the one that was scanned.
pub const ANOTHER_ROOT: &str = "it is another folder than before: is the staging disk not mounted?";

/// Everything shared; one per running engine.
pub struct Core {
    /// Configuration.
    pub settings: Settings,
    /// Absolute staging root, no trailing slash.
    pub staging_root: String,
    /// `orchestrator.label`
    pub label: String,
    /// This host, as written into documents and logs.
    pub host: String,
    /// Identity of this installation, as in the markers of its destinations.
    pub installation: String,
    /// Where database, seals and identity live.
    pub state_folder: PathBuf,
    /// Clocks.
    pub clock: Clock,
    /// Queue, intents, ledger.
    pub store: Store,
    /// All staged runs.
    pub index: Index,
    /// What changed.
    pub events: Events,
    /// What operators started.
    pub acts: Acts,
    /// Whose staging tree it is.
    pub staging_owner: StagingOwner,
    /// One hand on a run at a time.
    pub locks: RunLocks,
    /// Room for clearing on the disks of the state folder and of the staging tree.
    pub reserves: [Arc<Reserve>; 2],
    /// Who has files open for writing on this computer.
    pub writers: crate::machine::writers::LastLook,
    /// One sender of a run's record at a time.
    pub record_turns: RecordTurns,
    /// Per equipment that is synced from here.
    pub destinations: BTreeMap<String, Arc<Destination>>,
    /// For tests that kill the program.
    pub checkpoints: Checkpoints,
    /// Fires when the program stops.
    pub stop: CancellationToken,
    /// Wakes the watcher.
    pub look_now: Notify,
    /// Runs to look at first when it wakes.
    pub look_at: Mutex<Vec<RunPath>>,
    /// Runs that something outside touched: looked at soon, but not at every touch.
    pub touched: Mutex<std::collections::BTreeSet<RunPath>>,
    /// Folders in which runs appear, as last scanned.
    pub parents: Mutex<Vec<PathBuf>>,
    /// Something happened in one of them: scan soon.
    pub scan_soon: std::sync::atomic::AtomicBool,
    /// Wakes an equipment's worker.
    pub work_now: BTreeMap<String, Notify>,
    /// The same for what proves its cleared runs again.
    pub reread_now: BTreeMap<String, Notify>,
    /// Device and inode of the staging root as it was scanned.
    pub root_identity: Mutex<Option<(u64, u64)>>,
    /// Set while the staging root cannot be read.
    pub staging_error: Mutex<Option<String>>,
    /// Size and free bytes of the staging disk, when last asked.
    pub disk: Mutex<Option<(u64, u64)>>,
    /// What moved in the last day, for the overview.
    pub tally: Tally,
    /// Folders at run depth that are not runs, as findings.
    pub unrecognised: Mutex<Vec<domain::finding::Finding>>,
    /// Since when findings stand, and which are known.
    pub notes: Mutex<crate::core::problems::Notes>,
    /// When the staging tree was last looked through.
    pub audited_at: Mutex<Option<domain::timestamp::Timestamp>>,
    /// Runs that a clear works on, or waits for.
    pub clearing: Mutex<BTreeMap<RunPath, domain::api::ClearingView>>,
    /// Cleared runs, whose copy on the NAS is the only one.
    pub only_copies: OnlyCopies,
    /// True once the first scan has ended.
    pub ready: watch::Sender<bool>,
}

impl Core {
    /// What rows of this equipment need.
    pub fn row_context(&self, equipment: &str) -> RowContext<'_> {
        let destination = match self.destinations.get(equipment) {
            Some(destination) => destination.last_known(),
            None => Err(format!("equipment {equipment} is not synced from here")),
        };
        RowContext { settings: &self.settings, staging_root: &self.staging_root, destination, now: self.clock.now() }
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

    /// Wakes the watcher for this run.
    pub fn look_at(&self, run: &RunPath) {
        self.look_at.lock().unwrap_or_else(PoisonError::into_inner).push(run.clone());
        self.look_now.notify_one();
    }

    /// Something touched a run's files: its turn comes soon.
    pub fn touched(&self, run: &RunPath) {
        if self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone()) {
            self.look_now.notify_one();
        }
    }

    /// Wakes the watcher for a scan of the whole tree.
    pub fn scan_soon(&self) {
        self.scan_soon.store(true, std::sync::atomic::Ordering::Relaxed);
        self.look_now.notify_one();
    }

    /// Wakes the worker of an equipment.
    pub fn work_now(&self, equipment: &str) {
        for notify in [&self.work_now, &self.reread_now].into_iter().filter_map(|all| all.get(equipment)) {
            notify.notify_one();
        }
    }

    /// Opens the staging root anew: it may have been mounted since. Another folder than the one that was scanned is a missing
    /// mount, in which nothing is gone.
    pub fn root(&self) -> Result<StagingRoot, SourceError> {
        let root = StagingRoot::open(Path::new(&self.staging_root))?;
        let failed = |error: std::io::Error| SourceError::Root { path: root.path().to_owned(), error };
        self.staging_owner.known().map_err(|why| failed(std::io::Error::other(why)))?;
        let stat = rustix::fs::fstat(root.folder()).map_err(|errno| failed(errno.into()))?;
        match *self.root_identity.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(known) if known != (stat.st_dev, stat.st_ino) => Err(failed(std::io::Error::other(ANOTHER_ROOT))),
            _ => Ok(root),
        }
    }

    /// Room to clear in, also on a disk that is full to the last byte; until what is answered is dropped. Blocking, and so is the drop.
    pub fn room_for_clearing(&self) -> Vec<Borrowed> {
        // Of a tree that is another installation's nothing is touched.
        if self.staging_owner.known().is_err() {
            return Vec::new();
        }
        self.reserves.iter().map(Reserve::borrow).collect()
    }

    /// Keeps room back for clearing, where it is not kept yet. Blocking.
    pub fn keep_room_for_clearing(&self) {
        self.reserves.iter().for_each(|reserve| reserve.keep());
    }

    /// True while room is given up for a clear: other work waits rather than take it.
    pub fn clears_need_the_room(&self) -> bool {
        self.reserves.iter().any(|reserve| reserve.is_given_up())
    }

    /// Waits until the staging tree was scanned for the first time, or the program stops: until then no run is known.
    pub async fn first_scan(&self) {
        let mut ready = self.ready.subscribe();
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = ready.wait_for(|ready| *ready) => {}
        }
    }

    /// What calls of an equipment's transport are given for one piece of work.
    pub fn call_context(&self, equipment: &str, cancel: &CancellationToken, progress: &ProgressSink) -> CallContext {
        let transport = self.settings.equipment(equipment).and_then(|equipment| equipment.transport.as_ref());
        let (bandwidth, clock) = (transport.map(|transport| transport.bandwidth.clone()).unwrap_or_default(), self.clock.clone());
        let limit = Arc::new(move || bandwidth.kib_per_second(local_time(clock.now())));
        CallContext { cancel: cancel.clone(), progress: progress.clone(), limit }
    }

    /// Opens a run's folder.
    pub fn run_folder(&self, run: &RunPath) -> Result<RunFolder, SourceError> {
        self.root()?.run(run)
    }

    /// Where seals and placed-lists of a run's life are kept.
    pub fn work_folder(&self, run: &RunPath, life: u64) -> PathBuf {
        use sha2::{Digest, Sha256};
        let name = hex::encode(&Sha256::digest(run.as_str().as_bytes())[..12]);
        self.state_folder.join("runs").join(format!("{name}-{life}"))
    }

    /// A line for people: into the program log, and into the run's own log while its folder stands and is ours to write.
    pub fn log(&self, folder: Option<&RunFolder>, run: &RunPath, level: Level, message: &str) {
        match level {
            Level::Debug => tracing::debug!(run = %run, "{message}"),
            Level::Info => tracing::info!(run = %run, "{message}"),
            Level::Warn => tracing::warn!(run = %run, "{message}"),
            Level::Error => tracing::error!(run = %run, "{message}"),
        }
        let Some(folder) = folder else { return };
        let (kind, project) = self.index.look(run, |facts| (facts.kind, facts.project_short_id.clone())).unwrap_or((run.kind(), None));
        let line = LogLine {
            at: self.clock.now(),
            level,
            host: Some(&self.host),
            run: Some(run),
            project: Some(project.as_deref().unwrap_or(run.project())),
            kind: Some(kind),
            message,
        };
        let written = RecordFolder::open(folder.dir()).and_then(|record| match record {
            Some(record) => record.append_line(&self.log_name(), &line.format()),
            None => Ok(()),
        });
        if let Err(error) = written {
            tracing::warn!(run = %run, %error, "the run's own log could not be written");
        }
    }

    /// `wizard.<hostname>.log`
    pub fn log_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '_' };
        format!("wizard.{}.log", self.host.chars().map(plain).collect::<String>())
    }

    /// Appends a fact to the ledger; a failure is logged, since the act it tells of has happened.
    pub async fn ledger(&self, run: &RunPath, life: u64, kind: LedgerKind, detail: String) {
        let entry = NewLedgerEntry { at_ms: self.clock.now_ms(), run, life, kind, detail };
        if let Err(error) = self.store.append(entry).await {
            tracing::error!(run = %run, kind = kind.as_str(), %error, "the ledger could not be written");
        }
    }

    /// Why nothing can be recorded now, as one sentence; `None` when it can.
    pub fn state_error(&self) -> Option<String> {
        /// Less is no room for a page of the database and its log.
        const LEAST: u64 = 64 << 10;
        let disk = rustix::fs::statvfs(&self.state_folder).ok()?;
        let full = disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST;
        full.then(|| format!("{}: make room, everything goes on by itself", self.state_folder.display()))
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

/// Runs work to its end; a panic in it is answered as its text, so that a loop that serves many outlives a fault met at one (S3).
pub async fn unless_it_panics<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "no words".to_owned())
    })
}
