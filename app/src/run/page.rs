//! `/runs/{run_path}`: everything known of a run, also when it is cleared and gone. The row part is live; the rest is
//! fetched again when the row says that something happened.

use super::files::Files;
use super::findings::{Findings, LateFiles, Overrides};
use super::head::Head;
use super::job::Job;
use super::log::Log;
use super::records::{Ledger, Proofs, Seal};
use super::timeline::Timeline;
use super::view::RunView;
use crate::acts::conditions::Conditions;
use crate::acts::dialog::{ActDialog, Asked};
use crate::acts::force::ForceDialog;
use crate::api;
use crate::error::PanelError;
use crate::href;
use crate::parts::{Go, Icon};
use crate::store::{SeenRow, use_store};
use crate::words::leaf;
use domain::api::{RunDetail, RunRow};
use domain::problem::ErrorCode;
use leptos::prelude::*;
use leptos::task::{spawn_local, tick};
use leptos_meta::Title;
use leptos_router::hooks::use_location;
use std::time::Duration;

/// Events within this time cause one fetch.
const SETTLE: Duration = Duration::from_millis(300);

/// The parts of a row whose change means that the detail has changed too; progress is none of them.
fn signature(row: &RunRow) -> impl PartialEq + Clone + Send + Sync + use<> {
    let job = row.job.as_ref().map(|job| {
        (
            job.state,
            job.generation,
            job.attempts,
            job.hash_retries,
            job.verify_passes,
            job.error.clone(),
            job.record_sent,
        )
    });
    (
        row.summary.current_state.clone(),
        job,
        row.proof.as_ref().map(|proof| (proof.at, proof.passes)),
        (row.life, row.findings, row.late_files, row.problem.clone()),
        row.clearing.clone(),
    )
}

/// The page.
#[component]
pub fn RunPage() -> impl IntoView {
    let store = use_store();
    let location = use_location();
    let (pathname, search) = (location.pathname, location.search);
    // While the next page is on its way the address is not ours any more: the run stays.
    let run = Memo::new(move |before: Option<&String>| {
        pathname.with(|path| href::run_of_page(path)).or_else(|| before.cloned()).unwrap_or_default()
    });
    let view = Memo::new(move |before: Option<&RunView>| {
        let ours = pathname.with(|path| href::run_of_page(path).is_some());
        before.filter(|_| !ours).cloned().unwrap_or_else(|| search.with(|search| RunView::parse(search)))
    });
    // Of the lists below, which are fetched by themselves.
    let changes = RwSignal::new(0_u32);
    let detail = Resource::new_blocking(
        move || run.get(),
        move |run| async move {
            let detail = api::run_detail(run).await;
            // The view that is shown takes the new row while it still exists: the next view replaces it at once.
            if let Ok(detail) = &detail {
                store.take_row(detail.row.clone());
                tick().await;
            }
            detail
        },
    );
    let clearing = RwSignal::new(None::<Asked>);
    let forcing = RwSignal::new(None::<String>);
    let title = move || run.with(|run| leaf(run).to_owned());

    // Everything that asks for a fetch passes here, so that a burst of events is one fetch.
    let wanted = StoredValue::new(false);
    let refetch_soon = move || {
        if !wanted.get_value() {
            wanted.set_value(true);
            set_timeout(
                move || {
                    if wanted.try_update_value(|wanted| *wanted = false).is_some() {
                        detail.refetch();
                        changes.update(|n| *n = n.wrapping_add(1));
                    }
                },
                SETTLE,
            );
        }
    };
    Effect::new(move |before: Option<u32>| {
        let now = store.watched_changes.get();
        if before.is_some_and(|before| before != now) {
            refetch_soon();
        }
        now
    });
    Effect::new(move |before: Option<_>| {
        store.watched.track();
        let now = store.row(&run.get()).map(|row| row.with(|seen| signature(&seen.row)));
        if before.is_some_and(|before| before != now) && now.is_some() {
            refetch_soon();
        }
        now
    });
    // What changed after the server had rendered the page, and before it was listened to, is no news any more: it is
    // asked for once.
    Effect::new(move |_: Option<()>| {
        let run = run.get_untracked();
        spawn_local(async move {
            let Ok(newest) = api::run_detail(run.clone()).await else { return };
            let shown = store.row(&run).map(|row| row.with_untracked(|seen| signature(&seen.row)));
            // The page may have been left meanwhile.
            if wanted.try_get_value().is_some() && shown.is_some_and(|shown| shown != signature(&newest.row)) {
                refetch_soon();
            }
        });
    });
    on_cleanup(move || store.watched.set(None));
    view! {
        <Title text=title />
        <nav class="crumbs no-print" aria-label="Breadcrumb">
            <Go href="/staging".to_owned()>
                <Icon name="back" />
                "All runs"
            </Go>
        </nav>
        <Transition fallback=|| view! { <p class="empty" role="status">"Loading…"</p> }>
            {move || Suspend::new(async move {
                match detail.await {
                    Ok(detail) => view! { <Body detail=detail clearing=clearing forcing=forcing /> }.into_any(),
                    Err(error) => view! { <Refused error=error run=run.get_untracked() /> }.into_any(),
                }
            })}
        </Transition>
        <div class="run-lists">
            <Files run=run view=view changes=changes />
            <Log run=run view=view changes=changes />
        </div>
        <ActDialog asked=clearing />
        <ForceDialog run=forcing />
    }
    .into_any()
}

#[component]
fn Body(
    detail: RunDetail,
    /// Opens the clear dialog.
    clearing: RwSignal<Option<Asked>>,
    /// Opens the force-sync dialog.
    forcing: RwSignal<Option<String>>,
) -> impl IntoView {
    let store = use_store();
    let row: RwSignal<SeenRow> = store.watch(detail.row.clone()).into();
    let state = detail.row.summary.current_state.clone();
    let is_here = state != "cleared";
    view! {
        <Head row=row clearing=clearing forcing=forcing />
        <div class="detail">
            <div class="detail-main">
                <Job row=row />
                <Findings findings=detail.findings counts=detail.row.findings />
                <LateFiles files=detail.late_files total=detail.row.late_files />
                <Timeline history=detail.history state=state />
                <Ledger entries=detail.ledger />
            </div>
            <div class="detail-side">
                {is_here
                    .then(|| {
                        let clearable = detail.clear_plan.clearable;
                        view! {
                            <section class="panel block" aria-labelledby="conditions-title">
                                <h2 id="conditions-title">
                                    {if clearable { "It can be cleared" } else { "Why it cannot be cleared yet" }}
                                </h2>
                                <Conditions plan=detail.clear_plan unfolded=true />
                            </section>
                        }
                    })}
                <Seal seal=detail.seal row=row />
                <Proofs proofs=detail.proofs />
                <Overrides entries=detail.overrides />
            </div>
        </div>
    }
}

#[component]
fn Refused(
    error: PanelError,
    /// What was asked for.
    run: String,
) -> impl IntoView {
    let unknown = matches!(error.0.code, ErrorCode::NotFound | ErrorCode::BadPath);
    #[cfg(feature = "ssr")]
    if let (true, Some(response)) = (unknown, use_context::<leptos_axum::ResponseOptions>()) {
        response.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    let title = if unknown { "This run is not known here" } else { "This run cannot be shown now" };
    view! {
        <div class="panel empty" role="alert">
            <Icon name="alert" />
            <h1 class="empty-title">{title}</h1>
            <p class="path">
                <code>{run}</code>
            </p>
            <p>{error.0.message}</p>
        </div>
    }
}
