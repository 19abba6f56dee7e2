//! A shell at the server that is started before its script is known: most of the time of a short call is the start of
//! one.

use crate::machine::child::{Running, Tool};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The one that waits, if one does. It ends with the connection that it was started over. It knows nothing ahead: what
/// it is asked begins with where the root is now and what its marker says, as every script does.
#[derive(Debug, Default)]
pub(super) struct WaitingShell(Mutex<Option<Waiting>>);

#[derive(Debug)]
struct Waiting {
    running: Running,
    /// Of the connection that it uses.
    socket: PathBuf,
}

impl WaitingShell {
    /// Starts one. Where it cannot be started the next call starts its own, and says why it cannot.
    pub fn start(&self, tool: &Tool, socket: PathBuf) {
        let started = Running::start(tool).ok().map(|running| Waiting { running, socket });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = started;
    }

    /// The one that still waits on this connection.
    pub fn take(&self, socket: &Path) -> Option<Running> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut running = waiting.filter(|waiting| waiting.socket == socket)?.running;
        running.is_running().then_some(running)
    }

    /// Ends it.
    pub async fn end(&self) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut waiting) = waiting {
            waiting.running.end().await;
        }
    }
}
