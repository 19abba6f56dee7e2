//! Which files we put at a destination, in this life of a run: decides between "ours, move aside" and "a stranger's, conflict".

use crate::seal::{Item, Listing, SealError, SealReader};
use domain::path::FilePath;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
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

type Names = HashSet<Box<[u8]>>;

fn without(mut names: Names, items: impl Iterator<Item = Result<Item, SealError>>) -> Result<Names, SealError> {
    for item in items {
        if let Item::File { path, .. } = item? {
            names.remove(path.as_bytes());
        }
    }
    Ok(names)
}

fn in_the_way(lacking: &Names, items: impl Iterator<Item = Result<Item, SealError>>) -> Result<InTheWay, SealError> {
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
    earlier: OnceLock<HashSet<Box<[u8]>>>,
}

impl Placed {
    /// Opens the list of a work folder.
    pub fn open(work_folder: &Path) -> std::io::Result<Placed> {
        let path = work_folder.join("placed");
        let out = File::options().create(true).append(true).open(&path)?;
        Ok(Placed { path, out: Mutex::new(std::io::BufWriter::new(out)), earlier: OnceLock::new() })
    }

    /// A file stands under its final name.
    pub fn add(&self, file: &FilePath) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A name that could not be noted makes a later rot look like a stranger's file: an operator decides then.
        if let Err(error) = out.write_all(file.as_bytes()).and_then(|()| out.write_all(&[0])) {
            tracing::warn!(%error, "the list of placed files could not be written");
        }
    }

    /// True when an earlier attempt or generation placed it. What this attempt placed is flushed first.
    pub fn contains(&self, file: &FilePath) -> bool {
        self.earlier.get_or_init(|| self.read()).contains(file.as_bytes())
    }

    /// What was placed in this life and a seal lacks, in path order: a later generation has it no more. What was in the way of that generation
    /// is none of it: it made way before, and its name stands for something else now. Blocking.
    pub fn lacking(&self, seal: &SealReader) -> Result<Vec<FilePath>, SealError> {
        let lacking = without(self.read(), seal.items()?)?;
        let made_way = in_the_way(&lacking, seal.items()?)?.files;
        Ok(in_order(lacking.iter().filter(|name| made_way.binary_search_by(|path| path.as_bytes().cmp(name)).is_err())))
    }

    /// What was placed in this life and is in the way of a listing: a file where that has a folder, or below a folder where that has a file.
    /// Blocking.
    pub fn in_the_way(&self, listing: &Listing) -> Result<InTheWay, SealError> {
        in_the_way(&without(self.read(), listing.items()?)?, listing.items()?)
    }

    /// Hands everything to the kernel.
    pub fn flush(&self) {
        let flushed = self.out.lock().unwrap_or_else(PoisonError::into_inner).flush();
        if let Err(error) = flushed {
            tracing::warn!(%error, "the list of placed files could not be written");
        }
    }

    fn read(&self) -> HashSet<Box<[u8]>> {
        self.flush();
        let mut bytes = Vec::new();
        if let Err(error) = File::open(&self.path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            tracing::warn!(%error, "the list of placed files could not be read");
        }
        bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(Into::into).collect()
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
}
