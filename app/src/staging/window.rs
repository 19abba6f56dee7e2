//! Which rows of a long list stand in the document: those on the screen and a few beside them. Heights come from the
//! page, not from here.

use leptos::html;
use leptos::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

/// Rows kept on each side of the screen.
const MARGIN: usize = 16;
/// The window moves in steps, so that scrolling a little changes nothing.
const STEP: usize = 8;

/// Rows to render: from, up to. `top` is how far the list's begin stands below the viewport's top edge (negative when
/// scrolled past).
pub fn rows_in_view(top: f64, viewport: f64, row_height: f64, count: usize) -> (usize, usize) {
    if row_height < 1.0 {
        return (0, count.min(crate::lists::select::WINDOW));
    }
    let row_at = |y: f64| if y <= 0.0 { 0 } else { (y / row_height) as usize };
    let from = row_at(-top).saturating_sub(MARGIN) / STEP * STEP;
    let to = (row_at(viewport - top) + 1 + MARGIN).div_ceil(STEP) * STEP;
    let to = to.min(count);
    (from.min(to.saturating_sub(STEP)), to)
}

/// Makes `span` follow scrolling, and gives `body` the height of the rows that are left out. Browser only; before
/// hydration nothing happens.
pub fn follow(body: NodeRef<html::Tbody>, count: Signal<usize>, span: RwSignal<(usize, usize)>) {
    let row_height = RwSignal::new(0.0_f64);
    // Called in a later frame, when the table may be gone with everything that belongs to it.
    let measure = move || {
        let Some(body) = body.try_get_untracked().flatten() else { return };
        let (Some(known), Some(count), Some(shown)) =
            (row_height.try_get_untracked(), count.try_get_untracked(), span.try_get_untracked())
        else {
            return;
        };
        let Some(row) = body.query_selector("tr").ok().flatten() else {
            span.set((0, crate::lists::select::WINDOW));
            return;
        };
        let height = row.get_bounding_client_rect().height();
        if (height - known).abs() > 0.01 {
            row_height.set(height);
        }
        let viewport = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(1_000.0);
        let next = rows_in_view(body.get_bounding_client_rect().top(), viewport, height, count);
        if next != shown {
            span.set(next);
        }
    };
    Effect::new(move |_: Option<()>| {
        let asked = Rc::new(Cell::new(false));
        let soon = move || {
            if !asked.replace(true) {
                let asked = Rc::clone(&asked);
                request_animation_frame(move || {
                    asked.set(false);
                    measure();
                });
            }
        };
        let on_scroll = window_event_listener_untyped("scroll", {
            let soon = soon.clone();
            move |_| soon()
        });
        let on_resize = window_event_listener_untyped("resize", move |_| soon());
        on_cleanup(move || {
            on_scroll.remove();
            on_resize.remove();
        });
    });
    Effect::new(move |_: Option<()>| {
        let count = count.get();
        let (from, to) = span.get();
        let height = row_height.get();
        let Some(body) = body.get() else { return };
        let style = web_sys::HtmlElement::style(&body);
        let pixels = |rows: usize| format!("{}px", rows as f64 * height);
        // Set through the object model: a style attribute would break the page's own content policy.
        let _ = style.set_property("padding-block-start", &pixels(from.min(count)));
        let _ = style.set_property("padding-block-end", &pixels(count.saturating_sub(to)));
        request_animation_frame(measure);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_on_the_screen_is_rendered(scrolled in 0.0_f64..400_000.0, viewport in 100.0_f64..5_000.0, height in 20.0_f64..200.0, count in 0_usize..5_000) {
            let (from, to) = rows_in_view(-scrolled, viewport, height, count);
            prop_assert!(from <= to && to <= count);
            prop_assert!(to - from <= (viewport / height) as usize + 2 * MARGIN + 3 * STEP);
            for y in [0.0, viewport / 2.0, viewport] {
                let row = ((scrolled + y) / height) as usize;
                prop_assert!(row >= count || (from..to).contains(&row), "row {row} of {count} not in {from}..{to}");
            }
        }
    }

    #[test]
    fn the_first_window_does_not_move_while_near_the_top() {
        assert_eq!(rows_in_view(200.0, 900.0, 44.0, 5_000).0, 0);
        assert_eq!(rows_in_view(-300.0, 900.0, 44.0, 5_000).0, 0);
    }
}
