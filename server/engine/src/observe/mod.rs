//! The staging watcher: looks at every run and writes down what it sees (docs/lifecycle.md).
//!
//! It is level-triggered: it takes no input but what stands on disk, so a lost event cannot
//! matter; inotify and finished jobs only make it look sooner. The periodic scan is the truth.

mod again;
mod apply;
mod changed_since;
mod cleared;
mod evaluate;
mod folders;
mod gone;
mod judge;
mod look;
mod manifest;
mod near;
mod nudge;
mod renamed;
mod rest;
mod scan;
mod seen;
mod stray_folders;

pub use apply::record_queued;
pub use evaluate::{EvaluateError, Evaluated, evaluate_run};
pub use judge::judge_sealed;
pub use look::{note_creation, signal_lacks};
pub use scan::{Link, Scan, scan};

use crate::core::{ANOTHER_ROOT, Core, ToLookAt, unless_it_panics};
use crate::machine::blocking::blocking;
use crate::tell::index::{Facts, Trouble};
use domain::api::RowProblem;
use domain::lifecycle::RunState;
use domain::path::RunPath;
use std::collections::{BTreeMap, BTreeSet};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a stop waits for what looks at the tree.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How often the whole tree is scanned when nothing happens.
pub const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// The least time between two looks at a run that is touched again and again.
const REST: Duration = Duration::from_millis(250);

/// New folders make it scan sooner, but no more often than this.
const BETWEEN_SCANS: Duration = Duration::from_millis(500);

/// Drives every run's lifecycle. Cheap to clone; `start` and `stop` are idempotent.
#[derive(Clone)]
pub struct StagingWatcher {
    core: Arc<Core>,
    poll_interval: Duration,
    /// Told of runs whose clear is due: the watcher begins none.
    clear_due: Arc<dyn Fn(&RunPath) + Send + Sync>,
    running: Arc<Mutex<Option<Running>>>,
    /// One poll at a time.
    polling: Arc<tokio::sync::Mutex<Memory>>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A run that is being written is touched all the time. Between two looks there is a rest, measured by real time and
/// not by the engine's clock.
struct Rest {
    until: Instant,
    /// Touched meanwhile: it is looked at when the rest is over.
    touched: bool,
}

/// What polls remember of each other.
#[derive(Default)]
struct Memory {
    /// When runs that settle are to be looked at (monotonic).
    again: BTreeMap<RunPath, Duration>,
    /// Runs that were looked at because they were touched.
    resting: BTreeMap<RunPath, Rest>,
    /// Sizes of folders that are not runs.
    stray_folders: stray_folders::Sizes,
    /// Folders in which runs appear, as last scanned.
    parents: Vec<PathBuf>,
}

impl StagingWatcher {
    /// Not started.
    pub fn new(
        core: Arc<Core>,
        poll_interval: Duration,
        clear_due: impl Fn(&RunPath) + Send + Sync + 'static,
    ) -> StagingWatcher {
        StagingWatcher {
            core,
            poll_interval,
            clear_due: Arc::new(clear_due),
            running: Arc::default(),
            polling: Arc::default(),
        }
    }

    /// Starts the background task; a second call changes nothing.
    pub fn start(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            let stop = self.core.site.stop.child_token();
            let task = tokio::spawn(self.clone().run(stop.clone()));
            *running = Some(Running { stop, task });
        }
    }

    /// Ends the background task and waits for it; a second call changes nothing.
    pub async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { stop, task }) = running {
            stop.cancel();
            if tokio::time::timeout(STOP_PATIENCE, task).await.is_err() {
                tracing::warn!("the staging tree still does not answer; what looks at it is left behind");
            }
        }
    }

    async fn run(self, stop: CancellationToken) {
        let nudges = nudge::Nudges::start(self.core.clone());
        let mut next_poll = Duration::ZERO;
        let mut polled_at = Instant::now();
        let mut sooner: Option<Instant> = None;
        loop {
            if self.core.site.clock.monotonic() >= next_poll || sooner.is_some_and(|at| Instant::now() >= at) {
                self.poll_once().await;
                self.core.desk.set_ready();
                nudges.watch(&self.core, &self.polling.lock().await.parents);
                polled_at = Instant::now();
                sooner = None;
                next_poll = self.core.site.clock.monotonic() + self.poll_interval;
            }
            let wait = self.until_next(next_poll, sooner).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.core.desk.is_asked() => {}
                () = tokio::time::sleep(wait) => {}
            }
            if self.core.desk.take_scan() {
                sooner = Some(polled_at + BETWEEN_SCANS);
            }
            self.look_at_nudged().await;
        }
    }

    /// Until the next poll, or until a run settles, or its rest is over.
    async fn until_next(&self, next_poll: Duration, sooner: Option<Instant>) -> Duration {
        let memory = self.polling.lock().await;
        let settles = memory.again.values().min().copied().unwrap_or(next_poll);
        let wait = settles.min(next_poll).saturating_sub(self.core.site.clock.monotonic());
        let rested = memory.resting.values().filter(|rest| rest.touched).map(|rest| rest.until);
        rested.chain(sooner).min().map_or(wait, |at| wait.min(at.saturating_duration_since(Instant::now())))
    }

    /// Looks at runs that something happened to, and at those whose settle time has passed.
    async fn look_at_nudged(&self) {
        let mut memory = self.polling.lock().await;
        let now = self.core.site.clock.monotonic();
        let ToLookAt { mut runs, mut touched } = self.core.desk.take();
        runs.extend(memory.again.iter().filter(|(_, at)| **at <= now).map(|(run, _)| run.clone()));
        for run in runs {
            self.evaluate(&run, &mut memory).await;
        }
        for run in &touched {
            self.core.index.sweep_soon(run);
        }
        let began = Instant::now();
        touched.extend(
            memory
                .resting
                .extract_if(.., |_, rest| rest.until <= began)
                .filter(|(_, rest)| rest.touched)
                .map(|(run, _)| run),
        );
        for run in touched {
            if let Some(rest) = memory.resting.get_mut(&run) {
                rest.touched = true;
                continue;
            }
            let began = Instant::now();
            self.evaluate(&run, &mut memory).await;
            // Looking takes at most a tenth of the time.
            memory
                .resting
                .insert(run, Rest { until: Instant::now() + (began.elapsed() * 10).max(REST), touched: false });
        }
    }

    /// Scans the tree once, evaluates every run that can have changed, and answers all runs' states in walk order.
    /// Unreadable runs answer `None`.
    pub async fn poll_once(&self) -> Vec<(RunPath, Option<RunState>)> {
        let mut memory = self.polling.lock().await;
        let root = self.core.staging.root().to_owned();
        let looking = self.core.staging.looking_at(&root);
        let known = self.core.index.runs();
        let expected = self.core.staging.identity();
        let before: BTreeSet<RunPath> = known.iter().cloned().collect();
        let owned = self.core.clone();
        let scanned = blocking(move || -> Result<(Scan, (u64, u64)), String> {
            let unreadable = |error: std::io::Error| format!("the staging root {root} cannot be read: {error}");
            let metadata = std::fs::metadata(&root).map_err(unreadable)?;
            let identity = (metadata.st_dev(), metadata.st_ino());
            let scan = scan(Path::new(&root)).map_err(unreadable)?;
            // A disk that was mounted anew may have another number; an empty mount point holds none of the runs that
            // were there.
            let another = expected.is_some_and(|expected| expected != identity);
            if another && !before.is_empty() && !scan.runs.iter().any(|run| before.contains(run)) {
                return Err(format!("the staging root {root} cannot be read: {ANOTHER_ROOT}"));
            }
            owned.staging.owner.look().map_err(|why| format!("the staging root {root}: {why}"))?;
            Ok((scan, identity))
        })
        .await;
        let scan = match scanned {
            Ok((scan, identity)) => {
                self.core.staging.scanned(identity);
                self.note_staging_error(None);
                scan
            }
            Err(error) => {
                // A root that was never scanned is shown as an empty tree; one that was keeps its rows, and each says
                // why it stands still.
                for run in &known {
                    self.core.change(run, |facts| {
                        facts.troubles.insert(Trouble::Staging, staging_unreadable(&error));
                        facts.watch.last_failure = Some(error.clone());
                    });
                }
                self.note_staging_error(Some(error));
                return known.into_iter().map(|run| (run.clone(), self.state_of(&run))).collect();
            }
        };
        self.prepare_to_clear().await;
        memory.parents.clone_from(&scan.parents);
        stray_folders::note(&self.core, &scan, &mut memory.stray_folders).await;
        let unfinished = self.unfinished(&scan).await;
        self.forget_gone(&known, &scan, unfinished.as_deref());
        self.show_unfinished(unfinished.unwrap_or_default());
        let moving = {
            let (core, runs) = (self.core.clone(), scan.runs.clone());
            blocking(move || changed_since::changed_since(&core, &runs)).await
        };
        drop(looking);
        for run in &moving {
            if self.core.site.stop.is_cancelled() {
                break;
            }
            self.evaluate(run, &mut memory).await;
        }
        for run in judge::judge_due(&self.core).await {
            self.take_up_again(&run).await;
        }
        self.core.staging.looked_through(self.core.site.clock.now());
        scan.runs
            .into_iter()
            .map(|run| {
                let state = self.state_of(&run);
                (run, state)
            })
            .collect()
    }

    /// Makes the clearing folder and the room kept back at the start, since a full disk takes no new folder. While a
    /// clear is open the folder is not made: a staging disk without it is a different disk.
    async fn prepare_to_clear(&self) {
        let core = self.core.clone();
        let open = !core.clears.is_empty();
        let prepared = blocking(move || {
            core.clears.keep_room();
            if open { Ok(()) } else { crate::clear::prepare(&core) }
        });
        if let Err(error) = prepared.await {
            tracing::warn!(%error, "the folder that runs are cleared in cannot be made; it is tried again");
        }
    }

    async fn take_up_again(&self, run: &RunPath) {
        if let Err(error) = apply::take_up_again(&self.core, run).await {
            tracing::warn!(run = %run, %error, "its job failed at the gate and could not be taken up again; an operator may retry it");
        }
    }

    fn state_of(&self, run: &RunPath) -> Option<RunState> {
        self.core.index.look(run, Facts::state).flatten()
    }

    async fn evaluate(&self, run: &RunPath, memory: &mut Memory) {
        memory.again.remove(run);
        let evaluated = unless_it_panics(evaluate_run(&self.core, run)).await;
        match evaluated.unwrap_or_else(|fault| Err(EvaluateError::Fault(fault))) {
            Ok(evaluated) => {
                if self.core.desk.is_ready() && judge_sealed(&self.core, run).await {
                    self.take_up_again(run).await;
                }
                if evaluated.stepped {
                    self.core.desk.look_at(run);
                }
                if evaluated.clear_due {
                    (self.clear_due)(run);
                }
                if let Some(at) = evaluated.look_again_at {
                    memory.again.insert(run.clone(), at);
                }
                self.core.change(run, |facts| {
                    facts.watch.last_failure = None;
                    facts.troubles.remove(&Trouble::Staging);
                });
            }
            Err(error) => self.note_failure(run, &error),
        }
    }

    /// A run that cannot be evaluated says so on its row, and once in the log.
    fn note_failure(&self, run: &RunPath, error: &EvaluateError) {
        let message = error.to_string();
        let news =
            self.core.index.look(run, |facts| facts.watch.last_failure.as_ref() != Some(&message)).unwrap_or(true);
        if news {
            tracing::warn!(run = %run, %error, "the run could not be evaluated; it is tried again");
        }
        if self.core.index.look(run, |_| ()).is_none() {
            let mut facts = Facts { ingest: Err(staging_unreadable(&message)), ..Facts::new(run.clone(), 1) };
            facts.watch.is_blank = true;
            self.core.put(facts);
        }
        self.core.change(run, |facts| {
            facts.troubles.insert(Trouble::Staging, staging_unreadable(&message));
            facts.watch.last_failure = Some(message);
        });
    }

    fn note_staging_error(&self, error: Option<String>) {
        if self.core.staging.note_error(error.as_deref()) {
            match &error {
                Some(error) => tracing::error!("{error}"),
                None => tracing::info!("the staging root can be read again"),
            }
        }
    }
}

fn staging_unreadable(message: &str) -> RowProblem {
    RowProblem { code: "staging_unreadable".into(), message: message.to_owned() }
}
