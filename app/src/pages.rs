//! The pages other than the staging table. In the browser each is a part of its own, fetched when it is first shown; on
//! the server they are there from the start.
//!
//! A part that cannot be fetched is said in its place: the orchestrator does not answer, or it was replaced by another
//! version, whose parts do not fit what is here.

use crate::parts::Icon;
use leptos::prelude::*;
use leptos::wasm_split::{SplitLoaderError, wasm_split};
use leptos_meta::Title;
use leptos_router::LazyRoute;

/// `$route` is the page `$page`, in the part `$part`, which `$fetch` fetches.
macro_rules! page {
    ($(#[$about:meta])* $route:ident, $show:ident, $part:ident, $fetch:ident, $page:path) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $route;

        #[wasm_split($part, wasm_split_path = leptos::wasm_split, preload($fetch), fallible)]
        fn $show() -> Result<AnyView, SplitLoaderError> {
            Ok($page().into_any())
        }

        impl LazyRoute for $route {
            fn data() -> Self {
                $route
            }

            async fn view(_: Self) -> AnyView {
                $show().await.unwrap_or_else(|_| not_fetched())
            }
        }
    };
}

page!(
    /// `/overview`
    Overview,
    overview,
    overview,
    fetch_overview,
    crate::overview::page::OverviewPage
);
page!(
    /// `/problems`
    Problems,
    problems,
    problems,
    fetch_problems,
    crate::problems::page::ProblemsPage
);
page!(
    /// `/runs/{run_path}`
    Run,
    run,
    runs,
    fetch_run,
    crate::run::page::RunPage
);
page!(
    /// `/certificate/{run_path}`
    Certificate,
    certificate,
    runs,
    fetch_certificate,
    crate::certificate::CertificatePage
);
page!(
    /// `/cleared`
    Cleared,
    cleared,
    runs,
    fetch_cleared,
    crate::cleared::ClearedPage
);

/// Fetches what the page of this path needs.
pub async fn fetch(path: &str) -> Result<(), SplitLoaderError> {
    match path.split('/').nth(1) {
        Some("overview") => fetch_overview().await,
        Some("problems") => fetch_problems().await,
        Some("runs") => fetch_run().await,
        Some("certificate") => fetch_certificate().await,
        Some("cleared") => fetch_cleared().await,
        _ => Ok(()),
    }
}

/// Fetches the parts of all pages, so that they are there also while the orchestrator is not.
pub async fn fetch_all() {
    for path in ["/runs/", "/overview", "/problems", "/certificate/", "/cleared"] {
        // What does not come now is fetched when it is shown.
        let _ = fetch(path).await;
    }
}

fn not_fetched() -> AnyView {
    view! {
        <Title text="Not loaded" />
        <div class="panel empty" role="alert">
            <Icon name="alert" />
            <h1 class="empty-title">"This page could not be loaded"</h1>
            <p>"The orchestrator does not answer, or another version of it is running by now."</p>
            <p>
                <button
                    type="button"
                    class="button"
                    on:click=|_| {
                        let _ = window().location().reload();
                    }
                >
                    "Load it anew"
                </button>
            </p>
        </div>
    }
    .into_any()
}
