//! Taking connections: each within its limits, and all of them to their end when the program stops.

use super::limits::{Limits, NO_CONNECTION_LEFT, Patient};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// What makes taking a connection fail, such as too many open files, is seldom over at once.
const AFTER_AN_ERROR: Duration = Duration::from_millis(200);

/// Answers until `stop`, then lets what is being answered end.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let ending = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => answer(stream, router.clone(), limits, place, &ending),
                Err(_) => {
                    tracing::warn!(connections = limits.connections, "a connection was refused: too many are open");
                    // What does not go at once does not go: nobody is waited for.
                    let _ = stream.try_write(NO_CONNECTION_LEFT);
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

fn answer(stream: TcpStream, router: Router, limits: Limits, place: OwnedSemaphorePermit, ending: &GracefulShutdown) {
    // Small answers must not wait for the kernel to gather more.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was refused");
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_header_size(limits.header_bytes);
    let stream = TokioIo::new(Patient::new(stream, limits.write_time));
    let connection = ending.watch(http.serve_connection(stream, TowerToHyperService::new(router)));
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
        drop(place);
    });
}
