//! Runs whose local copy is gone, so that the NAS has the only one. What is kept of them in memory.

use crate::database::{Failure, Job, Store, StoreError, hour_after};
use domain::path::RunPath;
use domain::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of all cleared runs. Small: proofs are kept by the hour, and single runs only where something is
/// amiss.
#[derive(Default)]
pub struct OnlyCopies {
    recording: tokio::sync::Mutex<()>,
    known: Mutex<Copies>,
}

#[derive(Default)]
struct Copies {
    /// Per equipment: bytes by the full hour after their newest proof.
    proven: BTreeMap<String, BTreeMap<i64, u64>>,
    /// Lives of runs whose copy is damaged or cannot be proven any more, and why.
    damaged: BTreeMap<(RunPath, u64), Failure>,
}

impl Copies {
    /// The job's newest proof takes the place of the one from `before_ms`.
    fn prove(&mut self, before_ms: Option<i64>, job: &Job) {
        let hours = self.proven.entry(job.run.equipment().to_owned()).or_default();
        if let Some(before) = before_ms.map(hour_after)
            && let Some(bytes) = hours.get_mut(&before)
        {
            *bytes = bytes.saturating_sub(job.totals.bytes);
            if *bytes == 0 {
                hours.remove(&before);
            }
        }
        if let Some(at) = job.last_proof_ms {
            let bytes = hours.entry(hour_after(at)).or_default();
            *bytes = bytes.saturating_add(job.totals.bytes);
        }
    }
}

impl OnlyCopies {
    /// As the database has them.
    pub async fn load(store: &Store) -> Result<OnlyCopies, StoreError> {
        let mut known = Copies::default();
        for of in store.cleared_hours().await? {
            known.proven.entry(of.equipment_id).or_default().insert(of.hour, of.bytes);
        }
        for job in store.cleared_damaged_jobs().await? {
            known.damaged.extend(job.error.map(|failure| ((job.run, job.life), failure)));
        }
        Ok(OnlyCopies { known: Mutex::new(known), ..OnlyCopies::default() })
    }

    /// Held by whoever records something in the database and here, so that both say the same.
    pub async fn recording(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.recording.lock().await
    }

    /// The local copy of this job's run is gone.
    pub fn retired(&self, cleaned: &Job) {
        self.known().prove(None, cleaned);
    }

    /// The copy was proven again; true where it was known to be damaged until now.
    pub fn proven_again(&self, before_ms: Option<i64>, updated: &Job) -> bool {
        let mut known = self.known();
        known.prove(before_ms, updated);
        known.damaged.remove(&(updated.run.clone(), updated.life)).is_some()
    }

    /// The copy is damaged, or cannot be proven any more.
    pub fn damage(&self, noted: &Job) {
        if let Some(failure) = &noted.error {
            self.known().damaged.insert((noted.run.clone(), noted.life), failure.clone());
        }
    }

    fn known(&self) -> MutexGuard<'_, Copies> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the copies of an equipment's cleared runs were last proven, to the hour, and how many bytes each time.
    pub fn proven(&self, equipment: &str) -> Vec<(Timestamp, u64)> {
        let at = |hour: i64| Timestamp::from_unix_seconds(hour.saturating_mul(3_600));
        let known = self.known();
        known.proven.get(equipment).into_iter().flatten().map(|(hour, bytes)| (at(*hour), *bytes)).collect()
    }

    /// Runs whose copy is damaged or cannot be proven any more, and why; by path.
    pub fn damaged(&self) -> Vec<(RunPath, Failure)> {
        self.known().damaged.iter().map(|((run, _), failure)| (run.clone(), failure.clone())).collect()
    }

    /// How many they are.
    pub fn damaged_count(&self) -> u64 {
        self.known().damaged.len() as u64
    }
}
