//! One row per equipment; on a phone one card.

use crate::chrome::strip::health;
use crate::href;
use crate::lists::query::ViewQuery;
use crate::parts::when::{When, stamped};
use crate::parts::{Go, Icon, WordTag};
use crate::words::{self, bytes, counted, leaf};
use domain::api::{EquipmentOverview, LastError, LastRun, Overview};
use domain::units;
use leptos::prelude::*;

/// The table.
#[component]
pub fn Equipment(overview: RwSignal<Option<Overview>>) -> impl IntoView {
    let ids = Memo::new(move |_| {
        let id = |equipment: &EquipmentOverview| equipment.equipment_id.clone();
        overview.with(|overview| {
            overview.as_ref().map(|known| known.equipment.iter().map(id).collect::<Vec<_>>()).unwrap_or_default()
        })
    });
    view! {
        <section class="panel" aria-labelledby="equipment-title">
            <div class="block-head">
                <h2 id="equipment-title">"Equipment"</h2>
            </div>
            <div class="listing" tabindex="0" role="region" aria-label="Table of equipment">
                <table class="plain stacked equipment">
                    <thead>
                        <tr>
                            <th scope="col">"Equipment"</th>
                            <th scope="col">"Last run"</th>
                            <th scope="col">"Runs by state"</th>
                            <th scope="col" class="number">"Not proven yet"</th>
                            <th scope="col" class="number">"Now"</th>
                            <th scope="col">"Destination"</th>
                            <th scope="col">"Last failure"</th>
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || ids.get() key=String::clone let(id)>
                            <Row id=id overview=overview />
                        </For>
                    </tbody>
                </table>
            </div>
            <Show when=move || ids.with(Vec::is_empty)>
                <p class="block muted">"No equipment is configured."</p>
            </Show>
        </section>
    }
}

#[component]
fn Row(id: String, overview: RwSignal<Option<Overview>>) -> impl IntoView {
    let known = {
        let id = id.clone();
        Memo::new(move |_| {
            overview.with(|overview| {
                overview.as_ref()?.equipment.iter().find(|equipment| equipment.equipment_id == id).cloned()
            })
        })
    };
    let part = move |make: fn(EquipmentOverview) -> AnyView| move || known.get().map(make);
    let all = ViewQuery { equipment: Some(id.clone()), ..ViewQuery::default() }.href();
    view! {
        <tr>
            <th scope="row" class="row-head">
                <Go href=all class="run-link">{id}</Go>
                <span class="muted small block-line">{move || known.get().map(|known| label(&known))}</span>
            </th>
            <td data-label="Last run">{part(|known| last_run(known.last_run))}</td>
            <td data-label="Runs">{part(states)}</td>
            <td class="number" data-label="Not proven yet">{part(waiting)}</td>
            <td class="number" data-label="Now">{part(now)}</td>
            <td data-label="Destination">{part(destination)}</td>
            <td data-label="Last failure">{part(|known| last_error(known.last_error))}</td>
        </tr>
    }
}

fn label(known: &EquipmentOverview) -> String {
    if known.label.is_empty() { "Not in the config".to_owned() } else { known.label.clone() }
}

fn nothing(text: &'static str) -> AnyView {
    view! { <span class="muted">{text}</span> }.into_any()
}

fn last_run(run: Option<LastRun>) -> AnyView {
    let Some(run) = run else { return nothing("None here") };
    view! {
        <Go href=href::run_page(&run.run_path)>{leaf(&run.run_path).to_owned()}</Go>
        <span class="muted small block-line">{stamped(run.last_activity_at)}</span>
    }
    .into_any()
}

fn states(known: EquipmentOverview) -> AnyView {
    if known.states.is_empty() {
        return nothing("None");
    }
    // In order of the lifecycle; what a newer version wrote comes last.
    let rank = |state: &String| words::STATES.iter().position(|known| known == state).unwrap_or(words::STATES.len());
    let mut states: Vec<_> = known.states.into_iter().collect();
    states.sort_by_key(|(state, _)| rank(state));
    let link = |(state, count): (String, u64)| {
        let word = words::state(&state);
        let text = format!("{} {}", units::count(count), word.text);
        let href =
            ViewQuery { equipment: Some(known.equipment_id.clone()), states: vec![state], ..ViewQuery::default() }
                .href();
        view! {
            <li>
                <Go href=href class="state-link">
                    <WordTag word=Signal::stored(words::Word { text, ..word }) class="state" />
                </Go>
            </li>
        }
    };
    view! { <ul class="state-links">{states.into_iter().map(link).collect_view()}</ul> }.into_any()
}

fn waiting(known: EquipmentOverview) -> AnyView {
    if known.runs_waiting == 0 {
        return nothing("Nothing");
    }
    view! {
        <span>{bytes(known.bytes_waiting)}</span>
        <span class="muted small block-line">{counted(known.runs_waiting, "run", "runs")}</span>
    }
    .into_any()
}

fn now(known: EquipmentOverview) -> AnyView {
    if known.in_work == 0 {
        return nothing("Idle");
    }
    view! {
        <span>{units::rate(known.bytes_per_second)}</span>
        <span class="muted small block-line">{counted(known.in_work, "run in work", "runs in work")}</span>
    }
    .into_any()
}

fn destination(known: EquipmentOverview) -> AnyView {
    let Some(destination) = known.destination else { return nothing("Not synced from here") };
    let word = health(&destination);
    let more = destination.detail.unwrap_or(destination.target);
    view! {
        <WordTag word=Signal::stored(word) />
        <span class="muted small path block-line">{more}</span>
        {destination
            .read_again_by
            .map(|by| view! {
                <span class="muted small block-line">
                    "Everything there, cleared runs too, is read again by " <When at=by />
                </span>
            })}
    }
    .into_any()
}

fn last_error(error: Option<LastError>) -> AnyView {
    let Some(error) = error else { return nothing("None") };
    let about = format!(" of {}", leaf(&error.run_path));
    view! {
        <span class="tone-warn failure">
            <Icon name="alert" />
            <span class="path">{error.message}</span>
        </span>
        <span class="muted small block-line">
            {error.remedy} " "
            <Go href=href::run_page(&error.run_path)>
                "Show the run"
                <span class="sr-only">{about}</span>
            </Go>
        </span>
    }
    .into_any()
}
