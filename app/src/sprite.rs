//! Outlines of all icons: symbols that `parts::Icon` points at. Written once by the shell, so they cost nothing per row
//! and nothing in WASM.
//!
//! Drawn on 16 by 16 with one stroke; shapes differ, not only colours: a check, a cross, a triangle, a clock are told
//! apart in grey.

use leptos::prelude::*;

const ICONS: [(&str, &str); 37] = [
    // States
    ("receiving", "M8 2v7.5M4.8 6.5 8 9.7l3.2-3.2M2.5 10.5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2"),
    ("complete", "M3 2.5h7l3 3v8H3zM10 2.5v3h3M5.7 9.7l1.6 1.6 3-3"),
    ("queued", "M2.5 4h11M2.5 8h7M2.5 12h7M11.5 10l2 2-2 2"),
    ("verified", "M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8zM5.3 8.2l2 2 3.6-4"),
    ("cleared", "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9M6.7 7v4M9.3 7v4"),
    ("unreadable", "M3 2.5h7l3 3v8H3zM6.3 7.2l3.4 3.6M9.7 7.2l-3.4 3.6"),
    // Beside the state
    ("alert", "M8 2 14.5 13.5h-13zM8 6.2v3.6M8 11.6v.1"),
    ("waiting", "M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8zM8 4.6V8l2.4 1.6"),
    ("working", "M13.8 8A5.8 5.8 0 1 1 8 2.2M8 2.2a5.8 5.8 0 0 1 4.1 1.7"),
    ("failed", "M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4zM5.9 5.9l4.2 4.2M10.1 5.9l-4.2 4.2"),
    ("blocked", "M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8zM3.7 3.7l8.6 8.6"),
    ("late", "M3 2.5h6l3 3V8M3 2.5v11h4M11.3 9.5v4.4M9.1 11.7h4.4"),
    ("retrying", "M13.2 6.5A5.5 5.5 0 1 0 13.5 8M13.5 3v3.5H10"),
    ("eligible", "M8 1.8 13.5 4v4c0 3-2.3 5.2-5.5 6.2C4.8 13.2 2.5 11 2.5 8V4zM8 5v3l2 1.3"),
    ("shield", "M8 1.8 13.5 4v4c0 3-2.3 5.2-5.5 6.2C4.8 13.2 2.5 11 2.5 8V4zM5.6 7.900l1.7 1.7 3.1-3.3"),
    ("hourglass", "M4 2h8M4 14h8M5 2c0 3.5 6 4.5 6 6s-6 2.5-6 6M11 2c0 3.5-6 4.5-6 6s6 2.5 6 6"),
    // Acts
    ("sync", "M2.5 6.500h9.500M9 3.500l3 3-3 3M13.5 11.500H6M8 9l-2.5 2.500L8 14"),
    ("clear", "M2.5 4.500h11M6 4.500v-2h4v2M4 4.500l.7 9h6.600l.7-9M6.7 7v4M9.3 7v4"),
    ("retry", "M13.2 6.500A5.5 5.5 0 1 0 13.5 8M13.5 3v3.500H10"),
    ("more", "M3.5 8h.01M8 8h.01M12.5 8h.01"),
    ("close", "M4 4l8 8M12 4l-8 8"),
    ("search", "M7 2.200a4.8 4.8 0 1 1 0 9.6 4.8 4.8 0 0 1 0-9.600zM10.5 10.500l3.5 3.5"),
    ("print", "M4.5 6V2.500h7V6M4.5 11.500h-2v-5h11v5h-2M4.5 9.500h7v4h-7z"),
    ("back", "M13 8H3.500M7 4 3 8l4 4"),
    ("check", "M3 8.500l3.3 3.300L13 4.8"),
    ("cross", "M4 4l8 8M12 4l-8 8"),
    // Connection and theme
    (
        "link",
        "M6.5 9.500l3-3M7 4.500l1.5-1.500a3 3 0 0 1 4.3 4.300L11.5 8.500M9 11.500l-1.5 1.500a3 3 0 0 1-4.3-4.300L4.5 7.5",
    ),
    (
        "live",
        "M8 7.200a.8.8 0 1 1 0 1.6.8.8 0 0 1 0-1.600zM5.2 10.800a4 4 0 0 1 0-5.600M10.8 5.200a4 4 0 0 1 0 5.600M3.1 12.900a7 7 0 0 1 0-9.800M12.9 3.100a7 7 0 0 1 0 9.8",
    ),
    (
        "broken",
        "M2 2l12 12M5.2 10.800a4 4 0 0 1-.6-4.800M10.8 5.200a4 4 0 0 1 .8 4.600M3.1 12.900a7 7 0 0 1-.8-8.700M12.9 3.100a7 7 0 0 1 1 8.3",
    ),
    ("theme-auto", "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 2v12M8 5h4.800M8 8h6M8 11h4.8"),
    (
        "theme-light",
        "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1.500v1.200M8 13.300v1.200M1.5 8h1.200M13.3 8h1.200M3.4 3.400l.9.900M11.7 11.700l.9.900M12.6 3.400l-.9.900M4.3 11.700l-.9.9",
    ),
    ("theme-dark", "M13.5 9.600A6 6 0 1 1 6.4 2.500a4.8 4.8 0 0 0 7.1 7.100z"),
    ("paused", "M8 1.800a6.2 6.2 0 1 1 0 12.400A6.2 6.2 0 0 1 8 1.800zM6.3 5.700v4.600M9.7 5.700v4.6"),
    ("off", "M8 1.800v6M4.6 3.900a5.5 5.5 0 1 0 6.8 0"),
    // Order
    ("sort-up", "M8 12.500v-9M4.5 7 8 3.5 11.5 7"),
    ("sort-down", "M8 3.500v9M4.5 9 8 12.5 11.5 9"),
    ("sort-none", "M5 6.5 8 3.500l3 3M5 9.500l3 3 3-3"),
];

/// The hidden sprite.
#[component]
pub fn Sprite() -> impl IntoView {
    let symbols = ICONS.map(|(name, outline)| {
        view! {
            <symbol id=format!("i-{name}") viewBox="0 0 16 16">
                <path d=outline></path>
            </symbol>
        }
    });
    view! {
        <svg class="sprite" width="0" height="0" aria-hidden="true">
            {symbols.collect_view()}
            <symbol id="i-logo" viewBox="0 0 24 24">
                <path d="M12 2.5 20.5 7v10L12 21.5 3.5 17V7z"></path>
                <path d="m8.5 12 2.5 2.5 4.5-5"></path>
            </symbol>
        </svg>
    }
}
