//! Everything that may be done with one run, each with its reason when it may not, and its story in full. One popover
//! for all rows.

use super::view::StagingState;
use crate::href;
use crate::parts::act_button::why_not;
use crate::parts::act_button::{button_icon, button_label};
use crate::parts::story;
use crate::parts::{Go, Icon};
use crate::store::SeenRow;
use crate::words::leaf;
use domain::api::{ActKind, Action};
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// The menu of [`StagingState::menu`]'s row.
#[component]
pub fn RowMenu() -> impl IntoView {
    let state = expect_context::<StagingState>();
    let popover = NodeRef::<html::Div>::new();
    Effect::new(move |_: Option<()>| {
        if state.menu.with(Option::is_none) {
            return;
        }
        let Some(popover) = popover.get() else { return };
        // Shown already when another row's menu was open: showing again fails, and is not needed.
        let _ = popover.show_popover();
        place(&popover, state.menu_button.get_value());
        if let Ok(Some(first)) = popover.query_selector("a, button") {
            let _ = first.unchecked_into::<web_sys::HtmlElement>().focus();
        }
    });
    let close = move || {
        if let Some(popover) = popover.get_untracked() {
            let _ = popover.hide_popover();
        }
    };
    let toggled = move |event: leptos::ev::Event| {
        let closed = event.dyn_ref::<web_sys::ToggleEvent>().is_some_and(|event| event.new_state() == "closed");
        if closed {
            state.menu.set(None);
        }
    };
    let row = move || state.menu.get().and_then(|key| state.store.row(&key));
    view! {
        <div class="menu" popover="auto" node_ref=popover role="dialog" aria-label="Run" on:toggle=toggled>
            {move || row().map(|row| view! { <Items row=row.into() close=close /> })}
        </div>
    }
}

/// Beside its button, kept on the screen.
fn place(popover: &web_sys::HtmlElement, button: Option<(f64, f64, f64)>) {
    let Some((right, button_top, bottom)) = button else { return };
    let own = popover.get_bounding_client_rect();
    let size = |value: Result<wasm_bindgen::JsValue, _>| value.ok().and_then(|value| value.as_f64()).unwrap_or(1_000.0);
    let (width, height) = (size(window().inner_width()), size(window().inner_height()));
    let left = (right - own.width()).clamp(8.0, (width - own.width() - 8.0).max(8.0));
    let below = bottom + 4.0;
    let top = if below + own.height() > height - 8.0 { (button_top - own.height() - 4.0).max(8.0) } else { below };
    let style = popover.style();
    let _ = style.set_property("left", &format!("{left}px"));
    let _ = style.set_property("top", &format!("{top}px"));
}

#[component]
fn Items(row: RwSignal<SeenRow>, close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let state = expect_context::<StagingState>();
    let run = row.with_untracked(|seen| seen.row.run_path.clone());
    let told = Memo::new(move |_| row.with(|seen| story::tell(seen, state.store.tick.get())));
    let item = {
        let run = run.clone();
        move |kind: ActKind| {
            let reason = Memo::new(move |_| {
                let broken = state.store.link.get().is_broken();
                row.with(|seen| why_not(Action::of(&seen.row, kind), broken))
            });
            let id = format!("menu-why-{}", kind.as_str());
            let described = id.clone();
            let run = run.clone();
            let press = move |_| {
                if reason.get_untracked().is_none() {
                    close();
                    state.ask(kind, vec![run.clone()]);
                }
            };
            view! {
                <li>
                    <button
                        type="button"
                        class="menu-item"
                        aria-disabled=move || reason.get().map(|_| "true")
                        aria-describedby=move || reason.get().map(|_| described.clone())
                        on:click=press
                    >
                        <Icon name=button_icon(kind) />
                        {button_label(kind)}
                    </button>
                    {move || reason.get().map(|reason| view! { <p class="menu-why" id=id.clone()>{reason}</p> })}
                </li>
            }
        }
    };
    let unfinished = {
        let run = run.clone();
        move || {
            let may = row.with(|seen| {
                seen.row.summary.current_state == "staging"
                    && seen.row.actions.force_sync.reason.as_deref() == Some("staging_not_complete")
            });
            let run = run.clone();
            may.then(|| {
                view! {
                    <li>
                        <button
                            type="button"
                            class="menu-item"
                            on:click=move |_| {
                                close();
                                state.forcing.set(Some(run.clone()));
                            }
                        >
                            <Icon name="sync" />
                            "Sync although unfinished…"
                        </button>
                    </li>
                }
            })
        }
    };
    let name = leaf(&run).to_owned();
    view! {
        <div class="menu-head">
            <Go href=Signal::stored(href::run_page(&run)) class="run-link">{name}</Go>
            <p class="muted small path">{run.clone()}</p>
            <p>{move || told.with(|told| told.head.text.clone())}</p>
            <p class="muted">{move || told.with(|told| told.detail.clone())}</p>
        </div>
        <ul class="menu-items">
            {item(ActKind::ForceSync)} {item(ActKind::Retry)} {item(ActKind::Verify)} {item(ActKind::Clear)}
            {item(ActKind::CallOff)} {unfinished}
        </ul>
    }
}
