//! Clears that are under way, and the room that is kept back for them.

use crate::keep::reserve::{Borrowed, Reserve};
use domain::api::ClearingView;
use domain::path::RunPath;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A try that came to nothing is followed by a rest of so many times as long: reading a NAS whole again and again is no way to wait.
const REST: u32 = 20;
/// The shortest rest.
const REST_AT_LEAST: Duration = Duration::from_secs(2);
/// The longest.
const REST_AT_MOST: Duration = Duration::from_secs(3_600);

/// How long nothing is tried by itself after a try that took so long and came to nothing.
pub fn rest_after(took: Duration) -> Duration {
    (took * REST).clamp(REST_AT_LEAST, REST_AT_MOST)
}

/// What is known of them beside the database.
pub struct Clears {
    open: Mutex<BTreeMap<RunPath, ClearingView>>,
    /// Runs that were refused when they were to be cleared by themselves, and until when they are left alone.
    refused: Mutex<BTreeMap<RunPath, Instant>>,
    reserves: [Arc<Reserve>; 2],
}

impl Clears {
    /// `reserves`: on the disks of the state folder and of the staging tree.
    pub fn new(reserves: [Arc<Reserve>; 2]) -> Clears {
        Clears { open: Mutex::default(), refused: Mutex::default(), reserves }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<RunPath, ClearingView>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clear that works on a run, or waits.
    pub fn of(&self, run: &RunPath) -> Option<ClearingView> {
        self.open().get(run).cloned()
    }

    /// One works on it, or none does any more.
    pub fn note(&self, run: &RunPath, view: Option<ClearingView>) {
        match view {
            Some(view) => self.open().insert(run.clone(), view),
            None => self.open().remove(run),
        };
    }

    /// Whether a run may be cleared by itself now, or was refused a moment ago.
    pub fn is_resting(&self, run: &RunPath) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        refused.retain(|_, until| *until > now);
        refused.contains_key(run)
    }

    /// It was refused, after so long; until when it is left alone.
    pub fn refused(&self, run: &RunPath, took: Duration) -> Instant {
        let until = Instant::now() + rest_after(took);
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone(), until);
        until
    }

    /// True while there is none.
    pub fn is_empty(&self) -> bool {
        self.open().is_empty()
    }

    /// Room to clear in, also on a disk that is full to the last byte; until what is answered is dropped. Blocking, and so is the drop.
    pub fn borrow_room(&self) -> Vec<Borrowed> {
        self.reserves.iter().map(Reserve::borrow).collect()
    }

    /// Keeps room back, where it is not kept yet. Blocking.
    pub fn keep_room(&self) {
        self.reserves.iter().for_each(|reserve| reserve.keep());
    }

    /// True while room is given up for a clear: other work waits rather than take it.
    pub fn need_the_room(&self) -> bool {
        self.reserves.iter().any(|reserve| reserve.is_given_up())
    }
}
