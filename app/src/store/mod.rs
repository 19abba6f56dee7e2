//! What the panel knows, as signals. One per row, so that a patch touches one row and nothing else.
//!
//! Filled by the first window on the server, by the whole list and by events in the browser ([`crate::live`]). Holds no
//! connection.

pub mod acts;
mod seen;

pub use acts::OwnAct;
pub use seen::SeenRow;

use crate::api::StagingView;
use crate::lists::query::ViewQuery;
use crate::lists::select::{self, Selection, Shift};
use domain::api::{PanelStatus, RunRow};
use domain::problem::Problem;
use leptos::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// A row's key: its path relative to the staging root.
pub type Key = Arc<str>;

/// How much of the list is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loaded {
    Nothing,
    /// One window, as the server rendered it.
    Window,
    Whole,
}

/// The event stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// Not tried yet, or first try.
    Starting,
    Live,
    /// Broken; tried again in so many seconds.
    Retrying {
        /// Until the next try; 0 while trying.
        seconds: u32,
    },
    /// The browser says there is no network.
    Offline,
}

impl Link {
    /// Rows may be stale: nothing may be done on them.
    pub fn is_broken(self) -> bool {
        matches!(self, Link::Retrying { .. } | Link::Offline)
    }
}

/// The panel's state. Made once per page load, passed by context.
#[derive(Clone, Copy)]
pub struct Store {
    /// The header, once known.
    pub status: RwSignal<Option<PanelStatus>>,
    /// How much of the list is here.
    pub loaded: RwSignal<Loaded>,
    /// Why the list cannot be shown.
    pub problem: RwSignal<Option<Problem>>,
    pub link: RwSignal<Link>,
    /// Seconds since hydration, in steps; 0 on the server.
    pub tick: RwSignal<i64>,
    /// True once the browser has taken over.
    pub hydrated: RwSignal<bool>,
    /// Read out by screen readers.
    pub said: RwSignal<String>,
    /// Acts that this page started.
    pub acts: RwSignal<Vec<OwnAct>>,
    /// A run whose page is open.
    pub watched: RwSignal<Option<Key>>,
    /// Grows when the watched run may have changed in a way its row does not say: it is gone, or events were missed.
    pub watched_changes: RwSignal<u32>,
    /// Grows when findings, overrides or marks may have changed.
    pub problems_changes: RwSignal<u32>,
    /// Grows with every burst of events about rows or the header.
    pub heard: RwSignal<u32>,
    /// Another version of the program answers now: this page should be loaded anew.
    pub outdated: RwSignal<bool>,
    /// Tick until which rows keep their order, because someone is pointing at them.
    pub hold_order_until: StoredValue<i64>,
    /// Grows when a selection must be made anew.
    shifted: RwSignal<u32>,
    /// What the server selected, until the whole list is here.
    first: RwSignal<Option<Arc<StagingView>>>,
    rows: StoredValue<HashMap<Key, ArcRwSignal<SeenRow>>>,
}

impl Store {
    /// Empty.
    pub fn new() -> Store {
        Store {
            status: RwSignal::new(None),
            loaded: RwSignal::new(Loaded::Nothing),
            problem: RwSignal::new(None),
            link: RwSignal::new(Link::Starting),
            tick: RwSignal::new(0),
            hydrated: RwSignal::new(false),
            said: RwSignal::new(String::new()),
            acts: RwSignal::new(Vec::new()),
            watched: RwSignal::new(None),
            watched_changes: RwSignal::new(0),
            problems_changes: RwSignal::new(0),
            heard: RwSignal::new(0),
            outdated: RwSignal::new(false),
            hold_order_until: StoredValue::new(0),
            shifted: RwSignal::new(0),
            first: RwSignal::new(None),
            rows: StoredValue::new(HashMap::new()),
        }
    }

    /// Takes the server's first window, unless more is known already.
    pub fn take_view(&self, view: StagingView) {
        if self.loaded.get_untracked() == Loaded::Whole {
            return;
        }
        let tick = self.tick.get_untracked();
        self.rows.update_value(|rows| {
            for row in &view.rows {
                put(rows, row.clone(), tick);
            }
        });
        self.first.set(Some(Arc::new(view)));
        self.loaded.set(Loaded::Window);
        self.shifted.update(|n| *n += 1);
    }

    /// Takes every row; rows not among them are gone.
    pub fn take_list(&self, list: Vec<RunRow>) {
        let tick = self.tick.get_untracked();
        self.rows.update_value(|rows| {
            let mut old = std::mem::replace(rows, HashMap::with_capacity(list.len()));
            for row in list {
                // A row that stays keeps its signal, and with it its place on the screen.
                if let Some((key, signal)) = old.remove_entry(row.run_path.as_str()) {
                    set_if_changed(&signal, row, tick);
                    rows.insert(key, signal);
                } else {
                    put(rows, row, tick);
                }
            }
        });
        self.problem.set(None);
        self.loaded.set(Loaded::Whole);
        self.shifted.update(|n| *n += 1);
    }

    /// Applies one row; says what that means for selections, which the caller announces by [`Store::reselect`].
    pub fn take_row(&self, row: RunRow) -> Shift {
        let tick = self.tick.get_untracked();
        let known = self.rows.with_value(|rows| rows.get(row.run_path.as_str()).cloned());
        match known {
            Some(signal) => {
                let shift = signal.with_untracked(|seen| select::shift(&seen.row, &row));
                set_if_changed(&signal, row, tick);
                shift
            }
            // Before the whole list is here, a row outside the window is none of ours.
            None if self.loaded.get_untracked() != Loaded::Whole => Shift::None,
            None => {
                self.rows.update_value(|rows| put(rows, row, tick));
                Shift::Membership
            }
        }
    }

    /// A run whose page is open: its row is kept up to date although the list may not be here. A row that is known
    /// already is left as it is: views are made with it, and the one about to be replaced must hear of no change.
    pub fn watch(&self, row: RunRow) -> ArcRwSignal<SeenRow> {
        let key = Key::from(row.run_path.as_str());
        let tick = self.tick.get_untracked();
        let mut signal = ArcRwSignal::new(SeenRow::new(row, tick));
        self.rows.update_value(|rows| signal = rows.entry(Key::clone(&key)).or_insert(signal.clone()).clone());
        self.watched.set(Some(key));
        signal
    }

    /// A row left the list.
    pub fn drop_row(&self, run_path: &str) -> Shift {
        if self.loaded.get_untracked() != Loaded::Whole {
            return Shift::None;
        }
        let mut gone = false;
        self.rows.update_value(|rows| gone = rows.remove(run_path).is_some());
        if gone { Shift::Membership } else { Shift::None }
    }

    /// Selections are made anew.
    pub fn reselect(&self) {
        self.shifted.update(|n| *n = n.wrapping_add(1));
    }

    /// The signal of a row, when it is in the list.
    pub fn row(&self, key: &str) -> Option<ArcRwSignal<SeenRow>> {
        self.rows.with_value(|rows| rows.get(key).cloned())
    }

    /// What this view shows. Reactive.
    pub fn select(&self, query: &ViewQuery) -> Selection<Key> {
        self.shifted.track();
        match self.loaded.get() {
            Loaded::Nothing => Selection::default(),
            Loaded::Window => self.first.with(|first| {
                first.as_ref().map_or_else(Selection::default, |view| Selection {
                    keys: view.rows.iter().map(|row| Key::from(row.run_path.as_str())).collect(),
                    summary: view.summary.clone(),
                })
            }),
            Loaded::Whole => self.rows.with_value(|rows| {
                // Guards keep the borrowed rows alive while they are compared.
                let guards: Vec<_> = rows.iter().map(|(key, signal)| (key, signal.read_untracked())).collect();
                select::select(guards.iter().map(|(key, seen)| (Key::clone(key), &seen.row)), query)
            }),
        }
    }

    /// How many rows stand before the server's window. Reactive.
    pub fn first_offset(&self) -> usize {
        match self.loaded.get() {
            Loaded::Window => {
                self.first.with(|first| first.as_ref().map_or(0, |view| usize::try_from(view.offset).unwrap_or(0)))
            }
            _ => 0,
        }
    }

    /// Findings changed; those that hold runs back newly are told once.
    pub fn take_problems(&self, blocking: u64, new_blocking: u64) {
        self.status.update(|status| {
            if let Some(status) = status {
                status.blocking_findings = blocking;
            }
        });
        self.problems_changes.update(|n| *n = n.wrapping_add(1));
        if new_blocking > 0 {
            self.say(format!(
                "{} runs back.",
                crate::words::counted(new_blocking, "new problem holds", "new problems hold")
            ));
        }
    }

    /// Tells screen readers.
    pub fn say(&self, sentence: impl Into<String>) {
        self.said.set(sentence.into());
    }
}

impl Default for Store {
    fn default() -> Self {
        Store::new()
    }
}

/// The store of this page.
pub fn use_store() -> Store {
    expect_context()
}

fn put(rows: &mut HashMap<Key, ArcRwSignal<SeenRow>>, row: RunRow, tick: i64) {
    match rows.get(row.run_path.as_str()) {
        Some(signal) => set_if_changed(signal, row, tick),
        None => drop(rows.insert(Key::from(row.run_path.as_str()), ArcRwSignal::new(SeenRow::new(row, tick)))),
    }
}

fn set_if_changed(signal: &ArcRwSignal<SeenRow>, row: RunRow, tick: i64) {
    let same = signal.with_untracked(|seen| seen.row == row && seen.seen_at == tick);
    if !same {
        signal.set(SeenRow::new(row, tick));
    }
}
