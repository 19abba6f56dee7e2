//! The revoke dialog: ends an override, which stays in the record.

use super::act::{Asked, keep_operator, kept_operator, lacking};
use super::dialog::{OperatorAndReason, told};
use super::page::PageState;
use super::words;
use crate::api;
use crate::parts::{Icon, Modal};
use domain::api::RevokeRequest;
use domain::overrides::OverrideEntry;
use domain::problem::Problem;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The dialog; open while the end of an override is asked for.
#[component]
pub fn RevokeDialog() -> impl IntoView {
    let state = expect_context::<PageState>();
    let target = Memo::new(move |_| match state.asked.get() {
        Some(Asked::Revoke { run, rule, entry }) => Some((run, rule, entry)),
        _ => None,
    });
    let open = Signal::derive(move || target.with(Option::is_some));
    let title = Signal::derive(move || {
        target.with(|target| {
            target.as_ref().map_or_else(String::new, |(_, rule, _)| format!("Revoke: {}", words::class(*rule)))
        })
    });
    let close = move || {
        if open.get_untracked() {
            state.asked.set(None);
        }
    };
    view! {
        <Modal open=open title=title id="revoke-dialog" on_close=close>
            {move || target.get().map(|(run, _, entry)| view! { <Form run=run entry=entry close=close /> })}
        </Modal>
    }
}

#[component]
fn Form(run: String, entry: OverrideEntry, close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let state = expect_context::<PageState>();
    let operator = RwSignal::new(kept_operator());
    let reason = RwSignal::new(String::new());
    let working = RwSignal::new(false);
    let outcome = RwSignal::new(None::<Result<String, Problem>>);
    let why = Memo::new(move |_| operator.with(|operator| reason.with(|reason| lacking(operator, reason))));
    let blocked = move || why.with(Option::is_some) || working.get() || state.store.link.get().is_broken();
    let (named, revokes) = (run.clone(), entry.id.clone());
    let send = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if untrack(blocked) {
            return;
        }
        let operator = operator.get_untracked().trim().to_owned();
        keep_operator(&operator);
        let request =
            RevokeRequest { revokes: revokes.clone(), reason: reason.get_untracked().trim().to_owned(), operator };
        let run = named.clone();
        working.set(true);
        spawn_local(async move {
            let told = match api::revoke_override(run, request).await {
                Ok(tombstone) => Ok(format!("Revoked, recorded as {}. The gate holds this class again.", tombstone.id)),
                Err(error) => Err(error.0),
            };
            if let Ok(sentence) = &told {
                state.store.say(sentence.clone());
                state.store.problems_changes.update(|n| *n += 1);
            }
            working.try_set(false);
            outcome.try_set(Some(told));
        });
    };
    let done = Memo::new(move |_| outcome.with(|outcome| matches!(outcome, Some(Ok(_)))));
    view! {
        <form on:submit=send>
            <div class="modal-body">
                {move || outcome.get().map(told)}
                <Show when=move || !done.get()>
                    <p class="path">
                        <code>{run.clone()}</code>
                    </p>
                    <p>
                        "The class is held back again at once. What was not sent yet stays here; what is proven already stays proven, but is not cleared by itself any more."
                    </p>
                    <dl class="facts">
                        <dt>"Let through by"</dt>
                        <dd>{entry.operator.clone()}</dd>
                        <dt>"Reason"</dt>
                        <dd>{entry.reason.clone()}</dd>
                    </dl>
                    <OperatorAndReason operator=operator reason=reason prefix="revoke" />
                    <p class="muted small" id="revoke-lacking" aria-live="polite">
                        {move || why.get().unwrap_or_else(|| "The override and its end both stay in the record.".to_owned())}
                    </p>
                </Show>
            </div>
            <div class="modal-foot">
                <button type="button" class="button" on:click=move |_| close()>
                    {move || if done.get() { "Close" } else { "Cancel" }}
                </button>
                <Show when=move || !done.get()>
                    <button type="submit" class="button primary" aria-disabled=move || blocked().then_some("true") aria-describedby="revoke-lacking">
                        <Icon name="cross" />
                        {move || if working.get() { "Revoking…" } else { "Revoke" }}
                    </button>
                </Show>
            </div>
        </form>
    }
}
