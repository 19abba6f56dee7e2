//! Sending a job's run, sealing it on the way.

use super::placed_files::PlacedFiles;
use crate::core::Core;
use crate::database::{Failure, Job, LedgerKind};
use crate::files::source::RunFolder;
use crate::keep::seal::{EarlyHashes, Listing, SealReader, SealWriter};
use crate::machine::blocking::blocking;
use crate::machine::checkpoint::Checkpoint;
use crate::transport::destination::Destination;
use crate::transport::{CallContext, HashOutcome, Hashed, Push, hash_all};
use domain::api::Phase;
use domain::job::FailureClass;
use domain::log_line::Level;
use domain::path::FilePath;
use domain::proof::ProofLevel;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A job's run, opened, listed and admitted.
pub(super) struct Prepared {
    pub folder: RunFolder,
    pub listing: Listing,
    pub seal: SealWriter,
    pub placed: Arc<PlacedFiles>,
    /// Files that were placed and noted when everything was sent, each once.
    pub noted: AtomicU64,
    /// What the destination says it holds while others are still sent.
    pub early: Arc<EarlyHashes>,
}

/// The run on its way to its destination.
pub(super) struct Sending<'a> {
    pub core: &'a Core,
    pub destination: &'a Destination,
    pub job: &'a Job,
    pub run: &'a Prepared,
    pub context: &'a CallContext,
}

impl Sending<'_> {
    /// Sends everything, and gives the seal its digests: the transport makes them where it reads the bytes, else they
    /// are made at the same time. Then whichever of the two reads first brings the bytes into memory for the other.
    pub async fn everything(&self) -> Result<(), Failure> {
        if self.destination.transport.hashes_while_pushing() {
            return self.push(None, self.context).await;
        }
        // The first to fail ends the other, whose failure then is no more than that.
        let both = CallContext { cancel: self.context.cancel.child_token(), ..self.context.clone() };
        let hash = async {
            let Prepared { folder, listing, seal, .. } = self.run;
            let totals = listing.totals();
            let beside = CallContext {
                progress: self.context.progress.beside(Phase::Hashing, totals.files, totals.bytes),
                ..both.clone()
            };
            let (folder, listing, seal) = (folder.clone(), listing.clone(), seal.clone());
            let hashed = blocking(move || hash_all(&folder, &listing, &seal, &beside)).await.map_err(Failure::from);
            hashed.inspect_err(|_| both.cancel.cancel())
        };
        let send = async { self.push(None, &both).await.inspect_err(|_| both.cancel.cancel()) };
        let (hashed, sent) = tokio::join!(hash, send);
        self.context.progress.alone();
        let only_ended = matches!(&hashed, Err(failure) if failure.class == FailureClass::Interrupted);
        if only_ended { sent.and(hashed) } else { hashed.and(sent) }
    }

    /// Sends these once more, because the destination's bytes were wrong.
    pub async fn again(&self, files: &[FilePath]) -> Result<(), Failure> {
        self.push(Some(files), self.context).await
    }

    async fn push(&self, again: Option<&[FilePath]>, context: &CallContext) -> Result<(), Failure> {
        let Prepared { folder, listing, seal, placed, noted, early } = self.run;
        let totals = listing.totals();
        context.progress.begin(Phase::Sending, again.map_or(totals.files, |files| files.len() as u64), totals.bytes);
        let by_us = |file: &FilePath| placed.contains(file);
        let note = |file: &FilePath| {
            placed.add(file);
            if again.is_none() {
                noted.fetch_add(1, Ordering::Relaxed);
            }
            self.core.site.checkpoints.reached(Checkpoint::FilePlaced);
        };
        let keep = |hashed: Hashed| {
            // A weaker answer, or one of a file that was wrong before, is asked for again when everything has arrived.
            if let (None, HashOutcome::Digest { digest, size, level: ProofLevel::L2 }) = (again, hashed.outcome) {
                early.put(&hashed.path, size, digest);
            }
        };
        let push = Push {
            run: &self.job.run,
            source: folder,
            listing,
            seal,
            again,
            placed_by_us: &by_us,
            placed: &note,
            hashed: &keep,
        };
        let pushed = self.destination.transport.push(push, context).await.map_err(Failure::from);
        placed.flush();
        if let Err(error) = seal.flush() {
            tracing::warn!(run = %self.job.run, %error, "the unfinished seal could not be written");
        }
        if let Err(failure) = &pushed {
            self.destination.note_failure(failure);
        }
        pushed
    }

    /// Files that an earlier generation put there and this one lacks are moved aside, so that only the run is left
    /// under its names: an old `-wal` beside a new index would be taken for a part of it.
    pub async fn supersede(&self, seal: &SealReader) -> Result<(), Failure> {
        if self.job.generation == 1 {
            return Ok(());
        }
        let (placed, seal) = (self.run.placed.clone(), seal.clone());
        let lacking = blocking(move || placed.lacking(&seal)).await.map_err(super::failures::seal_failure)?;
        self.move_aside(&lacking).await
    }

    /// Where a later generation has a folder under the name of what was a file, or a file under that of a folder, what
    /// is ours there makes way before anything is sent.
    pub async fn make_way(&self) -> Result<(), Failure> {
        if self.job.generation == 1 {
            return Ok(());
        }
        let (placed, listing) = (self.run.placed.clone(), self.run.listing.clone());
        let in_the_way = blocking(move || placed.in_the_way(&listing)).await.map_err(super::failures::seal_failure)?;
        self.move_aside(&in_the_way.files).await?;
        if in_the_way.folders.is_empty() {
            return Ok(());
        }
        let removed =
            self.destination.transport.remove_empty_folders(&self.job.run, &in_the_way.folders, self.context).await;
        removed.map_err(Failure::from).inspect_err(|failure| self.destination.note_failure(failure))
    }

    async fn move_aside(&self, lacking: &[FilePath]) -> Result<(), Failure> {
        let Some(first) = lacking.first() else { return Ok(()) };
        let moved =
            self.destination.transport.move_aside(&self.job.run, lacking, self.context).await.map_err(Failure::from);
        moved.inspect_err(|failure| self.destination.note_failure(failure))?;
        let files = domain::units::counted(lacking.len() as u64, "file");
        let sentence = format!(
            "{files} of an earlier generation that this one lacks moved to .exlab-wizard/superseded on the NAS: \
             first {first}"
        );
        self.core.ledger(&self.job.run, self.job.life, LedgerKind::Superseded, sentence.clone()).await;
        self.core.log(Some(&self.run.folder), &self.job.run, Level::Info, &sentence);
        Ok(())
    }

    /// What is proven to be ours counts as placed by us, also where a crash came between its rename and the note of it.
    pub async fn all_placed(&self, seal: &SealReader) {
        if self.run.noted.load(Ordering::Relaxed) >= seal.totals().files {
            return;
        }
        let (placed, seal) = (self.run.placed.clone(), seal.clone());
        blocking(move || {
            let files = seal.files().into_iter().flatten();
            files.filter_map(Result::ok).for_each(|file| placed.add(&file.path));
            placed.flush();
        })
        .await;
    }
}
