//! The focus is never lost: when the line that holds it leaves the page, the region it stood in takes it, so that the next press of Tab
//! goes on from there and a screen reader is not thrown to the top.

use leptos::html;
use leptos::prelude::*;

/// Watches over the focus in a region; the region needs `tabindex="-1"`.
#[derive(Clone, Copy)]
pub struct FocusKeeper {
    region: NodeRef<html::Section>,
    held: StoredValue<bool>,
}

impl FocusKeeper {
    /// Of this region. `changes` reads, reactively, what may take lines away.
    pub fn new(region: NodeRef<html::Section>, changes: impl Fn() + 'static) -> FocusKeeper {
        let keeper = FocusKeeper { region, held: StoredValue::new(false) };
        Effect::new(move |_: Option<()>| {
            changes();
            // What leaves has left by then.
            request_animation_frame(move || keeper.take_over());
        });
        keeper
    }

    /// The focus came into the region.
    pub fn came(&self) {
        self.held.set_value(true);
    }

    /// The focus went elsewhere by itself: somebody moved it. Of what is taken out of the page the browser says nothing.
    pub fn went(&self) {
        self.held.set_value(false);
    }

    fn take_over(&self) {
        let nobody = document().active_element().is_none_or(|element| element.tag_name().eq_ignore_ascii_case("body"));
        if self.held.try_get_value() == Some(true)
            && nobody
            && let Some(region) = self.region.get_untracked()
        {
            // Fails only for what cannot take it.
            let _ = region.focus();
        }
    }
}

/// Gives the focus to the page's content when nothing has it, e.g. because the button that opened a dialog is gone.
pub fn focus_something() {
    request_animation_frame(|| {
        let nobody = document().active_element().is_none_or(|element| element.tag_name().eq_ignore_ascii_case("body"));
        if nobody && let Some(main) = document().get_element_by_id("main") {
            use wasm_bindgen::JsCast;
            if let Ok(main) = main.dyn_into::<web_sys::HtmlElement>() {
                let _ = main.focus();
            }
        }
    });
}
