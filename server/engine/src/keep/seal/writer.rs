//! Making a seal: digests come in, roughly in the listing's order, and go to a file that another start can go on with.
//!
//! `<seal>.partial` is appended to in path order. On reopening it becomes `<seal>.known`: what is in there with an
//! unchanged stat need not be read again. A finished seal under the final name counts as known too.

use super::file::{Content, ItemReader, ItemWriter, beside, io_error};
use super::line::Item;
use super::{Listing, ListingItems, SealError, SealReader};
use domain::path::FilePath;
use domain::proof::{Digest, FileStat};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Digests that may wait for an earlier one.
const WINDOW: usize = 16_384;
/// After so many lines the partial file is handed to the kernel.
const FLUSH_EVERY: u32 = 256;
/// A ctime younger than this when the file is hashed might not change with a further write (D14).
const YOUNG_NS: i64 = 1_000_000_000;

/// Takes digests of the files of one listing. Cheap to clone; all clones are one writer.
#[derive(Clone, Debug)]
pub struct SealWriter {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    listing: Listing,
    cursor: std::iter::Peekable<ListingItems>,
    partial: ItemWriter,
    unflushed: u32,
    waiting: BTreeMap<FilePath, Option<Sealed>>,
    known: TakenOver,
    missing: u64,
    first_missing: Option<FilePath>,
}

#[derive(Clone, Debug)]
struct Sealed {
    stat: FileStat,
    digest: Digest,
    young: bool,
}

impl SealWriter {
    /// Begins, or goes on with, the seal of `listing` at `path`.
    pub fn open(listing: &Listing, path: &Path) -> Result<SealWriter, SealError> {
        let known = TakenOver::take_over(path)?;
        let partial = ItemWriter::create(beside(path, ".partial"), Content::Seal)?;
        let inner = Inner {
            path: path.to_owned(),
            listing: listing.clone(),
            cursor: listing.items()?.peekable(),
            partial,
            unflushed: 0,
            waiting: BTreeMap::new(),
            known,
            missing: 0,
            first_missing: None,
        };
        Ok(SealWriter { inner: Arc::new(Mutex::new(inner)) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The digest of an earlier attempt, when the stat is unchanged and was no young one. Fast when asked in path
    /// order.
    pub fn known(&self, file: &FilePath, stat: &FileStat) -> Result<Option<Digest>, SealError> {
        self.lock().known.find(file, stat)
    }

    /// Takes the digest of a listed file. `hashing_began_ns`: just before its bytes were read, nanoseconds since the
    /// epoch. Digests may come out of order within a window.
    pub fn put(&self, file: &FilePath, stat: FileStat, digest: Digest, hashing_began_ns: i64) -> Result<(), SealError> {
        let young = stat.ctime_ns > hashing_began_ns.saturating_sub(YOUNG_NS);
        self.lock().take(file, Some(Sealed { stat, digest, young }))
    }

    /// Says that a listed file will get no digest this time; later ones need not wait for it. The seal cannot be
    /// closed.
    pub fn skip(&self, file: &FilePath) -> Result<(), SealError> {
        self.lock().take(file, None)
    }

    /// Hands what there is to the kernel, so that the next attempt finds it.
    pub fn flush(&self) -> Result<(), SealError> {
        self.lock().partial.flush()
    }

    /// Closes the seal: every listed file must have its digest. `sealed_at_ns`: now, nanoseconds since the epoch.
    pub fn finish(self, sealed_at_ns: i64) -> Result<SealReader, SealError> {
        let mut inner = self.lock();
        inner.advance()?;
        inner.count_rest()?;
        if let Some(first) = inner.first_missing.clone() {
            inner.partial.flush()?;
            return Err(SealError::Incomplete { missing: inner.missing, first });
        }
        // Another clone may still live, so the writer is swapped out of it: it will take nothing more.
        let path = inner.path.clone();
        let spent = ItemWriter::create(beside(&path, ".spent"), Content::Seal)?;
        let partial = std::mem::replace(&mut inner.partial, spent);
        let trailer = partial.close(&path, sealed_at_ns)?;
        for suffix in [".spent", ".known"] {
            remove_if_there(&beside(&path, suffix))?;
        }
        Ok(SealReader::finished(&path, trailer))
    }
}

impl Inner {
    fn take(&mut self, file: &FilePath, sealed: Option<Sealed>) -> Result<(), SealError> {
        self.waiting.insert(file.clone(), sealed);
        self.advance()?;
        if self.waiting.len() > WINDOW {
            let waiting_for = match self.cursor.peek() {
                Some(Ok(item)) => item.path().clone(),
                _ => file.clone(),
            };
            return Err(SealError::OutOfWindow { waiting_for });
        }
        Ok(())
    }

    /// Writes everything that the next lines of the listing have been waiting for.
    fn advance(&mut self) -> Result<(), SealError> {
        loop {
            let line = match self.cursor.peek() {
                None => break,
                Some(Err(_)) => {
                    let error = self.cursor.next().and_then(Result::err);
                    return Err(error.unwrap_or(SealError::Absent { path: self.path.clone() }));
                }
                Some(Ok(Item::File { path, stat, .. })) => match self.waiting.remove(path) {
                    None => break,
                    Some(None) => {
                        self.missing += 1;
                        self.first_missing.get_or_insert_with(|| path.clone());
                        None
                    }
                    Some(Some(sealed)) if sealed.stat != *stat => {
                        return Err(SealError::NotListed { path: path.clone() });
                    }
                    Some(Some(Sealed { stat, digest, young })) => {
                        Some(Item::File { path: path.clone(), stat, digest: Some(digest), young })
                    }
                },
                Some(Ok(other)) => Some(other.clone()),
            };
            if let Some(line) = line {
                self.partial.put(&line)?;
                self.unflushed += 1;
            }
            self.cursor.next();
        }
        // What waits before the cursor is in no listing.
        if let (Some((first, _)), next) = (self.waiting.first_key_value(), self.cursor.peek()) {
            let unlisted = match next {
                Some(Ok(item)) => first < item.path(),
                _ => true,
            };
            if unlisted {
                return Err(SealError::NotListed { path: first.clone() });
            }
        }
        if self.unflushed >= FLUSH_EVERY {
            self.unflushed = 0;
            self.partial.flush()?;
        }
        Ok(())
    }

    /// Counts the listed files that never came.
    fn count_rest(&mut self) -> Result<(), SealError> {
        let rest = self.listing.totals().files;
        for item in self.cursor.by_ref() {
            if let Item::File { path, .. } = item? {
                self.missing += 1;
                self.first_missing.get_or_insert(path);
            }
        }
        debug_assert!(self.missing <= rest);
        Ok(())
    }
}

/// Digests of earlier attempts: a finished seal, or an unfinished one under another name.
#[derive(Debug)]
struct TakenOver {
    path: Option<PathBuf>,
    items: Option<std::iter::Peekable<ItemReader>>,
    last: Option<FilePath>,
}

impl TakenOver {
    /// Merges `.partial` of the last attempt into `.known`; takes a finished seal when there is no unfinished one.
    fn take_over(path: &Path) -> Result<TakenOver, SealError> {
        let (partial, known) = (beside(path, ".partial"), beside(path, ".known"));
        if partial.exists() {
            let older = if known.exists() { known.clone() } else { path.to_owned() };
            let mut merged = ItemWriter::create(beside(path, ".merging"), Content::Seal)?;
            let mut last: Option<Item> = None;
            for item in readable(&partial).into_iter().flatten().map_while(Result::ok) {
                merged.put(&item)?;
                last = Some(item);
            }
            let rest = readable(&older).into_iter().flatten().map_while(Result::ok);
            for item in rest.skip_while(|item| last.as_ref().is_some_and(|last| item.place().le(last.place()))) {
                merged.put(&item)?;
            }
            merged.close(&known, 0)?;
            remove_if_there(&partial)?;
        }
        let path = [known, path.to_owned()].into_iter().find(|path| path.exists());
        Ok(TakenOver { path, items: None, last: None })
    }

    fn find(&mut self, file: &FilePath, stat: &FileStat) -> Result<Option<Digest>, SealError> {
        let Some(path) = &self.path else { return Ok(None) };
        if self.items.is_none() || self.last.as_ref().is_some_and(|last| file <= last) {
            match readable(path) {
                Some(items) => self.items = Some(items.peekable()),
                None => {
                    self.path = None;
                    return Ok(None);
                }
            }
        }
        self.last = Some(file.clone());
        let Some(items) = &mut self.items else { return Ok(None) };
        // A torn end means: nothing more is known. What was read before it is still what was written.
        while items.next_if(|item| item.as_ref().is_ok_and(|item| item.path() < file)).is_some() {}
        match items.peek() {
            Some(Ok(Item::File { path, stat: sealed, digest: Some(digest), young: false }))
                if path == file && sealed == stat =>
            {
                Ok(Some(*digest))
            }
            _ => Ok(None),
        }
    }
}

fn readable(path: &Path) -> Option<ItemReader> {
    ItemReader::open(path, Content::Seal).ok()
}

fn remove_if_there(path: &Path) -> Result<(), SealError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}
