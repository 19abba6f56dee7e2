//! `/overview`. Rendered by the server; in the browser a burst of events is one fetch, and only what changed is put
//! anew, so that neither the focus nor an opened table is lost.

use super::attention::Attention;
use super::charts::Charts;
use super::disk::Disk;
use super::equipment::Equipment;
use crate::api;
use crate::parts::{Icon, When};
use crate::store::use_store;
use domain::api::Overview;
use domain::problem::Problem;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_meta::Title;
use std::time::Duration;

/// Events within this time cause one fetch.
const SETTLE: Duration = Duration::from_secs(1);

/// What the page shows, and why it may be old.
#[derive(Clone, Copy)]
struct Shown {
    overview: RwSignal<Option<Overview>>,
    problem: RwSignal<Option<Problem>>,
}

impl Shown {
    fn take(self, answer: Result<Overview, crate::error::PanelError>) {
        match answer {
            Ok(overview) => {
                self.overview.set(Some(overview));
                self.problem.set(None);
            }
            // Cut off is said by the header; what was known stays.
            Err(error) if error.is_no_answer() && self.overview.with_untracked(Option::is_some) => {}
            Err(error) => self.problem.set(Some(error.0)),
        }
    }
}

/// The page.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let store = use_store();
    let shown = Shown { overview: RwSignal::new(None), problem: RwSignal::new(None) };
    let first = Resource::new_blocking(|| (), |()| api::overview());
    let wanted = StoredValue::new(false);
    let refetch_soon = move || {
        if wanted.get_value() {
            return;
        }
        wanted.set_value(true);
        set_timeout(
            move || {
                // The page may have been left meanwhile.
                if wanted.try_update_value(|wanted| *wanted = false).is_some() {
                    spawn_local(async move {
                        let answer = api::overview().await;
                        if wanted.try_get_value().is_some() {
                            shown.take(answer);
                        }
                    });
                }
            },
            SETTLE,
        );
    };
    // The first time too: what changed after the server had rendered the page, and before it was listened to, is no
    // news any more.
    Effect::new(move |_| {
        store.heard.track();
        refetch_soon();
    });
    view! {
        <Title text="Overview" />
        <Suspense fallback=|| view! { <p class="empty" role="status">"Loading…"</p> }>
            {move || Suspend::new(async move {
                shown.take(first.await);
                view! { <Body shown=shown /> }
            })}
        </Suspense>
    }
    .into_any()
}

#[component]
fn Body(shown: Shown) -> impl IntoView {
    let at = Memo::new(move |_| shown.overview.with(|overview| overview.as_ref().map(|overview| overview.at)));
    let known = Memo::new(move |_| shown.overview.with(Option::is_some));
    view! {
        <div class="page-head">
            <h1>"Overview"</h1>
            <p class="muted">{move || at.get().map(|at| view! { "As of " <When at=at /> })}</p>
        </div>
        {move || shown.problem.get().map(|problem| view! { <Refused problem=problem /> })}
        {move || {
            known
                .get()
                .then(|| {
                    view! {
                        <div class="overview">
                            <Attention overview=shown.overview />
                            <Equipment overview=shown.overview />
                            <Disk overview=shown.overview />
                            <Charts overview=shown.overview />
                        </div>
                    }
                })
        }}
    }
}

#[component]
fn Refused(problem: Problem) -> impl IntoView {
    view! {
        <div class="banner tone-bad" role="alert">
            <Icon name="alert" />
            <p>
                <strong>"The overview cannot be shown now."</strong>
                " "
                {problem.message}
            </p>
        </div>
    }
}
