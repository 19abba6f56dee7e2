//! The page: filters, table, pager, and the two dialogs. Rendered whole by the server; in the browser it asks again
//! when the address or the findings change, and what is on the screen stays until the answer is there.

use super::act::Asked;
use super::dialog::OverrideDialog;
use super::filters::Filters;
use super::revoke::RevokeDialog;
use super::table::Table;
use crate::api;
use crate::lists::problem_query::{PER_PAGE, View};
use crate::parts::{FocusKeeper, Go, Icon};
use crate::store::{Store, use_store};
use crate::words::counted;
use domain::api::ProblemList;
use domain::problem::Problem;
use domain::units;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use leptos_router::hooks::use_location;
use std::time::Duration;

/// Changes within this time cause one question.
const SETTLE: Duration = Duration::from_millis(150);

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct PageState {
    pub store: Store,
    /// What the address says.
    pub view: Memo<View>,
    pub list: RwSignal<ProblemList>,
    /// Why the newest question was not answered.
    pub refused: RwSignal<Option<Problem>>,
    /// What a dialog is open for.
    pub asked: RwSignal<Option<Asked>>,
}

/// The page.
#[component]
pub fn ProblemsPage() -> impl IntoView {
    let store = use_store();
    let location = use_location();
    let (path, search) = (location.pathname, location.search);
    // While the next page is on its way the address is not ours any more: the view stays.
    let view = Memo::new(move |before: Option<&View>| {
        let ours = path.with(|path| path.starts_with("/problems"));
        before.filter(|_| !ours).cloned().unwrap_or_else(|| search.with(|search| View::parse(search)))
    });
    let state = PageState {
        store,
        view,
        list: RwSignal::new(ProblemList::default()),
        refused: RwSignal::new(None),
        asked: RwSignal::new(None),
    };
    provide_context(state);
    let first = Resource::new_blocking(
        || (),
        move |()| {
            let question = view.get_untracked().question();
            async move { api::problems(question).await }
        },
    );
    follow(state);
    view! {
        <Title text="Problems" />
        <div class="page-head">
            <h1>"Problems"</h1>
            <p class="muted">
                "What the Pre-Sync Gate found. Hard findings hold a run until fixed or overridden; soft ones do not."
            </p>
        </div>
        <Suspense fallback=|| view! { <p class="empty" role="status">"Loading…"</p> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(list) => state.list.set(list),
                    Err(error) => state.refused.set(Some(error.0)),
                }
                view! { <Body /> }
            })}
        </Suspense>
        <OverrideDialog />
        <RevokeDialog />
    }
    .into_any()
}

/// Asks again when the address or the findings changed, and once at the beginning: what changed after the server had
/// rendered the page, and before it was listened to, is no news any more.
fn follow(state: PageState) {
    let epoch = StoredValue::new(0_u32);
    Effect::new(move |before: Option<(View, u32)>| {
        let now = (state.view.get(), state.store.problems_changes.get());
        let wait = if before.is_some_and(|(view, _)| view != now.0) { Duration::ZERO } else { SETTLE };
        epoch.update_value(|epoch| *epoch += 1);
        let mine = epoch.get_value();
        let question = now.0.question();
        set_timeout(
            move || {
                if epoch.try_get_value() != Some(mine) {
                    return;
                }
                spawn_local(async move {
                    let answer = api::problems(question).await;
                    // The page may be gone, or have asked again.
                    if epoch.try_get_value() == Some(mine) {
                        match answer {
                            Ok(list) => {
                                state.refused.set(None);
                                state.list.set(list);
                            }
                            Err(error) if error.is_no_answer() => {}
                            Err(error) => state.refused.set(Some(error.0)),
                        }
                    }
                });
            },
            wait,
        );
        now
    });
}

#[component]
fn Body() -> impl IntoView {
    let state = expect_context::<PageState>();
    let refused = move || {
        state.refused.get().map(|problem| {
            view! {
                <p class="banner tone-bad" role="alert">
                    <Icon name="alert" />
                    <span>{problem.message}</span>
                </p>
            }
        })
    };
    let nothing = Memo::new(move |_| state.list.with(|list| list.findings.is_empty()));
    let region = NodeRef::new();
    let focus = FocusKeeper::new(region, move || state.list.track());
    view! {
        {refused}
        <section
            class="panel"
            aria-label="Problems"
            tabindex="-1"
            node_ref=region
            on:focusin=move |_| focus.came()
            on:focusout=move |event| focus.went(&event)
        >
            <Filters />
            <Show when=move || !nothing.get() fallback=|| view! { <Nothing /> }>
                <Table />
                <Pager />
            </Show>
        </section>
    }
}

#[component]
fn Nothing() -> impl IntoView {
    let state = expect_context::<PageState>();
    let any = move || {
        state.list.with(|list| list.counts.scopes.values().any(|count| *count > 0))
            || state.view.get() != View::default()
    };
    move || {
        if any() {
            view! {
                <div class="empty">
                    <Icon name="search" />
                    <p class="empty-title">"No finding matches these filters"</p>
                    <p>
                        <Go href="/problems".to_owned() class="button" stay=true>"Show what is open"</Go>
                    </p>
                </div>
            }
            .into_any()
        } else {
            view! {
                <div class="empty">
                    <Icon name="verified" />
                    <p class="empty-title">"Nothing is wrong"</p>
                    <p>"The gate holds no run back and reports no findings."</p>
                </div>
            }
            .into_any()
        }
    }
}

#[component]
fn Pager() -> impl IntoView {
    let state = expect_context::<PageState>();
    let shown = move || {
        state.list.with(|list| {
            let (from, to) = (list.offset + 1, list.offset + list.findings.len() as u64);
            let of = counted(list.total, "finding", "findings");
            if list.total <= PER_PAGE { of } else { format!("{} to {} of {of}", units::count(from), units::count(to)) }
        })
    };
    let here = move || state.view.get().page;
    let link = move |page: u64| View { page, ..state.view.get() }.href();
    let has_next = move || state.list.with(|list| list.offset + (list.findings.len() as u64) < list.total);
    view! {
        <nav class="pager" aria-label="Pages of findings">
            <span class="muted">{shown}</span>
            <Show when=move || { here() > 1 }>
                <Go href=Signal::derive(move || link(here().saturating_sub(1).max(1))) class="button">"Previous"</Go>
            </Show>
            <Show when=has_next>
                <Go href=Signal::derive(move || link(here() + 1)) class="button">"Next"</Go>
            </Show>
        </nav>
    }
}
