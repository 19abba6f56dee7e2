//! Moving files of a run to another folder of it, never over another file; and taking empty folders away.

use super::super::TransportError;
use super::super::rules::aside::next_number;
use super::super::rules::layout::SUPERSEDED;
use super::copy::no_more_open_than;
use super::root::{Root, look};
use crate::files::beneath;
use domain::path::FilePath;
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;
use std::sync::{Mutex, PoisonError};

/// Takes files of one run aside while others are sent, all of one push under the same number.
#[derive(Debug)]
pub(super) struct Aside<'a> {
    root: &'a Root,
    run: &'a OwnedFd,
    number: Mutex<Option<u64>>,
}

impl<'a> Aside<'a> {
    pub fn new(root: &'a Root, run: &'a OwnedFd) -> Aside<'a> {
        Aside { root, run, number: Mutex::new(None) }
    }

    /// Moves one file to `.exlab-wizard/superseded/<n>/`; a missing one is done already.
    pub fn take(&self, file: &FilePath) -> Result<(), TransportError> {
        let moved = self.number().and_then(|number| move_below(self.run, file, &format!("{SUPERSEDED}/{number}")));
        moved.map_err(|error| not_moved(error, file, self.root))
    }

    /// The number after the highest one there is.
    fn number(&self) -> Result<u64, Errno> {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = *number {
            return Ok(number);
        }
        let next = next_number(names_in(self.run, SUPERSEDED.as_bytes())?.iter().map(Vec::as_slice));
        *number = Some(next);
        Ok(next)
    }
}

/// A file of the run that could not be moved to another folder of it.
pub(super) fn not_moved(error: Errno, file: &FilePath, root: &Root) -> TransportError {
    TransportError::destination(error, format!("moving {file} aside in {}", root.path.display())).naming(file)
}

/// Moves one file to below another folder of the run, with the folders it lies in; one that is not there is done.
pub(super) fn move_below(run: &OwnedFd, file: &FilePath, folder: &str) -> Result<(), Errno> {
    let (parent, name) = beneath::split(file.as_bytes());
    let from = match beneath::open_folder(run, parent) {
        Ok(from) => from,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(error) => return Err(error),
    };
    // A folder of that name is none of the files that we put there.
    if look(&from, name)?.is_none_or(|stat| FileType::from_raw_mode(stat.st_mode).is_dir()) {
        return Ok(());
    }
    let (to, _) = beneath::make_folders(run, folder.as_bytes())?;
    if parent.is_empty() {
        return beneath::rename_new(&from, name, &to, name);
    }
    // Each is as open to others as the one that the file comes from.
    let mode = |made: &[u8]| {
        let there = beneath::open_folder(run, made).and_then(|there| rustix::fs::fstat(&there));
        no_more_open_than(there.map_or(0, |stat| stat.st_mode), 0o777)
    };
    let (to, _) = beneath::make_folders_with(&to, parent, mode)?;
    beneath::rename_new(&from, name, &to, name)
}

/// What stands directly in a folder; nothing where it is not there.
pub(super) fn names_in(run: &OwnedFd, folder: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    let folder = match beneath::open_folder(run, folder) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(name.as_slice(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes a folder of the run where it holds no file.
pub(super) fn remove_empty(run: &OwnedFd, folder: &FilePath) -> Result<(), Errno> {
    let (parent, name) = beneath::split(folder.as_bytes());
    match beneath::open_folder(run, parent).and_then(|parent| remove_without_files(&parent, name, 0)) {
        // Whatever stands in the way is for the push to name.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        removed => removed,
    }
}

fn remove_without_files(parent: &OwnedFd, name: &[u8], depth: usize) -> Result<(), Errno> {
    /// Deeper ones are no folders of a run.
    const DEPTH: usize = 256;
    let folder = beneath::open_folder(parent, name)?;
    for inside in names_in(parent, name)? {
        if depth < DEPTH {
            // A file is no folder: it and all above it stay.
            remove_without_files(&folder, &inside, depth + 1)?;
        }
    }
    rustix::fs::unlinkat(parent, name, rustix::fs::AtFlags::REMOVEDIR)
}
