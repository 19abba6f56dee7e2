//! The filters above the table: links and form fields of the page's address, so that they work without scripts and a
//! view can be shared.

use super::page::PageState;
use super::words;
use crate::parts::{Choice, Go, Icon, ListForm, WordTag};
use crate::words::state as state_word;
use domain::api::{ProblemQuery, Scope};
use domain::finding::{Rule, Tier};
use domain::units;
use leptos::prelude::*;

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
    let with = move |change: &dyn Fn(&mut ProblemQuery)| state.view.get_untracked().with(|query| change(query)).href();
    let text = Memo::new(move |_| state.view.with(|view| view.filters.q.clone()));
    let rule = Memo::new(move |_| state.view.with(|view| view.filters.rule.map(|rule| rule.as_str().to_owned())));
    let classes = Memo::new(move |_| {
        let text =
            |rule: Rule| format!("{} ({})", words::class(rule), count(state, |counts| &counts.rules, rule.as_str()));
        Rule::ALL.map(|rule| (rule.as_str().to_owned(), text(rule))).to_vec()
    });
    let others = |(key, _): &(&'static str, String)| !matches!(*key, "q" | "rule");
    view! {
        <ListForm
            label="Search problems"
            placeholder="Search run, path, token"
            name="q"
            accesskey="q"
            text=text
            to=Callback::new(move |text: String| with(&|query| query.q.clone_from(&text)))
            kept=Signal::derive(move || state.view.with(|view| view.pairs().into_iter().filter(others).collect()))
        >
            <Choice
                label="Class"
                name="rule"
                all="All classes"
                options=classes
                chosen=rule
                to=Callback::new(move |rule: Option<String>| {
                    with(&|query| query.rule = rule.as_deref().and_then(Rule::from_text))
                })
            />
        </ListForm>
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
