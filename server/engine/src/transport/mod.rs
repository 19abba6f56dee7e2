//! How sealed bytes reach a destination and are hashed there (docs/proof.md). One implementation per kind of
//! destination: it opens it ([`Wire`]), carries many bytes fast, and says what a failure means. What is done to a
//! destination is decided once for all of them (`rules`).
//!
//! **The contract of every implementation**
//! - It writes only below the equipment's root, only into folders that mirror the staging tree and its own temporary folder
//!   `<root>/.exlab-orchestrator/tmp/`, and never under a final name before the file is whole: temporary name, then a rename
//!   that does not replace.
//! - It never overwrites and never deletes anything at the destination but its own temporary files.
//! - It never follows a link in the run; it opens regular files only, without blocking.
//! - Every call ends soon after `cancel` fires, with [`FailureClass::Interrupted`]; what was finished is not sent again next time.
//! - "Could not hash" is a failure, never a pass.

use crate::files::source::RunFolder;
use crate::keep::record_bytes::RecordBytes;
use crate::keep::seal::{Listing, SealReader, SealWriter};
use crate::machine::progress::ProgressSink;
use async_trait::async_trait;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::proof::{Digest, FileStat, FirstDifference, ProofLevel, SealedFile};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub mod destination;
mod failure;
mod hash_all;
mod modes_here;
pub mod mount;
mod of_settings;
mod portions;
mod private_name;
pub mod rclone;
pub mod rsync_ssh;
mod rules;
mod same_host;
pub(crate) mod throttle;
pub mod wire;

pub use failure::{FILES_NAMED_AT_MOST, Failure};
pub use hash_all::hash_all;
pub use of_settings::transport_of;
pub use private_name::remove_leftovers;
pub use rules::marker::{MarkedFor, Marker};
pub use wire::Wire;

/// Why a transport failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// Decides what happens next.
    pub class: FailureClass,
    pub side: Side,
    /// What, where, and the system's own words.
    pub message: String,
    /// Files concerned: conflicts, unreadable or vanished ones. At most 1,000.
    pub files: Vec<FilePath>,
}

impl TransportError {
    /// A destination can have room and take no file all the same: then that is what it is full of. `left` and `most` as
    /// [`Transport::free_files`] tells them.
    fn full_of_files(mut self, free: Option<(u64, u64)>) -> TransportError {
        if let (FailureClass::DestinationFull, Some((0, most))) = (self.class, free) {
            self.message =
                format!("no more files can be made there (0 of {} left): {}", domain::units::count(most), self.message);
        }
        self
    }
}

/// What every call is given besides its own arguments.
#[derive(Clone)]
pub struct CallContext {
    pub cancel: CancellationToken,
    /// Counts files and bytes from our own totals.
    pub progress: ProgressSink,
    /// Upload limit in KiB/s, asked again while a transfer runs; `None` is unlimited.
    pub limit: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
}

/// What to push.
pub struct Push<'a> {
    /// Where it goes below the equipment's root.
    pub run: &'a RunPath,
    /// The run's folder, opened without following links.
    pub source: &'a RunFolder,
    /// What is to be sent, sorted by path.
    pub listing: &'a Listing,
    /// Takes the digest of every file of the listing that has none yet. A transport that reads the bytes itself hashes
    /// while it copies; see [`Transport::hashes_while_pushing`].
    pub seal: &'a SealWriter,
    /// `None`: everything in the listing. `Some`: only these, again, because the destination's bytes were wrong.
    pub again: Option<&'a [FilePath]>,
    /// True when our own records say that we put this file at the destination, in this life of the run. Decides between
    /// "move aside" and "conflict".
    pub placed_by_us: &'a (dyn Fn(&FilePath) -> bool + Send + Sync),
    /// Told of every file placed under its final name, after the rename.
    pub placed: &'a (dyn Fn(&FilePath) + Send + Sync),
    /// Told of hashes that the destination made of files under their final names while others were still sent, in path
    /// order. A transport that can do so spares [`Transport::hashes`] the question; one that cannot says nothing.
    pub hashed: &'a (dyn Fn(Hashed) + Send + Sync),
}

/// How and how strongly a destination file was hashed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hashed {
    /// Path inside the run.
    pub path: FilePath,
    /// What the destination holds, or why that could not be told.
    pub outcome: HashOutcome,
}

/// What hashing a destination file gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HashOutcome {
    Digest {
        /// Of all its bytes.
        digest: Digest,
        size: u64,
        /// L1, L2 or L3.
        level: ProofLevel,
    },
    Missing,
    /// It is the very file in staging: same device and inode (D12).
    SameFile,
    /// Larger than `verify.max_stream_bytes`, and the destination cannot hash.
    Oversize {
        size: u64,
    },
    /// Could not be read or hashed.
    Failed {
        /// The system's own words.
        reason: String,
    },
}

/// One file of the record (`.exlab-wizard/`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordFile {
    /// Path inside the run, e.g. `.exlab-wizard/ingest.json`.
    pub path: FilePath,
    pub bytes: RecordBytes,
}

impl RecordFile {
    /// It could not be read here a second time.
    fn unreadable(&self, error: &std::io::Error) -> TransportError {
        let message = format!("{} cannot be read: {error}", self.path);
        TransportError::new(FailureClass::LocalRead, Side::Source, message).naming(&self.path)
    }

    /// As if it was sealed, to be held against what the destination says; its stat tells its size and nothing else.
    pub fn as_sealed(&self) -> SealedFile {
        let stat = FileStat { size: self.bytes.size(), mtime_ns: 0, ctime_ns: 0, inode: 0 };
        SealedFile { path: self.path.clone(), stat, digest: self.bytes.digest() }
    }
}

/// A destination of one equipment.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// What the operator calls it, e.g. `/mnt/nas/CONFOCAL_01`.
    fn describe(&self) -> String;

    /// What the operator calls the place of a run's data.
    fn place_of(&self, run: &RunPath) -> String {
        format!("{}/{}", self.describe().trim_end_matches('/'), run.below_equipment())
    }

    /// How hashes are made, for rows, e.g. `read back with O_DIRECT`.
    fn method(&self) -> String;

    /// Opens the destination: [`FailureClass::DestinationUnreachable`] when there is no marker or it cannot be read,
    /// [`FailureClass::DestinationForeign`] when it is another's, or is visible inside the staging tree.
    async fn open(&self, context: &CallContext) -> Result<Box<dyn Wire>, TransportError>;

    /// The same whatever marker it has, if any. With `make` a root that is not there is made where that cannot hide a
    /// missing mount.
    async fn open_to_mark(&self, make: bool, context: &CallContext) -> Result<Box<dyn Wire>, TransportError>;

    /// Reads the marker; failures as of [`Transport::open`]. Comparing it with ours is the caller's matter.
    async fn identify(&self, context: &CallContext) -> Result<Marker, TransportError> {
        let wire = self.open(context).await?;
        Marker::read(wire.marker(), &wire.destination())
    }

    /// Writes the marker; `replace` only after the operator adopted another's.
    async fn mark(&self, marker: &Marker, replace: bool, context: &CallContext) -> Result<(), TransportError> {
        rules::marker::mark(self, marker, replace, context).await
    }

    /// True when [`Transport::push`] gives every file's digest to the seal as it reads it; false when the seal must be
    /// complete before.
    fn hashes_while_pushing(&self) -> bool;

    /// False where nothing can tell the destination to bring what it has to its disks: when that happens is its own
    /// matter.
    fn makes_durable(&self) -> bool {
        true
    }

    /// Sends exactly the listed files, then makes them durable (one `syncfs`). A file already there with the same size
    /// and mtime counts as sent, and so does one of the same size that is not ours (an earlier life may have put it
    /// there): verification decides. A different file under a used name: moved aside when `placed_by_us`, else
    /// [`FailureClass::Conflict`] naming all of them, after everything else was sent.
    async fn push(&self, push: Push<'_>, context: &CallContext) -> Result<(), TransportError>;

    /// Hashes what the destination holds for every file of the seal, in the seal's order, and gives each to `found`.
    /// An error is a failure of the whole (unreachable, interrupted); a single file's failure is an outcome.
    async fn hashes(
        &self,
        run: &RunPath,
        seal: &SealReader,
        source: Option<&RunFolder>,
        found: &mut (dyn FnMut(Hashed) + Send),
        context: &CallContext,
    ) -> Result<(), TransportError>;

    /// What can be told of these files of the run without reading them, in the given order; `None` of what is not a
    /// regular file, is not there, or of which nothing can be told. It never follows a link under the last name. A
    /// destination that tells no change times need not be asked: by itself this answers nothing.
    async fn look(
        &self,
        _run: &RunPath,
        files: &[FilePath],
        _context: &CallContext,
    ) -> Result<Vec<Option<FileStat>>, TransportError> {
        Ok(vec![None; files.len()])
    }

    /// The marker, as [`Transport::identify`] reads it, and [`Transport::look`] in one call, where the destination
    /// answers both at once; `None` where it takes two. The error is that of the marker; the look has its own.
    async fn identify_and_look(
        &self,
        _run: &RunPath,
        _files: &[FilePath],
        _context: &CallContext,
    ) -> Result<Option<(Marker, Result<Vec<Option<FileStat>>, TransportError>)>, TransportError> {
        Ok(None)
    }

    /// Files of one last look before they are unlinked. More where a look needs a listing of the whole run, so that the
    /// listings of a large one cost little beside hashing it.
    fn looks_at_once(&self) -> usize {
        1_000
    }

    /// What a write really failed for, where the destination can be asked: a disk that is full may be one that takes no
    /// more files.
    async fn explain(&self, error: TransportError, context: &CallContext) -> TransportError {
        match error.class {
            FailureClass::DestinationFull => error.full_of_files(self.free_files(context).await),
            _ => error,
        }
    }

    /// Moves our own earlier files aside to `.exlab-wizard/superseded/<n>/` of the run.
    async fn move_aside(&self, run: &RunPath, files: &[FilePath], context: &CallContext) -> Result<(), TransportError> {
        let wire = self.open(context).await?;
        match rules::aside::move_aside(&*wire, run, files).await {
            Err(error) => Err(self.explain(error, context).await),
            moved => moved,
        }
    }

    /// Removes folders of the run that hold no file, only folders that hold none: a file is to take their name. What
    /// holds anything stays, and what is not there is done. Called after [`Transport::move_aside`].
    async fn remove_empty_folders(
        &self,
        run: &RunPath,
        folders: &[FilePath],
        context: &CallContext,
    ) -> Result<(), TransportError> {
        let wire = self.open(context).await?;
        match rules::aside::remove_empty_folders(&*wire, run, folders).await {
            Err(error) => Err(self.explain(error, context).await),
            removed => removed,
        }
    }

    /// Puts the record, replacing its own earlier version by rename, makes it durable, hashes it there, and answers
    /// what it hashed. An earlier life's record is first moved to `.exlab-wizard/lives/<life>/` when `life > 1`.
    async fn put_record(
        &self,
        run: &RunPath,
        life: u64,
        files: &[RecordFile],
        context: &CallContext,
    ) -> Result<Vec<Hashed>, TransportError> {
        // The progress of the run is that of its data.
        let quiet = CallContext { progress: ProgressSink::new(), ..context.clone() };
        let wire = self.open(&quiet).await?;
        match rules::record::put(&*wire, run, life, files).await {
            Err(error) => Err(self.explain(error, context).await),
            put => put,
        }
    }

    /// First differing byte of a destination file and the run's, when both can be read; for messages only.
    async fn first_difference(
        &self,
        run: &RunPath,
        file: &FilePath,
        source: &RunFolder,
        context: &CallContext,
    ) -> Option<FirstDifference> {
        rules::difference::first_difference(self, run, file, source, context).await
    }

    /// Bytes free at the destination for this account, where that can be told.
    async fn free_bytes(&self, _context: &CallContext) -> Option<u64> {
        None
    }

    /// How many more files can be made at the destination, and how many there can be in all, where that is limited and
    /// can be told.
    async fn free_files(&self, _context: &CallContext) -> Option<(u64, u64)> {
        None
    }

    /// How many seconds the destination's clock is ahead of this computer's, where that can be seen.
    async fn clock_offset_seconds(&self, _context: &CallContext) -> Option<i64> {
        None
    }
}
