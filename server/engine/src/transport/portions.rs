//! What a push works through: the listing, cut into portions of some thousands of files; and what it meets on the way.
//!
//! Only one portion is held in memory, whatever the run's size. For transports that let a tool carry the bytes.

use super::rules::fate::{Fate, Standing, fate, is_another, no_folder};
use super::wire::SizedFile;
use super::{FILES_NAMED_AT_MOST, Push, TransportError};
use crate::files::source::{InOrder, RunFolder};
use crate::keep::seal::{Item, Listing, ListingItems};
use crate::machine::progress::ProgressSink;
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use domain::proof::{FileStat, Totals};
use domain::units;
use std::collections::BTreeSet;
use std::convert::Infallible;
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

/// The listing, cut into portions, read on threads for blocking work. The same listing is always cut in the same way,
/// into portions of about as many files, so that the last one, for which nothing else is done meanwhile, is no bigger
/// than it must be and never a few files.
pub(super) struct Portions {
    items: Option<ListingItems>,
    again: Option<Arc<BTreeSet<FilePath>>>,
    size: Size,
}

impl Portions {
    pub fn new(listing: &Listing, again: Option<&[FilePath]>, most: Size) -> Result<Portions, TransportError> {
        let size = Size { files: evenly(listing.totals(), most), ..most };
        Ok(Portions {
            items: Some(listing.items()?),
            again: again.map(|files| Arc::new(files.iter().cloned().collect())),
            size,
        })
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

/// A portion is not cut below this many files because of its size: one of them may be nearly all of it.
const FEW: usize = 4_000;

/// How many files a portion has, so that all have about as many and none more than `most`.
fn evenly(all: Totals, most: Size) -> usize {
    let portions = |each: usize| all.files.div_ceil(each as u64).max(1);
    let each = |portions: u64| usize::try_from(all.files.div_ceil(portions)).unwrap_or(most.files);
    let by_files = each(portions(most.files));
    let by_bytes = each(all.bytes.div_ceil(most.bytes).max(1)).max(FEW);
    by_files.min(by_bytes).clamp(1, most.files)
}

/// The folders above a file, the nearest last.
pub(super) fn folders_above(path: &FilePath) -> impl Iterator<Item = &[u8]> {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &bytes[..at])
}

/// What a portion meets under the name of one of its files.
pub(super) enum Met {
    /// No file can stand there: this must be a folder and is none.
    NoFolder(Vec<u8>),
    /// With its bytes.
    Under(Standing, u64),
}

/// A portion, sorted out.
#[derive(Default)]
pub(super) struct Sorted {
    pub send: Vec<Wanted>,
    /// What moves aside before, ours or in the place of ours.
    pub aside: Vec<SizedFile>,
}

/// Decides what becomes of each file of a portion: it is sent, counts as sent, or is a problem.
pub(super) fn sort_out(
    push: &Push<'_>,
    files: impl IntoIterator<Item = (Wanted, Met)>,
    problems: &mut Problems,
    progress: &ProgressSink,
) -> Sorted {
    let mut sorted = Sorted::default();
    for ((path, stat), met) in files {
        let mut there = 0;
        let fate = match met {
            Met::NoFolder(folder) => Err(no_folder(push.run, &folder)),
            Met::Under(standing, bytes) => {
                there = bytes;
                match fate(standing, push.again.is_some(), || Ok::<_, Infallible>((push.placed_by_us)(&path))) {
                    Ok(Fate::Conflict) => Err(is_another(&path)),
                    Ok(fate) => Ok(fate),
                }
            }
        };
        match fate {
            Ok(Fate::Send) => sorted.send.push((path, stat)),
            Ok(Fate::SendAfterAside) => {
                sorted.aside.push((path.clone(), there));
                sorted.send.push((path, stat));
            }
            Ok(Fate::Sent | Fate::Conflict) => progress.skip_file(stat.size),
            Err(why) => {
                problems.add(&path, why);
                progress.skip_file(stat.size);
            }
        }
    }
    sorted
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
        let message = format!("{}; {}", taken(self.total), self.first);
        Err(TransportError { class: FailureClass::Conflict, side: Side::Destination, message, files: self.files })
    }
}

/// What a conflict says first.
pub(super) fn taken(names: u64) -> String {
    format!("{} taken at the destination by something that is not ours", units::plural(names, "name is", "names are"))
}

pub(super) fn fault(error: tokio::task::JoinError) -> TransportError {
    TransportError::new(FailureClass::Unknown, Side::Here, format!("a fault in this program: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, 0, 1)]
    #[case(1, 1, 1)]
    #[case(9_999, 1 << 20, 9_999)]
    #[case(10_001, 1 << 20, 5_001)]
    #[case(30_001, 1 << 20, 7_501)]
    #[case(1_000_000, 1 << 20, 10_000)]
    // Two of half a gibibyte, not one of that and a small one.
    #[case(10_000, 640 << 20, 5_000)]
    // A file of a tebibyte, and small ones: those stay together.
    #[case(101, 1 << 40, 101)]
    #[case(9_000, 1 << 40, 4_000)]
    fn portions_are_about_as_big(#[case] files: u64, #[case] bytes: u64, #[case] expected: usize) {
        assert_eq!(evenly(Totals { files, bytes }, Size { files: 10_000, bytes: 512 << 20 }), expected);
    }
}
