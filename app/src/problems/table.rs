//! The table: one line per finding, with the part that matched marked. Every name is shown as text.

use super::act::{Asked, mark};
use super::page::PageState;
use super::words;
use crate::href;
use crate::parts::{Go, Icon, When, WordTag};
use crate::run::findings::marked;
use crate::words::{leaf, state as state_word};
use domain::api::ProblemFinding;
use domain::finding::OffendingKind;
use leptos::prelude::*;

/// A line that says the same keeps its place, and the focus in it.
fn key(found: &ProblemFinding) -> String {
    serde_json::to_string(found).unwrap_or_default()
}

/// The page's findings.
#[component]
pub fn Table() -> impl IntoView {
    let state = expect_context::<PageState>();
    view! {
        <div class="listing" tabindex="0" role="region" aria-label="Table of findings">
            <table class="plain problems">
                <thead>
                    <tr>
                        <th scope="col">"Tier"</th>
                        <th scope="col">"Class"</th>
                        <th scope="col">"Where"</th>
                        <th scope="col">"Run"</th>
                        <th scope="col">"Equipment"</th>
                        <th scope="col">"Since"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Actions"</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || state.list.with(|list| list.findings.clone()) key=key let(found)>
                        <Line found=found />
                    </For>
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Line(found: ProblemFinding) -> impl IntoView {
    let finding = &found.finding;
    let kind = match finding.offending_kind {
        OffendingKind::DirectorySegment => "Folder",
        OffendingKind::FileName => "File name",
        OffendingKind::FileContent => "Text of",
    };
    let run = finding.run_path.clone();
    let folder = run.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let name = leaf(&run).to_owned();
    let named = match found.current_state {
        Some(_) => view! { <Go href=href::run_page(&run) class="run-link">{name}</Go> }.into_any(),
        None => view! { <span class="run-link">{name}</span> }.into_any(),
    };
    let word = found.current_state.as_deref().map(|text| view! { <WordTag word=Signal::stored(state_word(text)) /> });
    view! {
        <tr>
            <td data-label="Tier">
                <WordTag word=Signal::stored(words::weight(&found)) />
                {finding.synced_under_prior_policy.then(|| view! { <span class="badge">"synced before this was found"</span> })}
            </td>
            <td data-label="Class">
                <span class="problem-class">{words::class(finding.rule)}</span>
            </td>
            <td class="path" data-label="Where">
                <span class="muted small">{kind} " "</span>
                {marked(&finding.offending_path, &finding.matched_token)}
                <span class="muted small block-line">{finding.rule_detail.clone()}</span>
            </td>
            <td class="path" data-label="Run">
                {named}
                <span class="muted small block-line">{folder}</span>
            </td>
            <td class="nowrap" data-label="Equipment">{found.equipment_id.clone()}</td>
            <td class="nowrap" data-label="Since">
                <When at=found.since />
            </td>
            <td data-label="State">
                {word}
                {found
                    .known
                    .clone()
                    .map(|known| {
                        let by = known.operator.map(|operator| format!("by {operator}")).unwrap_or_default();
                        view! { <span class="badge" title=by>"known"</span> }
                    })}
            </td>
            <td data-label="Actions">
                <Actions found=found.clone() />
            </td>
        </tr>
    }
}

#[component]
fn Actions(found: ProblemFinding) -> impl IntoView {
    let state = expect_context::<PageState>();
    let broken = move || state.store.link.get().is_broken().then_some("true");
    let about = format!(" {} on {}", words::class(found.finding.rule), leaf(&found.finding.run_path));
    let is_known = found.known.is_some();
    let button = move |icon: &'static str, label: &'static str, about: String, press: Box<dyn Fn() + Send>| {
        view! {
            <button
                type="button"
                class="button small"
                aria-disabled=broken
                on:click=move |_| {
                    if !state.store.link.get_untracked().is_broken() {
                        press();
                    }
                }
            >
                <Icon name=icon />
                <span>{label}</span>
                <span class="sr-only">{about}</span>
            </button>
        }
    };
    let may_override = found.overridable && !found.is_overridden() && found.current_state.as_deref() != Some("cleared");
    let overriding = may_override.then(|| {
        let asked = Asked::Override { run: found.finding.run_path.clone(), rule: found.finding.rule };
        button("shield", "Override…", about.clone(), Box::new(move || state.asked.set(Some(asked.clone()))))
    });
    let revoking = found.active_override.clone().map(|entry| {
        let asked = Asked::Revoke { run: found.finding.run_path.clone(), rule: found.finding.rule, entry };
        button("cross", "Revoke…", about.clone(), Box::new(move || state.asked.set(Some(asked.clone()))))
    });
    let marking = {
        let label = if is_known { "Not known" } else { "Mark known" };
        button(
            if is_known { "retry" } else { "check" },
            label,
            about,
            Box::new(move || mark(state, found.clone(), !is_known)),
        )
    };
    view! { <div class="problem-actions needs-script">{overriding} {revoking} {marking}</div> }
}
