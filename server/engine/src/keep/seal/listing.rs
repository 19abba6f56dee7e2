//! What is to be sealed and sent: every data file with its stat, sorted, before anything has been hashed.

use super::SealError;
use super::file::{Content, ItemReader, ItemWriter, Trailer, beside};
use super::line::Item;
use crate::files::source::{Entry, RunFolder, SourceError, digest_of};
use domain::path::FilePath;
use domain::proof::{Digest, Totals};
use std::path::{Path, PathBuf};

/// A finished listing in the state folder. Cheap to clone; holds no file open.
#[derive(Clone, Debug)]
pub struct Listing {
    path: PathBuf,
    trailer: Trailer,
}

impl Listing {
    /// Walks the run and lists what it holds; every entry, the record's included, is given to `visitor` (the gate).
    /// `listed_at_ns`: now, nanoseconds since the epoch. A file that vanishes meanwhile is an error: the run is not at
    /// rest.
    pub fn of_run(
        run: &RunFolder,
        path: &Path,
        listed_at_ns: i64,
        mut visitor: impl FnMut(&Entry),
    ) -> Result<Listing, SealError> {
        let mut writer = ItemWriter::create(beside(path, ".tmp"), Content::Listing)?;
        for entry in run.walk()? {
            let entry = match entry {
                Err(SourceError::Vanished { path }) if path.is_record() => continue,
                entry => entry?,
            };
            visitor(&entry);
            let Some(item) = Item::of(entry) else { continue };
            writer.put(&item)?;
            if let Item::File { path, .. } = item
                && let Some(digest) = attributes(run, &path)?
            {
                writer.put(&Item::Attributes { path, digest })?;
            }
        }
        let trailer = writer.close(path, listed_at_ns)?;
        Ok(Listing { path: path.to_owned(), trailer })
    }

    /// Opens a listing; a torn or edited one is refused.
    pub fn open(path: &Path) -> Result<Listing, SealError> {
        let trailer = ItemReader::open(path, Content::Listing)?.check()?;
        Ok(Listing { path: path.to_owned(), trailer })
    }

    /// Data files and their bytes.
    pub fn totals(&self) -> Totals {
        self.trailer.totals
    }

    /// When it was made, nanoseconds since the epoch.
    pub fn listed_at_ns(&self) -> i64 {
        self.trailer.closed_at_ns
    }

    /// SHA-256 of its content.
    pub fn digest(&self) -> Digest {
        self.trailer.digest
    }

    /// Streams it in path order.
    pub fn items(&self) -> Result<ListingItems, SealError> {
        ItemReader::open(&self.path, Content::Listing).map(ListingItems)
    }
}

/// `None` also for a file that cannot be opened: whoever reads its bytes reports that.
fn attributes(run: &RunFolder, path: &FilePath) -> Result<Option<Digest>, SealError> {
    match run.attributes(path) {
        Ok(attributes) => Ok(digest_of(&attributes)),
        Err(SourceError::Unreadable { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Iterator over a listing.
#[derive(Debug)]
pub struct ListingItems(ItemReader);

impl Iterator for ListingItems {
    type Item = Result<Item, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}
