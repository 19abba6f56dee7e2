//! One sender of a run's record at a time. The worker sends it after the data, a clear sends the finished one; both use
//! the same folder at the destination, and the older of two must never arrive last.
//!
//! Whoever sends takes the run's turn first, reads the record while holding it, and gives it back when the destination
//! has answered: what is read later is sent later.

use super::run_locks::{RunGuard, RunLocks};
use domain::path::RunPath;
use tokio_util::sync::CancellationToken;

/// Whose turn it is, per run. Cheap to clone.
#[derive(Clone, Default)]
pub struct RecordTurns(RunLocks);

/// The right to send one run's record, until dropped. Only [`RecordTurns::take`] makes one.
pub struct RecordTurn {
    run: RunPath,
    _guard: RunGuard,
}

impl RecordTurns {
    /// Waits until nobody sends this run's record; `None` when the program stops meanwhile.
    pub async fn take(&self, run: &RunPath, stop: &CancellationToken) -> Option<RecordTurn> {
        tokio::select! {
            guard = self.0.hold_whenever_free(run, "sending its record") => Some(RecordTurn { run: run.clone(), _guard: guard }),
            () = stop.cancelled() => None,
        }
    }
}

impl RecordTurn {
    /// Whose record may be sent.
    pub fn run(&self) -> &RunPath {
        &self.run
    }
}
