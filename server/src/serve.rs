//! The life of the server: the port first, then the engine; on a signal everything in reverse, and exit code 0.

use crate::backend::{self, Stop};
use crate::http::limits::Limits;
use crate::http::{self, Options};
use app::backend::Backend;
use domain::problem::Problem;
use domain::settings::Settings;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long requests and the engine may take to end after a signal. Transfers are interrupted at once; this is for the
/// last answers and for closing the database.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the server did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken, or the address is not this machine's.
    #[error(
        "Cannot listen on {address}: {source}. Is another exlab-orchestrator running? Then stop it, or choose another server.listen."
    )]
    Listen {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The engine refuses, e.g. because another instance has the state folder.
    #[error("{0}")]
    Engine(Box<Problem>),
    /// Signals cannot be heard.
    #[error("Signals cannot be received: {0}")]
    Signals(std::io::Error),
    /// The HTTP server ended without being asked.
    #[error("The HTTP server ended by itself: {0}")]
    Http(String),
}

/// Serves until a signal.
pub async fn serve(settings: Settings, state_folder: &Path, hostname: &str) -> Result<(), ServeError> {
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;
    let listener = listen(&settings.listen).await?;
    let address =
        listener.local_addr().map_err(|source| ServeError::Listen { address: settings.listen.clone(), source })?;
    let backend = Backend::starting(backend::first_status(&settings, hostname));
    let stop = CancellationToken::new();
    let mut http = tokio::spawn(answer(listener, address, backend.clone(), stop.clone()));
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");

    let end_work = tokio::select! {
        started = backend::start(settings, state_folder, hostname, &backend) => started.map_err(|problem| ServeError::Engine(Box::new(problem)))?,
        name = signals.next() => {
            tracing::info!(signal = name, "stopped while starting");
            return Ok(());
        }
    };
    // Not before: a second instance on the same state folder must not name a panel.
    crate::cli::print(&format!("panel         http://{address}"));
    let outcome = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        ended = &mut http => Err(ServeError::Http(format!("{ended:?}"))),
    };
    stop.cancel();
    tokio::select! {
        () = end(end_work, outcome.is_ok().then_some(http)) => tracing::info!("stopped"),
        name = signals.next() => tracing::warn!(signal = name, "stopped at once, because asked twice"),
    }
    outcome
}

/// Interrupts the engine's work, which also ends the requests that wait for it, then waits for both.
async fn end(end_work: Stop, http: Option<tokio::task::JoinHandle<()>>) {
    let engine = end_work();
    let requests = async {
        if let Some(http) = http {
            let _ended = http.await;
        }
    };
    let both = async { tokio::join!(engine, requests) };
    if tokio::time::timeout(PATIENCE, both).await.is_err() {
        let seconds = PATIENCE.as_secs();
        tracing::warn!(seconds, "something did not end in time; what was in work resumes at the next start");
    }
}

async fn listen(address: &str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address: address.to_owned(), source })
}

async fn answer(listener: TcpListener, address: SocketAddr, backend: Backend, stop: CancellationToken) {
    let site = Arc::new(http::site::EmbeddedSite);
    if !http::site::is_built(&*site) {
        tracing::warn!("the panel is not in this binary: build it with `cargo xtask build`; REST works");
    }
    let limits = Limits::default();
    let router = http::router(backend, Options { address, stop: stop.clone(), site, limits });
    http::listen::serve(listener, router, limits, stop).await;
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
