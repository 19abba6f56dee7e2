//! What the parts of the staging page share: the view's address, its selection, what is picked, and which dialog is
//! open.

use crate::acts::dialog::Asked;
use crate::lists::query::ViewQuery;
use crate::lists::select::{Amount, Selection};
use crate::store::{Key, Store};
use domain::api::{ActKind, Action, ForceSyncRequest, RunRow};
use leptos::prelude::*;
use std::collections::HashSet;

/// The staging page's state, passed by context.
#[derive(Clone, Copy)]
pub struct StagingState {
    pub store: Store,
    /// As the address says.
    pub query: Memo<ViewQuery>,
    pub selection: Memo<Selection<Key>>,
    /// Picked rows, also such as are not shown now.
    pub picked: RwSignal<HashSet<Key>>,
    /// The row picked last, for ranges.
    pub anchor: StoredValue<Option<Key>>,
    /// What the open dialog asks about.
    pub asked: RwSignal<Option<Asked>>,
    /// Run of the open force-sync dialog.
    pub forcing: RwSignal<Option<String>>,
    /// Row of the open menu.
    pub menu: RwSignal<Option<Key>>,
    /// Where its button stands on the screen: right, top, bottom.
    pub menu_button: StoredValue<Option<(f64, f64, f64)>>,
}

impl StagingState {
    /// Picks or unpicks a row; with `range`, everything from the row picked last to this one, as shown.
    pub fn pick(&self, key: &Key, on: bool, range: bool) {
        let anchor = self.anchor.get_value();
        let mut keys = vec![Key::clone(key)];
        if let (true, Some(anchor)) = (range, anchor) {
            self.selection.with_untracked(|selection| {
                let at = |wanted: &Key| selection.keys.iter().position(|known| known == wanted);
                if let (Some(from), Some(to)) = (at(&anchor), at(key)) {
                    keys = selection.keys[from.min(to)..=from.max(to)].to_vec();
                }
            });
        }
        self.anchor.set_value(Some(Key::clone(key)));
        self.picked.update(|picked| {
            for key in keys {
                if on {
                    picked.insert(key);
                } else {
                    picked.remove(&key);
                }
            }
        });
    }

    /// Picks everything that is shown, or nothing.
    pub fn pick_all(&self, on: bool) {
        let keys = if on {
            self.selection.with_untracked(|selection| selection.keys.iter().cloned().collect())
        } else {
            HashSet::new()
        };
        self.picked.set(keys);
    }

    /// The picked rows that still exist, in the table's order first.
    pub fn picked_rows(&self) -> Vec<RunRow> {
        let mut rows: Vec<RunRow> = self.picked.with(|picked| {
            picked.iter().filter_map(|key| self.store.row(key)).map(|row| row.with(|seen| seen.row.clone())).collect()
        });
        rows.sort_by(|a, b| a.run_path.cmp(&b.run_path));
        rows
    }

    /// Of these, the ones an act is allowed on.
    pub fn allowed(rows: &[RunRow], kind: ActKind) -> Amount {
        let mut amount = Amount::default();
        for row in rows.iter().filter(|row| Action::of(row, kind).allowed) {
            amount.runs += 1;
            amount.bytes += row.summary.byte_total;
        }
        amount
    }

    /// Starts an act. A clear, and anything over many runs, first shows what it would do.
    pub fn ask(&self, kind: ActKind, runs: Vec<String>) {
        if runs.is_empty() {
            return;
        }
        if kind == ActKind::Clear || runs.len() > 1 {
            self.asked.set(Some(Asked { kind, runs }));
        } else {
            self.store.start(kind, runs, ForceSyncRequest::default(), false);
        }
    }

    /// Everything shown that may be cleared.
    pub fn clearable_shown(&self) -> Vec<String> {
        self.selection.with_untracked(|selection| {
            let rows = selection.keys.iter().filter(|key| {
                self.store.row(key).is_some_and(|row| row.with_untracked(|seen| seen.row.actions.clear.allowed))
            });
            rows.map(|key| key.to_string()).collect()
        })
    }
}
