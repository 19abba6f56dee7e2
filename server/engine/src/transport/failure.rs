//! Sorting failures into the classes that decide what happens next (docs/lifecycle.md), with the side they were on.

use super::TransportError;
use crate::files::hash::HashError;
use crate::files::source::SourceError;
use crate::keep::seal::SealError;
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use rustix::io::Errno;
use std::fmt::Display;
use std::io;

/// Files named by one error at most.
pub const FILES_NAMED_AT_MOST: usize = 1_000;

/// Why something could not be done at a destination or here, as it is recorded and told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Decides what happens next.
    pub class: FailureClass,
    pub side: Side,
    pub message: String,
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Failure {
        const NAMED: usize = 5;
        let mut message = error.message;
        if !error.files.is_empty() {
            let names: Vec<String> = error.files.iter().take(NAMED).map(ToString::to_string).collect();
            let more = error.files.len().saturating_sub(NAMED);
            message.push_str(&format!(
                " ({}{})",
                names.join(", "),
                if more > 0 { format!(", and {more} more") } else { String::new() }
            ));
        }
        Failure { class: error.class, side: error.side, message }
    }
}

impl TransportError {
    /// A failure without files.
    pub fn new(class: FailureClass, side: Side, message: impl Into<String>) -> TransportError {
        TransportError { class, side, message: message.into(), files: Vec::new() }
    }

    /// `cancel` fired.
    pub fn interrupted() -> TransportError {
        TransportError::new(FailureClass::Interrupted, Side::Here, "interrupted")
    }

    /// The same, naming a file.
    pub fn naming(mut self, file: &FilePath) -> TransportError {
        if self.files.len() < FILES_NAMED_AT_MOST {
            self.files.push(file.clone());
        }
        self
    }

    /// The system refused something at the destination. `what`: what was tried, where.
    pub fn destination(error: impl Into<io::Error>, what: impl Display) -> TransportError {
        let error = error.into();
        let now = if Errno::from_io_error(&error) == Some(Errno::ROFS) { "it is read-only now: " } else { "" };
        TransportError::new(class_at_destination(&error), Side::Destination, format!("{what}: {now}{error}"))
    }
}

/// What an error of the system at a mounted destination means.
fn class_at_destination(error: &io::Error) -> FailureClass {
    let Some(errno) = Errno::from_io_error(error) else { return FailureClass::Unknown };
    match errno {
        Errno::NOSPC | Errno::DQUOT => FailureClass::DestinationFull,
        Errno::ACCESS | Errno::PERM | Errno::KEYREVOKED | Errno::KEYEXPIRED => FailureClass::Authentication,
        // For a while: a failover, maintenance, errors that made the system mount it anew. It is waited for as when it
        // is not mounted.
        Errno::ROFS => FailureClass::DestinationUnreachable,
        Errno::XDEV | Errno::NAMETOOLONG | Errno::INVAL | Errno::FBIG | Errno::ILSEQ | Errno::MLINK => {
            FailureClass::Configuration
        }
        Errno::IO
        | Errno::STALE
        | Errno::TIMEDOUT
        | Errno::NOTCONN
        | Errno::CONNRESET
        | Errno::CONNABORTED
        | Errno::CONNREFUSED
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETDOWN
        | Errno::NETUNREACH
        | Errno::NETRESET
        | Errno::PIPE
        | Errno::SHUTDOWN
        | Errno::REMOTEIO
        | Errno::AGAIN
        | Errno::BUSY
        | Errno::NXIO
        | Errno::NODEV
        | Errno::NOENT => FailureClass::Network,
        _ => FailureClass::Unknown,
    }
}

impl From<SourceError> for TransportError {
    fn from(error: SourceError) -> Self {
        let message = error.to_string();
        let (class, file) = match error {
            SourceError::RunGone { .. } => (FailureClass::LocalFileVanished, None),
            SourceError::Vanished { path } => (FailureClass::LocalFileVanished, Some(path)),
            // It was listed as a regular file.
            SourceError::NotRegular { path } => (FailureClass::LocalFileChanged, Some(path)),
            SourceError::Unreadable { path, .. } => (FailureClass::LocalRead, path.0),
            SourceError::Root { .. } | SourceError::Run { .. } => (FailureClass::LocalRead, None),
        };
        TransportError { class, side: Side::Source, message, files: file.into_iter().collect() }
    }
}

impl From<HashError> for TransportError {
    fn from(error: HashError) -> Self {
        let message = error.to_string();
        match error {
            HashError::Source(error) => error.into(),
            HashError::Interrupted => TransportError::interrupted(),
            HashError::Read { path, .. } => {
                TransportError::new(FailureClass::LocalRead, Side::Source, message).naming(&path)
            }
            HashError::Changed { path } => {
                TransportError::new(FailureClass::LocalFileChanged, Side::Source, message).naming(&path)
            }
        }
    }
}

impl From<SealError> for TransportError {
    fn from(error: SealError) -> Self {
        let message = error.to_string();
        match error {
            SealError::Source(error) => error.into(),
            SealError::Io { error, .. } => {
                let full = matches!(Errno::from_io_error(&error), Some(Errno::NOSPC | Errno::DQUOT));
                TransportError::new(
                    if full { FailureClass::LocalFull } else { FailureClass::Unknown },
                    Side::Here,
                    message,
                )
            }
            SealError::Incomplete { first, .. } => {
                TransportError::new(FailureClass::Unknown, Side::Here, message).naming(&first)
            }
            SealError::NotListed { path } => {
                TransportError::new(FailureClass::LocalFileChanged, Side::Source, message).naming(&path)
            }
            SealError::Absent { .. } | SealError::Torn { .. } | SealError::OutOfWindow { .. } => {
                TransportError::new(FailureClass::Unknown, Side::Here, message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Errno::NOSPC, FailureClass::DestinationFull)]
    #[case(Errno::DQUOT, FailureClass::DestinationFull)]
    #[case(Errno::ROFS, FailureClass::DestinationUnreachable)]
    #[case(Errno::ACCESS, FailureClass::Authentication)]
    #[case(Errno::IO, FailureClass::Network)]
    #[case(Errno::STALE, FailureClass::Network)]
    #[case(Errno::NOTCONN, FailureClass::Network)]
    #[case(Errno::NOTTY, FailureClass::Unknown)]
    fn destination_errors(#[case] errno: Errno, #[case] class: FailureClass) {
        let error = TransportError::destination(errno, "writing x");
        assert_eq!((error.class, error.side), (class, Side::Destination));
        assert!(error.message.starts_with("writing x: "));
    }

    #[test]
    fn s8_an_unreadable_local_file_is_no_wrong_password() {
        let path = FilePath::new("a").unwrap();
        let error = TransportError::from(SourceError::at(&path, Errno::ACCESS));
        assert_eq!((error.class, error.side, error.files), (FailureClass::LocalRead, Side::Source, vec![path]));
    }
}
