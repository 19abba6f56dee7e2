//! The one error of every face: REST answers it as `application/problem+json`, server functions as themselves.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// Stable code of an error; decides the HTTP status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The path is not plain, or names no run's shape.
    BadPath,
    /// The body or query is malformed.
    BadRequest,
    /// Host or Origin is not ours.
    Forbidden,
    /// Never known.
    NotFound,
    /// Method not allowed on this route.
    MethodNotAllowed,
    /// force-sync: the instrument has not finished.
    StagingNotComplete,
    /// clear: not verified.
    StagingNotSyncVerified,
    /// clear: local files are not as sealed, or were never sealed by us.
    StagingNotProven,
    /// clear or verify: the destination does not hold what was sealed, or cannot show that it does.
    DestinationNotProven,
    /// The run's folder, a file of it, or its record cannot be read by this account.
    RunUnreadable,
    /// The run is already cleared.
    RunCleared,
    /// Something else is in work on this run.
    RunBusy,
    /// retry: the job has not failed, or there is none.
    NothingToRetry,
    /// call-off: no clear of the run waits.
    NothingToCallOff,
    /// override: the run has no hard finding of this class.
    NothingToOverride,
    /// revoke: it was revoked before.
    AlreadyRevoked,
    /// override: the run has no creation.json to write it to.
    CreationMissing,
    /// A document of another major.
    SchemaMajorMismatch,
    /// A document that cannot be read.
    DocumentUnreadable,
    /// The body is well-formed but cannot be accepted.
    Unprocessable,
    /// The orchestrator is off.
    OrchestratorDisabled,
    /// The first scan has not ended.
    Starting,
    /// The staging root cannot be read now.
    StagingUnavailable,
    /// No space or no access under the state folder.
    StateUnavailable,
    /// The program is stopping.
    Stopping,
    /// A fault in this program.
    Internal,
}

impl ErrorCode {
    /// HTTP status.
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::BadPath | ErrorCode::BadRequest => 400,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound => 404,
            ErrorCode::MethodNotAllowed => 405,
            ErrorCode::StagingNotComplete
            | ErrorCode::StagingNotSyncVerified
            | ErrorCode::StagingNotProven
            | ErrorCode::DestinationNotProven
            | ErrorCode::RunUnreadable
            | ErrorCode::RunCleared
            | ErrorCode::RunBusy
            | ErrorCode::NothingToRetry
            | ErrorCode::NothingToCallOff
            | ErrorCode::NothingToOverride
            | ErrorCode::AlreadyRevoked
            | ErrorCode::CreationMissing => 409,
            ErrorCode::SchemaMajorMismatch | ErrorCode::DocumentUnreadable | ErrorCode::Unprocessable => 422,
            ErrorCode::OrchestratorDisabled
            | ErrorCode::Starting
            | ErrorCode::StagingUnavailable
            | ErrorCode::StateUnavailable
            | ErrorCode::Stopping => 503,
            ErrorCode::Internal => 500,
        }
    }

    /// As written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BadPath => "bad_path",
            ErrorCode::BadRequest => "bad_request",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::NotFound => "not_found",
            ErrorCode::MethodNotAllowed => "method_not_allowed",
            ErrorCode::StagingNotComplete => "staging_not_complete",
            ErrorCode::StagingNotSyncVerified => "staging_not_sync_verified",
            ErrorCode::StagingNotProven => "staging_not_proven",
            ErrorCode::DestinationNotProven => "destination_not_proven",
            ErrorCode::RunUnreadable => "run_unreadable",
            ErrorCode::RunCleared => "run_cleared",
            ErrorCode::RunBusy => "run_busy",
            ErrorCode::NothingToRetry => "nothing_to_retry",
            ErrorCode::NothingToCallOff => "nothing_to_call_off",
            ErrorCode::NothingToOverride => "nothing_to_override",
            ErrorCode::AlreadyRevoked => "already_revoked",
            ErrorCode::CreationMissing => "creation_missing",
            ErrorCode::SchemaMajorMismatch => "schema_major_mismatch",
            ErrorCode::DocumentUnreadable => "document_unreadable",
            ErrorCode::Unprocessable => "unprocessable",
            ErrorCode::OrchestratorDisabled => "orchestrator_disabled",
            ErrorCode::Starting => "starting",
            ErrorCode::StagingUnavailable => "staging_unavailable",
            ErrorCode::StateUnavailable => "state_unavailable",
            ErrorCode::Stopping => "stopping",
            ErrorCode::Internal => "internal",
        }
    }
}

/// An error as answered. `details` holds what the code promises: `files`, `lacks`, `expected_major`, `found`, ...
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, thiserror::Error)]
pub struct Problem {
    /// Stable code.
    pub code: ErrorCode,
    /// One or two sentences: what, where, what to do.
    pub message: String,
    /// Also in `X-Trace-Id` and in the log; filled in by the server.
    #[serde(default)]
    pub trace_id: String,
    /// Further facts, at top level of the JSON.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Problem {
    /// Without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), trace_id: String::new(), details: Map::new() }
    }

    /// With one more fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Serialize) -> Problem {
        self.details.insert(key.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
        self
    }
}

impl From<crate::path::PathError> for Problem {
    fn from(error: crate::path::PathError) -> Problem {
        let code = match error {
            crate::path::PathError::NotPlain(_) => ErrorCode::BadPath,
            crate::path::PathError::NotARun(_) | crate::path::PathError::Outside(_) => ErrorCode::NotFound,
        };
        Problem::new(code, error.to_string())
    }
}

impl From<crate::document::DocumentError> for Problem {
    fn from(error: crate::document::DocumentError) -> Problem {
        use crate::document::DocumentError::{SchemaMajorMismatch, Unreadable};
        let message = error.to_string();
        match error {
            SchemaMajorMismatch { expected_major, found, .. } => Problem::new(ErrorCode::SchemaMajorMismatch, message)
                .with("expected_major", expected_major)
                .with("found", found),
            Unreadable { .. } => Problem::new(ErrorCode::DocumentUnreadable, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(ErrorCode::BadPath, 400)]
    #[case(ErrorCode::BadRequest, 400)]
    #[case(ErrorCode::Forbidden, 403)]
    #[case(ErrorCode::NotFound, 404)]
    #[case(ErrorCode::MethodNotAllowed, 405)]
    #[case(ErrorCode::StagingNotComplete, 409)]
    #[case(ErrorCode::StagingNotSyncVerified, 409)]
    #[case(ErrorCode::StagingNotProven, 409)]
    #[case(ErrorCode::DestinationNotProven, 409)]
    #[case(ErrorCode::RunCleared, 409)]
    #[case(ErrorCode::RunBusy, 409)]
    #[case(ErrorCode::NothingToRetry, 409)]
    #[case(ErrorCode::NothingToCallOff, 409)]
    #[case(ErrorCode::NothingToOverride, 409)]
    #[case(ErrorCode::AlreadyRevoked, 409)]
    #[case(ErrorCode::CreationMissing, 409)]
    #[case(ErrorCode::SchemaMajorMismatch, 422)]
    #[case(ErrorCode::DocumentUnreadable, 422)]
    #[case(ErrorCode::Unprocessable, 422)]
    #[case(ErrorCode::OrchestratorDisabled, 503)]
    #[case(ErrorCode::Starting, 503)]
    #[case(ErrorCode::StagingUnavailable, 503)]
    #[case(ErrorCode::StateUnavailable, 503)]
    #[case(ErrorCode::Stopping, 503)]
    #[case(ErrorCode::Internal, 500)]
    fn codes_are_written_alike_everywhere(#[case] code: ErrorCode, #[case] status: u16) {
        assert_eq!((serde_json::to_value(code).unwrap(), code.status()), (code.as_str().into(), status));
    }

    #[test]
    fn details_stand_at_the_top_level_and_read_back() {
        let problem = Problem::new(ErrorCode::StagingNotProven, "No.").with("files", ["raw/a.tif"]);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": "staging_not_proven", "message": "No.", "trace_id": "", "files": ["raw/a.tif"]})
        );
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
