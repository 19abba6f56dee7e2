//! Icons: references into the sprite that the shell writes once, so that neither rows nor WASM carry their outlines.

use crate::words::Word;
use leptos::prelude::*;

/// A symbol of the sprite; silent for screen readers, because a text always stands beside it.
#[component]
pub fn Icon(
    /// Name of the symbol.
    #[prop(into)]
    name: Signal<&'static str>,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <use href=move || format!("#i-{}", name.get())></use>
        </svg>
    }
}

/// A word with its icon, in its tone.
#[component]
pub fn WordTag(
    word: Signal<Word>,
    /// Class beside the tone's.
    #[prop(default = "word")]
    class: &'static str,
) -> impl IntoView {
    let icon = Signal::derive(move || word.with(|word| word.icon));
    view! {
        <span class=move || format!("{class} {}", word.with(|word| word.tone.class()))>
            <Icon name=icon />
            <span class="word-text">{move || word.with(|word| word.text.clone())}</span>
        </span>
    }
}
