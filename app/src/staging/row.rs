//! One row of the staging table. It reads one signal; a patch of another run does not touch it.

use super::view::StagingState;
use crate::href;
use crate::parts::act_button::{button_icon, button_label, why_not};
use crate::parts::story;
use crate::parts::{ActButton, Ago, Go, Icon, WordTag};
use crate::store::{Key, SeenRow};
use crate::words::{self, bytes, leaf};
use domain::api::{ActKind, Action, RunRow};
use domain::job::JobState;
use domain::units;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// A row; nothing when its run has just left the list.
#[component]
pub fn Row(
    key: Key,
    /// Place in the list, from 0.
    index: Signal<usize>,
) -> impl IntoView {
    let state = expect_context::<StagingState>();
    state.store.row(&key).map(|row| cells(state, key, index, row.into()).into_any())
}

fn cells(state: StagingState, key: Key, index: Signal<usize>, row: RwSignal<SeenRow>) -> impl IntoView {
    let store = state.store;
    let of = move |read: fn(&RunRow) -> String| move || row.with(|seen| read(&seen.row));
    let picked = {
        let key = Key::clone(&key);
        Memo::new(move |_| state.picked.with(|picked| picked.contains(&key)))
    };
    let name = leaf(&key).to_owned();
    let shown = name.clone();
    let state_word = Signal::derive(move || row.with(|seen| words::state(&seen.row.summary.current_state)));
    let attention = Memo::new(move |_| row.with(|seen| words::needs_attention(&seen.row)));
    let beside = Memo::new(move |_| row.with(|seen| words::beside(&seen.row)));
    let told = Memo::new(move |_| row.with(|seen| story::tell(seen, store.tick.get())));
    let quiet = Signal::derive(move || row.with(|seen| seen.quiet_seconds(store.tick.get())));
    let changed = Signal::derive(move || row.with(|seen| seen.row.summary.last_activity_at.clone()));
    let pick = {
        let key = Key::clone(&key);
        move |event: leptos::ev::MouseEvent| {
            // Read from the click, because only it knows of the shift key.
            let on = !picked.get_untracked();
            state.pick(&key, on, event.shift_key());
        }
    };
    let menu_key = Key::clone(&key);
    let open_menu = move |event: leptos::ev::MouseEvent| {
        let button = event.current_target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        state.menu_button.set_value(button.map(|button| {
            let at = button.get_bounding_client_rect();
            (at.right(), at.top(), at.bottom())
        }));
        state.menu.set(Some(Key::clone(&menu_key)));
    };
    view! {
        <tr
            class="row"
            class:picked=move || picked.get()
            class:attention=move || attention.get()
            role="row"
            aria-rowindex=move || index.get() + 2
            data-run=key.to_string()
            data-state=of(|row| row.summary.current_state.clone())
        >
            <td class="c-pick" role="cell">
                <input type="checkbox" class="needs-script" aria-label=format!("Select {name}") prop:checked=move || picked.get() on:click=pick />
            </td>
            <td class="c-state" role="cell">
                <WordTag word=state_word class="state" />
                {move || beside.get().map(|word| view! { <WordTag word=Signal::stored(word) class="beside" /> })}
            </td>
            <td class="c-run" role="cell">
                <Go href=Signal::stored(href::run_page(&key)) class="run-link">{shown}</Go>
                <span class="badges">{move || badges(row)}</span>
            </td>
            <td class="c-equipment" role="cell">
                <span class="clip">{of(|row| row.summary.equipment_id.clone())}</span>
            </td>
            <td class="c-project" role="cell">
                <span class="clip">{of(|row| row.summary.project_name.clone())}</span>
            </td>
            <td class="c-files number" role="cell">
                {of(|row| units::count(row.summary.file_count))} <span class="unit">" files"</span>
            </td>
            <td class="c-bytes number" role="cell">{of(|row| bytes(row.summary.byte_total))}</td>
            <td class="c-activity number" role="cell">
                <Ago seconds=quiet at=changed />
                <span class="unit">" ago"</span>
            </td>
            <td class="c-story" role="cell">{move || told.with(story_view)}</td>
            <td class="c-actions" role="cell">
                <span class="actions needs-script">
                    {action_button(state, row, &key, false)} {action_button(state, row, &key, true)}
                    <button
                        type="button"
                        class="button ghost square small more"
                        aria-haspopup="dialog"
                        aria-label=format!("More on {name}")
                        on:click=open_menu
                    >
                        <Icon name="more" />
                    </button>
                </span>
            </td>
        </tr>
    }
}

fn badges(row: RwSignal<SeenRow>) -> impl IntoView {
    let (test, life, override_count) =
        row.with(|seen| (seen.row.summary.run_kind == "test", seen.row.life, seen.row.findings.overridden));
    (
        test.then(|| view! { <span class="badge">"Test"</span> }),
        (life > 1).then(|| view! { <span class="badge" title="Runs that were pushed to this path and cleared before, plus one">{format!("life {life}")}</span> }),
        (override_count > 0).then(|| view! { <span class="badge">{words::counted(u64::from(override_count), "override", "overrides")}</span> }),
    )
}

fn story_view(told: &story::Story) -> impl IntoView + use<> {
    let word = told.head.clone();
    let full = if told.detail.is_empty() { word.text.clone() } else { format!("{}\n{}", word.text, told.detail) };
    let bar = told.bar.map(|permille| {
        let label = word.text.clone();
        view! { <progress class="bar" max="1000" value=permille aria-label=label></progress> }
    });
    let detail = told.detail.clone();
    view! {
        <span class="story" title=full>
            <WordTag word=Signal::stored(word) class="story-head" />
            {bar}
            <span class="story-detail">{detail}</span>
        </span>
    }
}

/// Two buttons always stand at the same place: what brings the run on (force sync, or retry when it failed), and clear.
fn action_button(state: StagingState, row: RwSignal<SeenRow>, key: &Key, clear: bool) -> impl IntoView + use<> {
    let kind = Memo::new(move |_| {
        if clear {
            ActKind::Clear
        } else if row.with(|seen| seen.row.job.as_ref().is_some_and(|job| job.state == JobState::Failed)) {
            ActKind::Retry
        } else {
            ActKind::ForceSync
        }
    });
    let label = Signal::derive(move || button_label(kind.get()));
    let icon = Signal::derive(move || button_icon(kind.get()));
    let reason = Signal::derive(move || {
        let broken = state.store.link.get().is_broken();
        row.with(|seen| why_not(Action::of(&seen.row, kind.get()), broken))
    });
    let id = format!("why-{}-{}", if clear { "clear" } else { "sync" }, domain::address::encode_value(key));
    let run = key.to_string();
    let press = move || state.ask(kind.get_untracked(), vec![run.clone()]);
    view! { <ActButton label=label icon=icon about=leaf(key).to_owned() why_not=reason id=id on_press=press /> }
}
