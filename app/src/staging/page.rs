//! The staging page: the strip, the filters, the table; or why there is none.

use super::bulk::Bulk;
use super::filters::Filters;
use super::row_menu::RowMenu;
use super::table::Table;
use super::view::StagingState;
use crate::acts::dialog::ActDialog;
use crate::acts::force::ForceDialog;
use crate::api;
use crate::chrome::strip::Strip;
use crate::lists::query::ViewQuery;
use crate::live;
use crate::parts::{FocusKeeper, Icon};
use crate::store::{Key, Loaded, use_store};
use domain::problem::{ErrorCode, Problem};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_location;
use std::collections::HashSet;

/// What the page shows in place of, or above, the rows.
#[derive(Clone, PartialEq, Debug)]
enum Standing {
    Loading,
    Refused(Problem),
    Empty,
    Rows,
}

/// `/` and `/staging`
#[component]
pub fn StagingPage() -> impl IntoView {
    let store = use_store();
    let location = use_location();
    let search = location.search;
    // While the next page is on its way the address is not ours any more: the view stays.
    let query = Memo::new(move |before: Option<&ViewQuery>| {
        let ours = location.pathname.with(|path| path == "/" || path.starts_with("/staging"));
        before.filter(|_| !ours).cloned().unwrap_or_else(|| search.with(|search| ViewQuery::parse(search)))
    });
    let selection = Memo::new(move |_| query.with(|query| store.select(query)));
    let state = StagingState {
        store,
        query,
        selection,
        picked: RwSignal::new(HashSet::new()),
        anchor: StoredValue::new(None),
        asked: RwSignal::new(None),
        forcing: RwSignal::new(None),
        menu: RwSignal::new(None),
        menu_button: StoredValue::new(None),
    };
    provide_context(state);
    let first = Resource::new_blocking(
        || (),
        move |()| {
            let search = search.get_untracked();
            async move {
                if store.loaded.get_untracked() == Loaded::Whole { None } else { Some(api::staging_view(search).await) }
            }
        },
    );
    Effect::new(|_: Option<()>| live::want_list());
    // A run that left the list is not picked any more: another life of its path must not be picked by accident.
    Effect::new(move |_: Option<()>| {
        selection.track();
        let gone = |key: &Key| store.row(key).is_none();
        if store.loaded.get() == Loaded::Whole && state.picked.with_untracked(|picked| picked.iter().any(gone)) {
            state.picked.update(|picked| picked.retain(|key| !gone(key)));
        }
    });
    view! {
        <Title text="Staging" />
        <h1 class="sr-only">"Staging"</h1>
        <Suspense fallback=|| view! { <Loading /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Some(Ok(view)) => store.take_view(view),
                    Some(Err(error)) => store.problem.set(Some(error.0)),
                    None => {}
                }
                view! { <Body /> }
            })}
        </Suspense>
        <RowMenu />
        <ActDialog asked=state.asked />
        <ForceDialog run=state.forcing />
    }
    .into_any()
}

#[component]
fn Body() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let store = state.store;
    let standing = Memo::new(move |_| {
        let rows = state.selection.with(|selection| selection.summary.total.runs > 0);
        match (store.loaded.get(), store.problem.get(), rows) {
            (Loaded::Nothing, Some(problem), _) => Standing::Refused(problem),
            (Loaded::Nothing, None, _) => Standing::Loading,
            (_, _, false) => Standing::Empty,
            (_, _, true) => Standing::Rows,
        }
    });
    move || match standing.get() {
        Standing::Loading => view! { <Loading /> }.into_any(),
        Standing::Refused(problem) => view! { <Refused problem=problem /> }.into_any(),
        Standing::Empty => view! {
            <Strip />
            <Empty />
        }
        .into_any(),
        Standing::Rows => view! {
            <Strip />
            <Runs />
            <Bulk />
        }
        .into_any(),
    }
}

#[component]
fn Runs() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let region = NodeRef::new();
    let focus = FocusKeeper::new(region, move || state.selection.track());
    view! {
        <section
            class="panel runs-panel"
            aria-label="Runs"
            tabindex="-1"
            node_ref=region
            on:focusin=move |_| focus.came()
            on:focusout=move |event| focus.went(&event)
        >
            <Filters />
            <Table />
        </section>
    }
}

#[component]
fn Loading() -> impl IntoView {
    view! {
        <div class="empty" role="status">
            <span class="spinner" aria-hidden="true"></span>
            <p class="empty-title">"Loading runs…"</p>
        </div>
    }
}

#[component]
fn Empty() -> impl IntoView {
    let store = use_store();
    let root = move || {
        store.status.with(|status| status.as_ref().map(|status| status.staging_root.clone()).unwrap_or_default())
    };
    view! {
        <div class="panel empty">
            <Icon name="receiving" />
            <p class="empty-title">"Nothing is staged"</p>
            <p>"Runs appear here by themselves as soon as an instrument pushes them."</p>
            <p class="muted">"Watched folder: " <code>{root}</code></p>
        </div>
    }
}

/// Why there is no list: off, starting, or an error.
#[component]
fn Refused(problem: Problem) -> impl IntoView {
    let (icon, title, busy) = match problem.code {
        ErrorCode::OrchestratorDisabled => ("off", "The orchestrator is off", false),
        ErrorCode::Starting => ("working", "Starting: the staging tree is read for the first time", true),
        ErrorCode::StagingUnavailable => ("alert", "The staging tree cannot be read now", false),
        ErrorCode::Stopping => ("off", "The orchestrator is stopping", false),
        _ => ("alert", "The list cannot be shown", false),
    };
    let off = problem.code == ErrorCode::OrchestratorDisabled;
    let trace = problem.trace_id.clone();
    view! {
        <div class="panel empty" role=if busy { "status" } else { "alert" }>
            {if busy { view! { <span class="spinner" aria-hidden="true"></span> }.into_any() } else { view! { <Icon name=icon /> }.into_any() }}
            <p class="empty-title">{title}</p>
            <p>{problem.message}</p>
            {off
                .then(|| {
                    view! {
                        <p class="muted">
                            "Set " <code>"orchestrator.label"</code> " and " <code>"orchestrator.staging_root"</code>
                            " in the config file, then restart the program."
                        </p>
                    }
                })}
            {(!off)
                .then(|| {
                    view! {
                        <p>
                            <button type="button" class="button needs-script" on:click=|_| live::reload()>"Try again"</button>
                        </p>
                    }
                })}
            {(!trace.is_empty()).then(|| view! { <p class="muted small">"Trace " <code>{trace}</code></p> })}
        </div>
    }
}
