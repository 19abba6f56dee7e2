//! An act over many runs with one confirmation: what it would act on, each with its size and proof, the total, and what
//! is left out and why. The server says it when the dialog opens; nothing is done until it is confirmed, and then to
//! these runs only.

use super::dialog::promise;
use crate::api;
use crate::error::PanelError;
use crate::parts::Icon;
use crate::parts::act_button::{button_icon, button_label};
use crate::store::use_store;
use crate::words::{bytes, counted, leaf};
use domain::api::{ActKind, ActPlan, LeftOut, PlanRequest, PlannedRun};
use domain::units;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Longest list written out; the total always covers all.
const LISTED: usize = 500;

/// The dialog's content for many runs.
#[component]
pub fn Many(
    kind: ActKind,
    runs: Vec<String>,
    confirm: impl Fn(Vec<String>) + Copy + Send + Sync + 'static,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let store = use_store();
    let plan = RwSignal::new(None::<Result<ActPlan, PanelError>>);
    spawn_local(async move {
        let answer = api::act_plan(PlanRequest { kind, runs, matching: None }).await;
        // The dialog may have been closed meanwhile.
        plan.try_set(Some(answer));
    });
    let body = move || match plan.get() {
        None => view! { <p class="muted" role="status">"Looking at every run…"</p> }.into_any(),
        Some(Err(error)) => view! {
            <p class="banner tone-bad" role="alert">
                <Icon name="alert" />
                <span>{error.0.message}</span>
            </p>
        }
        .into_any(),
        Some(Ok(plan)) => content(plan).into_any(),
    };
    let named =
        move || plan.with(|plan| plan.as_ref().and_then(|plan| plan.as_ref().ok()).map_or(0, |plan| plan.runs.len()));
    let ready = move || named() > 0 && !store.link.get().is_broken();
    let label = move || {
        let total = plan.with(|plan| plan.as_ref().and_then(|plan| plan.as_ref().ok()).map_or(0, |plan| plan.bytes));
        match (kind, named() as u64) {
            (_, 0) => button_label(kind).to_owned(),
            (ActKind::Clear, count) => format!("Clear {} and free {}", counted(count, "run", "runs"), bytes(total)),
            (_, count) => format!("{} of {}", button_label(kind), counted(count, "run", "runs")),
        }
    };
    let press = move |_| {
        if ready() {
            let runs = plan.with_untracked(|plan| match plan {
                Some(Ok(plan)) => plan.runs.iter().map(|run| run.run_path.clone()).collect(),
                _ => Vec::new(),
            });
            confirm(runs);
        }
    };
    view! {
        <div class="modal-body">{body}</div>
        <div class="modal-foot">
            <button type="button" class="button" on:click=move |_| close()>"Cancel"</button>
            <button type="button" class="button primary" aria-disabled=move || (!ready()).then_some("true") on:click=press>
                <Icon name=button_icon(kind) />
                <span>{label}</span>
            </button>
        </div>
    }
}

fn content(plan: ActPlan) -> impl IntoView {
    let ActPlan { kind, runs, files, bytes: total, left_out } = plan;
    let count = runs.len() as u64;
    let (term, about) = match kind {
        ActKind::Clear => ("Frees here", ", and their records"),
        ActKind::ForceSync => ("Queues", ""),
        ActKind::Verify => ("Reads again on the NAS", ""),
        ActKind::Retry => ("Takes up again", ""),
        ActKind::CallOff => ("Gives up the clear of", ""),
    };
    let more = runs.len().saturating_sub(LISTED);
    let listed = runs.into_iter().take(LISTED).map(line).collect_view();
    view! {
        <dl class="facts">
            <dt>{term}</dt>
            <dd>
                <strong>{format!("{} in {}", bytes(total), counted(files, "data file", "data files"))}</strong>
                <span class="muted">{format!(" of {}{about}", counted(count, "run", "runs"))}</span>
            </dd>
        </dl>
        {match kind {
            ActKind::Clear => promise().into_any(),
            ActKind::ForceSync => note("Each is judged by the Pre-Sync Gate, sealed, and sent; what the NAS holds already is not sent again.").into_any(),
            ActKind::Verify => {
                note("The NAS is read and compared with the seals. Nothing is changed, here or there.").into_any()
            }
            ActKind::Retry => note("Their jobs start over with all their retries. Nothing that has arrived is sent again.").into_any(),
            ActKind::CallOff => {
                note("Each run, or what is left of it, is put back where it was; nothing is removed.").into_any()
            }
        }}
        {(!left_out.is_empty()).then(|| left_out_list(left_out))}
        <div class="listing" tabindex="0" role="region" aria-label="Runs">
            <table class="plain">
                <thead>
                    <tr>
                        <th scope="col">"Run"</th>
                        <th scope="col">"Project"</th>
                        <th scope="col" class="number">{if kind == ActKind::Clear { "Frees" } else { "Size" }}</th>
                        <th scope="col">"Proof"</th>
                    </tr>
                </thead>
                <tbody>{listed}</tbody>
            </table>
            {(more > 0).then(|| view! { <p class="muted">{format!("and {} more", units::count(more as u64))}</p> })}
        </div>
    }
}

fn note(text: &'static str) -> impl IntoView {
    view! {
        <p class="note">
            <Icon name="shield" />
            <span>{text}</span>
        </p>
    }
}

fn line(run: PlannedRun) -> impl IntoView {
    let proof = run.proof.as_ref().map_or_else(String::new, |proof| {
        let seconds = run.proof_age_seconds.and_then(|seconds| i64::try_from(seconds).ok());
        let age = seconds.map_or_else(String::new, |seconds| format!(", {} ago", units::elapsed(seconds)));
        format!("{}{age}", proof.level)
    });
    let equipment = run.run_path.split('/').next().unwrap_or_default().to_owned();
    view! {
        <tr>
            <td>
                <strong>{leaf(&run.run_path).to_owned()}</strong>
                <span class="muted small">{format!(" {equipment}")}</span>
            </td>
            <td>{run.project_name}</td>
            <td class="number">{bytes(run.bytes)}</td>
            <td>{proof}</td>
        </tr>
    }
}

fn left_out_list(left_out: Vec<LeftOut>) -> impl IntoView {
    let summary = format!("{} left out", counted(left_out.len() as u64, "run is", "runs are"));
    let lines = left_out.into_iter().take(LISTED).map(|left| {
        view! {
            <li>
                <strong>{leaf(&left.run_path).to_owned()}</strong>
                <span class="muted">{format!(" {}", left.sentence)}</span>
            </li>
        }
    });
    view! {
        <details class="banner tone-warn">
            <summary>{summary}</summary>
            <ul>{lines.collect_view()}</ul>
        </details>
    }
}
