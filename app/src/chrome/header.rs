//! The header: where we are, whose orchestrator this is, and whether what is shown is live.

use super::theme::ThemeSwitch;
use crate::live;
use crate::parts::{Go, Icon};
use crate::store::{Link, use_store};
use crate::words::Tone;
use domain::units;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// Name, pages, connection, theme.
#[component]
pub fn Header() -> impl IntoView {
    let store = use_store();
    let path = use_location().pathname;
    let current = move |page: &'static str| {
        Signal::derive(move || {
            path.with(|path| match page {
                "/staging" => path == "/" || path.starts_with("/staging"),
                page => path.starts_with(page),
            })
            .then_some("page")
        })
    };
    let name = move || {
        store.status.with(|status| {
            status
                .as_ref()
                .map(|status| if status.label.is_empty() { status.host.clone() } else { status.label.clone() })
                .unwrap_or_default()
        })
    };
    let blocking = move || {
        let count = store.status.with(|status| status.as_ref().map_or(0, |status| status.blocking_findings));
        (count > 0)
            .then(|| view! { <span class="tab-count">{units::count(count)} <span class="sr-only">" holding runs back"</span></span> })
    };
    let host =
        move || store.status.with(|status| status.as_ref().map(|status| status.host.clone()).unwrap_or_default());
    view! {
        <a class="skip" href="#main" rel="external">"Skip to content"</a>
        <header class="top">
            <div class="brand">
                <svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><use href="#i-logo"></use></svg>
                <span class="brand-name">"ExLab"<span class="brand-second">" Orchestrator"</span></span>
                <span class="brand-label" title=host>{name}</span>
            </div>
            <nav class="pages-nav" aria-label="Pages">
                <Go href="/overview".to_owned() class="tab" current=current("/overview") attr:accesskey="o">"Overview"</Go>
                <Go href="/staging".to_owned() class="tab" current=current("/staging") attr:accesskey="s">"Staging"</Go>
                <Go href="/problems".to_owned() class="tab" current=current("/problems") attr:accesskey="p">"Problems" {blocking}</Go>
                <Go href="/cleared".to_owned() class="tab" current=current("/cleared") attr:accesskey="c">"Cleared"</Go>
            </nav>
            <div class="top-end">
                <Connection />
                <ThemeSwitch />
            </div>
        </header>
    }
}

/// Live, reconnecting in so many seconds, or offline: an icon and a text.
#[component]
fn Connection() -> impl IntoView {
    let store = use_store();
    let look = move || match store.link.get() {
        Link::Starting => (Tone::Idle, "link", "Connecting".to_owned()),
        Link::Live => (Tone::Good, "live", "Live".to_owned()),
        Link::Retrying { seconds: 0 } => (Tone::Warn, "broken", "Reconnecting…".to_owned()),
        Link::Retrying { seconds } => (Tone::Warn, "broken", format!("Reconnecting in {seconds} s")),
        Link::Offline => (Tone::Bad, "broken", "Offline".to_owned()),
    };
    let icon = Signal::derive(move || look().1);
    view! {
        <span class=move || format!("connection needs-script {}", look().0.class())>
            <Icon name=icon />
            <span class="connection-text">{move || look().2}</span>
            <Show when=move || store.link.get().is_broken()>
                <button type="button" class="button small" on:click=|_| live::retry_now()>"Now"</button>
            </Show>
        </span>
        <span class="connection without-script">"Read-only: no scripts. Reload to see changes."</span>
    }
}
