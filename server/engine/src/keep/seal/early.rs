//! Hashes that a destination made while the run was still on its way, kept in a file until the seal is closed: what has
//! one need not be asked for again when the whole is verified. Of one attempt only; nobody but the verification right
//! after it ever reads them.

use super::file::{Content, ItemReader, ItemWriter, beside};
use super::line::Item;
use super::{SealError, SealReader};
use domain::path::FilePath;
use domain::proof::{Digest, FileStat};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Takes hashes in path order while a run is sent. One that cannot be kept is asked for again: nothing is lost by it.
#[derive(Debug)]
pub struct EarlyHashes {
    path: PathBuf,
    out: Mutex<Option<ItemWriter>>,
}

/// What was hashed early, and a seal of what was not.
#[derive(Debug)]
pub struct Early {
    path: PathBuf,
    rest: SealReader,
}

impl EarlyHashes {
    /// Begins anew: what an earlier attempt was told is forgotten.
    pub fn begin(path: &Path) -> Result<EarlyHashes, SealError> {
        let out = ItemWriter::create(beside(path, ".partial"), Content::Early)?;
        Ok(EarlyHashes { path: path.to_owned(), out: Mutex::new(Some(out)) })
    }

    /// The destination says that it holds this.
    pub fn put(&self, file: &FilePath, size: u64, digest: Digest) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let stat = FileStat { size, mtime_ns: 0, ctime_ns: 0, inode: 0 };
        let item = Item::File { path: file.clone(), stat, digest: Some(digest), young: false };
        if let Some(writer) = out.as_mut()
            && let Err(error) = writer.put(&item)
        {
            tracing::warn!(%error, "hashes made meanwhile cannot be kept; they are asked for again");
            *out = None;
        }
    }

    /// What there is for this seal; `None` when there is nothing. Blocking.
    pub fn finish(&self, seal: &SealReader) -> Result<Option<Early>, SealError> {
        let writer = self.out.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer.filter(|writer| !writer.is_empty()) else { return Ok(None) };
        writer.close(&self.path, 0)?;
        let rest = beside(&self.path, ".rest");
        let mut early = ItemReader::open(&self.path, Content::Early)?.peekable();
        let mut out = ItemWriter::create(beside(&rest, ".partial"), Content::Seal)?;
        let mut is_told = false;
        for item in seal.items()? {
            let item = item?;
            // Attributes go with their file.
            if !matches!(item, Item::Attributes { .. }) {
                is_told = early.next_if(|early| matches!(early, Ok(early) if early.path() == item.path())).is_some();
            }
            if !is_told {
                out.put(&item)?;
            }
        }
        // One that is not sealed, or out of order, answers for nothing.
        match early.next() {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) => Ok(None),
            None => {
                let trailer = out.close(&rest, 0)?;
                Ok(Some(Early { path: self.path.clone(), rest: SealReader::finished(&rest, trailer) }))
            }
        }
    }
}

impl Early {
    /// A seal of the files that have no early hash.
    pub fn rest(&self) -> &SealReader {
        &self.rest
    }

    /// Path, size and digest of those that have one, in path order.
    pub fn hashes(
        &self,
    ) -> Result<impl Iterator<Item = Result<(FilePath, u64, Digest), SealError>> + use<>, SealError> {
        Ok(ItemReader::open(&self.path, Content::Early)?.filter_map(|item| match item {
            Ok(Item::File { path, stat, digest: Some(digest), .. }) => Some(Ok((path, stat.size, digest))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }))
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        // Best effort: the next attempt begins anew whatever lies there.
        for path in [&self.path, &beside(&self.path, ".rest")] {
            let _ = std::fs::remove_file(path);
        }
    }
}
