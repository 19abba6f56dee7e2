//! How a refusal of the engine is answered: its code, its sentence, and what else the code promises.

use crate::clear::{NotCalledOff, Refusal};
use domain::problem::{ErrorCode, Problem};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let message = refusal.to_string();
        let problem = |code| Problem::new(code, message);
        match refusal {
            Refusal::Unknown(_) | Refusal::Gone(_) => problem(ErrorCode::NotFound),
            Refusal::Busy(_) => problem(ErrorCode::RunBusy),
            Refusal::NotVerified { state: None, .. } => problem(ErrorCode::StagingNotSyncVerified),
            Refusal::NotVerified { state: Some(state), .. } => {
                problem(ErrorCode::StagingNotSyncVerified).with("current_state", state)
            }
            Refusal::NotOurs { .. } => problem(ErrorCode::StagingNotProven).with("files", [""; 0]),
            Refusal::Changed { files, generation, .. } => {
                problem(ErrorCode::StagingNotProven).with("files", files).with("generation", generation)
            }
            Refusal::Held { files, .. } => problem(ErrorCode::StagingNotProven).with("files", files),
            Refusal::Disproven { files, .. } => problem(ErrorCode::DestinationNotProven).with("files", files),
            Refusal::TooWeak { level, .. } => {
                problem(ErrorCode::DestinationNotProven).with("files", [""; 0]).with("proof_level", level)
            }
            Refusal::NoAnswer { class, .. } => {
                let problem = problem(ErrorCode::DestinationNotProven).with("files", [""; 0]);
                class.map_or(problem.clone(), |class| problem.with("class", class))
            }
            Refusal::Stopping { class, .. } => problem(ErrorCode::Stopping).with("files", [""; 0]).with("class", class),
            Refusal::Staging(_) => problem(ErrorCode::StagingUnavailable),
            Refusal::State(_) => problem(ErrorCode::StateUnavailable),
            Refusal::Document(document) => document.into(),
            Refusal::Record(_) => problem(ErrorCode::DocumentUnreadable),
            Refusal::Fault(_) => problem(ErrorCode::Internal),
            Refusal::KeptBack { freed, kept } => {
                let names: Vec<&String> = kept.iter().map(|(name, _)| name).collect();
                let problem = problem(ErrorCode::StagingNotProven).with("files", names);
                problem.with("files_freed", freed.files).with("bytes_freed", freed.bytes)
            }
        }
    }
}

impl From<NotCalledOff> for Problem {
    fn from(refusal: NotCalledOff) -> Problem {
        let code = match &refusal {
            NotCalledOff::Busy { .. } => ErrorCode::RunBusy,
            NotCalledOff::Unknown { .. } => ErrorCode::NotFound,
            NotCalledOff::NoClear { .. } | NotCalledOff::EndsByItself { .. } | NotCalledOff::AllIsGone { .. } => {
                ErrorCode::NothingToCallOff
            }
            NotCalledOff::InTheWay { .. } => ErrorCode::StagingNotProven,
            NotCalledOff::NotNow { .. } => ErrorCode::StagingUnavailable,
            NotCalledOff::State(_) => ErrorCode::StateUnavailable,
        };
        Problem::new(code, refusal.to_string())
    }
}
