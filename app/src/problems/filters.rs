//! The filters above the table: links and form fields of the page's address, so that they work without scripts and a
//! view can be shared.

use super::page::PageState;
use super::words;
use crate::lists::problem_query::View;
use crate::parts::{Go, Icon, WordTag};
use crate::words::state as state_word;
use domain::api::Scope;
use domain::finding::{Rule, Tier};
use domain::units;
use leptos::leptos_dom::helpers::debounce;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use std::time::Duration;

/// How long typing may pause before the list follows.
const TYPING: Duration = Duration::from_millis(200);

fn count(
    state: PageState,
    of: fn(&domain::api::ProblemCounts) -> &std::collections::BTreeMap<String, u64>,
    key: &'static str,
) -> String {
    state.list.with(|list| units::count(of(&list.counts).get(key).copied().unwrap_or(0)))
}

/// Search, class, and a chip per scope, tier and state.
#[component]
pub fn Filters() -> impl IntoView {
    view! {
        <div class="filters">
            <Search />
            <Chips />
        </div>
    }
}

#[component]
fn Search() -> impl IntoView {
    let state = expect_context::<PageState>();
    let navigate = use_navigate();
    let go = move |view: View| {
        navigate(
            &view.href(),
            NavigateOptions { resolve: false, replace: true, scroll: false, ..NavigateOptions::default() },
        );
    };
    let mut search = {
        let go = go.clone();
        debounce(TYPING, move |text: String| go(state.view.get_untracked().with(|filters| filters.q = text)))
    };
    let choose = move |event: leptos::ev::Event| {
        let rule = Rule::from_text(&event_target_value(&event));
        go(state.view.get_untracked().with(|filters| filters.rule = rule));
    };
    let text = Memo::new(move |_| state.view.with(|view| view.filters.q.clone()));
    // Without scripts the form sends only its own fields: the chips' choices travel with them.
    let hidden = move || {
        let kept = state.view.get().pairs().into_iter().filter(|(key, _)| !matches!(*key, "q" | "rule"));
        kept.map(|(key, value)| view! { <input type="hidden" name=key value=value /> }).collect_view()
    };
    view! {
        <form class="search" method="get" action="/problems" role="search" on:submit=|event| event.prevent_default()>
            {hidden}
            <label class="field">
                <span class="sr-only">"Search problems"</span>
                <Icon name="search" />
                <input
                    type="search"
                    accesskey="q"
                    name="q"
                    placeholder="Search run, path, token"
                    autocomplete="off"
                    spellcheck="false"
                    value=text.get_untracked()
                    prop:value=move || text.get()
                    on:input:target=move |event| search(event.target().value())
                />
            </label>
            <label class="field">
                <span class="sr-only">"Class"</span>
                <select name="rule" on:change=choose>
                    <option value="" selected=move || state.view.with(|view| view.filters.rule.is_none())>"All classes"</option>
                    {Rule::ALL
                        .map(|rule| {
                            view! {
                                <option value=rule.as_str() selected=move || state.view.with(|view| view.filters.rule == Some(rule))>
                                    {move || format!("{} ({})", words::class(rule), count(state, |counts| &counts.rules, rule.as_str()))}
                                </option>
                            }
                        })
                        .collect_view()}
                </select>
            </label>
            <button type="submit" class="button without-script">"Apply"</button>
        </form>
    }
}

#[component]
fn Chips() -> impl IntoView {
    let state = expect_context::<PageState>();
    let scopes = [Scope::Open, Scope::Blocking, Scope::Overridden, Scope::Known, Scope::All].map(|scope| {
        let on = Signal::derive(move || state.view.with(|view| view.filters.scope == scope).then_some("true"));
        view! {
            <li>
                <Go href=Signal::derive(move || state.view.get().with(|filters| filters.scope = scope).href()) class="chip" stay=true current=on>
                    {words::scope(scope)}
                    <span class="chip-count">{move || count(state, |counts| &counts.scopes, scope.as_str())}</span>
                </Go>
            </li>
        }
    });
    let tiers = [(Tier::Hard, "hard"), (Tier::Soft, "soft")].map(|(tier, key)| {
        let on = Memo::new(move |_| state.view.with(|view| view.filters.tier == Some(tier)));
        let next = move || state.view.get().with(|filters| filters.tier = (!on.get()).then_some(tier)).href();
        view! {
            <li>
                <Go href=Signal::derive(next) class="chip" stay=true current=Signal::derive(move || on.get().then_some("true"))>
                    <Icon name=if tier == Tier::Hard { "blocked" } else { "alert" } />
                    {words::tier(tier)}
                    <span class="chip-count">{move || count(state, |counts| &counts.tiers, key)}</span>
                </Go>
            </li>
        }
    });
    let states = ["complete", "sync_queued", "sync_verified"].map(|key| {
        let on = Memo::new(move |_| state.view.with(|view| view.filters.state.as_deref() == Some(key)));
        let next = move || state.view.get().with(|filters| filters.state = (!on.get()).then(|| key.to_owned())).href();
        view! {
            <li>
                <Go href=Signal::derive(next) class="chip" stay=true current=Signal::derive(move || on.get().then_some("true"))>
                    <WordTag word=Signal::stored(state_word(key)) />
                    <span class="chip-count">{move || count(state, |counts| &counts.states, key)}</span>
                </Go>
            </li>
        }
    });
    view! {
        <ul class="chips" aria-label="Which findings">{scopes.collect_view()}</ul>
        <ul class="chips" aria-label="Tier and state of the run">{tiers.collect_view()} {states.collect_view()}</ul>
    }
}
