//! The override dialog: says what it will do, asks who, why and until when, and then says what it did.

use super::act::{Asked, counter, keep_operator, kept_operator, lacking};
use super::page::PageState;
use super::words;
use crate::api;
use crate::parts::{Icon, Modal};
use crate::words::leaf;
use domain::api::OverrideRequest;
use domain::problem::Problem;
use domain::timestamp::Timestamp;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// For how long: label and days.
const EXPIRIES: [(&str, Option<i64>); 4] =
    [("For good", None), ("1 day", Some(1)), ("7 days", Some(7)), ("30 days", Some(30))];

/// In so many days from now, as documents write it. Browser only.
fn in_days(days: i64) -> String {
    let now = (js_sys::Date::now() / 1_000.0) as i64;
    Timestamp::from_unix_seconds(now).plus_seconds(days * 86_400).to_string()
}

/// The dialog; open while an override is asked for.
#[component]
pub fn OverrideDialog() -> impl IntoView {
    let state = expect_context::<PageState>();
    let target = Memo::new(move |_| match state.asked.get() {
        Some(Asked::Override { run, rule }) => Some((run, rule)),
        _ => None,
    });
    let open = Signal::derive(move || target.with(Option::is_some));
    let title = Signal::derive(move || {
        target.with(|target| {
            target.as_ref().map_or_else(String::new, |(_, rule)| format!("Override: {}", words::class(*rule)))
        })
    });
    let close = move || {
        if open.get_untracked() {
            state.asked.set(None);
        }
    };
    view! {
        <Modal open=open title=title id="override-dialog" on_close=close>
            {move || target.get().map(|(run, rule)| view! { <Form run=run rule=rule close=close /> })}
        </Modal>
    }
}

#[component]
fn Form(run: String, rule: domain::finding::Rule, close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let state = expect_context::<PageState>();
    let operator = RwSignal::new(kept_operator());
    let reason = RwSignal::new(String::new());
    let days = RwSignal::new(None::<i64>);
    let agreed = RwSignal::new(false);
    let working = RwSignal::new(false);
    let outcome = RwSignal::new(None::<Result<String, Problem>>);
    let why = Memo::new(move |_| {
        let lacks = operator.with(|operator| reason.with(|reason| lacking(operator, reason)));
        lacks.or_else(|| (!agreed.get()).then(|| "Confirm that you know what it does.".to_owned()))
    });
    let blocked = move || why.with(Option::is_some) || working.get() || state.store.link.get().is_broken();
    let named = run.clone();
    let send = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if untrack(blocked) {
            return;
        }
        let operator = operator.get_untracked().trim().to_owned();
        keep_operator(&operator);
        let request = OverrideRequest {
            problem_class: rule.as_str().to_owned(),
            reason: reason.get_untracked().trim().to_owned(),
            operator,
            expires_at: days.get_untracked().map(in_days),
        };
        let run = named.clone();
        working.set(true);
        spawn_local(async move {
            let answer = api::override_findings(run, request).await;
            let told = match answer {
                Ok(entry) => {
                    let until = entry.expires_at.map_or_else(|| "for good".to_owned(), |at| format!("until {at}"));
                    Ok(format!("Let through {until}, recorded as {}. The run was judged again.", entry.id))
                }
                Err(error) => Err(error.0),
            };
            if let Ok(sentence) = &told {
                state.store.say(sentence.clone());
                state.store.problems_changes.update(|n| *n += 1);
            }
            // The dialog may have been closed meanwhile.
            working.try_set(false);
            outcome.try_set(Some(told));
        });
    };
    let done = Memo::new(move |_| outcome.with(|outcome| matches!(outcome, Some(Ok(_)))));
    let intent = format!(
        "Every finding of the class “{}” on {} is let through, also those that come later. No other class, no other run. The run is judged again at once, and \
         goes to the NAS if nothing else holds it.",
        words::class(rule),
        leaf(&run)
    );
    view! {
        <form on:submit=send>
            <div class="modal-body">
                {move || outcome.get().map(told)}
                <Show when=move || !done.get()>
                    <p class="path">
                        <code>{run.clone()}</code>
                    </p>
                    <p>{intent.clone()}</p>
                    <OperatorAndReason operator=operator reason=reason prefix="override" />
                    <fieldset class="choices">
                        <legend>"Until when"</legend>
                        {EXPIRIES
                            .map(|(label, value)| {
                                view! {
                                    <label>
                                        <input
                                            type="radio"
                                            name="expiry"
                                            checked=value.is_none()
                                            on:change=move |_| days.set(value)
                                        />
                                        {label}
                                    </label>
                                }
                            })
                            .collect_view()}
                    </fieldset>
                    <label class="agree">
                        <input type="checkbox" on:change:target=move |event| agreed.set(event.target().checked()) />
                        "I know that this data goes to the NAS as it is, and that my name and reason are recorded in the run."
                    </label>
                    <p class="muted small" id="override-lacking" aria-live="polite">
                        {move || why.get().unwrap_or_else(|| "It can be revoked at any time.".to_owned())}
                    </p>
                </Show>
            </div>
            <div class="modal-foot">
                <button type="button" class="button" on:click=move |_| close()>
                    {move || if done.get() { "Close" } else { "Cancel" }}
                </button>
                <Show when=move || !done.get()>
                    <button type="submit" class="button primary" aria-disabled=move || blocked().then_some("true") aria-describedby="override-lacking">
                        <Icon name="shield" />
                        {move || if working.get() { "Overriding…" } else { "Override" }}
                    </button>
                </Show>
            </div>
        </form>
    }
}

/// What came of it.
pub fn told(outcome: Result<String, Problem>) -> impl IntoView {
    let (tone, icon, role, text) = match outcome {
        Ok(sentence) => ("tone-good", "verified", "status", sentence),
        Err(problem) => ("tone-bad", "alert", "alert", problem.message),
    };
    view! {
        <p class=format!("banner {tone}") role=role>
            <Icon name=icon />
            <span>{text}</span>
        </p>
    }
}

/// Who and why, with a live count.
#[component]
pub fn OperatorAndReason(
    operator: RwSignal<String>,
    reason: RwSignal<String>,
    /// Makes ids unique on the page.
    prefix: &'static str,
) -> impl IntoView {
    let id = format!("{prefix}-count");
    view! {
        <label class="labelled">
            "Operator"
            <input
                type="text"
                autocomplete="username"
                maxlength="100"
                prop:value=move || operator.get()
                on:input:target=move |event| operator.set(event.target().value())
            />
        </label>
        <label class="labelled">
            "Reason"
            <textarea
                rows="3"
                aria-describedby=id.clone()
                prop:value=move || reason.get()
                on:input:target=move |event| reason.set(event.target().value())
            ></textarea>
        </label>
        <p class="muted small counter" id=id>
            {move || reason.with(|reason| counter(reason))}
        </p>
    }
}
