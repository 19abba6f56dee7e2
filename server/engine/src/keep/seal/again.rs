//! What files of a sealed run hold whose mode, owner, time or name changed after it was sealed. They are hashed again
//! once, and what they hold is kept beside the seal with the stat they have now: a cheap look takes equal bytes as what
//! they are, and asks nobody.
//!
//! No clear rests on it: there every file whose stat is not the sealed one is read again.

use super::compare::{CompareError, Rehash, compare_with};
use super::file::{Content, InOrder, ItemWriter, beside};
use super::line::Item;
use super::{SealError, SealReader};
use crate::files::source::RunFolder;
use crate::machine::progress::ProgressSink;
use domain::api::Phase;
use domain::path::FilePath;
use domain::proof::{Digest, FileStat};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// How many files were hashed again, and what they hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HashedAgain {
    /// The bytes that were sealed.
    pub equal: u64,
    pub other: u64,
}

fn file_of(seal: &SealReader) -> PathBuf {
    beside(seal.path(), ".again")
}

/// Hashes every file of the seal's size and another stat, unless that was done before, and keeps what it holds.
/// Blocking.
pub fn hash_again(
    run: &RunFolder,
    seal: &SealReader,
    progress: &ProgressSink,
    cancel: &CancellationToken,
) -> Result<HashedAgain, CompareError> {
    let kept = file_of(seal);
    let out = ItemWriter::create(beside(&kept, ".partial"), Content::Again)?;
    let mut keeper = Keeper { out, counted: HashedAgain::default(), progress: progress.clone() };
    progress.begin(Phase::Hashing, seal.totals().files, seal.totals().bytes);
    compare_with(run, seal, Rehash::Never, Some(&mut keeper), cancel)?;
    let Keeper { out, counted, .. } = keeper;
    out.close(&kept, 0)?;
    Ok(counted)
}

/// Takes what was found, in path order.
pub(super) struct Keeper {
    out: ItemWriter,
    counted: HashedAgain,
    pub(super) progress: ProgressSink,
}

impl Keeper {
    /// This file, with this stat, holds this. `now`: it was hashed a moment ago.
    pub(super) fn keep(
        &mut self,
        path: &FilePath,
        stat: FileStat,
        found: Digest,
        sealed: Digest,
        now: bool,
    ) -> Result<(), SealError> {
        if now && found == sealed {
            self.counted.equal += 1;
        } else if now {
            self.counted.other += 1;
        }
        self.out.put(&Item::File { path: path.clone(), stat, digest: Some(found), young: false })
    }
}

/// What was kept, asked for in path order.
pub(super) struct HashedBefore(InOrder);

impl HashedBefore {
    /// What there is for this seal; nothing where nothing was kept, or where it cannot be read.
    pub(super) fn of(seal: &SealReader) -> HashedBefore {
        HashedBefore(InOrder::open(&file_of(seal), Content::Again))
    }

    /// What the file with this stat was found to hold. A torn file answers nothing from the tear on.
    pub(super) fn digest(&mut self, path: &FilePath, stat: &FileStat) -> Option<Digest> {
        match self.0.at(path)? {
            Item::File { stat: then, digest, .. } if then == stat => *digest,
            _ => None,
        }
    }
}
