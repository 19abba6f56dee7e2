//! The seal of a run: its data files with size, mtime, ctime, inode and SHA-256, sorted by path, in a file of the state
//! folder.
//!
//! Everything streams: a run of a million files never lives in memory. A seal file is text, one line per file; its last
//! line holds totals and the SHA-256 of all lines before, so that a torn or edited one is refused. While it is being
//! made it has another name and is appended to in path order, so that an interrupted job reads no finished file again.
//!
//! A [`Listing`] says what is to be sent; a [`SealWriter`] takes the digests and makes the seal; a [`SealReader`] is
//! the finished one; [`compare()`] tells whether the run still is what was sealed.

mod again;
mod checksums;
mod compare;
mod early;
mod file;
mod line;
mod listing;
mod reader;
mod seen;
mod writer;

pub use again::{HashedAgain, hash_again};
pub use checksums::checksums_file;
pub use compare::{Capped, Change, CompareError, LISTED_AT_MOST, LocalComparison, Rehash, compare};
pub use early::{Early, EarlyHashes};
pub use line::{Item, UnsupportedKind};
pub use listing::{Listing, ListingItems};
pub use reader::{SealEntries, SealFiles, SealItems, SealReader, Sealed};
pub use seen::{Part, SeenAtNas, SeenWriter};
pub use writer::SealWriter;

use crate::files::source::SourceError;
use domain::path::FilePath;
use std::io;
use std::path::{Path, PathBuf};

/// Where the seal of a generation lies in the work folder of its run's life.
pub fn seal_file(work_folder: &Path, generation: u64) -> PathBuf {
    work_folder.join(format!("seal-{generation}"))
}

/// Why a listing or a seal could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The state folder failed; its space may be used up.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file of the state folder.
        path: PathBuf,
        /// The system's own words.
        error: io::Error,
    },
    /// No such listing or seal.
    #[error("{} does not exist", path.display())]
    Absent {
        /// The file of the state folder.
        path: PathBuf,
    },
    /// Cut short, edited, or never finished: it proves nothing.
    #[error("{} is torn or was edited: {reason}", path.display())]
    Torn {
        /// The file of the state folder.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A digest was given for a file that the listing does not hold, or whose stat is another.
    #[error("{path} is not listed as it was hashed")]
    NotListed { path: FilePath },
    /// Digests came too far ahead of a file that is still missing.
    #[error("too many digests wait for that of {waiting_for}")]
    OutOfWindow { waiting_for: FilePath },
    /// The seal was to be closed, but digests are missing.
    #[error("{missing} listed files have no digest yet, the first is {first}")]
    Incomplete { missing: u64, first: FilePath },
    /// The run could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

#[cfg(test)]
mod tests;
