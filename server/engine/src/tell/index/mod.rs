//! Every staged run in memory: what panel, REST and events answer from. Fed by the watcher, the workers and the acts.
//!
//! A change marks its row; rows go out as events at most four times a second and run, so that progress costs little.

mod facts;
mod late;
mod obstacles;
mod views;

pub use facts::{Facts, Judged, RowContext, Trouble, Watch};
pub use late::{Late, LateKind};
pub use obstacles::Obstacles;
pub use views::{job_view, proof_view};

use domain::api::{AttentionKind, RunRow, StagingList};
use domain::path::RunPath;
use domain::proof::Totals;
use domain::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

const BETWEEN_EVENTS: Duration = Duration::from_millis(250);

/// The runs of the staging tree. Cheap to clone.
#[derive(Clone, Default)]
pub struct Index {
    known: Arc<RwLock<Rows>>,
    /// Findings, overrides or states changed since it was last asked.
    problems_changed: Arc<AtomicBool>,
}

#[derive(Default)]
struct Rows {
    runs: BTreeMap<RunPath, Box<Entry>>,
    /// Runs whose rows changed since they were last published: asked for many times a second, while hardly anything
    /// changes.
    marked: BTreeSet<RunPath>,
    /// Runs that something works on.
    in_work: BTreeSet<RunPath>,
}

struct Entry {
    facts: Facts,
    row: Arc<RunRow>,
    /// Of the row, so that a list needs to read no text.
    last_activity: Timestamp,
    published_at: Option<Duration>,
}

impl Rows {
    /// After a change of a run's facts: brings its row, and what is noted of it, up to date.
    fn settle(&mut self, run: &RunPath, context: &RowContext<'_>) {
        let Some(entry) = self.runs.get_mut(run) else { return };
        let row = entry.facts.row(context);
        if !same_but_for_elapsed(&entry.row, &row) || time_changed_something(&entry.row, &row) {
            self.marked.insert(run.clone());
        }
        if entry.facts.progress.is_none() {
            self.in_work.remove(run);
        } else if !self.in_work.contains(run) {
            self.in_work.insert(run.clone());
        }
        entry.last_activity = entry.facts.last_activity();
        entry.row = Arc::new(row);
    }
}

impl Index {
    /// Facts of a run.
    pub fn get(&self, run: &RunPath) -> Option<Facts> {
        self.read(|runs| runs.get(run).map(|entry| entry.facts.clone()))
    }

    /// Something of a run's facts, without copying them all.
    pub fn look<T>(&self, run: &RunPath, what: impl FnOnce(&Facts) -> T) -> Option<T> {
        self.read(|runs| runs.get(run).map(|entry| what(&entry.facts)))
    }

    /// All runs, in walk order.
    pub fn runs(&self) -> Vec<RunPath> {
        self.read(|runs| runs.keys().cloned().collect())
    }

    /// Folds over all facts, in walk order.
    pub fn fold<T>(&self, start: T, mut step: impl FnMut(T, &Facts) -> T) -> T {
        self.read(|runs| runs.values().fold(start, |sum, entry| step(sum, &entry.facts)))
    }

    /// Adds a run or replaces its facts, and marks its row when it changed. Facts that were taken out, looked at and
    /// put back are older than what others changed meanwhile: `keep(new, known)` takes that over, in the same moment,
    /// so that no change is lost.
    pub fn merge(&self, mut facts: Facts, context: &RowContext<'_>, keep: impl FnOnce(&mut Facts, Option<&Facts>)) {
        let mut known = self.write();
        let run = facts.run.clone();
        keep(&mut facts, known.runs.get(&run).map(|entry| &entry.facts));
        match known.runs.get_mut(&run) {
            Some(entry) => {
                self.compare_problems(&entry.facts, &facts);
                entry.facts = facts;
            }
            None => {
                self.problems_changed();
                known.marked.insert(run.clone());
                let (row, last_activity) = (Arc::new(facts.row(context)), facts.last_activity());
                known.runs.insert(run.clone(), Box::new(Entry { facts, row, last_activity, published_at: None }));
            }
        }
        known.settle(&run, context);
    }

    /// Changes a run's facts in place; nothing happens when it is not there.
    pub fn change(&self, run: &RunPath, context: &RowContext<'_>, change: impl FnOnce(&mut Facts)) {
        let mut known = self.write();
        if let Some(entry) = known.runs.get_mut(run) {
            let (findings, state, overrides) =
                (entry.facts.findings.clone(), entry.facts.state_text(), entry.facts.overrides.len());
            change(&mut entry.facts);
            let same_findings = Arc::ptr_eq(&findings, &entry.facts.findings) || findings == entry.facts.findings;
            if !same_findings || state != entry.facts.state_text() || overrides != entry.facts.overrides.len() {
                self.problems_changed();
            }
            known.settle(run, context);
        }
    }

    /// The next look at a sealed run compares its files with its seal, whenever that was done last.
    pub fn sweep_soon(&self, run: &RunPath) {
        if let Some(entry) = self.write().runs.get_mut(run) {
            entry.facts.watch.swept_at = None;
        }
    }

    /// Findings, overrides, states or marks changed: whoever follows them is to look.
    pub fn problems_changed(&self) {
        self.problems_changed.store(true, Ordering::Release);
    }

    /// Whether they changed since this was last asked.
    pub fn take_problems_changed(&self) -> bool {
        self.problems_changed.swap(false, Ordering::AcqRel)
    }

    fn compare_problems(&self, before: &Facts, after: &Facts) {
        let same_findings = Arc::ptr_eq(&before.findings, &after.findings) || before.findings == after.findings;
        if !same_findings || before.state_text() != after.state_text() || before.overrides != after.overrides {
            self.problems_changed();
        }
    }

    /// Forgets a run that is gone; its last row, if it was there.
    pub fn remove(&self, run: &RunPath) -> Option<Arc<RunRow>> {
        self.problems_changed();
        let mut known = self.write();
        known.marked.remove(run);
        known.in_work.remove(run);
        known.runs.remove(run).map(|entry| entry.row)
    }

    /// The row of a run, as last built.
    pub fn row(&self, run: &RunPath) -> Option<Arc<RunRow>> {
        self.read(|runs| runs.get(run).map(|entry| entry.row.clone()))
    }

    /// Takes the rows that changed and may be published at `now` (monotonic).
    pub fn take_marked(&self, now: Duration) -> Vec<Arc<RunRow>> {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).marked.is_empty() {
            return Vec::new();
        }
        let mut known = self.write();
        let Rows { runs, marked, .. } = &mut *known;
        let mut taken = Vec::new();
        marked.retain(|run| {
            let Some(entry) = runs.get_mut(run) else { return false };
            let due = entry.published_at.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_EVENTS);
            if due {
                entry.published_at = Some(now);
                taken.push(entry.row.clone());
            }
            !due
        });
        taken
    }

    /// Runs that something works on: their progress changes by itself.
    pub fn in_work(&self) -> Vec<RunPath> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).in_work.iter().cloned().collect()
    }

    /// How many runs an operator may clear now, and their bytes.
    pub fn clearable(&self) -> Totals {
        self.fold_rows(Totals::default(), |mut sum, row| {
            if row.actions.clear.allowed {
                sum.add(row.summary.byte_total);
            }
            sum
        })
    }

    fn fold_rows<T>(&self, start: T, mut step: impl FnMut(T, &RunRow) -> T) -> T {
        self.read(|runs| runs.values().fold(start, |sum, entry| step(sum, &entry.row)))
    }

    /// All rows, most recent activity first, then path.
    pub fn list(&self, now: Timestamp) -> StagingList<RunRow> {
        let mut rows: Vec<(Timestamp, Arc<RunRow>)> =
            self.read(|runs| runs.values().map(|entry| (entry.last_activity, entry.row.clone())).collect());
        // Walk order is path order, and the sort is stable: equal times stay in path order.
        rows.sort_by_key(|(activity, _)| std::cmp::Reverse(*activity));
        StagingList { runs: rows.iter().map(|(activity, row)| elapsed_at(row, *activity, now)).collect() }
    }

    fn read<T>(&self, what: impl FnOnce(&BTreeMap<RunPath, Box<Entry>>) -> T) -> T {
        what(&self.known.read().unwrap_or_else(PoisonError::into_inner).runs)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row with its elapsed seconds as of `now`.
pub fn at(row: &RunRow, now: Timestamp) -> RunRow {
    elapsed_at(row, Timestamp::parse(&row.summary.last_activity_at).unwrap_or_default(), now)
}

fn elapsed_at(row: &RunRow, since: Timestamp, now: Timestamp) -> RunRow {
    let mut row = row.clone();
    row.summary.elapsed_seconds_since_last_activity = u64::try_from(now.seconds_since(since)).unwrap_or(0);
    row
}

/// A run to which nothing happens may need an operator after some time.
fn time_changed_something(a: &RunRow, b: &RunRow) -> bool {
    AttentionKind::Silent.concerns(a) != AttentionKind::Silent.concerns(b)
}

fn same_but_for_elapsed(a: &RunRow, b: &RunRow) -> bool {
    let elapsed = |row: &RunRow| row.summary.elapsed_seconds_since_last_activity;
    elapsed(a) == elapsed(b) && a == b || {
        let mut a = a.clone();
        a.summary.elapsed_seconds_since_last_activity = elapsed(b);
        a == *b
    }
}
