//! Blocking work on a thread of its own, while the caller's side stays asynchronous.
//!
//! The caller's callbacks are borrowed and cannot move to the thread: the thread sends messages, the caller's side
//! answers. A thread that hangs in the kernel (a dead server under a hard mount) cannot be ended; some seconds after a
//! cancellation it is left behind. Before each further step it asks for the cancellation, so it writes nothing more
//! when it wakes up.
//!
//! Nobody has to cancel it: after a while without progress the destination is asked who it is, on another thread. One
//! that does not answer that either hangs, and the call ends as unreachable; one that answers has much to do, and is
//! waited for.

use super::super::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a cancelled thread is waited for.
const GRACE: Duration = Duration::from_secs(5);
/// After so long without progress the destination is asked whether it is still there, and again after as long.
const QUIET: Duration = Duration::from_secs(60);
/// It hangs when it does not answer within this.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
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

/// A call that can be given up without cancelling the caller's.
pub(super) struct OwnCall {
    context: CallContext,
    /// Asks the destination whether it is there, and blocks as long as that takes; `None`: it is waited for.
    ask: Option<Arc<dyn Fn() + Send + Sync>>,
    /// One thread asks at a time: one that has no answer yet is the answer to everybody else.
    asking: Arc<AtomicBool>,
    quiet: Duration,
    answers_within: Duration,
}

impl OwnCall {
    /// One that waits, and is given up by whoever asked.
    pub fn patient(context: &CallContext) -> OwnCall {
        let context = CallContext { cancel: context.cancel.child_token(), ..context.clone() };
        OwnCall { context, ask: None, asking: Arc::default(), quiet: QUIET, answers_within: ANSWERS_WITHIN }
    }

    /// One that is given up where the destination does not answer `ask`; `asking` is of all calls to it.
    pub fn new(context: &CallContext, asking: &Arc<AtomicBool>, ask: impl Fn() + Send + Sync + 'static) -> OwnCall {
        OwnCall { ask: Some(Arc::new(ask)), asking: asking.clone(), ..OwnCall::patient(context) }
    }

    /// What the work is to be given.
    pub fn context(&self) -> &CallContext {
        &self.context
    }

    /// Ends when nothing was done for a while and the destination does not say who it is.
    async fn hangs(&self) {
        let Some(ask) = &self.ask else { return std::future::pending().await };
        loop {
            while let Some(rest) =
                self.quiet.checked_sub(self.context.progress.idle_for()).filter(|rest| !rest.is_zero())
            {
                tokio::time::sleep(rest).await;
            }
            if !self.answers(ask.clone()).await {
                return;
            }
            tokio::time::sleep(self.quiet).await;
        }
    }

    /// Whether a question that somebody else asks is answered in time.
    async fn answers_soon(&self) -> bool {
        let until = tokio::time::Instant::now() + self.answers_within;
        while self.asking.load(Ordering::SeqCst) {
            if tokio::time::Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(self.answers_within / 20).await;
        }
        true
    }

    async fn answers(&self, ask: Arc<dyn Fn() + Send + Sync>) -> bool {
        if self.asking.swap(true, Ordering::SeqCst) {
            return self.answers_soon().await;
        }
        let asking = self.asking.clone();
        let asked = tokio::task::spawn_blocking(move || {
            ask();
            asking.store(false, Ordering::SeqCst);
        });
        tokio::time::timeout(self.answers_within, asked).await.is_ok()
    }

    /// Runs `work` on a thread.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CancellationToken) -> Result<T, TransportError> + Send + 'static,
    ) -> Result<T, TransportError> {
        let cancel = self.context.cancel.clone();
        self.run_with(move |_: &Outbox<()>| work(&cancel), |()| ()).await
    }

    /// Runs `work` on a thread, and `answer` here on everything it sends.
    pub async fn run_with<T: Send + 'static, M: Send + 'static>(
        &self,
        work: impl FnOnce(&Outbox<M>) -> Result<T, TransportError> + Send + 'static,
        mut answer: impl FnMut(M) + Send,
    ) -> Result<T, TransportError> {
        let cancel = &self.context.cancel;
        if cancel.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        let unreachable =
            |message: String| TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message);
        if self.ask.is_some() && !self.answers_soon().await {
            // No further thread is given to it.
            return Err(unreachable(
                "the destination hangs: whether it is there was asked, and it does not say".to_owned(),
            ));
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
            cancel.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            outcome = finished => outcome.unwrap_or_else(|error| {
                Err(TransportError::new(FailureClass::Unknown, Side::Here, format!("a fault in this program: {error}")))
            }),
            () = given_up => Err(TransportError::new(FailureClass::Interrupted, Side::Destination, "interrupted while the destination did not answer")),
            () = self.hangs() => {
                cancel.cancel();
                let seconds = (self.quiet + self.answers_within).as_secs();
                Err(unreachable(format!("the destination hangs: nothing went on for {seconds} s, and it does not show its identity")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::progress::ProgressSink;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    fn call(ask: impl Fn() + Send + Sync + 'static) -> OwnCall {
        let limit: Arc<dyn Fn() -> Option<u64> + Send + Sync> = Arc::new(|| None);
        let context = CallContext { cancel: CancellationToken::new(), progress: ProgressSink::new(), limit };
        OwnCall {
            quiet: Duration::from_millis(30),
            answers_within: Duration::from_millis(30),
            ..OwnCall::new(&context, &Arc::default(), ask)
        }
    }

    /// A thread that hangs until the test ends.
    fn hanging() -> (std::sync::mpsc::Sender<()>, Mutex<std::sync::mpsc::Receiver<()>>) {
        let (end, hangs) = std::sync::mpsc::channel();
        (end, Mutex::new(hangs))
    }

    #[tokio::test]
    async fn v22_a_call_that_hangs_is_given_up_when_the_destination_hangs_too() {
        let ((end_work, work), (end_ask, asked)) = (hanging(), hanging());
        let call = call(move || assert!(asked.lock().unwrap().recv().is_err()));
        let error = call
            .run(move |_| work.lock().map(|work| work.recv().is_ok()).map_err(|_| TransportError::interrupted()))
            .await
            .unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::DestinationUnreachable, Side::Destination), "{error}");
        assert!(call.context.cancel.is_cancelled(), "it is to do nothing more when it wakes up");
        // No further thread is given to it while that one has no answer.
        let began = Arc::new(AtomicBool::new(false));
        let next =
            OwnCall { context: CallContext { cancel: CancellationToken::new(), ..call.context.clone() }, ..call };
        let begins = began.clone();
        let error = next.run(move |_| Ok(begins.swap(true, Ordering::SeqCst))).await.unwrap_err();
        assert_eq!(error.class, FailureClass::DestinationUnreachable, "{error}");
        assert!(!began.load(Ordering::SeqCst));
        drop(end_ask);
        // It is back.
        while next.run(|_| Ok(1)).await != Ok(1) {}
        drop(end_work);
    }

    #[tokio::test]
    async fn v22_a_call_that_takes_long_is_waited_for_while_the_destination_answers() {
        let (end, work) = hanging();
        let end = Mutex::new(Some(end));
        let asked = AtomicUsize::new(0);
        // It was asked three times, and answered; then the work is done.
        let call = call(move || {
            if asked.fetch_add(1, Ordering::Relaxed) == 2 {
                end.lock().unwrap().take();
            }
        });
        let done = call
            .run(move |_| work.lock().map(|work| work.recv().is_err()).map_err(|_| TransportError::interrupted()))
            .await;
        assert_eq!(done, Ok(true));
    }
}
