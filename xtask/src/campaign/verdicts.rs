//! What was found wrong, and how trials ended.

use super::judge::{Class, End};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of one fault.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Trials in which the fault was set.
    pub trials: u64,
    /// Trials that ended before their fault could be set.
    pub missed: u64,
    /// Runs that were cleared.
    pub cleared: u64,
    /// Runs that stand here, with a reason: how often each.
    pub kept: BTreeMap<String, u64>,
    /// Content that was lost in the instant that no look can cover: see [`super::faults::INSTANT`].
    pub in_the_instant: u64,
}

/// All of it, while the campaign goes on.
pub struct Verdicts {
    seed: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    violations: BTreeMap<(Class, String), Vec<String>>,
    tallies: BTreeMap<&'static str, Tally>,
    limits: BTreeMap<&'static str, u64>,
}

impl Verdicts {
    /// Nothing was found yet.
    pub fn new(seed: u64) -> Verdicts {
        Verdicts { seed, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A violation, told at once and once per place.
    pub fn found(&self, class: Class, place: &str, what: &str) {
        let mut inner = self.inner();
        let told = inner.violations.entry((class, place.to_owned())).or_default();
        if told.iter().all(|known| known != what) {
            told.push(what.to_owned());
            eprintln!("VIOLATION (seed {}): {}: {place}: {what}", self.seed, class.name());
        }
    }

    /// How a trial of a fault ended.
    pub fn ended(&self, fault: &'static str, was_set: bool, end: Option<&End>) {
        let mut inner = self.inner();
        let tally = inner.tallies.entry(fault).or_default();
        if was_set {
            tally.trials += 1
        } else {
            tally.missed += 1
        }
        match end {
            Some(End::Cleared) => tally.cleared += 1,
            Some(End::Kept(why)) => *tally.kept.entry(shape(why)).or_default() += 1,
            Some(End::UnderWay) => *tally.kept.entry("still under way when it was given up".into()).or_default() += 1,
            Some(End::Stuck(_)) | None => {}
        }
    }

    /// Content went in the instant between the last look and the removal.
    pub fn in_the_instant(&self, fault: &'static str) {
        self.inner().tallies.entry(fault).or_default().in_the_instant += 1;
    }

    /// Trials with a fault that was set, of all.
    pub fn trials(&self) -> u64 {
        self.inner().tallies.values().map(|tally| tally.trials).sum()
    }

    /// By fault.
    pub fn tallies(&self) -> BTreeMap<&'static str, Tally> {
        self.inner().tallies.clone()
    }

    /// Something that is known not to be possible, and that the documents say.
    pub fn known_limit(&self, what: &'static str) {
        *self.inner().limits.entry(what).or_default() += 1;
    }

    /// How often each of those was met.
    pub fn known_limits(&self) -> BTreeMap<&'static str, u64> {
        self.inner().limits.clone()
    }

    /// How many of each class.
    pub fn violations(&self) -> BTreeMap<Class, usize> {
        let mut counts = BTreeMap::new();
        for ((class, _), told) in &self.inner().violations {
            *counts.entry(*class).or_default() += told.len();
        }
        counts
    }
}

/// A reason without what differs from run to run, so that equal ones are counted together.
fn shape(why: &str) -> String {
    let mut shape = String::new();
    for word in why.split_whitespace().take(14) {
        let is_particular = word.chars().any(|c| c.is_ascii_digit() || c == '/');
        shape.push_str(if is_particular { "…" } else { word });
        shape.push(' ');
    }
    shape.trim_end().replace("… …", "…")
}
