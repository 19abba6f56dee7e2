//! Clears that are under way, and the room that is kept back for them.

use crate::keep::reserve::{Borrowed, Reserve};
use domain::api::ClearingView;
use domain::path::RunPath;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After a try that failed, none is made for this many times as long as it took: reading a NAS whole again and again is
/// no way to wait.
const REST: u32 = 20;
/// The shortest rest.
const REST_AT_LEAST: Duration = Duration::from_secs(2);
/// The longest.
const REST_AT_MOST: Duration = Duration::from_secs(3_600);

/// How long no clear is tried by itself after a failed one that took `took`. One whose destination did not answer has
/// read nothing, so it is tried again soon after that is back.
fn rest_after(took: Duration, is_reachable: bool) -> Duration {
    if is_reachable { (took * REST).clamp(REST_AT_LEAST, REST_AT_MOST) } else { REST_AT_LEAST }
}

/// What is known of clears beside the database.
pub struct Clears {
    open: Mutex<BTreeMap<RunPath, ClearingView>>,
    /// Runs whose clear was tried and came to nothing, and until when they are left alone.
    resting: Mutex<BTreeMap<RunPath, Instant>>,
    reserves: [Arc<Reserve>; 2],
}

impl Clears {
    /// `reserves`: on the disks of the state folder and of the staging tree.
    pub fn new(reserves: [Arc<Reserve>; 2]) -> Clears {
        Clears { open: Mutex::default(), resting: Mutex::default(), reserves }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<RunPath, ClearingView>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clear that works on a run, or waits.
    pub fn of(&self, run: &RunPath) -> Option<ClearingView> {
        self.open().get(run).cloned()
    }

    /// Notes the clear that works on the run, if any.
    pub fn note(&self, run: &RunPath, view: Option<ClearingView>) {
        match view {
            Some(view) => self.open().insert(run.clone(), view),
            None => self.open().remove(run),
        };
    }

    /// Whether its clear was tried a moment ago, came to nothing, and is not to be tried by itself yet.
    pub fn is_resting(&self, run: &RunPath) -> bool {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
        resting.contains_key(run)
    }

    /// Notes that a clear of the run took this long and failed; answers until when none is tried. `is_reachable`:
    /// whether the destination answered.
    pub fn rest(&self, run: &RunPath, took: Duration, is_reachable: bool) -> Instant {
        let until = Instant::now() + rest_after(took, is_reachable);
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone(), until);
        until
    }

    /// True while there is no clear.
    pub fn is_empty(&self) -> bool {
        self.open().is_empty()
    }

    /// Room to clear in, also on a disk that is full to the last byte; until what is answered is dropped. Blocking, and
    /// so is the drop.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_a_clear_that_came_to_nothing_is_left_alone_in_proportion_to_what_it_read() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = || Arc::new(Reserve::new(folder.path().to_owned(), 1));
        let clears = Clears::new([reserve(), reserve()]);
        let run = |name: &str| RunPath::parse(&format!("SCOPE_01/P/Runs/{name}")).unwrap();
        for (took, is_reachable, rests) in [(0, true, 2), (30, true, 600), (9_000, true, 3_600), (30, false, 2)] {
            let before = Instant::now();
            let until = clears.rest(&run("Run_1"), Duration::from_secs(took), is_reachable);
            let least = before + Duration::from_secs(rests);
            assert!(until >= least && until < least + Duration::from_secs(60), "{took} {is_reachable}");
        }
        clears.rest(&run("Run_2"), Duration::from_secs(30), true);
        assert!(clears.is_resting(&run("Run_2")) && !clears.is_resting(&run("Run_3")));
    }
}
