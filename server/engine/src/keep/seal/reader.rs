//! A finished seal.

use super::SealError;
use super::file::{Content, ItemReader, Trailer};
use super::line::Item;
use domain::proof::{Digest, SealedFile, Totals};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

/// A finished seal in the state folder. Cheap to clone; holds no file open.
#[derive(Clone, Debug)]
pub struct SealReader {
    path: PathBuf,
    trailer: Trailer,
}

impl SealReader {
    /// Opens a seal and reads it once to its end; a torn, edited or unfinished one is refused.
    pub fn open(path: &Path) -> Result<SealReader, SealError> {
        let mut items = ItemReader::open(path, Content::Seal)?;
        if items.by_ref().any(|item| matches!(item, Ok(Item::File { digest: None, .. }))) {
            return Err(SealError::Torn { path: path.to_owned(), reason: "a file has no digest".to_owned() });
        }
        // A second look is cheap and gives the error, if there is one, as it is.
        let trailer = ItemReader::open(path, Content::Seal)?.check()?;
        Ok(SealReader { path: path.to_owned(), trailer })
    }

    pub(super) fn finished(path: &Path, trailer: Trailer) -> SealReader {
        SealReader { path: path.to_owned(), trailer }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Data files and their bytes.
    pub fn totals(&self) -> Totals {
        self.trailer.totals
    }

    /// An empty seal can be sent, but proves nothing (V6).
    pub fn is_empty(&self) -> bool {
        self.trailer.totals.files == 0
    }

    /// SHA-256 of its content.
    pub fn digest(&self) -> Digest {
        self.trailer.digest
    }

    /// When it was closed, nanoseconds since the epoch.
    pub fn sealed_at_ns(&self) -> i64 {
        self.trailer.closed_at_ns
    }

    /// Streams the data files in path order.
    pub fn files(&self) -> Result<SealFiles, SealError> {
        self.items().map(SealFiles)
    }

    /// Streams everything, each file as one with its attributes.
    pub fn entries(&self) -> Result<SealEntries, SealError> {
        let items = self.items()?;
        Ok(SealEntries { silent: items.0.is_older(), items: items.peekable() })
    }

    /// Streams everything: files, empty folders, and what is never sent.
    pub fn items(&self) -> Result<SealItems, SealError> {
        ItemReader::open(&self.path, Content::Seal).map(SealItems)
    }
}

/// Iterator over a seal. Its last item is an error when the file was edited since it was opened.
#[derive(Debug)]
pub struct SealItems(ItemReader);

impl SealItems {
    /// Streams a finished seal in one pass, without having read it to its end before: for showing, not for proving.
    pub fn open(path: &Path) -> Result<SealItems, SealError> {
        ItemReader::open(path, Content::Seal).map(SealItems)
    }

    /// SHA-256 of its content, once all of it was read and fits its last line.
    pub fn digest(&self) -> Option<Digest> {
        self.0.trailer().map(|trailer| trailer.digest)
    }
}

impl Iterator for SealItems {
    type Item = Result<Item, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// Something sealed: an item that is no line of attributes, and those of a file.
#[derive(Debug)]
pub struct Sealed {
    pub item: Item,
    /// The digest of its attributes; `None` where it has none, or where the seal says nothing of them.
    pub attributes: Option<Digest>,
}

/// Iterator over a seal by what is sealed: a file and its attributes are one.
#[derive(Debug)]
pub struct SealEntries {
    items: Peekable<SealItems>,
    silent: bool,
}

impl SealEntries {
    /// True where the seal is older than its lines of attributes: nothing is known of any.
    pub fn is_silent_on_attributes(&self) -> bool {
        self.silent
    }
}

impl Iterator for SealEntries {
    type Item = Result<Sealed, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match self.items.next()? {
            Ok(item) => item,
            Err(error) => return Some(Err(error)),
        };
        let attributes = self.items.next_if(|next| matches!(next, Ok(Item::Attributes { .. })));
        let attributes = attributes.and_then(Result::ok).and_then(|line| match line {
            Item::Attributes { digest, .. } => Some(digest),
            _ => None,
        });
        Some(Ok(Sealed { item, attributes }))
    }
}

/// Iterator over the data files of a seal.
#[derive(Debug)]
pub struct SealFiles(SealItems);

impl Iterator for SealFiles {
    type Item = Result<SealedFile, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next()? {
                Ok(Item::File { path, stat, digest: Some(digest), .. }) => {
                    return Some(Ok(SealedFile { path, stat, digest }));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
