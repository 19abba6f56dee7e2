//! Which files we put at a destination, in this life of a run: decides between "ours, move aside" and "a stranger's, conflict".

use crate::keep::seal::{Item, Listing, SealError, SealReader};
use domain::path::FilePath;
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

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

/// The names of a list as it lies on the disk, in order: one piece of memory, however many they are.
struct Names {
    /// Each ends in NUL.
    bytes: Vec<u8>,
    /// Where each begins, in the order of the names.
    starts: Vec<usize>,
}

impl Names {
    fn of(mut bytes: Vec<u8>) -> Names {
        bytes.truncate(whole(&bytes).len());
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at);
        let mut starts: Vec<usize> = std::iter::once(0).chain(ends.map(|end| end + 1)).collect();
        starts.pop();
        starts.sort_unstable_by_key(|start| name_at(&bytes, *start));
        starts.dedup_by_key(|start| name_at(&bytes, *start));
        Names { bytes, starts }
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.starts.binary_search_by_key(&name, |start| name_at(&self.bytes, *start)).ok()
    }

    /// The few that these items lack.
    fn without(&self, items: impl Iterator<Item = Result<Item, SealError>>) -> Result<HashSet<Box<[u8]>>, SealError> {
        let mut is_there = vec![false; self.starts.len()];
        for item in items {
            if let Item::File { path, .. } = item?
                && let Some(at) = self.find(path.as_bytes())
            {
                is_there[at] = true;
            }
        }
        let lacking = self.starts.iter().zip(is_there).filter(|(_, is_there)| !is_there);
        Ok(lacking.map(|(start, _)| name_at(&self.bytes, *start)).filter(|name| !name.is_empty()).map(Into::into).collect())
    }
}

/// Up to the end of the last name that has one.
fn whole(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte == 0).map_or(0, |last| last + 1)]
}

fn name_at(bytes: &[u8], start: usize) -> &[u8] {
    bytes[start..].split(|byte| *byte == 0).next().unwrap_or_default()
}

fn in_the_way(lacking: &HashSet<Box<[u8]>>, items: impl Iterator<Item = Result<Item, SealError>>) -> Result<InTheWay, SealError> {
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

/// The list of one run's life, appended to after every rename at the destination. Names end in NUL: any other byte may be in one.
pub struct Placed {
    path: PathBuf,
    out: Mutex<std::io::BufWriter<File>>,
    /// Read only when a conflict asks.
    earlier: OnceLock<Names>,
}

impl Placed {
    /// Opens the list of a work folder.
    pub fn open(work_folder: &Path) -> std::io::Result<Placed> {
        let path = work_folder.join("placed");
        let out = File::options().create(true).append(true).open(&path)?;
        // A name that was cut off by a kill is none, and the next one is not to go on where it ended.
        let whole = whole(&std::fs::read(&path)?).len() as u64;
        if whole < out.metadata()?.len() {
            out.set_len(whole)?;
        }
        Ok(Placed { path, out: Mutex::new(std::io::BufWriter::new(out)), earlier: OnceLock::new() })
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

    /// What was placed in this life and a seal lacks, in path order: a later generation has it no more. What was in the way of that generation
    /// is none of it: it made way before, and its name stands for something else now. Blocking.
    pub fn lacking(&self, seal: &SealReader) -> Result<Vec<FilePath>, SealError> {
        let lacking = self.read().without(seal.items()?)?;
        let made_way = in_the_way(&lacking, seal.items()?)?.files;
        Ok(in_order(lacking.iter().filter(|name| made_way.binary_search_by(|path| path.as_bytes().cmp(name)).is_err())))
    }

    /// What was placed in this life and is in the way of a listing: a file where that has a folder, or below a folder where that has a file.
    /// Blocking.
    pub fn in_the_way(&self, listing: &Listing) -> Result<InTheWay, SealError> {
        in_the_way(&self.read().without(listing.items()?)?, listing.items()?)
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
        let bytes = std::fs::read(&self.path).unwrap_or_else(|error| {
            tracing::warn!(%error, "the list of placed files could not be read");
            Vec::new()
        });
        Names::of(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_placed_is_known_to_the_next_attempt_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let odd = FilePath::new(b"a\n \\ \xff/b".to_vec()).unwrap();
        let placed = Placed::open(folder.path()).unwrap();
        placed.add(&odd);
        placed.flush();
        let next = Placed::open(folder.path()).unwrap();
        assert!(next.contains(&odd));
        assert!(!next.contains(&FilePath::new("a").unwrap()));
    }

    #[test]
    fn a_name_that_was_cut_off_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("placed"), b"a\0cut o").unwrap();
        let placed = Placed::open(folder.path()).unwrap();
        placed.add(&FilePath::new("b").unwrap());
        let is_known = |name: &str| placed.contains(&FilePath::new(name).unwrap());
        assert!(is_known("a") && is_known("b") && !is_known("cut o") && !is_known("cut ob"));
    }

    #[test]
    fn names_are_found_once_in_order_and_none_is_made_of_half_a_one() {
        let found = |bytes: &[u8]| {
            let names = Names::of(bytes.to_vec());
            names.starts.iter().map(|start| name_at(&names.bytes, *start).to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(found(b""), Vec::<Vec<u8>>::new());
        assert_eq!(found(b"b\0a\0b\0\xff\0cut of"), [b"a".to_vec(), b"b".to_vec(), b"\xff".to_vec()]);
        let names = Names::of(b"b\0a\0a/x\0a.y\0".to_vec());
        assert!(names.find(b"a/x").is_some() && names.find(b"a.y").is_some() && names.find(b"a/").is_none() && names.find(b"").is_none());
        assert_eq!(names.without(std::iter::empty()).unwrap().len(), 4);
    }
}
