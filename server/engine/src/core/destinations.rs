//! The destinations of all equipments that are synced from here, and who is woken when there is work for one.

use crate::transport::destination::Destination;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// Destinations by equipment.
#[derive(Default)]
pub struct Destinations(BTreeMap<String, Served>);

struct Served {
    destination: Arc<Destination>,
    work: Notify,
    reread: Notify,
}

impl Destinations {
    /// Adds a destination.
    pub fn insert(&mut self, equipment: String, destination: Arc<Destination>) {
        self.0.insert(equipment, Served { destination, work: Notify::new(), reread: Notify::new() });
    }

    /// An equipment's destination.
    pub fn get(&self, equipment: &str) -> Option<&Arc<Destination>> {
        self.0.get(equipment).map(|served| &served.destination)
    }

    /// Equipments and their destinations, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Arc<Destination>)> {
        self.0.iter().map(|(equipment, served)| (equipment, &served.destination))
    }

    /// Wakes an equipment's worker, and what proves its cleared runs again.
    pub fn work_now(&self, equipment: &str) {
        if let Some(served) = self.0.get(equipment) {
            served.work.notify_one();
            served.reread.notify_one();
        }
    }

    /// For the worker: waits until it is woken.
    pub async fn has_work(&self, equipment: &str) {
        match self.0.get(equipment) {
            Some(served) => served.work.notified().await,
            None => std::future::pending().await,
        }
    }

    /// For the task that proves cleared runs again: waits until it is woken.
    pub async fn has_something_to_reread(&self, equipment: &str) {
        match self.0.get(equipment) {
            Some(served) => served.reread.notified().await,
            None => std::future::pending().await,
        }
    }
}
