//! A modal `<dialog>`: the browser traps the focus, closes it on Escape, and gives the focus back.

use super::Icon;
use leptos::html;
use leptos::prelude::*;

/// Shown while `open` is true. Its content exists only then.
#[component]
pub fn Modal(
    /// Whether it is shown.
    #[prop(into)]
    open: Signal<bool>,
    #[prop(into)] title: Signal<String>,
    /// Unique on the page; the heading's id is made from it.
    id: &'static str,
    /// Asked to close: by Escape or its cross.
    on_close: impl Fn() + Clone + Send + Sync + 'static,
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let open = open.get();
        if let Some(dialog) = dialog.get() {
            if open && !dialog.open() {
                // Fails only when it is not in the document or open already.
                let _ = dialog.show_modal();
            } else if !open && dialog.open() {
                dialog.close();
            }
        }
    });
    let heading = format!("{id}-title");
    let labelled = heading.clone();
    let press_close = on_close.clone();
    view! {
        <dialog
            node_ref=dialog
            id=id
            class="modal"
            aria-labelledby=labelled
            on:close=move |_| {
                on_close();
                // However it was closed: the browser gives the focus back, unless the button that opened it has gone.
                super::focus::focus_something();
            }
        >
            <div class="modal-head">
                <h2 id=heading>{move || title.get()}</h2>
                <button type="button" class="button ghost square" aria-label="Close" on:click=move |_| press_close()>
                    <Icon name="close" />
                </button>
            </div>
            <Show when=move || open.get()>{children()}</Show>
        </dialog>
    }
}
