//! The one door to the backend: it says what is not there yet, and what is off.

use super::{EventStream, PanelBackend};
use domain::api::{ActView, PanelStatus};
use domain::problem::{ErrorCode, Problem};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How long a question waits for a program that starts (docs/rest.md).
const PATIENCE: Duration = Duration::from_secs(10);

/// What panel and REST ask. Cheap to clone; all clones are one door.
#[derive(Clone)]
pub struct Backend {
    state: Arc<watch::Sender<State>>,
    /// Where answers are made, when that is not where they are asked for.
    runtime: Option<Handle>,
    /// It asks and never acts.
    only_asks: bool,
}

#[derive(Clone)]
enum State {
    /// The state folder is being opened. The header says why that takes its time.
    Starting(Box<PanelStatus>),
    /// This workstation has no orchestrator.
    Off(Box<PanelStatus>),
    There(Arc<dyn PanelBackend>),
}

impl Backend {
    /// Shows this header, and lets questions wait, until [`Backend::is_there`] or [`Backend::is_off`].
    pub fn starting(status: PanelStatus) -> Backend {
        Backend {
            state: Arc::new(watch::Sender::new(State::Starting(Box::new(status)))),
            runtime: None,
            only_asks: false,
        }
    }

    /// One that is there from the beginning.
    pub fn there(real: Arc<dyn PanelBackend>) -> Backend {
        Backend { state: Arc::new(watch::Sender::new(State::There(real))), runtime: None, only_asks: false }
    }

    /// From now on this backend answers.
    pub fn is_there(&self, real: Arc<dyn PanelBackend>) {
        self.state.send_replace(State::There(real));
    }

    /// No backend will come: the orchestrator is off.
    pub fn is_off(&self, status: PanelStatus) {
        self.state.send_replace(State::Off(Box::new(status)));
    }

    /// Why the real one has not come yet; it is still tried.
    pub fn waits_for(&self, why: &str) {
        self.state.send_if_modified(|state| {
            if let State::Starting(status) = state {
                status.state_error = Some(why.to_owned());
            }
            // Nobody waits for this.
            false
        });
    }

    /// For pages that are rendered on runtimes of their own: answers are made on the runtime that this is called in, so
    /// that none ends with a page, and a page changes nothing.
    pub fn for_pages(&self) -> Backend {
        Backend { runtime: Some(Handle::current()), only_asks: true, ..self.clone() }
    }

    /// The header; never fails and never waits.
    pub fn status(&self) -> PanelStatus {
        match self.state.borrow().clone() {
            State::Starting(status) | State::Off(status) => *status,
            State::There(real) => real.status(),
        }
    }

    /// A started act.
    pub fn act(&self, id: &str) -> Option<ActView> {
        self.now()?.act(id)
    }

    /// Events after `since`; without it, from now on. They begin when there is somebody to tell of any; where the
    /// orchestrator is off none ever comes. A page that is rendered hears of none.
    pub fn subscribe(&self, since: Option<u64>) -> EventStream {
        if self.only_asks {
            return futures::stream::empty().boxed();
        }
        if let Some(real) = self.now() {
            return real.subscribe(since);
        }
        let door = self.clone();
        let begins = async move {
            match door.known().await {
                State::There(real) => real.subscribe(since),
                State::Off(_) | State::Starting(_) => futures::stream::pending().boxed(),
            }
        };
        Box::pin(begins.flatten_stream())
    }

    fn now(&self) -> Option<Arc<dyn PanelBackend>> {
        match &*self.state.borrow() {
            State::There(real) => Some(Arc::clone(real)),
            State::Starting(_) | State::Off(_) => None,
        }
    }

    /// Waits until it is known whether there is one.
    async fn known(&self) -> State {
        let known = |state: &State| !matches!(state, State::Starting(_));
        match self.state.subscribe().wait_for(known).await {
            Ok(state) => state.clone(),
            // The sender is gone. This door holds one itself, so that never happens.
            Err(_) => self.state.borrow().clone(),
        }
    }

    async fn real(&self) -> Result<Arc<dyn PanelBackend>, Problem> {
        if let State::Starting(status) = &*self.state.borrow()
            && let Some(error) = &status.state_error
        {
            return Err(Problem::new(
                ErrorCode::StateUnavailable,
                format!("The disk of the state folder is full. {error}"),
            ));
        }
        let starting = || {
            Problem::new(
                ErrorCode::Starting,
                "The program is starting: its state folder is being opened. Ask again soon.",
            )
        };
        match tokio::time::timeout(PATIENCE, self.known()).await {
            Ok(State::There(real)) => Ok(real),
            Ok(State::Off(_)) => Err(orchestrator_disabled()),
            Ok(State::Starting(_)) | Err(_) => Err(starting()),
        }
    }

    /// Asks the real one.
    pub(super) async fn asks<T: Send + 'static>(
        &self,
        question: impl FnOnce(Arc<dyn PanelBackend>) -> BoxFuture<'static, Result<T, Problem>> + Send,
    ) -> Result<T, Problem> {
        let answer = question(self.real().await?);
        match &self.runtime {
            None => answer.await,
            Some(runtime) => runtime.spawn(answer).await.unwrap_or_else(|error| {
                Err(Problem::new(ErrorCode::Internal, format!("A fault in this program: {error}")))
            }),
        }
    }

    /// The same of what changes something.
    pub(super) async fn carries_out<T: Send + 'static>(
        &self,
        act: impl FnOnce(Arc<dyn PanelBackend>) -> BoxFuture<'static, Result<T, Problem>> + Send,
    ) -> Result<T, Problem> {
        if self.only_asks {
            return Err(Problem::new(ErrorCode::Internal, "A page that is rendered cannot act."));
        }
        self.asks(act).await
    }
}

/// The answer to everything about runs while the orchestrator is off.
pub fn orchestrator_disabled() -> Problem {
    let message = "The orchestrator is off on this workstation. Set orchestrator.staging_root and orchestrator.label in the config \
                   file and restart the program.";
    Problem::new(ErrorCode::OrchestratorDisabled, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(on: bool) -> PanelStatus {
        PanelStatus { orchestrator_on: on, ..PanelStatus::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn questions_wait_ten_seconds_then_say_starting() {
        let door = Backend::starting(status(true));
        assert!(door.status().orchestrator_on && !door.status().ready);
        let begun = tokio::time::Instant::now();
        assert_eq!(door.staging().await.unwrap_err().code, ErrorCode::Starting);
        assert_eq!(begun.elapsed(), PATIENCE);
        assert!(door.act("x").is_none());
        door.waits_for("make room");
        assert_eq!(door.staging().await.unwrap_err().code, ErrorCode::StateUnavailable);
        assert_eq!((begun.elapsed(), door.status().state_error.as_deref()), (PATIENCE, Some("make room")));
    }

    #[tokio::test]
    async fn a_waiting_question_is_answered_when_it_is_known_what_is_there() {
        let door = Backend::starting(status(true));
        let asked = tokio::spawn({
            let door = door.clone();
            async move { door.staging().await }
        });
        tokio::task::yield_now().await;
        door.is_off(status(false));
        assert_eq!(asked.await.unwrap().unwrap_err().code, ErrorCode::OrchestratorDisabled);
        assert!(!door.status().orchestrator_on);
    }

    #[tokio::test]
    async fn a_page_that_is_rendered_changes_nothing() {
        let door = Backend::starting(status(true)).for_pages();
        assert_eq!(door.clear("E/P/Runs/Run_1").await.unwrap_err().code, ErrorCode::Internal);
        assert!(door.subscribe(None).next().await.is_none());
    }
}
