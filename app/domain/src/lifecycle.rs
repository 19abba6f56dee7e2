//! The five states of a run on disk, forward only (docs/lifecycle.md). [`apply`] alone knows what is legal.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `current_state` of `ingest.json`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// The instrument is still pushing.
    Staging,
    /// The completeness signal is there and the run has settled.
    Complete,
    /// The sync client has taken it.
    SyncQueued,
    /// Every byte is proven at the destination.
    SyncVerified,
    /// The local copy was let go.
    Cleared,
}

impl RunState {
    /// All states, in order of the lifecycle.
    pub const ALL: [RunState; 5] =
        [RunState::Staging, RunState::Complete, RunState::SyncQueued, RunState::SyncVerified, RunState::Cleared];

    /// As written in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Staging => "staging",
            RunState::Complete => "complete",
            RunState::SyncQueued => "sync_queued",
            RunState::SyncVerified => "sync_verified",
            RunState::Cleared => "cleared",
        }
    }

    /// Reads a document's text; a newer minor may hold others.
    pub fn from_text(text: &str) -> Option<RunState> {
        RunState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may happen to a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunEvent {
    /// A run folder without a record was seen.
    Seen,
    /// Signal present and settled.
    Completed,
    /// The sync client answered *queued*.
    Queued,
    /// The destination was proven against the seal. On a verified run: a later generation.
    Proven,
    /// A clear permit was used. Needs a proof made now.
    Cleared,
    /// Data stands at the path of a cleared run and no intent of ours is pending.
    NewLife,
    /// A clear could not be carried out and nothing of the run was removed: it is `sync_verified` as before, and the
    /// history says so.
    ClearTakenBack,
    /// Its folder was renamed: nothing of it counts as sent under the new name, and it goes the whole way again.
    Renamed,
}

impl RunEvent {
    /// All events.
    pub const ALL: [RunEvent; 8] = [
        RunEvent::Seen,
        RunEvent::Completed,
        RunEvent::Queued,
        RunEvent::Proven,
        RunEvent::Cleared,
        RunEvent::NewLife,
        RunEvent::ClearTakenBack,
        RunEvent::Renamed,
    ];
}

/// The event cannot happen in this state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{event:?} cannot happen to a run in state {}", .state.map_or("(none)", RunState::as_str))]
pub struct IllegalTransition {
    /// Where the run is; `None` before its first record.
    pub state: Option<RunState>,
    /// What was asked.
    pub event: RunEvent,
}

/// The next state, or why not. Total over all pairs.
///
/// A run walks from its first file to its clearing, and no step of that can be left out:
///
/// ```
/// use domain::lifecycle::{RunEvent, RunState, apply};
///
/// let way = [RunEvent::Seen, RunEvent::Completed, RunEvent::Queued, RunEvent::Proven, RunEvent::Cleared];
/// let mut state = None;
/// for event in way {
///     state = Some(apply(state, event)?);
/// }
/// assert_eq!(state, Some(RunState::Cleared));
///
/// let refused = apply(Some(RunState::Complete), RunEvent::Cleared).unwrap_err();
/// assert_eq!(refused.to_string(), "Cleared cannot happen to a run in state complete");
/// # Ok::<(), domain::lifecycle::IllegalTransition>(())
/// ```
pub fn apply(state: Option<RunState>, event: RunEvent) -> Result<RunState, IllegalTransition> {
    use RunState::{Cleared, Complete, Staging, SyncQueued, SyncVerified};
    match (state, event) {
        (None, RunEvent::Seen) => Ok(Staging),
        (Some(Staging), RunEvent::Completed) => Ok(Complete),
        (Some(Complete), RunEvent::Queued) => Ok(SyncQueued),
        (Some(SyncQueued | SyncVerified), RunEvent::Proven) => Ok(SyncVerified),
        (Some(SyncVerified), RunEvent::Cleared) => Ok(Cleared),
        (Some(Cleared), RunEvent::NewLife) => Ok(Staging),
        (Some(Cleared), RunEvent::ClearTakenBack) => Ok(SyncVerified),
        (Some(Staging | Complete | SyncQueued | SyncVerified), RunEvent::Renamed) => Ok(Staging),
        (state, event) => Err(IllegalTransition { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The law of the whole program.
        #[test]
        fn no_event_sequence_reaches_cleared_without_a_proof(events in proptest::collection::vec(0..RunEvent::ALL.len(), 0..60)) {
            let mut state = None;
            let mut proven_in_this_life = false;
            for event in events.into_iter().map(|n| RunEvent::ALL[n]) {
                let Ok(next) = apply(state, event) else { continue };
                match event {
                    RunEvent::Proven => proven_in_this_life = true,
                    RunEvent::Seen | RunEvent::NewLife | RunEvent::Renamed => proven_in_this_life = false,
                    _ => {}
                }
                prop_assert!(next != RunState::Cleared || proven_in_this_life);
                let back = matches!(event, RunEvent::NewLife | RunEvent::ClearTakenBack | RunEvent::Renamed);
                prop_assert!(Some(next) >= state || back, "forward only");
                state = Some(next);
            }
        }
    }

    #[test]
    fn texts_round_trip() {
        for state in RunState::ALL {
            assert_eq!(RunState::from_text(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
