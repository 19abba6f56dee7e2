//! The head of a run's page: its name, where it stands, what may be done.

use crate::acts::dialog::Asked;
use crate::href;
use crate::parts::act_button::why_not;
use crate::parts::act_button::{button_icon, button_label};
use crate::parts::{ActButton, Go, Icon, WordTag};
use crate::store::{SeenRow, use_store};
use crate::words::{self, leaf};
use domain::api::{ActKind, Action, ForceSyncRequest};
use leptos::prelude::*;

/// Name, state, acts.
#[component]
pub fn Head(
    row: RwSignal<SeenRow>,
    /// Opens the clear dialog.
    clearing: RwSignal<Option<Asked>>,
    /// Opens the force-sync dialog.
    forcing: RwSignal<Option<String>>,
) -> impl IntoView {
    let store = use_store();
    let run = row.with_untracked(|seen| seen.row.run_path.clone());
    let (equipment, project, test, life) = row.with_untracked(|seen| {
        let summary = &seen.row.summary;
        (summary.equipment_id.clone(), summary.project_name.clone(), summary.run_kind == "test", seen.row.life)
    });
    let state = Signal::derive(move || row.with(|seen| words::state(&seen.row.summary.current_state)));
    let beside = Memo::new(move |_| row.with(|seen| words::beside(&seen.row)));
    let button = {
        let run = run.clone();
        move |kind: ActKind| {
            let reason = Signal::derive(move || {
                let broken = store.link.get().is_broken();
                row.with(|seen| why_not(Action::of(&seen.row, kind), broken))
            });
            let run = run.clone();
            let about = leaf(&run).to_owned();
            let press = move || match kind {
                ActKind::Clear => clearing.set(Some(Asked::clear(run.clone()))),
                kind => {
                    store.start(kind, vec![run.clone()], ForceSyncRequest::default(), false);
                }
            };
            let class = if kind == ActKind::Clear { "button primary" } else { "button" };
            let id = format!("head-why-{}", kind.as_str());
            view! { <ActButton label=button_label(kind) icon=button_icon(kind) about=about why_not=reason id=id class=class on_press=press /> }
        }
    };
    let unfinished = {
        let run = run.clone();
        move || {
            let may = row.with(|seen| seen.row.actions.force_sync.reason.as_deref() == Some("staging_not_complete"));
            let run = run.clone();
            may.then(|| {
                view! {
                    <button type="button" class="button ghost" on:click=move |_| forcing.set(Some(run.clone()))>
                        "Sync although unfinished…"
                    </button>
                }
            })
        }
    };
    let certificate = href::certificate_page(&run);
    let gone = move || row.with(|seen| seen.row.summary.current_state == "cleared");
    let waits = move || row.with(|seen| seen.row.actions.call_off.allowed);
    view! {
        <div class="run-head">
            <div class="run-title">
                <h1>{leaf(&run).to_owned()}</h1>
                <p class="run-tags">
                    <WordTag word=state class="state" />
                    {move || beside.get().map(|word| view! { <WordTag word=Signal::stored(word) class="beside" /> })}
                    {test.then(|| view! { <span class="badge">"Test"</span> })}
                    {(life > 1).then(|| view! { <span class="badge">{format!("life {life}")}</span> })}
                    <span class="muted">{format!("{equipment} · {project}")}</span>
                </p>
            </div>
            <div class="run-papers no-print">
                <Go href=certificate class="button ghost">"Certificate of custody"</Go>
            </div>
            <div class="run-acts needs-script no-print">
                {move || {
                    let here = !gone();
                    // A run that is gone can be verified too: what the NAS holds of it is the only copy.
                    (
                        here.then(|| (unfinished.clone(), button(ActKind::ForceSync), button(ActKind::Retry))),
                        button(ActKind::Verify),
                        here.then(|| button(ActKind::Clear)),
                        waits().then(|| button(ActKind::CallOff)),
                    )
                }}
                <button
                    type="button"
                    class="button ghost square"
                    aria-label="Print"
                    title="Print"
                    on:click=|_| {
                        let _ = window().print();
                    }
                >
                    <Icon name="print" />
                </button>
            </div>
        </div>
    }
}
