//! Faults that are under way, and how many there were.

use super::site::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Faults of the whole site so far. Whoever waits for one asks for it, and is hit together with all others that do.
#[derive(Default)]
pub struct Strikes {
    all: Mutex<Vec<&'static str>>,
    is_wanted: AtomicBool,
}

impl Strikes {
    /// How many there were.
    pub fn count(&self) -> usize {
        lock(&self.all).len()
    }

    /// The names of those that came after so many.
    pub fn since(&self, count: usize) -> Vec<&'static str> {
        lock(&self.all).get(count..).unwrap_or_default().to_vec()
    }

    /// Asks for one.
    pub fn want(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// True when one was asked for since.
    pub fn was_wanted(&self) -> bool {
        self.is_wanted.swap(false, Ordering::Relaxed)
    }

    /// One begins.
    pub fn begins(&self, name: &'static str) {
        lock(&self.all).push(name);
    }
}
