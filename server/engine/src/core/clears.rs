//! Clears that are under way, and the room that is kept back for them.

use crate::keep::reserve::{Borrowed, Reserve};
use domain::api::ClearingView;
use domain::path::RunPath;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of them beside the database.
pub struct Clears {
    open: Mutex<BTreeMap<RunPath, ClearingView>>,
    reserves: [Arc<Reserve>; 2],
}

impl Clears {
    /// `reserves`: on the disks of the state folder and of the staging tree.
    pub fn new(reserves: [Arc<Reserve>; 2]) -> Clears {
        Clears { open: Mutex::default(), reserves }
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
