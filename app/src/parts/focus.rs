//! The focus is never lost: when the line that holds it leaves the page, the region it stood in takes it, so that the
//! next press of Tab goes on from there and a screen reader is not thrown to the top.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

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

    /// The focus left: because it moved, or because its element is being removed from the page, which some browsers
    /// report alike. A frame later it can be told which.
    pub fn went(&self, event: &web_sys::FocusEvent) {
        if event.related_target().is_some() {
            self.held.set_value(false);
            return;
        }
        let keeper = *self;
        let left = event.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        request_animation_frame(move || {
            if left.is_none_or(|node| node.is_connected()) && nobody_has_it() {
                keeper.held.try_set_value(false);
            } else {
                keeper.take_over();
            }
        });
    }

    fn take_over(&self) {
        if self.held.try_get_value() == Some(true)
            && nobody_has_it()
            && let Some(region) = self.region.get_untracked()
        {
            // Fails only for what cannot take it.
            let _ = region.focus();
        }
    }
}

fn nobody_has_it() -> bool {
    document().active_element().is_none_or(|element| element.tag_name().eq_ignore_ascii_case("body"))
}

/// Gives the focus to the page's content when nothing has it, e.g. because the button that opened a dialog is gone.
pub fn focus_something() {
    request_animation_frame(|| {
        if nobody_has_it()
            && let Some(main) = document().get_element_by_id("main")
            && let Ok(main) = main.dyn_into::<web_sys::HtmlElement>()
        {
            let _ = main.focus();
        }
    });
}
