//! What went wrong here, as failures of a job.

use crate::database::{Failure, StoreError};
use crate::files::source::SourceError;
use crate::keep::seal::SealError;
use domain::job::{FailureClass, Side};

/// A panic, as a failure.
pub(super) fn fault(text: &str) -> Failure {
    Failure {
        class: FailureClass::Unknown,
        side: Side::Here,
        message: format!("a fault in this program stopped the job: {text}"),
    }
}

pub(super) fn store_failure(error: StoreError) -> Failure {
    let class = if matches!(error, StoreError::Full) { FailureClass::LocalFull } else { FailureClass::Unknown };
    Failure { class, side: Side::Here, message: error.to_string() }
}

pub(super) fn state_failure(error: &std::io::Error) -> Failure {
    let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let class = if full { FailureClass::LocalFull } else { FailureClass::Unknown };
    Failure { class, side: Side::Here, message: format!("the state folder cannot be written: {error}") }
}

pub(super) fn seal_failure(error: SealError) -> Failure {
    match error {
        SealError::Source(error) => source_failure(error),
        SealError::Io { ref error, .. } => state_failure(error),
        other => Failure { class: FailureClass::Unknown, side: Side::Here, message: other.to_string() },
    }
}

pub(super) fn source_failure(error: SourceError) -> Failure {
    let class = match &error {
        SourceError::RunGone { .. } | SourceError::Vanished { .. } => FailureClass::LocalFileVanished,
        SourceError::NotRegular { .. } => FailureClass::LocalFileChanged,
        SourceError::Root { .. } | SourceError::Run { .. } | SourceError::Unreadable { .. } => FailureClass::LocalRead,
    };
    Failure { class, side: Side::Source, message: error.to_string() }
}
