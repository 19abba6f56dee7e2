//! The table itself: its head, its window of rows, and what stands there when there are none.

use super::row::Row;
use super::view::StagingState;
use super::window;
use crate::lists::query::SortKey;
use crate::lists::select::WINDOW;
use crate::live;
use crate::parts::{Go, Icon};
use crate::store::{Key, Loaded};
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// Seconds for which rows keep their order after someone pointed at them.
const HOLD_SECONDS: i64 = 3;

/// A column's head: a link that sorts, so that it also works without scripts.
#[component]
fn Head(
    /// What it sorts by.
    sort: SortKey,
    label: &'static str,
    /// Class of the cell.
    class: &'static str,
) -> impl IntoView {
    let state = expect_context::<StagingState>();
    let is_current = move || state.query.with(|query| query.sort == sort);
    let order = move || {
        is_current().then(|| if state.query.with(|query| query.descending) { "descending" } else { "ascending" })
    };
    let arrow = Signal::derive(move || match order() {
        Some("ascending") => "sort-up",
        Some(_) => "sort-down",
        None => "sort-none",
    });
    view! {
        <th scope="col" role="columnheader" class=class aria-sort=order>
            <Go href=Signal::derive(move || state.query.with(|query| query.sorted(sort).href())) class="sort" stay=true>
                {label}
                <Icon name=arrow />
            </Go>
        </th>
    }
}

/// The staging table.
#[component]
pub fn Table() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let body = NodeRef::<html::Tbody>::new();
    let span = RwSignal::new((0, WINDOW));
    let count = Signal::derive(move || state.selection.with(|selection| selection.keys.len()));
    window::follow(body, count, span);
    let visible = Memo::new(move |_| {
        let (from, to) = span.get();
        state.selection.with(|selection| {
            let keys = &selection.keys;
            keys[from.min(keys.len())..to.min(keys.len())].to_vec()
        })
    });
    let before = Memo::new(move |_| span.get().0 + state.store.first_offset());
    let total = move || state.selection.with(|selection| selection.summary.matching.runs + 1);
    let all_picked = move || {
        let keys = state.selection.with(|selection| selection.keys.len());
        keys > 0
            && state.picked.with(|picked| {
                picked.len() >= keys && state.selection.with(|s| s.keys.iter().all(|key| picked.contains(key)))
            })
    };
    let hold = move || state.store.hold_order_until.set_value(live::now() + HOLD_SECONDS);
    view! {
        <table
            class="runs"
            role="table"
            aria-label="Runs in the staging tree"
            aria-rowcount=total
            aria-busy=move || (state.store.loaded.get() == Loaded::Nothing).then_some("true")
        >
            <thead role="rowgroup">
                <tr role="row" aria-rowindex="1">
                    <th scope="col" role="columnheader" class="c-pick">
                        <input
                            type="checkbox"
                            class="needs-script"
                            aria-label="Select everything shown"
                            prop:checked=all_picked
                            on:change=move |event| state.pick_all(event_target_checked(&event))
                        />
                    </th>
                    <Head sort=SortKey::State label="State" class="c-state" />
                    <Head sort=SortKey::Run label="Run" class="c-run" />
                    <Head sort=SortKey::Equipment label="Equipment" class="c-equipment" />
                    <Head sort=SortKey::Project label="Project" class="c-project" />
                    <Head sort=SortKey::Files label="Files" class="c-files number" />
                    <Head sort=SortKey::Bytes label="Size" class="c-bytes number" />
                    <Head sort=SortKey::Activity label="Activity" class="c-activity number" />
                    <th scope="col" role="columnheader" class="c-story">"Progress and proof"</th>
                    <th scope="col" role="columnheader" class="c-actions">"Actions"</th>
                </tr>
            </thead>
            <tbody
                role="rowgroup"
                node_ref=body
                on:pointermove=move |_| hold()
                on:focusin=move |_| hold()
                on:keydown=move |event| {
                    hold();
                    step(&event);
                }
            >
                <ForEnumerate
                    each=move || visible.get()
                    key=|key: &Key| Key::clone(key)
                    children=move |index, key| view! { <Row key=key index=Signal::derive(move || before.get() + index.get()) /> }
                />
            </tbody>
        </table>
        <Show when=move || count.get() == 0 && state.store.loaded.get() != Loaded::Nothing>
            <div class="empty">
                <Icon name="search" />
                <p class="empty-title">"No run matches"</p>
                <p>
                    <Go href=Signal::derive(move || state.query.with(|query| query.unfiltered().href())) class="button" stay=true>
                        "Show all runs"
                    </Go>
                </p>
            </div>
        </Show>
        <Pages />
    }
}

/// Up and down move to the same control of the next row; the page scrolls along.
fn step(event: &web_sys::KeyboardEvent) {
    let down = match event.key().as_str() {
        "ArrowDown" => true,
        "ArrowUp" => false,
        _ => return,
    };
    let Some(target) = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok()) else { return };
    let (Ok(Some(row)), Ok(Some(cell))) = (target.closest("tr"), target.closest("td")) else { return };
    let controls = |cell: &web_sys::Element| -> Vec<web_sys::Element> {
        let found = cell.query_selector_all("a, button, input").ok();
        let at = |found: &web_sys::NodeList, n| found.get(n).and_then(|node| node.dyn_into().ok());
        found.map_or_else(Vec::new, |found| (0..found.length()).filter_map(|n| at(&found, n)).collect())
    };
    let place = controls(&cell).iter().position(|control| *control == target);
    let column = cell.class_list().item(0).unwrap_or_default();
    // Beside rows, a keyed list may hold markers, so ask for elements only.
    let next = if down { row.next_element_sibling() } else { row.previous_element_sibling() };
    let next = next.and_then(|row| row.query_selector(&format!("td.{column}")).ok().flatten());
    let control = next.zip(place).and_then(|(cell, place)| controls(&cell).into_iter().nth(place));
    if let Some(control) = control.and_then(|control| control.dyn_into::<web_sys::HtmlElement>().ok()) {
        event.prevent_default();
        // Focusing fails only on what cannot have it.
        let _ = control.focus();
    }
}

/// Pages of the list, where no script scrolls it.
#[component]
fn Pages() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let page = move |step: isize| {
        state.query.with(|query| {
            let wanted = query.page.checked_add_signed(step).filter(|page| *page > 0)?;
            let total = state.selection.with(|selection| usize::try_from(selection.summary.matching.runs).unwrap_or(0));
            ((wanted - 1) * WINDOW < total)
                .then(|| crate::lists::query::ViewQuery { page: wanted, ..query.clone() }.href())
        })
    };
    view! {
        <nav class="pages without-script" aria-label="Pages">
            {move || page(-1).map(|href| view! { <a class="button" href=href rel="prev">"Previous page"</a> })}
            {move || page(1).map(|href| view! { <a class="button" href=href rel="next">"Next page"</a> })}
        </nav>
    }
}
