//! Light, dark, or as the system says. Kept in the browser; the shell's first script applies it before anything is
//! painted.

use crate::parts::Icon;
use leptos::prelude::*;

/// Key in the browser's storage.
pub const STORAGE_KEY: &str = "exlab-theme";

const THEMES: [(&str, &str, &str); 3] = [
    ("auto", "theme-auto", "Theme: as the system"),
    ("light", "theme-light", "Theme: light"),
    ("dark", "theme-dark", "Theme: dark"),
];

/// One button that goes round.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    let at = RwSignal::new(0_usize);
    Effect::new(move |_: Option<()>| {
        let kept =
            window().local_storage().ok().flatten().and_then(|storage| storage.get_item(STORAGE_KEY).ok().flatten());
        if let Some(known) = THEMES.iter().position(|(name, ..)| kept.as_deref() == Some(name)) {
            at.set(known);
        }
    });
    let turn = move |_| {
        let next = (at.get_untracked() + 1) % THEMES.len();
        at.set(next);
        let (name, ..) = THEMES[next];
        if let Some(root) = document().document_element() {
            // Neither can fail for a plain attribute; a browser without storage forgets the choice.
            let _ =
                if next == 0 { root.remove_attribute("data-theme") } else { root.set_attribute("data-theme", name) };
        }
        if let Ok(Some(storage)) = window().local_storage() {
            let _ = storage.set_item(STORAGE_KEY, name);
        }
    };
    let icon = Signal::derive(move || THEMES[at.get()].1);
    view! {
        <button type="button" class="button ghost square needs-script" aria-label=move || THEMES[at.get()].2 title=move || THEMES[at.get()].2 on:click=turn>
            <Icon name=icon />
        </button>
    }
}
