//! The HTTP face: REST, events, the panel's pages and files. Every answer comes from a [`Backend`]; nothing is decided
//! here.
//!
//! | path | what |
//! |---|---|
//! | `/staging...` | the Python system's three routes with exactly its fields; a browser gets the panel |
//! | `/api/v1/...` | the same with our fields appended, runs, problems, acts, events (docs/rest.md) |
//! | `/api/v1/fn/*` | the panel's server functions |
//! | `/healthz`, `/readyz` | for supervisors |
//! | everything else | pages and files of the panel |
//!
//! Around all of them stand `trace` (trace ids, problems, panics) and `guard` (only our own pages may act).

mod acts;
mod answer;
mod body;
mod events;
mod guard;
mod health;
pub mod limits;
pub mod listen;
mod panel;
mod problems;
mod render;
mod run_path;
mod runs;
pub mod site;
mod staging;
mod trace;

mod windows;

pub use trace::panic_text;

use app::backend::{Backend, orchestrator_disabled};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use domain::problem::{ErrorCode, Problem};
use limits::Limits;
use site::SiteFiles;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the routes need besides the backend.
#[derive(Clone)]
pub struct Options {
    /// The address that is really listened on: decides which Host and Origin are ours.
    pub address: SocketAddr,
    /// Ends event streams, so that they do not hold up the end of the program.
    pub stop: CancellationToken,
    /// The panel's files.
    pub site: Arc<dyn SiteFiles>,
    /// How much a request may bring, and how long that may take.
    pub limits: Limits,
}

/// What every handler is given.
#[derive(Clone)]
struct Http {
    backend: Backend,
    stop: CancellationToken,
    site: Arc<dyn SiteFiles>,
}

impl Http {
    /// Refuses when the orchestrator is off.
    fn require_on(&self) -> Result<(), Problem> {
        if self.backend.status().orchestrator_on { Ok(()) } else { Err(orchestrator_disabled()) }
    }
}

/// The answer of what waits when the program ends.
fn orchestrator_stopping() -> Problem {
    Problem::new(ErrorCode::Stopping, "The program is stopping.")
}

/// All routes.
pub fn router(backend: Backend, options: Options) -> Router {
    let Options { address, stop, site, limits } = options;
    let http = Http { backend, stop, site };
    let api = Router::new()
        .route("/staging", get(staging::list_with_ours))
        .route("/staging/{*rest}", post(staging::act_with_ours))
        .route("/runs", get(runs::cleared))
        .route("/runs/{*rest}", get(runs::one))
        .route("/problems", get(problems::list))
        .route("/problems/{*rest}", post(problems::act))
        .route("/acts", post(acts::start_many))
        .route("/acts/plan", post(acts::plan))
        .route("/acts/{id}", get(acts::one))
        .route("/status", get(runs::status))
        .route("/overview", get(runs::overview))
        .route("/events", get(events::stream));
    let routes = Router::new()
        .nest("/api/v1", api)
        .route("/staging/{*rest}", post(staging::act_of_seeds))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(http.clone());
    routes
        .merge(panel::router(http))
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(limits, limits::whole_body))
        .layer(middleware::from_fn_with_state(guard::Ours::new(address), guard::refuse_foreign))
        .layer(middleware::from_fn(trace::around))
}
