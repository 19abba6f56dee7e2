//! The panel's pages, rendered by Leptos with the backend as their context, its server functions, and the files it asks
//! for.

use super::answer::{Answer, Refusal};
use super::render::render;
use super::{Http, body, site, staging};
use app::App;
use app::shell::shell;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{RequestExt, Router};
use domain::problem::{ErrorCode, Problem};
use futures::future::BoxFuture;
use leptos::config::LeptosOptions;
use leptos::prelude::provide_context;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::{
    AxumRouteListing, generate_route_list_with_exclusions_and_ssg_and_context, handle_server_fns_with_context,
    render_app_async_with_context, render_route_with_context,
};
use std::sync::{Arc, OnceLock};

/// Renders a page.
type Render = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// The address of the staging table: shared with the list as scripts get it.
const STAGING: &str = "/staging";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Panel not built</title>\
    <h1>The panel is not in this binary</h1>\
    <p>This program was compiled without the panel's files. Build it with <code>cargo xtask build</code>, \
    which makes the panel first and then the program around it.</p>\
    <p>REST works: <code>GET /api/v1/staging</code>.</p></html>";

/// What the page handlers are given.
#[derive(Clone)]
struct Panel {
    http: Http,
    /// The page of a route of the panel.
    page: Render,
    /// An address that the panel does not know: its own way of saying so.
    missing: Render,
}

/// Pages, server functions and files.
pub fn router(http: Http) -> Router {
    let options = options();
    let context = {
        let backend = http.backend.clone();
        move || provide_context(backend.clone())
    };
    let of_pages = {
        let backend = http.backend.for_pages();
        move || provide_context(backend.clone())
    };
    let routes = routes(of_pages.clone());
    let document = {
        let options = options.clone();
        move || shell(options.clone())
    };
    let page = render_route_with_context::<LeptosOptions, _>(routes.clone(), of_pages.clone(), document.clone());
    let missing = render_app_async_with_context(of_pages, document);
    let panel = Panel {
        http,
        page: Arc::new(move |request| Box::pin(page(State(options.clone()), request))),
        missing: Arc::new(move |request| Box::pin(missing(request))),
    };
    let functions = post(move |request: Request| function(context.clone(), request));
    let with_functions = Router::new().route("/api/v1/fn/{*name}", functions).route(STAGING, get(list_or_page));
    let pages = routes.iter().map(AxumRouteListing::path).filter(|path| *path != STAGING);
    pages
        .fold(with_functions, |router, path| router.route(path, get(page_of_route)))
        .fallback(page_or_file)
        .with_state(panel)
}

/// `POST /api/v1/fn/{name}`
async fn function(context: impl Fn() + Clone + Send + 'static, request: Request) -> Answer {
    let path = request.uri().path();
    if server_fn_paths().any(|(known, method)| known == path && method == request.method()) {
        // Leptos reads the body by itself, so the limit must be laid around it here.
        return Ok(handle_server_fns_with_context(context, request.with_limited_body()).await.into_response());
    }
    Err(Problem::new(ErrorCode::NotFound, format!("There is no server function {path:?}.")).into())
}

/// The panel's routes, found once per process: while they are found, a switch that is global to the process keeps every
/// page that is being rendered from loading anything, and such a page would never end.
fn routes(context: impl Fn() + Clone + Send + 'static) -> Vec<AxumRouteListing> {
    static ROUTES: OnceLock<Vec<AxumRouteListing>> = OnceLock::new();
    ROUTES.get_or_init(|| generate_route_list_with_exclusions_and_ssg_and_context(App, None, context).0).clone()
}

/// In code, because the program is one file that reads nothing beside itself.
fn options() -> LeptosOptions {
    LeptosOptions::builder().output_name(site::OUTPUT_NAME).site_pkg_dir("pkg").build()
}

/// `GET /staging`: the list of the Python system, or the panel for a browser.
async fn list_or_page(State(panel): State<Panel>, headers: HeaderMap, request: Request) -> Answer {
    if body::wants_html(&headers) {
        Ok(page_of_route(State(panel), request).await)
    } else {
        staging::list_of_seeds(&panel.http).await
    }
}

async fn page_of_route(State(panel): State<Panel>, request: Request) -> Response {
    match site::is_built(&*panel.http.site) {
        true => render(move || (panel.page)(request), panel.http.stop).await,
        false => not_built(),
    }
}

async fn page_or_file(State(panel): State<Panel>, uri: Uri, headers: HeaderMap, request: Request) -> Response {
    if let Some(file) = site::serve(&*panel.http.site, uri.path().trim_start_matches('/'), &headers) {
        return file;
    }
    let is_page = body::wants_html(&headers) && request.method().is_safe() && !uri.path().starts_with("/api/");
    match (is_page, site::is_built(&*panel.http.site)) {
        (true, true) => render(move || (panel.missing)(request), panel.http.stop).await,
        (true, false) => not_built(),
        (false, _) => Refusal(Problem::new(ErrorCode::NotFound, format!("There is nothing under {:?}.", uri.path())))
            .into_response(),
    }
}

fn not_built() -> Response {
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
