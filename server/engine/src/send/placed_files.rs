//! Which files we put at a destination, in this life of a run: decides between "ours, move aside" and "a stranger's,
//! conflict".

use crate::keep::seal::{Item, Listing, SealError, SealReader};
use domain::path::FilePath;
use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

const FILE: &str = "placed";

/// The life has ended: nothing is sent for it any more. Best effort.
pub fn forget(work_folder: &Path) {
    let _ = std::fs::remove_file(work_folder.join(FILE));
}

/// What has to make way at a destination before anything is sent, each in path order.
#[derive(Default)]
pub struct InTheWay {
    /// Files of an earlier generation.
    pub files: Vec<FilePath>,
    /// Folders that these leave, where a file is to stand.
    pub folders: Vec<FilePath>,
}

fn in_order<'a>(names: impl Iterator<Item = &'a Box<[u8]>>) -> Vec<FilePath> {
    let mut names: Vec<FilePath> = names.filter_map(|name| FilePath::new(name.to_vec()).ok()).collect();
    names.sort();
    names
}

/// The names of a list, each as a hash under a key that is new at every start: a million names take 8 MB, however long
/// they are. The chance that one more name has the hash of one of these is 1 in 10^13; then a stranger's file would be
/// moved aside instead of being a conflict, or a file that a later generation lacks would stay under its name.
struct Names {
    keys: RandomState,
    numbers: Vec<u64>,
}

impl Names {
    fn read(list: &Path) -> std::io::Result<Names> {
        let mut count = 0;
        each_name(list, |_| count += 1)?;
        let (keys, mut numbers) = (RandomState::new(), Vec::with_capacity(count));
        each_name(list, |name| numbers.push(keys.hash_one(name)))?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Names { keys, numbers })
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.numbers.binary_search(&self.keys.hash_one(name)).ok()
    }

    /// The few names of the list that these items lack.
    fn without(
        &self,
        list: &Path,
        items: impl Iterator<Item = Result<Item, SealError>>,
    ) -> Result<HashSet<Box<[u8]>>, SealError> {
        let mut is_there = vec![false; self.numbers.len()];
        for item in items {
            if let Item::File { path, .. } = item?
                && let Some(at) = self.find(path.as_bytes())
            {
                is_there[at] = true;
            }
        }
        let mut lacking = HashSet::new();
        let listed = each_name(list, |name| {
            if !name.is_empty() && self.find(name).is_some_and(|at| !is_there[at]) {
                lacking.insert(name.into());
            }
        });
        if let Err(error) = listed {
            unreadable(&error);
            lacking.clear();
        }
        Ok(lacking)
    }
}

fn unreadable(error: &std::io::Error) {
    tracing::warn!(%error, "the list of placed files could not be read");
}

/// Every whole name of a list, as it stands there; what is behind the last end of a name is none.
fn each_name(list: &Path, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
    let (mut file, mut name) = (BufReader::new(File::open(list)?), Vec::new());
    while file.read_until(0, &mut name)? > 0 {
        if name.pop() == Some(0) {
            take(&name);
        }
        name.clear();
    }
    Ok(())
}

fn in_the_way(
    lacking: &HashSet<Box<[u8]>>,
    items: impl Iterator<Item = Result<Item, SealError>>,
) -> Result<InTheWay, SealError> {
    if lacking.is_empty() {
        return Ok(InTheWay::default());
    }
    let above: HashSet<&[u8]> = lacking.iter().flat_map(|name| folders_above(name)).collect();
    let (mut files, mut folders) = (HashSet::new(), HashSet::new());
    for item in items {
        let item = item?;
        let path = item.path().as_bytes();
        let named = match &item {
            Item::EmptyFolder { .. } => Some(path),
            _ => None,
        };
        files.extend(folders_above(path).chain(named).filter_map(|folder| lacking.get(folder)));
        if matches!(item, Item::File { .. }) && above.contains(path) {
            files.extend(lacking.iter().filter(|name| folders_above(name).any(|folder| folder == path)));
            folders.insert(path.into());
        }
    }
    Ok(InTheWay { files: in_order(files.into_iter()), folders: in_order(folders.iter()) })
}

/// The folders that lie between a run and one of its files.
fn folders_above(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &name[..at])
}

/// The list of one run's life, appended to after every rename at the destination. Names end in NUL: any other byte may
/// be in one.
pub struct PlacedFiles {
    path: PathBuf,
    out: Mutex<std::io::BufWriter<File>>,
    /// Read only when a conflict asks.
    earlier: OnceLock<Names>,
}

impl PlacedFiles {
    /// Opens the list of a work folder.
    pub fn open(work_folder: &Path) -> std::io::Result<PlacedFiles> {
        let path = work_folder.join(FILE);
        let out = File::options().create(true).append(true).open(&path)?;
        // A name that a kill cut off does not count, and the next one must not be appended to it.
        let (length, mut whole) = (out.metadata()?.len(), 0);
        each_name(&path, |name| whole += name.len() as u64 + 1)?;
        if whole < length {
            out.set_len(whole)?;
        }
        Ok(PlacedFiles { path, out: Mutex::new(std::io::BufWriter::new(out)), earlier: OnceLock::new() })
    }

    /// A file stands under its final name.
    pub fn add(&self, file: &FilePath) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A name that could not be noted makes a later rot look like a stranger's file: an operator decides then.
        // At once, so that what is handed over ends with a whole name.
        if let Err(error) = out.write_all(&[file.as_bytes(), &[0]].concat()) {
            tracing::warn!(%error, "the list of placed files could not be written");
        }
    }

    /// True when an earlier attempt or generation placed it. What this attempt placed is flushed first.
    pub fn contains(&self, file: &FilePath) -> bool {
        self.earlier.get_or_init(|| self.read()).find(file.as_bytes()).is_some()
    }

    /// What was placed in this life and a seal lacks, in path order: a later generation no longer has it. Files that
    /// were in the way of that generation are left out: they were moved before, and their names now belong to something
    /// else. Blocking.
    pub fn lacking(&self, seal: &SealReader) -> Result<Vec<FilePath>, SealError> {
        let lacking = self.read().without(&self.path, seal.items()?)?;
        let made_way = in_the_way(&lacking, seal.items()?)?.files;
        Ok(in_order(lacking.iter().filter(|name| made_way.binary_search_by(|path| path.as_bytes().cmp(name)).is_err())))
    }

    /// What was placed in this life and is in the way of a listing: a file where that has a folder, or below a folder
    /// where that has a file. Blocking.
    pub fn in_the_way(&self, listing: &Listing) -> Result<InTheWay, SealError> {
        in_the_way(&self.read().without(&self.path, listing.items()?)?, listing.items()?)
    }

    /// Hands everything to the kernel.
    pub fn flush(&self) {
        let flushed = self.out.lock().unwrap_or_else(PoisonError::into_inner).flush();
        if let Err(error) = flushed {
            tracing::warn!(%error, "the list of placed files could not be written");
        }
    }

    fn read(&self) -> Names {
        self.flush();
        Names::read(&self.path).unwrap_or_else(|error| {
            unreadable(&error);
            Names { keys: RandomState::new(), numbers: Vec::new() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_was_placed_is_known_to_the_next_attempt_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let odd = FilePath::new(b"a\n \\ \xff/b".to_vec()).unwrap();
        let placed = PlacedFiles::open(folder.path()).unwrap();
        placed.add(&odd);
        placed.flush();
        let next = PlacedFiles::open(folder.path()).unwrap();
        assert!(next.contains(&odd));
        assert!(!next.contains(&FilePath::new("a").unwrap()));
    }

    #[test]
    fn a_name_that_was_cut_off_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("placed"), b"a\0cut o").unwrap();
        let placed = PlacedFiles::open(folder.path()).unwrap();
        placed.add(&FilePath::new("b").unwrap());
        let is_known = |name: &str| placed.contains(&FilePath::new(name).unwrap());
        assert!(is_known("a") && is_known("b") && !is_known("cut o") && !is_known("cut ob"));
        // As a power cut may leave it.
        std::fs::write(folder.path().join("placed"), b"a\0\0\0\0c\0cut").unwrap();
        PlacedFiles::open(folder.path()).unwrap();
        assert_eq!(std::fs::read(folder.path().join("placed")).unwrap(), b"a\0\0\0\0c\0");
    }

    #[test]
    fn names_are_found_once_and_none_is_made_of_half_a_one() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("placed");
        let names = |bytes: &[u8]| {
            std::fs::write(&list, bytes).unwrap();
            Names::read(&list).unwrap()
        };
        let lacking =
            |names: &Names| names.without(&list, std::iter::empty()).unwrap().into_iter().collect::<BTreeSet<_>>();
        let sorted = |names: &[&[u8]]| names.iter().map(|name| Box::from(*name)).collect::<BTreeSet<Box<[u8]>>>();
        assert_eq!(lacking(&names(b"")), sorted(&[]));
        let found = names(b"b\0a\0b\0\xff\0cut of");
        assert_eq!((found.numbers.len(), lacking(&found)), (3, sorted(&[b"a", b"b", b"\xff"])));
        let found = names(b"b\0a\0a/x\0a.y\0");
        assert!(
            found.find(b"a/x").is_some()
                && found.find(b"a.y").is_some()
                && found.find(b"a/").is_none()
                && found.find(b"").is_none()
        );
    }
}
