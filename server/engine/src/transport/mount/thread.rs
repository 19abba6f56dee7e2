//! Blocking work on a thread of its own, while the caller's side stays asynchronous.
//!
//! The caller's callbacks are borrowed and cannot move to the thread: the thread sends messages, the caller's side answers.
//! A thread that hangs in the kernel (a dead server under a hard mount) cannot be ended; some seconds after a cancellation it
//! is left behind. Before each further step it asks for the cancellation, so it writes nothing more when it wakes up.

use super::super::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a cancelled thread is waited for.
const GRACE: Duration = Duration::from_secs(5);
/// Messages on their way.
const MESSAGES: usize = 64;

/// The thread's way to the caller's side.
#[derive(Debug)]
pub(super) struct Outbox<M>(mpsc::Sender<M>);

impl<M> Outbox<M> {
    /// Waits for room; fails when the caller's side is gone, which ends the work.
    pub fn send(&self, message: M) -> Result<(), TransportError> {
        self.0.blocking_send(message).map_err(|_| TransportError::interrupted())
    }
}

/// Runs `work` on a thread.
pub(super) async fn run<T: Send + 'static>(
    context: &CallContext,
    work: impl FnOnce(&CancellationToken) -> Result<T, TransportError> + Send + 'static,
) -> Result<T, TransportError> {
    let cancel = context.cancel.clone();
    run_with(context, move |_: &Outbox<()>| work(&cancel), |()| ()).await
}

/// Runs `work` on a thread, and `answer` here on everything it sends.
pub(super) async fn run_with<T: Send + 'static, M: Send + 'static>(
    context: &CallContext,
    work: impl FnOnce(&Outbox<M>) -> Result<T, TransportError> + Send + 'static,
    mut answer: impl FnMut(M) + Send,
) -> Result<T, TransportError> {
    if context.cancel.is_cancelled() {
        return Err(TransportError::interrupted());
    }
    let (sender, mut messages) = mpsc::channel(MESSAGES);
    let thread = tokio::task::spawn_blocking(move || work(&Outbox(sender)));
    let finished = async {
        while let Some(message) = messages.recv().await {
            answer(message);
        }
        thread.await
    };
    let given_up = async {
        context.cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        outcome = finished => outcome.unwrap_or_else(|error| {
            Err(TransportError::new(FailureClass::Unknown, Side::Here, format!("a fault in this program: {error}")))
        }),
        () = given_up => Err(TransportError::new(FailureClass::Interrupted, Side::Destination, "interrupted while the destination did not answer")),
    }
}
