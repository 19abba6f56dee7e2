//! Hydrates the panel in the browser; everything else is in `app`.

#![recursion_limit = "512"]

use app::pages;
use leptos::prelude::{set_timeout, window};
use std::time::Duration;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;

/// Until the page's own part is asked for once more. The page can be read meanwhile, as without scripts.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// After this the first page stands still, and the parts of the others are fetched.
const FETCH_OTHERS: Duration = Duration::from_secs(4);

/// Called once by the page's own script, when the module has loaded.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    start();
}

/// Hydrates the page as soon as its part is here.
fn start() {
    spawn_local(async {
        let path = window().location().pathname().unwrap_or_default();
        if pages::fetch(&path).await.is_err() {
            set_timeout(start, ASK_AGAIN);
            return;
        }
        leptos::mount::hydrate_body(app::App);
        set_timeout(|| spawn_local(pages::fetch_all()), FETCH_OTHERS);
    });
}
