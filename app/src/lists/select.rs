//! Which rows a view shows, in which order, and the counts beside its filters. The same code on server and browser, so
//! that both render the same first window.

use super::query::{SortKey, ViewQuery};
use crate::words;
use domain::api::{AttentionKind, RunRow};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Rows of one window without scripts, and of the first window with them.
pub const WINDOW: usize = 60;

/// Count and size of some rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Amount {
    pub runs: u64,
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.runs += 1;
        self.bytes += bytes;
    }
}

/// Counts beside the filters. Each counts what the *other* filters let through, so that a chip says what pressing it
/// shows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    pub total: Amount,
    /// What the view shows.
    pub matching: Amount,
    /// Of that, what may be cleared.
    pub clearable: Amount,
    pub states: BTreeMap<String, u64>,
    pub equipments: BTreeMap<String, u64>,
    pub attention: u64,
    /// Needs an operator, whatever the filters.
    pub attention_total: u64,
    /// `test` runs.
    pub tests: u64,
}

/// Keys in order, and the counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection<K> {
    /// Keys of the rows to show, in order.
    pub keys: Vec<K>,
    pub summary: Summary,
}

/// Filters, counts and sorts.
pub fn select<'a, K: Clone>(rows: impl Iterator<Item = (K, &'a RunRow)>, query: &ViewQuery) -> Selection<K> {
    let words: Vec<String> = query.text.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let mut summary = Summary::default();
    let mut shown: Vec<(K, &RunRow)> = Vec::new();
    for (key, row) in rows {
        let run = &row.summary;
        let attention = words::needs_attention(row);
        summary.total.add(run.byte_total);
        summary.attention_total += u64::from(attention);
        if !matches_text(row, &words) || query.project.as_ref().is_some_and(|project| *project != run.project_name) {
            continue;
        }
        let state = query.states.is_empty() || query.states.contains(&run.current_state);
        let equipment = query.equipment.as_ref().is_none_or(|equipment| *equipment == run.equipment_id);
        let kind = query.kind.as_ref().is_none_or(|kind| *kind == run.run_kind);
        let attended = (!query.attention || attention) && query.why.is_none_or(|why| why.concerns(row));
        if equipment && kind && attended {
            count(&mut summary.states, &run.current_state);
        }
        if state && kind && attended {
            count(&mut summary.equipments, &run.equipment_id);
        }
        if state && equipment && kind && attention {
            summary.attention += 1;
        }
        if state && equipment && attended && run.run_kind == "test" {
            summary.tests += 1;
        }
        if state && equipment && kind && attended {
            summary.matching.add(run.byte_total);
            if row.actions.clear.allowed {
                summary.clearable.add(run.byte_total);
            }
            shown.push((key, row));
        }
    }
    shown.sort_unstable_by(|(_, a), (_, b)| {
        let order = compare(a, b, query.sort);
        let order = if query.descending { order.reverse() } else { order };
        order.then_with(|| a.run_path.cmp(&b.run_path))
    });
    Selection { keys: shown.into_iter().map(|(key, _)| key).collect(), summary }
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => drop(counts.insert(key.to_owned(), 1)),
    }
}

fn matches_text(row: &RunRow, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let text = row.run_path.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

fn compare(a: &RunRow, b: &RunRow, sort: SortKey) -> Ordering {
    let (x, y) = (&a.summary, &b.summary);
    match sort {
        SortKey::Activity => x.last_activity_at.cmp(&y.last_activity_at),
        SortKey::State => rank(&x.current_state).cmp(&rank(&y.current_state)),
        SortKey::Run => words::leaf(&a.run_path).cmp(words::leaf(&b.run_path)),
        SortKey::Equipment => x.equipment_id.cmp(&y.equipment_id),
        SortKey::Project => x.project_name.cmp(&y.project_name),
        SortKey::Files => x.file_count.cmp(&y.file_count),
        SortKey::Bytes => x.byte_total.cmp(&y.byte_total),
    }
}

fn rank(state: &str) -> usize {
    words::STATES.iter().position(|known| *known == state).unwrap_or(words::STATES.len())
}

/// Whether a changed row changes which rows are shown or counted (at once), or only their order (soon).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shift {
    None,
    /// A sort key or a sum.
    Order,
    Membership,
}

/// What replacing `old` by `new` means for a selection.
pub fn shift(old: &RunRow, new: &RunRow) -> Shift {
    let (x, y) = (&old.summary, &new.summary);
    if x.current_state != y.current_state
        || x.equipment_id != y.equipment_id
        || x.project_name != y.project_name
        || x.run_kind != y.run_kind
        || old.actions.clear.allowed != new.actions.clear.allowed
        || AttentionKind::OF_RUNS.into_iter().any(|kind| kind.concerns(old) != kind.concerns(new))
    {
        Shift::Membership
    } else if x.last_activity_at != y.last_activity_at || x.byte_total != y.byte_total || x.file_count != y.file_count {
        Shift::Order
    } else {
        Shift::None
    }
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
