//! How an act goes and ends, a clear above all: what was freed, and what stayed, with the names of the files that held
//! it back.

use crate::parts::Icon;
use crate::store::use_store;
use crate::words::{bytes, clearing_step, counted, leaf};
use domain::api::{ActKind, ActResult};
use domain::problem::Problem;
use leptos::prelude::*;
use std::collections::HashSet;

/// Names of files a problem carries, as text.
pub fn files_of(problem: &Problem) -> Vec<String> {
    let listed = problem.details.get("files").and_then(|files| files.as_array());
    let name = |file: &serde_json::Value| match file {
        serde_json::Value::String(name) => name.clone(),
        other => other.get("path").and_then(|path| path.as_str()).map_or_else(|| other.to_string(), str::to_owned),
    };
    listed.map(|files| files.iter().map(name).collect()).unwrap_or_default()
}

/// The dialog's content once it was confirmed.
#[component]
pub fn Working(
    number: u32,
    /// Leaves the dialog; the act goes on.
    close: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let store = use_store();
    let act = Memo::new(move |_| store.act(number));
    let over = move || act.with(|act| act.as_ref().is_none_or(|act| act.is_over()));
    let head = move || {
        act.with(|act| {
            act.as_ref().map(|act| {
                let refused = act.refused() > 0 || act.problem.is_some();
                let (icon, tone) = match (act.is_over(), refused) {
                    (false, _) => ("working", "tone-busy"),
                    (true, false) => ("verified", "tone-good"),
                    (true, true) => ("alert", "tone-bad"),
                };
                view! {
                    <p class=format!("banner {tone}") role="status">
                        <Icon name=icon />
                        <strong>{act.sentence()}</strong>
                    </p>
                }
            })
        })
    };
    let kind = move || act.with(|act| act.as_ref().map_or(ActKind::Clear, |act| act.kind));
    let bar = move || {
        act.with(|act| {
            let act = act.as_ref().filter(|act| !act.is_over())?;
            let total = act.runs.len() as u64;
            let ended = act.view.as_ref().map_or(0, |view| view.results.len() as u64);
            let permille = (total > 1).then(|| ended * 1_000 / total);
            Some(view! { <progress class="bar" max="1000" value=permille aria-label="Runs done"></progress> })
        })
    };
    // What the runs in work are at, from their own rows.
    let steps = move || {
        let waiting = act.with(|act| {
            let act = act.as_ref().filter(|act| !act.is_over())?;
            let ended: HashSet<&String> =
                act.view.iter().flat_map(|view| &view.results).map(|result| &result.run_path).collect();
            Some(act.runs.iter().filter(|run| !ended.contains(run)).take(20).cloned().collect::<Vec<_>>())
        })?;
        let lines = waiting.into_iter().filter_map(|run| {
            let step = store.row(&run)?.with(|seen| {
                seen.row
                    .clearing
                    .as_ref()
                    .map(|clearing| clearing.waiting.clone().unwrap_or_else(|| clearing_step(&clearing.step)))
            })?;
            Some(view! {
                <li>
                    <strong>{leaf(&run).to_owned()}</strong>
                    <span class="muted">{format!(" {step}")}</span>
                </li>
            })
        });
        Some(view! { <ul class="results">{lines.collect_view()}</ul> })
    };
    let results = move || {
        act.with(|act| {
            let view = act.as_ref()?.view.as_ref()?;
            // What was refused first: it is what someone has to look at.
            let (refused, done): (Vec<_>, Vec<_>) = view.results.iter().cloned().partition(|result| result.problem.is_some());
            Some(view! { <ul class="results">{refused.into_iter().chain(done).take(500).map(|each| result(kind(), (*each).clone())).collect_view()}</ul> })
        })
    };
    let freed = move || {
        act.with(|act| {
            let act = act.as_ref().filter(|act| act.runs.len() > 1 && act.kind == ActKind::Clear)?;
            let (files, freed) = act.freed();
            Some(view! { <p class="muted">{format!("Freed so far: {} in {}", bytes(freed), counted(files, "file", "files"))}</p> })
        })
    };
    view! {
        <div class="modal-body">{head} {bar} {freed} {steps} {results}</div>
        <div class="modal-foot">
            <button type="button" class="button" on:click=move |_| close()>
                {move || if over() { "Close" } else { "Go on in the background" }}
            </button>
        </div>
    }
}

fn result(kind: ActKind, result: ActResult) -> impl IntoView {
    let files = result.problem.as_ref().map(files_of).unwrap_or_default();
    // Accepted, and not at its end: the sentence says what it waits for.
    let waits =
        result.answer.as_ref().is_some_and(|answer| answer.get("clearing").is_some_and(|clearing| !clearing.is_null()));
    let (icon, tone, said) = match (result.problem.is_some(), kind) {
        (false, ActKind::Clear) if waits => ("waiting", "tone-warn", "Waits: "),
        (true, ActKind::Clear) => ("cross", "tone-bad", "Kept: "),
        (true, _) => ("cross", "tone-bad", "Refused: "),
        (false, ActKind::Clear) => ("check", "tone-good", "Cleared: "),
        (false, _) => ("check", "tone-good", "Done: "),
    };
    let named = (!files.is_empty())
        .then(|| view! { <ul class="files" tabindex="0" aria-label="Files">{files.into_iter().map(|file| view! { <li><code>{file}</code></li> }).collect_view()}</ul> });
    view! {
        <li class=format!("result {tone}")>
            <Icon name=icon />
            <div>
                <span class="sr-only">{said}</span>
                <strong>{leaf(&result.run_path).to_owned()}</strong>
                <span class="muted">{format!(" {}", result.sentence)}</span>
                {named}
            </div>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::problem::ErrorCode;

    #[test]
    fn d3_a_refusal_names_its_files() {
        let problem = Problem::new(ErrorCode::StagingNotProven, "No.").with("files", ["raw/a.tif", "b"]);
        assert_eq!(files_of(&problem), ["raw/a.tif", "b"]);
        let with_reasons = Problem::new(ErrorCode::StagingNotProven, "No.")
            .with("files", [serde_json::json!({"path": "c", "what": "late"})]);
        assert_eq!(files_of(&with_reasons), ["c"]);
        assert!(files_of(&Problem::new(ErrorCode::Internal, "No.")).is_empty());
    }
}
