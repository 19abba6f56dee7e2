//! One hand on a run at a time: the watcher, an operator's act and a clear exclude each other per run.

use domain::path::RunPath;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Who holds which run. Cheap to clone.
#[derive(Clone, Default)]
pub struct RunLocks {
    held: Arc<Mutex<HashMap<RunPath, &'static str>>>,
    freed: Arc<Notify>,
}

/// Holds a run until dropped.
pub struct RunGuard {
    run: RunPath,
    locks: RunLocks,
}

impl RunLocks {
    /// Takes the run, or tells who holds it.
    pub fn try_hold(&self, run: &RunPath, purpose: &'static str) -> Result<RunGuard, &'static str> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get(run) {
            Some(holder) => Err(holder),
            None => {
                held.insert(run.clone(), purpose);
                Ok(RunGuard { run: run.clone(), locks: self.clone() })
            }
        }
    }

    /// Takes the run, waiting for its holder up to `patience`; then tells who holds it.
    pub async fn hold(
        &self,
        run: &RunPath,
        purpose: &'static str,
        patience: Duration,
    ) -> Result<RunGuard, &'static str> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.try_hold(run, purpose) {
                Ok(guard) => return Ok(guard),
                Err(holder) => {
                    if tokio::time::timeout_at(deadline, freed).await.is_err() {
                        return Err(holder);
                    }
                }
            }
        }
    }

    /// Takes the run, however long its holder takes.
    pub async fn hold_whenever_free(&self, run: &RunPath, purpose: &'static str) -> RunGuard {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.try_hold(run, purpose) {
                Ok(guard) => return guard,
                Err(_) => freed.await,
            }
        }
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        self.locks.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
        self.locks.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_and_the_next_gets_it_when_it_is_freed() {
        let locks = RunLocks::default();
        let run = RunPath::parse("E/P/Runs/Run_1").unwrap();
        let guard = locks.try_hold(&run, "clearing").ok().unwrap();
        assert_eq!(locks.try_hold(&run, "evaluating").err(), Some("clearing"));
        assert_eq!(locks.hold(&run, "evaluating", Duration::ZERO).await.err(), Some("clearing"));
        let waiting = tokio::spawn({
            let (locks, run) = (locks.clone(), run.clone());
            async move { locks.hold(&run, "evaluating", Duration::from_secs(60)).await.is_ok() }
        });
        drop(guard);
        assert!(waiting.await.unwrap());
    }
}
