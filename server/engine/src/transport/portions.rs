//! What a push works through: the listing, cut into portions of some thousands of files; and what it meets on the way.
//!
//! Only one portion is held in memory, whatever the run's size. For transports that let a tool carry the bytes.

use super::{FILES_NAMED_AT_MOST, TransportError};
use crate::seal::{Item, Listing, ListingItems};
use crate::source::{InOrder, RunFolder};
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use domain::proof::FileStat;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How much one portion is at most; about, for its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub files: usize,
    pub bytes: u64,
}

/// A file to be sent.
pub(super) type Wanted = (FilePath, FileStat);

/// Some of what is to be sent.
#[derive(Default)]
pub(super) struct Portion {
    pub files: Vec<Wanted>,
    pub empty_folders: Vec<FilePath>,
}

/// The listing, cut into portions, read on threads for blocking work. The same listing is always cut in the same way, into portions of
/// about as many files, so that the last one, for which nothing else is done meanwhile, is no bigger than it must be and never a few files.
pub(super) struct Portions {
    items: Option<ListingItems>,
    again: Option<Arc<BTreeSet<FilePath>>>,
    size: Size,
}

impl Portions {
    pub fn new(listing: &Listing, again: Option<&[FilePath]>, most: Size) -> Result<Portions, TransportError> {
        let size = Size { files: evenly(listing.totals().files, most.files), ..most };
        Ok(Portions { items: Some(listing.items()?), again: again.map(|files| Arc::new(files.iter().cloned().collect())), size })
    }

    pub async fn next(&mut self) -> Result<Option<Portion>, TransportError> {
        let Some(mut items) = self.items.take() else { return Ok(None) };
        let (again, size) = (self.again.clone(), self.size);
        let read = tokio::task::spawn_blocking(move || {
            let (mut portion, mut bytes, mut more) = (Portion::default(), 0_u64, true);
            while portion.files.len() + portion.empty_folders.len() < size.files && bytes < size.bytes {
                match items.next().transpose()? {
                    None => {
                        more = false;
                        break;
                    }
                    Some(Item::File { path, stat, .. }) if again.as_ref().is_none_or(|files| files.contains(&path)) => {
                        bytes += stat.size;
                        portion.files.push((path, stat));
                    }
                    Some(Item::EmptyFolder { path }) if again.is_none() => portion.empty_folders.push(path),
                    Some(_) => {}
                }
            }
            Ok::<_, TransportError>((portion, more.then_some(items)))
        });
        let (portion, items) = read.await.map_err(fault)??;
        self.items = items;
        let nothing = portion.files.is_empty() && portion.empty_folders.is_empty();
        Ok((!nothing).then_some(portion))
    }
}

/// So many at once that all but the last have as many, and none has more than `most`.
fn evenly(files: u64, most: usize) -> usize {
    let portions = files.div_ceil(most as u64).max(1);
    usize::try_from(files.div_ceil(portions)).unwrap_or(most).clamp(1, most)
}

/// The folders above a file, the nearest last.
pub(super) fn folders_above(path: &FilePath) -> impl Iterator<Item = &[u8]> {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &bytes[..at])
}

/// The files that are no longer what was listed: what the tool read of them is something else.
pub(super) async fn changed(source: &RunFolder, files: Vec<Wanted>) -> Result<Vec<FilePath>, TransportError> {
    let mut source = InOrder::new(source);
    let looked = tokio::task::spawn_blocking(move || {
        let mut changed = Vec::new();
        for (path, stat) in files {
            if source.stat(&path)? != stat {
                changed.push(path);
            }
        }
        Ok::<_, TransportError>(changed)
    });
    looked.await.map_err(fault)?
}

/// Names that are taken by something that is not ours, while everything else is sent.
#[derive(Default)]
pub(super) struct Problems {
    files: Vec<FilePath>,
    total: u64,
    first: String,
}

impl Problems {
    pub fn add(&mut self, path: &FilePath, reason: String) {
        if self.total == 0 {
            self.first = reason;
        }
        self.total += 1;
        if self.files.len() < FILES_NAMED_AT_MOST {
            self.files.push(path.clone());
        }
    }

    /// Those of both.
    pub fn and(mut self, other: Problems) -> Problems {
        if self.total == 0 {
            return other;
        }
        self.total += other.total;
        self.files.extend(other.files.into_iter().take(FILES_NAMED_AT_MOST.saturating_sub(self.files.len())));
        self
    }

    pub fn into_result(self) -> Result<(), TransportError> {
        if self.total == 0 {
            return Ok(());
        }
        let message = format!("{} names are taken at the destination by something that is not ours; {}", self.total, self.first);
        Err(TransportError { class: FailureClass::Conflict, side: Side::Destination, message, files: self.files })
    }
}

pub(super) fn fault(error: tokio::task::JoinError) -> TransportError {
    TransportError::new(FailureClass::Unknown, Side::Here, format!("a fault in this program: {error}"))
}

#[cfg(test)]
mod tests {
    use super::evenly;

    #[test]
    fn portions_are_about_as_big() {
        for (files, expected) in [(0, 1), (1, 1), (9_999, 9_999), (10_000, 10_000), (10_001, 5_001), (30_001, 7_501), (1_000_000, 10_000)] {
            assert_eq!(evenly(files, 10_000), expected, "{files}");
        }
    }
}
