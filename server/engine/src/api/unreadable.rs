//! What cannot be read, as answers: a document that its writer has to mend, a folder that this account may not read, or
//! a staging root that is away. Only the last one is "not now".

use super::answers::store_problem;
use crate::files::source::SourceError;
use crate::judge::gatekeeper::GateError;
use crate::keep::record::RecordError;
use crate::observe::EvaluateError;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use std::io::ErrorKind;

/// Where mending rights or what stands there helps, and waiting does not.
fn is_for_people(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn unreadable(run: &RunPath, what: &dyn std::fmt::Display) -> Problem {
    let message = format!(
        "{run} cannot be read: {what}. Let the account of this program read it (chmod, chown), or put a folder of its \
         own there; then try again."
    );
    Problem::new(ErrorCode::RunUnreadable, message)
}

/// The run's folder or files.
pub(super) fn source_problem(run: &RunPath, error: &SourceError) -> Problem {
    match error {
        SourceError::RunGone { .. } => Problem::new(ErrorCode::NotFound, format!("{run} is no longer in staging")),
        SourceError::Run { error: cause, .. } | SourceError::Unreadable { error: cause, .. }
            if is_for_people(cause) =>
        {
            unreadable(run, error)
        }
        other => Problem::new(ErrorCode::StagingUnavailable, format!("{run} cannot be read now: {other}")),
    }
}

/// The run's record.
pub(super) fn record_problem(run: &RunPath, error: RecordError) -> Problem {
    match error {
        RecordError::Document(document) => document.into(),
        RecordError::Locked { .. } => {
            Problem::new(ErrorCode::RunBusy, format!("{run}: {error}: try again when that has ended."))
        }
        RecordError::TooLarge { .. } => Problem::new(ErrorCode::DocumentUnreadable, format!("{run}: {error}.")),
        RecordError::Io { ref source, .. } if is_for_people(source) => unreadable(run, &error),
        other => Problem::new(ErrorCode::StagingUnavailable, format!("{run}: {other}.")),
    }
}

/// What the gate could not judge or queue.
pub(super) fn gate_problem(run: &RunPath, error: GateError) -> Problem {
    match error {
        GateError::Record(error) => record_problem(run, error),
        GateError::Store(error) => store_problem(error),
        GateError::Source(error) => source_problem(run, &error),
    }
}

/// What could not be looked at.
pub(super) fn evaluate_problem(run: &RunPath, error: EvaluateError) -> Problem {
    match error {
        EvaluateError::Source(error) => source_problem(run, &error),
        EvaluateError::Record(error) => record_problem(run, error),
        EvaluateError::Store(error) => store_problem(error),
        EvaluateError::Gate(error) => gate_problem(run, error),
        EvaluateError::Fault(_) => Problem::new(ErrorCode::Internal, format!("{run}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::document::DocumentError;

    #[test]
    fn only_what_goes_by_itself_is_not_now() {
        let run = RunPath::parse("E/P/Runs/Run_1").unwrap();
        let path = || std::path::PathBuf::from("/s/E/P/Runs/Run_1");
        let io = |kind: ErrorKind| std::io::Error::from(kind);
        let torn = || DocumentError::Unreadable { document: "creation.json", detail: "EOF".into() };
        let closed = || RecordError::Io { what: ".exlab-wizard".into(), source: io(ErrorKind::PermissionDenied) };
        for (error, code, status) in [
            (EvaluateError::Gate(GateError::Record(torn().into())), ErrorCode::DocumentUnreadable, 422),
            (EvaluateError::Record(torn().into()), ErrorCode::DocumentUnreadable, 422),
            (EvaluateError::Record(closed()), ErrorCode::RunUnreadable, 409),
            (EvaluateError::Gate(GateError::Record(closed())), ErrorCode::RunUnreadable, 409),
            (
                SourceError::Run { path: path(), error: io(ErrorKind::PermissionDenied) }.into(),
                ErrorCode::RunUnreadable,
                409,
            ),
            (
                SourceError::Root { path: path(), error: io(ErrorKind::PermissionDenied) }.into(),
                ErrorCode::StagingUnavailable,
                503,
            ),
            (
                SourceError::Run { path: path(), error: io(ErrorKind::StaleNetworkFileHandle) }.into(),
                ErrorCode::StagingUnavailable,
                503,
            ),
            (SourceError::RunGone { path: path() }.into(), ErrorCode::NotFound, 404),
        ] {
            let problem = evaluate_problem(&run, error);
            assert_eq!((problem.code, problem.code.status()), (code, status), "{}", problem.message);
        }
    }
}
