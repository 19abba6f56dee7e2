//! The filters above the table. Each is a link or a form field of the page's address: they work without scripts, and a
//! view can be shared.

use super::view::StagingState;
use crate::lists::query::{SortKey, ViewQuery};
use crate::parts::{Choice, Go, Icon, ListForm, WordTag};
use crate::words::{self, bytes, counted};
use domain::units;
use leptos::prelude::*;

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

#[component]
fn Search() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let query = move || state.query.get_untracked();
    let equipments = Memo::new(move |_| {
        let chosen = state.query.with(|query| query.equipment.clone());
        let mut known = state.selection.with(|selection| selection.summary.equipments.clone());
        if let Some(chosen) = chosen {
            known.entry(chosen).or_insert(0);
        }
        known.into_iter().map(|(id, count)| (id.clone(), format!("{id} ({count})"))).collect::<Vec<_>>()
    });
    let orders = SortKey::ALL.map(|sort| (sort.as_str().to_owned(), format!("By {}", sort.as_str()))).to_vec();
    let sorted = move |chosen: Option<String>| {
        let sort = SortKey::ALL.into_iter().find(|sort| Some(sort.as_str()) == chosen.as_deref()).unwrap_or_default();
        ViewQuery { sort, descending: sort.starts_descending(), page: 1, ..query() }.href()
    };
    let text = Memo::new(move |_| state.query.with(|query| query.text.clone()));
    let equipment = Memo::new(move |_| state.query.with(|query| query.equipment.clone()));
    let order = Memo::new(move |_| state.query.with(|query| Some(query.sort.as_str().to_owned())));
    let others = |(key, _): &(&'static str, String)| !matches!(*key, "q" | "equipment" | "page");
    view! {
        <ListForm
            label="Search runs"
            placeholder="Search run, project, equipment"
            name="q"
            accesskey="q"
            text=text
            to=Callback::new(move |text| ViewQuery { text, page: 1, ..query() }.href())
            kept=Signal::derive(move || state.query.with(|query| query.pairs().into_iter().filter(others).collect()))
        >
            <Choice
                label="Equipment"
                name="equipment"
                all="All equipment"
                options=equipments
                chosen=equipment
                to=Callback::new(move |equipment| ViewQuery { equipment, page: 1, ..query() }.href())
            />
            <Choice
                label="Order"
                options=Signal::stored(orders)
                chosen=order
                to=Callback::new(sorted)
                class="only-cards needs-script"
            />
        </ListForm>
    }
}

/// Search, equipment, kind, and a chip per state.
#[component]
pub fn Filters() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let attention = Signal::derive(move || state.query.with(|query| query.attention).then_some("true"));
    let tests =
        Signal::derive(move || state.query.with(|query| query.kind.as_deref() == Some("test")).then_some("true"));
    let all = Signal::derive(move || state.query.with(|query| !query.is_filtered()).then_some("true"));
    let clearable = Memo::new(move |_| state.selection.with(|selection| selection.summary.clearable));
    view! {
        <div class="filters">
            <Search />
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
