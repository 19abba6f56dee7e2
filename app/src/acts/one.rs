//! Clearing one run: what would be freed, where the data is, the proof it rests on, and every condition.

use super::conditions::Conditions;
use super::dialog::promise;
use crate::api;
use crate::error::PanelError;
use crate::parts::{Icon, When};
use crate::store::use_store;
use crate::words::{bytes, counted};
use domain::api::{ClearPlan, ProofView};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The dialog's content for one run.
#[component]
pub fn One(
    run: String,
    confirm: impl Fn(Vec<String>) + Copy + Send + Sync + 'static,
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let store = use_store();
    let plan = RwSignal::new(None::<Result<ClearPlan, PanelError>>);
    let asked = run.clone();
    // Asked when the dialog opens, and again when the run changed while it is open.
    let row = store.row(&run);
    let changes = Memo::new(move |_| {
        row.as_ref().map(|row| {
            row.with(|seen| {
                (seen.row.summary.current_state.clone(), seen.row.late_files, seen.row.actions.clear.clone())
            })
        })
    });
    Effect::new(move |_: Option<()>| {
        changes.track();
        let run = asked.clone();
        spawn_local(async move {
            let answer = api::clear_plan(run).await;
            // The dialog may have been closed meanwhile.
            plan.try_set(Some(answer));
        });
    });
    let nas_path = {
        let run = run.clone();
        move || {
            store.row(&run).and_then(|row| row.with(|seen| seen.row.job.as_ref().and_then(|job| job.nas_path.clone())))
        }
    };
    let body = move || match plan.get() {
        None => view! { <p class="muted" role="status">"Looking at every condition…"</p> }.into_any(),
        Some(Err(error)) => view! {
            <p class="banner tone-bad" role="alert">
                <Icon name="alert" />
                <span>{error.0.message}</span>
            </p>
        }
        .into_any(),
        Some(Ok(plan)) => content(plan, nas_path()).into_any(),
    };
    let clearable = move || plan.with(|plan| matches!(plan, Some(Ok(plan)) if plan.clearable));
    let ready = move || clearable() && !store.link.get().is_broken();
    let label = move || {
        plan.with(|plan| match plan {
            Some(Ok(plan)) if plan.clearable => format!("Clear and free {}", bytes(plan.bytes)),
            _ => "Clear".to_owned(),
        })
    };
    let press = move |_| {
        if ready() {
            confirm(vec![run.clone()]);
        }
    };
    view! {
        <div class="modal-body">{body}</div>
        <div class="modal-foot">
            <button type="button" class="button" on:click=move |_| close()>"Cancel"</button>
            <button type="button" class="button primary" aria-disabled=move || (!ready()).then_some("true") on:click=press>
                <Icon name="clear" />
                {label}
            </button>
        </div>
    }
}

fn content(plan: ClearPlan, nas_path: Option<String>) -> impl IntoView {
    let verdict = (!plan.clearable).then(|| {
        view! {
            <p class="banner tone-warn" role="status">
                <Icon name="blocked" />
                <span>
                    <strong>"This run cannot be cleared now."</strong>
                    " The conditions that do not hold are marked below; nothing is deleted."
                </span>
            </p>
        }
    });
    let freed = format!("{} in {}, the record included", bytes(plan.bytes), counted(plan.files, "file", "files"));
    view! {
        {verdict}
        <dl class="facts">
            <dt>"Frees here"</dt>
            <dd>
                <strong>{freed}</strong>
            </dd>
            {nas_path.map(|path| view! { <dt>"The data is at"</dt><dd><code>{path}</code></dd> })}
            <dt>"Proof"</dt>
            <dd>{plan.proof.clone().map_or_else(|| "None".into_any(), |proof| proof_view(&proof).into_any())}</dd>
        </dl>
        {promise()}
        <h3>"Conditions"</h3>
        <Conditions plan=plan />
    }
}

/// A proof: its level in words, how, when, how often.
pub fn proof_view(proof: &ProofView) -> impl IntoView + use<> {
    view! {
        <span class="proof-line">
            <strong>{proof.level.as_str()}</strong>
            {format!(" {} ({})", proof.level.meaning(), proof.method)}
        </span>
        <span class="muted">
            {format!("{} of {}, {}; last ", counted(u64::from(proof.passes), "proof", "proofs"), counted(proof.files, "file", "files"), bytes(proof.bytes))}
            <When at=proof.at />
        </span>
    }
}
