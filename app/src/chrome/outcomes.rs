//! How the acts of this page go and end: shown in a corner, read out by screen readers. What failed stays until it is
//! dismissed.

use crate::parts::Icon;
use crate::store::{OwnAct, use_store};
use crate::words::{Tone, leaf};
use leptos::prelude::*;
use std::time::Duration;

/// How long a good outcome stays.
const STAYS: Duration = Duration::from_secs(10);

/// The corner, and the live region of the whole panel.
#[component]
pub fn Outcomes() -> impl IntoView {
    let store = use_store();
    let shown = Memo::new(move |_| {
        store.acts.with(|acts| acts.iter().filter(|act| !act.hidden).map(|act| act.number).collect::<Vec<_>>())
    });
    view! {
        <p class="sr-only" role="status" aria-live="polite">{move || store.said.get()}</p>
        <div class="outcomes" role="region" aria-label="Outcomes">
            <For each=move || shown.get() key=|number| *number let(number)>
                <Outcome number=number />
            </For>
        </div>
    }
}

#[component]
fn Outcome(number: u32) -> impl IntoView {
    let store = use_store();
    let act = Memo::new(move |_| store.act(number));
    Effect::new(move |_: Option<()>| {
        let well = act
            .with(|act| act.as_ref().is_some_and(|act| act.is_over() && act.refused() == 0 && act.problem.is_none()));
        if well {
            set_timeout(move || store.dismiss(number), STAYS);
        }
    });
    move || {
        act.get().map(|act| {
            let (tone, icon) = look(&act);
            let permille = act.view.as_ref().filter(|view| view.finished_at.is_none()).map(|view| {
                view.results.len() as u64 * 1_000 / view.runs_total.max(1)
            });
            let refused: Vec<(String, String)> = act.view.iter().flat_map(|view| &view.results).filter(|result| result.problem.is_some())
                .map(|result| (leaf(&result.run_path).to_owned(), result.sentence.clone())).collect();
            let listed = (act.runs.len() > 1 && !refused.is_empty()).then(|| view! {
                <details>
                    <summary>"Which, and why"</summary>
                    <ul>{refused.into_iter().take(200).map(|(run, why)| view! { <li><strong>{run}</strong> " " {why}</li> }).collect_view()}</ul>
                </details>
            });
            view! {
                <div class=format!("outcome {}", tone.class())>
                    <Icon name=icon />
                    <div class="outcome-text">
                        <p>{act.sentence()}</p>
                        {(act.runs.len() == 1).then(|| view! { <p class="muted small">{leaf(&act.runs[0]).to_owned()}</p> })}
                        {permille.filter(|_| act.runs.len() > 1).map(|permille| view! { <progress class="bar" max="1000" value=permille></progress> })}
                        {listed}
                    </div>
                    <button type="button" class="button ghost square small" aria-label="Dismiss" on:click=move |_| store.dismiss(number)>
                        <Icon name="close" />
                    </button>
                </div>
            }
        })
    }
}

fn look(act: &OwnAct) -> (Tone, &'static str) {
    if act.problem.is_some() || act.refused() > 0 {
        (Tone::Bad, "alert")
    } else if act.is_over() {
        (Tone::Good, "verified")
    } else {
        (Tone::Busy, "working")
    }
}
