//! The filters above the table. Each is a link or a form field of the page's address: they work without scripts, and a
//! view can be shared.

use super::view::StagingState;
use crate::lists::query::{SortKey, ViewQuery};
use crate::parts::{Go, Icon, WordTag};
use crate::words::{self, bytes, counted};
use domain::units;
use leptos::leptos_dom::helpers::debounce;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use std::time::Duration;

/// How long typing may pause before the list follows.
const TYPING: Duration = Duration::from_millis(150);

/// A state's chip.
fn state_chip(state: StagingState, text: &'static str) -> impl IntoView {
    let on = Memo::new(move |_| state.query.with(|query| query.states.iter().any(|known| known == text)));
    let count = move || state.selection.with(|selection| selection.summary.states.get(text).copied().unwrap_or(0));
    let current = Signal::derive(move || on.get().then_some("true"));
    view! {
        <Go href=Signal::derive(move || state.query.with(|query| query.toggled(text).href())) class="chip" stay=true current=current>
            <WordTag word=Signal::stored(words::state(text)) />
            <span class="chip-count">{move || units::count(count())}</span>
        </Go>
    }
}

/// States that have no row and are not asked for need no chip; the usual four always stand there, so that nothing
/// jumps.
fn is_shown(state: StagingState, text: &str) -> bool {
    matches!(text, "staging" | "complete" | "sync_queued" | "sync_verified")
        || state.selection.with(|selection| selection.summary.states.contains_key(text))
        || state.query.with(|query| query.states.iter().any(|known| known == text))
}

/// Search, equipment, kind, and a chip per state.
#[component]
pub fn Filters() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let navigate = use_navigate();
    let go = move |query: ViewQuery| {
        navigate(
            &query.href(),
            NavigateOptions { resolve: false, replace: true, scroll: false, ..NavigateOptions::default() },
        );
    };
    let mut search = {
        let go = go.clone();
        debounce(TYPING, move |text: String| go(ViewQuery { text, page: 1, ..state.query.get_untracked() }))
    };
    let choose = {
        let go = go.clone();
        move |event: leptos::ev::Event| {
            let value = event_target_value(&event);
            go(ViewQuery { equipment: (!value.is_empty()).then_some(value), page: 1, ..state.query.get_untracked() });
        }
    };
    let sort = move |event: leptos::ev::Event| {
        let value = event_target_value(&event);
        let sort = SortKey::ALL.into_iter().find(|sort| sort.as_str() == value).unwrap_or_default();
        go(ViewQuery { sort, descending: sort.starts_descending(), page: 1, ..state.query.get_untracked() });
    };
    let equipments = Memo::new(move |_| {
        let chosen = state.query.with(|query| query.equipment.clone());
        let mut known = state.selection.with(|selection| selection.summary.equipments.clone());
        if let Some(chosen) = chosen {
            known.entry(chosen).or_insert(0);
        }
        known.into_iter().collect::<Vec<_>>()
    });
    let text = Memo::new(move |_| state.query.with(|query| query.text.clone()));
    let attention = Signal::derive(move || state.query.with(|query| query.attention).then_some("true"));
    let tests =
        Signal::derive(move || state.query.with(|query| query.kind.as_deref() == Some("test")).then_some("true"));
    let all = Signal::derive(move || state.query.with(|query| !query.is_filtered()).then_some("true"));
    let clearable = Memo::new(move |_| state.selection.with(|selection| selection.summary.clearable));
    view! {
        <div class="filters">
            <form class="search" method="get" action="/staging" role="search" on:submit=|event| event.prevent_default()>
                <label class="field">
                    <span class="sr-only">"Search runs"</span>
                    <Icon name="search" />
                    <input
                        type="search"
                        accesskey="q"
                        name="q"
                        id="search"
                        placeholder="Search run, project, equipment"
                        autocomplete="off"
                        spellcheck="false"
                        value=text.get_untracked()
                        prop:value=move || text.get()
                        on:input:target=move |event| search(event.target().value())
                    />
                </label>
                <label class="field">
                    <span class="sr-only">"Equipment"</span>
                    <select name="equipment" on:change=choose>
                        <option value="" selected=move || state.query.with(|query| query.equipment.is_none())>"All equipment"</option>
                        <For each=move || equipments.get() key=|(id, count)| (id.clone(), *count) let((id, count))>
                            <option
                                value=id.clone()
                                selected={
                                    let id = id.clone();
                                    move || state.query.with(|query| query.equipment.as_deref() == Some(id.as_str()))
                                }
                            >
                                {format!("{id} ({count})")}
                            </option>
                        </For>
                    </select>
                </label>
                <label class="field only-cards needs-script">
                    <span class="sr-only">"Order"</span>
                    <select on:change=sort>
                        {SortKey::ALL
                            .map(|sort| {
                                view! {
                                    <option value=sort.as_str() selected=move || state.query.with(|query| query.sort == sort)>
                                        {format!("By {}", sort.as_str())}
                                    </option>
                                }
                            })
                            .collect_view()}
                    </select>
                </label>
                <button type="submit" class="button without-script">"Apply"</button>
            </form>
            <ul class="chips" aria-label="Filters">
                <li>
                    <Go href=Signal::derive(move || state.query.with(|query| query.unfiltered().href())) class="chip" stay=true current=all>
                        "All"
                        <span class="chip-count">
                            {move || state.selection.with(|selection| units::count(selection.summary.total.runs))}
                        </span>
                    </Go>
                </li>
                <li>
                    <Go
                        href=Signal::derive(move || {
                            state.query.with(|query| ViewQuery { attention: !query.attention, page: 1, ..query.clone() }.href())
                        })
                        class="chip chip-attention"
                        stay=true
                        current=attention
                    >
                        <Icon name="alert" />
                        "Needs attention"
                        <span class="chip-count">{move || state.selection.with(|s| units::count(s.summary.attention))}</span>
                    </Go>
                </li>
                {move || {
                    let query = state.query.get();
                    query.why.map(|why| {
                        let without = ViewQuery { why: None, page: 1, ..query }.href();
                        view! {
                            <li>
                                <Go href=without class="chip" stay=true current="true">
                                    <Icon name="alert" />
                                    {words::reason(why)}
                                    <span class="sr-only">" only; press to show the others too"</span>
                                    <Icon name="close" />
                                </Go>
                            </li>
                        }
                    })
                }}
                {words::STATES
                    .map(|text| view! { <Show when=move || is_shown(state, text)><li>{state_chip(state, text)}</li></Show> })
                    .collect_view()}
                <li>
                    <Go
                        href=Signal::derive(move || {
                            let kind = tests.get().is_none().then(|| "test".to_owned());
                            state.query.with(|query| ViewQuery { kind, page: 1, ..query.clone() }.href())
                        })
                        class="chip"
                        stay=true
                        current=tests
                    >
                        "Test runs"
                        <span class="chip-count">{move || state.selection.with(|s| units::count(s.summary.tests))}</span>
                    </Go>
                </li>
            </ul>
            <button
                type="button"
                class="button clear-shown needs-script"
                aria-disabled=move || (clearable.get().runs == 0 || state.store.link.get().is_broken()).then_some("true")
                on:click=move |_| {
                    if clearable.get_untracked().runs > 0 && !state.store.link.get_untracked().is_broken() {
                        state.ask(domain::api::ActKind::Clear, state.clearable_shown());
                    }
                }
            >
                <Icon name="clear" />
                <span>
                    {move || {
                        let clearable = clearable.get();
                        if clearable.runs == 0 {
                            "Nothing to clear".to_owned()
                        } else {
                            format!("Clear {} · {}…", counted(clearable.runs, "run", "runs"), bytes(clearable.bytes))
                        }
                    }}
                </span>
            </button>
        </div>
    }
}
