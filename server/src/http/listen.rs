//! Taking connections: each within its limits, and all of them to their end when the program stops.

use super::limits::{Limits, NO_CONNECTION_LEFT, Patient, Stands};
use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What makes taking a connection fail, such as too many open files, is seldom over at once.
const AFTER_AN_ERROR: Duration = Duration::from_millis(200);
/// How long a connection that is ended for another one may take to make room.
const MAKES_ROOM_WITHIN: Duration = Duration::from_secs(1);

/// Refusals that are told at once; those beyond are closed without a word.
const REFUSALS: usize = 64;

/// Answers until `stop`, then lets what is being answered end.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let ending = GracefulShutdown::new();
    let mut silent = Silent::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match place(&places, &mut silent).await {
                Some(place) => answer(stream, router.clone(), limits, place, silent.add(limits.connections), &ending),
                None => {
                    tracing::warn!(connections = limits.connections, "a connection was refused: too many are open");
                    refuse(stream, limits, &refusals);
                }
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(AFTER_AN_ERROR).await;
            }
        }
    }
    drop(listener);
    ending.shutdown().await;
}

/// Tells it that there is no connection left, and ends it so that the client reads that.
fn refuse(stream: TcpStream, limits: Limits, refusals: &Arc<Semaphore>) {
    let Ok(telling) = Arc::clone(refusals).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let mut stream = Patient::new(stream, limits.write_time);
        let told = match stream.write_all(NO_CONNECTION_LEFT).await {
            Ok(()) => stream.shutdown().await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::debug!(%error, "a refused connection ended");
        }
        drop(telling);
    });
}

/// A place for a connection. Where all are taken, the one that has been silent longest gives its own up: thousands that
/// ask nothing must not keep those out that do.
async fn place(places: &Arc<Semaphore>, silent: &mut Silent) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    silent.oldest()?.cancel();
    tokio::time::timeout(MAKES_ROOM_WITHIN, Arc::clone(places).acquire_owned()).await.ok()?.ok()
}

/// Connections that may have to make room, oldest first.
#[derive(Default)]
struct Silent(VecDeque<Newcomer>);

struct Newcomer {
    end: CancellationToken,
    stands: Stands,
}

impl Silent {
    fn add(&mut self, connections: usize) -> Newcomer {
        if self.0.len() >= connections.saturating_mul(2) {
            self.0.retain(|newcomer| !newcomer.stands.is_closed());
        }
        let (end, stands) = (CancellationToken::new(), Stands::default());
        self.0.push_back(Newcomer { end: end.clone(), stands: stands.clone() });
        Newcomer { end, stands }
    }

    /// The oldest of those that ask nothing now.
    fn oldest(&mut self) -> Option<CancellationToken> {
        self.0.retain(|newcomer| !newcomer.stands.is_closed());
        let at = self.0.iter().position(|newcomer| newcomer.stands.asks_nothing())?;
        self.0.remove(at).map(|newcomer| newcomer.end)
    }
}

fn answer(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    place: OwnedSemaphorePermit,
    newcomer: Newcomer,
    ending: &GracefulShutdown,
) {
    // Small answers must not wait for the kernel to gather more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let Newcomer { end, stands } = newcomer;
    let asked = stands.clone();
    let service = router.map_request(move |mut request: Request<hyper::body::Incoming>| {
        asked.begins(request.body().is_end_stream());
        request.extensions_mut().insert(asked.clone());
        request
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_header_size(limits.header_bytes);
    let stream = TokioIo::new(Patient::new(stream, limits.write_time));
    let connection = ending.watch(http.serve_connection(stream, TowerToHyperService::new(service)));
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
            }
            () = end.cancelled() => tracing::debug!("a connection that asked nothing was ended for another one"),
        }
        stands.closes();
        drop(place);
    });
}
