//! What the watcher is asked to look at before its next scan, by whoever knows of a change; and whether it has looked
//! at everything once.

use domain::path::RunPath;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, watch};

/// The watcher's desk.
pub struct Desk {
    wakes: Notify,
    asked: Mutex<ToLookAt>,
    scan: AtomicBool,
    ready: watch::Sender<bool>,
}

/// Runs to be looked at.
#[derive(Default)]
pub struct ToLookAt {
    pub runs: BTreeSet<RunPath>,
    /// Something outside touched them: soon, but not at every touch.
    pub touched: BTreeSet<RunPath>,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            wakes: Notify::new(),
            asked: Mutex::default(),
            scan: AtomicBool::new(false),
            ready: watch::Sender::new(false),
        }
    }
}

impl Desk {
    /// Wakes the watcher for this run.
    pub fn look_at(&self, run: &RunPath) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).runs.insert(run.clone());
        self.wakes.notify_one();
    }

    /// Something touched a run's files: its turn comes soon.
    pub fn touched(&self, run: &RunPath) {
        if self.asked.lock().unwrap_or_else(PoisonError::into_inner).touched.insert(run.clone()) {
            self.wakes.notify_one();
        }
    }

    /// Wakes the watcher for a scan of the whole tree.
    pub fn scan_soon(&self) {
        self.scan.store(true, Ordering::Relaxed);
        self.wakes.notify_one();
    }

    /// For the watcher: waits until somebody asks for a look or a scan.
    pub async fn is_asked(&self) {
        self.wakes.notified().await;
    }

    /// For the watcher: takes the runs that it is to look at off the desk.
    pub fn take(&self) -> ToLookAt {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// For the watcher: whether the whole tree is to be scanned; takes the request off the desk.
    pub fn take_scan(&self) -> bool {
        self.scan.swap(false, Ordering::Relaxed)
    }

    /// The first scan has ended: every run is known.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Notes the end of the first scan.
    pub fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Waits for the end of the first scan.
    pub async fn until_ready(&self) {
        // The sender lives as long as this does.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }
}
