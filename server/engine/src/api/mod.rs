//! The engine as the server sees it: start, stop, answers, acts.
//!
//! Answers come from memory; acts go on when their caller hangs up.

mod acting;
mod answers;
mod certificate;
mod files;
mod force_sync;
mod log;
mod overriding;
mod overview;
mod publish;
mod refusals;
mod start;
mod unreadable;

pub use answers::freed_bytes_and_count;
pub use log::LogFile;
pub use start::{MarkError, Options, StartError, import_queue, mark_destination};

use crate::core::Core;
use crate::keep::state_folder::StateFolder;
use crate::machine::blocking::blocking;
use crate::observe::StagingWatcher;
use domain::api::Event;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A running orchestrator. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    core: Arc<Core>,
    watcher: StagingWatcher,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
    state_folder: Arc<Mutex<Option<StateFolder>>>,
    published: Arc<Mutex<Option<domain::api::PanelStatus>>>,
}

/// How long `stop` waits for what cannot be interrupted, such as a hung mount.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long giving the staging tree up may take.
const RELEASE_PATIENCE: Duration = Duration::from_secs(3);

impl Engine {
    /// Interrupts transfers so that they resume, waits for everything to end, closes the database. A second call does
    /// nothing.
    pub async fn stop(&self) {
        self.core.site.stop.cancel();
        self.watcher.stop().await;
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = tokio::time::timeout(STOP_PATIENCE, futures::future::join_all(tasks)).await;
        if ended.is_err() {
            tracing::warn!(
                "something did not end in time, most likely a hung mount; it is taken up again at the next start"
            );
        }
        self.keep_tally().await;
        self.core.store.close().await;
        // The disk of the staging tree may hang: another installation then waits until the heartbeat is old.
        let core = self.core.clone();
        let released = blocking(move || core.staging.owner.release());
        if tokio::time::timeout(RELEASE_PATIENCE, released).await.is_err() {
            tracing::warn!("the staging tree does not answer; others may take it over once its heartbeat is old");
        }
        self.state_folder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Keeps what moved for the next start.
    async fn keep_tally(&self) {
        if let Err(error) = self.core.tell.tally.keep(&self.core.store).await {
            tracing::warn!(%error, "the bytes that moved could not be kept for the overview; tried again in a minute");
        }
    }

    /// The watcher, to drive it by hand.
    pub fn watcher(&self) -> &StagingWatcher {
        &self.watcher
    }

    /// What everything shares.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Events after `since`; without it, from now on. Ends when the engine stops.
    pub fn subscribe(&self, since: Option<u64>) -> impl futures::Stream<Item = Event> + Send + use<> {
        self.core.tell.events.subscribe(since)
    }

    /// Waits for the first scan, up to `patience`.
    pub async fn ready(&self, patience: Duration) -> Result<(), Problem> {
        match tokio::time::timeout(patience, self.core.desk.until_ready()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Problem::new(
                ErrorCode::Starting,
                "the first scan of the staging tree has not ended yet: ask again in a moment",
            )),
        }
    }

    /// True once the first scan has ended.
    pub fn is_ready(&self) -> bool {
        self.core.desk.is_ready()
    }

    /// Reads what a request names.
    fn parse(&self, run: &str) -> Result<RunPath, Problem> {
        Ok(RunPath::parse_request(run, self.core.staging.root())?)
    }
}
