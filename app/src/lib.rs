//! The panel of ExLab Orchestrator: pages, components and server functions, for browser and server.
//!
//! | module | holds |
//! |---|---|
//! | [`shell`] | the HTML document, server side only |
//! | [`api`], [`error`], [`backend`] | server functions, their error, and the world behind them |
//! | [`pages`] | the pages that are fetched when they are first shown |
//! | [`store`], [`live`] | what the browser knows, and how it stays up to date |
//! | [`overview`], [`staging`], [`run`], [`cleared`], [`problems`], [`certificate`] | the pages |
//! | [`acts`] | dialogs that say what an act will do, before it does it |
//! | [`lists`] | which rows a list shows, as its address asks, and what is selected of them |
//! | [`chrome`], [`parts`], [`words`], [`href`] | what the pages share |
//!
//! Knows no database, process or server: all of that is behind [`backend::Backend`].

// `cargo xtask test` demands docs of types and functions; fields with a telling name need none.
#![allow(missing_docs)]
#![recursion_limit = "512"]

pub mod acts;
pub mod api;
#[cfg(feature = "ssr")]
pub mod backend;
pub mod certificate;
pub mod chrome;
pub mod cleared;
mod codec;
pub mod error;
pub mod href;
pub mod lists;
pub mod live;
pub mod overview;
pub mod pages;
pub mod parts;
pub mod problems;
pub mod run;
#[cfg(test)]
mod sample;
#[cfg(feature = "ssr")]
pub mod shell;
#[cfg(feature = "ssr")]
mod sprite;
pub mod staging;
pub mod store;
pub mod words;

use crate::chrome::header::Header;
use crate::chrome::outcomes::Outcomes;
use crate::parts::Go;
use crate::store::Store;
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::{Lazy, SsrMode, path};

/// The whole panel.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let store = Store::new();
    provide_context(store);
    let status = Resource::new_blocking(|| (), |()| api::status());
    provide_context(status);
    Effect::new(move |_: Option<()>| {
        // Runs once the browser has taken over: from here on times are local, and buttons work.
        store.hydrated.set(true);
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-hydrated", "true");
        }
        live::start(store);
    });
    view! {
        <Title formatter=|page: String| if page.is_empty() { "ExLab Orchestrator".to_owned() } else { format!("{page} · ExLab Orchestrator") } />
        <Router>
            <Suspense>
                {move || Suspend::new(async move {
                    if let Ok(status) = status.await {
                        store.status.set(Some(status));
                    }
                    view! { <Header /> }
                })}
            </Suspense>
            <main id="main" tabindex="-1">
                <FlatRoutes fallback=|| view! { <Missing /> }>
                    <Route path=path!("/") view=staging::page::StagingPage ssr=SsrMode::Async />
                    <Route path=path!("/staging") view=staging::page::StagingPage ssr=SsrMode::Async />
                    <Route path=path!("/overview") view={Lazy::<pages::Overview>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/cleared") view={Lazy::<pages::Cleared>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/problems") view={Lazy::<pages::Problems>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/certificate/*run_path") view={Lazy::<pages::Certificate>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/runs/*run_path") view={Lazy::<pages::Run>::new()} ssr=SsrMode::Async />
                </FlatRoutes>
            </main>
            <Outcomes />
        </Router>
    }
    .into_any()
}

/// An address that leads nowhere.
#[component]
fn Missing() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    view! {
        <Title text="Not found" />
        <div class="panel empty">
            <h1 class="empty-title">"There is no such page"</h1>
            <p>
                <Go href="/staging".to_owned() class="button">"To the staging table"</Go>
            </p>
        </div>
    }
}
