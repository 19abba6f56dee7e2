//! Clearing many runs with one confirmation: each with its size and proof, the total, and what is left out and why.

use super::dialog::promise;
use crate::parts::Icon;
use crate::parts::act_button::why_not;
use crate::store::{SeenRow, use_store};
use crate::words::{bytes, counted, leaf};
use domain::units;
use leptos::prelude::*;

/// Longest list written out; the total always covers all.
const LISTED: usize = 500;

/// What goes and what stays.
struct Split {
    cleared: Vec<SeenRow>,
    kept: Vec<(String, &'static str)>,
}

/// The dialog's content for many runs, as they stood when it was opened.
#[component]
pub fn Many(
    /// Which.
    runs: Vec<String>,
    /// Goes ahead.
    confirm: impl Fn(Vec<String>) + Copy + Send + Sync + 'static,
    /// Leaves it.
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let store = use_store();
    let mut split = Split { cleared: Vec::new(), kept: Vec::new() };
    for run in runs {
        match store.row(&run).map(|row| row.get_untracked()) {
            None => split.kept.push((run, "It has left the list meanwhile.")),
            Some(seen) => match why_not(&seen.row.actions.clear, false) {
                Some(reason) => split.kept.push((run, reason)),
                None => split.cleared.push(seen),
            },
        }
    }
    split.cleared.sort_by_key(|each| std::cmp::Reverse(each.row.summary.byte_total));
    let total: u64 = split.cleared.iter().map(|seen| seen.row.summary.byte_total).sum();
    let files: u64 = split.cleared.iter().map(|seen| seen.row.summary.file_count).sum();
    let count = split.cleared.len();
    let named: Vec<String> = split.cleared.iter().map(|seen| seen.row.run_path.clone()).collect();
    let tick = store.tick.get_untracked();
    let listed = split.cleared.iter().take(LISTED).map(|seen| line(seen, tick)).collect_view();
    let more = count.saturating_sub(LISTED);
    let kept = (!split.kept.is_empty()).then(|| left_out(split.kept));
    let ready = move || count > 0 && !store.link.get().is_broken();
    let press = move |_| {
        if ready() {
            confirm(named.clone());
        }
    };
    view! {
        <div class="modal-body">
            <dl class="facts">
                <dt>"Frees here"</dt>
                <dd>
                    <strong>{format!("{} in {}", bytes(total), counted(files, "data file", "data files"))}</strong>
                    <span class="muted">{format!(" of {}, and their records", counted(count as u64, "run", "runs"))}</span>
                </dd>
            </dl>
            {promise()}
            {kept}
            <div class="listing" tabindex="0" role="region" aria-label="Runs to clear">
                <table class="plain">
                    <thead>
                        <tr>
                            <th scope="col">"Run"</th>
                            <th scope="col">"Project"</th>
                            <th scope="col" class="number">"Frees"</th>
                            <th scope="col">"Proof"</th>
                        </tr>
                    </thead>
                    <tbody>{listed}</tbody>
                </table>
                {(more > 0).then(|| view! { <p class="muted">{format!("and {} more", units::count(more as u64))}</p> })}
            </div>
        </div>
        <div class="modal-foot">
            <button type="button" class="button" on:click=move |_| close()>"Cancel"</button>
            <button type="button" class="button primary" aria-disabled=move || (!ready()).then_some("true") on:click=press>
                <Icon name="clear" />
                {format!("Clear {} and free {}", counted(count as u64, "run", "runs"), bytes(total))}
            </button>
        </div>
    }
}

fn line(seen: &SeenRow, tick: i64) -> impl IntoView + use<> {
    let row = &seen.row;
    let proof = row.proof.as_ref().map_or_else(String::new, |proof| {
        let age = seen.seconds_since(proof.at, tick).map_or_else(String::new, |seconds| format!(", {} ago", units::elapsed(seconds)));
        format!("{}{age}", proof.level)
    });
    view! {
        <tr>
            <td>
                <strong>{leaf(&row.run_path).to_owned()}</strong>
                <span class="muted small">{format!(" {}", row.summary.equipment_id)}</span>
            </td>
            <td>{row.summary.project_name.clone()}</td>
            <td class="number">{bytes(row.summary.byte_total)}</td>
            <td>{proof}</td>
        </tr>
    }
}

fn left_out(kept: Vec<(String, &'static str)>) -> impl IntoView {
    let summary = format!("{} left out", counted(kept.len() as u64, "run is", "runs are"));
    let lines = kept.into_iter().take(LISTED).map(|(run, reason)| {
        view! {
            <li>
                <strong>{leaf(&run).to_owned()}</strong>
                <span class="muted">{format!(" {reason}")}</span>
            </li>
        }
    });
    view! {
        <details class="banner tone-warn">
            <summary>{summary}</summary>
            <ul>{lines.collect_view()}</ul>
        </details>
    }
}
