//! Whether a run still is what was sealed: nothing changed, nothing new, nothing gone. Merges a walk with the seal,
//! both sorted.

use super::again::{HashedBefore, Keeper};
use super::line::{Item, UnsupportedKind};
use super::reader::Sealed;
use super::{SealError, SealReader};
use crate::files::hash::{HashError, Hasher};
use crate::files::source::{Entry, RunFolder, SourceError, digest_of};
use domain::path::FilePath;
use domain::proof::{Digest, FileStat, Totals};
use domain::units;
use std::cmp::Ordering;
use tokio_util::sync::CancellationToken;

/// At most this many paths are named of each sort.
pub const LISTED_AT_MOST: usize = 1_000;

/// When a file's bytes are read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rehash {
    /// Where mtime, ctime or inode differ at equal size, and where the sealed ctime was young (D14): what clearing
    /// rests on.
    WhereNeeded,
    /// Never: a differing stat is reported as changed, unless the file was hashed again with that stat before. The
    /// cheap look of the watcher.
    Never,
}

/// The first of many, and how many there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capped<T> {
    /// At most [`LISTED_AT_MOST`].
    pub first: Vec<T>,
    pub total: u64,
}

impl<T> Default for Capped<T> {
    fn default() -> Self {
        Capped { first: Vec::new(), total: 0 }
    }
}

impl<T> Capped<T> {
    /// Counts one more, and keeps it while there is room.
    pub fn push(&mut self, item: T) {
        self.total += 1;
        if self.first.len() < LISTED_AT_MOST {
            self.first.push(item);
        }
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

/// In what way a file is no longer the sealed one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Size {
        sealed: u64,
        found: u64,
    },
    /// Same size; mtime, ctime or inode differ, and the bytes were not looked at.
    Touched,
    /// Same size, other bytes.
    Content {
        sealed: Digest,
        found: Digest,
    },
    /// Same bytes so far as was looked; its extended attributes (streams, labels) are not those that were sealed.
    Attributes,
    /// Now a file where another kind of thing was sealed, or the other way round.
    Kind,
    /// It had to be read again and cannot be.
    Unreadable {
        /// The system's own words.
        reason: String,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Change::Size { sealed, found } => {
                write!(f, "has {}, {} sealed", units::counted(*found, "byte"), units::plural(*sealed, "was", "were"))
            }
            Change::Touched => f.write_str("was written to or replaced"),
            Change::Content { .. } => f.write_str("has other content than was sealed"),
            Change::Attributes => f.write_str("has other extended attributes (streams, labels) than were sealed"),
            Change::Kind => f.write_str("is another kind of entry than was sealed"),
            Change::Unreadable { reason } => write!(f, "cannot be read again: {reason}"),
        }
    }
}

/// How a run and its seal agree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LocalComparison {
    /// Sealed files that are unchanged.
    pub unchanged: Totals,
    /// Sealed, and different now.
    pub changed: Capped<(FilePath, Change)>,
    /// There, and not sealed. Links, FIFOs and devices count.
    pub late: Capped<FilePath>,
    pub missing: Capped<FilePath>,
    /// How many of the changed ones have the sealed size, and were not hashed again.
    pub touched: u64,
}

impl LocalComparison {
    /// Nothing is changed, late or missing.
    pub fn is_unchanged(&self) -> bool {
        self.changed.is_empty() && self.late.is_empty() && self.missing.is_empty()
    }
}

/// Why a comparison came to no end.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The seal, or a folder of the run, cannot be read.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// `cancel` fired.
    #[error("interrupted")]
    Interrupted,
}

impl From<SourceError> for CompareError {
    fn from(error: SourceError) -> Self {
        CompareError::Seal(error.into())
    }
}

/// Compares a run with its seal. Blocks; run it where blocking is allowed.
pub fn compare(
    run: &RunFolder,
    seal: &SealReader,
    rehash: Rehash,
    cancel: &CancellationToken,
) -> Result<LocalComparison, CompareError> {
    compare_with(run, seal, rehash, None, cancel)
}

/// The same; with a keeper, what is touched is hashed again and kept.
pub(super) fn compare_with(
    run: &RunFolder,
    seal: &SealReader,
    rehash: Rehash,
    keeper: Option<&mut Keeper>,
    cancel: &CancellationToken,
) -> Result<LocalComparison, CompareError> {
    let known = HashedBefore::of(seal);
    let mut comparison = Comparison {
        run,
        rehash,
        cancel,
        known,
        keeper,
        hasher: Hasher::new(),
        found: LocalComparison::default(),
        silent: false,
    };
    let entries = seal.entries()?;
    comparison.silent = entries.is_silent_on_attributes();
    let mut sealed = entries.filter(|sealed| !matches!(sealed, Ok(Sealed { item: Item::EmptyFolder { .. }, .. })));
    let mut next = sealed.next().transpose()?;
    for entry in run.walk()? {
        if cancel.is_cancelled() {
            return Err(CompareError::Interrupted);
        }
        let entry = match entry {
            Ok(entry) if entry.is_data_file() || entry.is_unsupported() => entry,
            // Something is at work in the run: a sealed file that vanished shows as missing below.
            Ok(_) | Err(SourceError::Vanished { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        loop {
            let order = next.as_ref().map_or(Ordering::Less, |sealed| entry.path.cmp(sealed.item.path()));
            match (order, next.take()) {
                (Ordering::Greater, Some(sealed_there)) => {
                    comparison.found.missing.push(sealed_there.item.path().clone());
                    next = sealed.next().transpose()?;
                }
                (Ordering::Equal, Some(sealed_there)) => {
                    comparison.pair(&entry, &sealed_there)?;
                    next = sealed.next().transpose()?;
                    break;
                }
                (_, item) => {
                    comparison.found.late.push(entry.path);
                    next = item;
                    break;
                }
            }
        }
    }
    while let Some(gone) = next {
        comparison.found.missing.push(gone.item.path().clone());
        next = sealed.next().transpose()?;
    }
    Ok(comparison.found)
}

struct Comparison<'a> {
    run: &'a RunFolder,
    rehash: Rehash,
    cancel: &'a CancellationToken,
    known: HashedBefore,
    keeper: Option<&'a mut Keeper>,
    hasher: Hasher,
    found: LocalComparison,
    /// The seal says nothing of attributes.
    silent: bool,
}

impl Comparison<'_> {
    fn pair(&mut self, entry: &Entry, sealed: &Sealed) -> Result<(), CompareError> {
        let change = match &sealed.item {
            Item::File { stat, young, .. }
                if entry.is_data_file()
                    && entry.stat.size == stat.size
                    && (entry.stat != *stat || *young || self.silent)
                    && self.attributes(entry)? != sealed.attributes =>
            {
                Some(Change::Attributes)
            }
            Item::File { stat, digest: Some(digest), young, .. } if entry.is_data_file() => {
                self.file(entry, stat, *digest, *young)?
            }
            Item::Unsupported { kind, stat, .. } if UnsupportedKind::of(entry.kind) == Some(*kind) => {
                (entry.stat != *stat).then_some(Change::Touched)
            }
            _ => Some(Change::Kind),
        };
        if let Some(keeper) = &self.keeper {
            keeper.progress.add_file();
        }
        match (change, &sealed.item) {
            (Some(change), _) => self.found.changed.push((entry.path.clone(), change)),
            (None, Item::File { stat, .. }) => self.found.unchanged.add(stat.size),
            (None, _) => {}
        }
        Ok(())
    }

    /// Whatever changes attributes changes the change time, too: they are looked at where that is another.
    fn attributes(&self, entry: &Entry) -> Result<Option<Digest>, CompareError> {
        match self.run.attributes(&entry.path) {
            Ok(attributes) => Ok(digest_of(&attributes)),
            // Whoever reads its bytes reports that.
            Err(SourceError::Unreadable { .. } | SourceError::Vanished { .. } | SourceError::NotRegular { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn file(
        &mut self,
        entry: &Entry,
        sealed: &FileStat,
        digest: Digest,
        young: bool,
    ) -> Result<Option<Change>, CompareError> {
        if entry.stat.size != sealed.size {
            return Ok(Some(Change::Size { sealed: sealed.size, found: entry.stat.size }));
        }
        let same = entry.stat == *sealed;
        match self.rehash {
            Rehash::Never if same => {
                if let Some(keeper) = &self.keeper {
                    keeper.progress.add_bytes(sealed.size);
                }
                return Ok(None);
            }
            Rehash::Never => return self.touched(entry, digest),
            Rehash::WhereNeeded if same && !young => return Ok(None),
            Rehash::WhereNeeded => {}
        }
        self.hashed(entry, digest).map(Result::err)
    }

    /// A file of the sealed size and another stat: what it was found to hold when it was hashed again, or is found to
    /// hold now.
    fn touched(&mut self, entry: &Entry, digest: Digest) -> Result<Option<Change>, CompareError> {
        let before = self.known.digest(&entry.path, &entry.stat);
        let found = match before {
            Some(found) => found,
            None if self.keeper.is_none() => {
                self.found.touched += 1;
                return Ok(Some(Change::Touched));
            }
            None => match self.hashed(entry, digest)? {
                Ok(()) => digest,
                Err(Change::Content { found, .. }) => found,
                Err(change) => return Ok(Some(change)),
            },
        };
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(&entry.path, entry.stat, found, digest, before.is_none())?;
        }
        Ok((found != digest).then_some(Change::Content { sealed: digest, found }))
    }

    fn hashed(&mut self, entry: &Entry, digest: Digest) -> Result<Result<(), Change>, CompareError> {
        let progress = self.keeper.as_ref().map(|keeper| keeper.progress.clone());
        let read = |bytes| {
            if let Some(progress) = &progress {
                progress.add_bytes(bytes);
            }
        };
        match self.hasher.local(self.run, &entry.path, &entry.stat, self.cancel, &read) {
            Ok(hashed) if hashed.digest == digest => Ok(Ok(())),
            Ok(hashed) => Ok(Err(Change::Content { sealed: digest, found: hashed.digest })),
            Err(HashError::Interrupted) => Err(CompareError::Interrupted),
            Err(HashError::Changed { .. }) => Ok(Err(Change::Touched)),
            Err(error) => Ok(Err(Change::Unreadable { reason: error.to_string() })),
        }
    }
}
