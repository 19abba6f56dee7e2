//! A button of an act. When the act is not possible it stays reachable by keyboard and says why: to eyes on hover and
//! focus, to screen readers always.

use super::Icon;
use domain::api::{ActKind, Action, reason_sentence};
use leptos::prelude::*;

/// Why an action cannot be started; `None` when it can. The link comes first: what is stale may not be acted on.
pub fn why_not(action: &Action, link_broken: bool) -> Option<&'static str> {
    if link_broken {
        Some("Not connected: this row may be out of date.")
    } else if action.allowed {
        None
    } else {
        Some(action.reason.as_deref().map_or("Not possible now.", reason_sentence))
    }
}

/// A button with a reason.
#[component]
pub fn ActButton(
    #[prop(into)] label: Signal<&'static str>,
    #[prop(into)] icon: Signal<&'static str>,
    /// The run it is for, for screen readers.
    #[prop(into)]
    about: String,
    #[prop(into)] why_not: Signal<Option<&'static str>>,
    /// Unique on the page.
    id: String,
    /// Class of the button.
    #[prop(default = "button small")]
    class: &'static str,
    on_press: impl Fn() + 'static,
) -> impl IntoView {
    let described = {
        let id = id.clone();
        move || why_not.get().map(|_| id.clone())
    };
    view! {
        <span class="act">
            <button
                type="button"
                class=class
                aria-disabled=move || why_not.get().map(|_| "true")
                aria-describedby=described
                on:click=move |_| {
                    if why_not.get_untracked().is_none() {
                        on_press();
                    }
                }
            >
                <Icon name=icon />
                <span>{move || label.get()}</span>
                <span class="sr-only">{format!(" {about}")}</span>
            </button>
            {move || why_not.get().map(|reason| view! { <span class="tip" role="tooltip" id=id.clone()>{reason}</span> })}
        </span>
    }
}

/// What a button of this kind says.
pub fn button_label(kind: ActKind) -> &'static str {
    match kind {
        ActKind::ForceSync => "Force sync",
        ActKind::Clear => "Clear…",
        ActKind::Verify => "Verify",
        ActKind::Retry => "Retry",
        ActKind::CallOff => "Call off the clear",
    }
}

/// Its symbol.
pub fn button_icon(kind: ActKind) -> &'static str {
    match kind {
        ActKind::ForceSync => "sync",
        ActKind::Clear => "clear",
        ActKind::Verify => "shield",
        ActKind::Retry => "retry",
        ActKind::CallOff => "cross",
    }
}
