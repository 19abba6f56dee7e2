//! The bar of the selection: what is picked, how much it is, and what may be done with it.

use super::view::StagingState;
use crate::parts::Icon;
use crate::parts::act_button::{button_icon, button_label};
use crate::words::{bytes, counted};
use domain::api::ActKind;
use leptos::prelude::*;

/// Shown while rows are picked; floats, so that nothing moves.
#[component]
pub fn Bulk() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let rows = Memo::new(
        move |_| if state.picked.with(|picked| picked.is_empty()) { Vec::new() } else { state.picked_rows() },
    );
    let text = move || {
        rows.with(|rows| {
            let total = rows.iter().map(|row| row.summary.byte_total).sum();
            format!("{} selected · {}", counted(rows.len() as u64, "run", "runs"), bytes(total))
        })
    };
    let button = move |kind: ActKind| {
        let allowed = Memo::new(move |_| rows.with(|rows| StagingState::allowed(rows, kind)));
        let disabled = move || (allowed.get().runs == 0 || state.store.link.get().is_broken()).then_some("true");
        let press = move |_| {
            if disabled().is_some() {
                return;
            }
            // The dialog lists what is left out and why, so it is asked about all that are picked.
            state.ask(kind, rows.with_untracked(|rows| rows.iter().map(|row| row.run_path.clone()).collect()));
        };
        view! {
            <button type="button" class="button" class:primary=kind == ActKind::Clear aria-disabled=disabled on:click=press>
                <Icon name=button_icon(kind) />
                {button_label(kind)}
                <span class="chip-count">{move || allowed.get().runs}</span>
            </button>
        }
    };
    view! {
        <Show when=move || rows.with(|rows| !rows.is_empty())>
            <div class="bulk" role="region" aria-label="Selection">
                <p class="bulk-text" aria-live="polite">{text}</p>
                {button(ActKind::ForceSync)}
                {button(ActKind::Retry)}
                {button(ActKind::Verify)}
                {button(ActKind::Clear)}
                <button type="button" class="button ghost" on:click=move |_| state.pick_all(false)>
                    <Icon name="close" />
                    "Deselect"
                </button>
            </div>
        </Show>
    }
}
