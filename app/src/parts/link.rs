//! Links inside the panel.
//!
//! Not the router's own: that one writes a decoded path into the address bar, so that a reload of a run called `a%41`
//! would ask for another run. Without scripts it is a plain link.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

/// A link to a page of the panel.
#[component]
pub fn Go(
    #[prop(into)] href: Signal<String>,
    /// Class of the `<a>`.
    #[prop(default = "")]
    class: &'static str,
    /// The same page with another query: nothing scrolls.
    #[prop(default = false)]
    stay: bool,
    /// `aria-current`, when it is where we are.
    #[prop(optional, into)]
    current: MaybeProp<&'static str>,
    children: Children,
) -> impl IntoView {
    let navigate = use_navigate();
    let follow = move |event: leptos::ev::MouseEvent| {
        let plain =
            event.button() == 0 && !event.meta_key() && !event.ctrl_key() && !event.shift_key() && !event.alt_key();
        if plain && !event.default_prevented() {
            event.prevent_default();
            navigate(
                &href.get_untracked(),
                NavigateOptions { resolve: false, scroll: !stay, ..NavigateOptions::default() },
            );
        }
    };
    view! {
        <a href=move || href.get() class=class aria-current=move || current.get() on:click=follow>
            {children()}
        </a>
    }
}
