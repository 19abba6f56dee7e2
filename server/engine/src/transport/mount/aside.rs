//! Moving our own earlier files aside: nothing at the destination is overwritten or deleted.

use super::super::TransportError;
use super::super::rules::layout::{SUPERSEDED, next_superseded, refuse_record};
use super::MountTransport;
use super::root::{Root, look};
use crate::files::beneath;
use domain::path::{FilePath, RunPath};
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Takes files of one run aside, all of one call under the same number.
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
        self.try_take(file).map_err(|error| {
            TransportError::destination(error, format!("moving {file} aside in {}", self.root.path.display()))
                .naming(file)
        })
    }

    fn try_take(&self, file: &FilePath) -> Result<(), Errno> {
        let (parent, name) = beneath::split(file.as_bytes());
        let from = match beneath::open_folder(self.run, parent) {
            Ok(from) => from,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(error) => return Err(error),
        };
        // A folder of that name is none of the files that we put there.
        if look(&from, name)?.is_none_or(|stat| FileType::from_raw_mode(stat.st_mode).is_dir()) {
            return Ok(());
        }
        let mut target = format!("{SUPERSEDED}/{}", self.number()?).into_bytes();
        if !parent.is_empty() {
            target.push(b'/');
            target.extend_from_slice(parent);
        }
        let (to, _) = beneath::make_folders(self.run, &target)?;
        beneath::rename_new(&from, name, &to, name)
    }

    /// The number after the highest one there is.
    fn number(&self) -> Result<u64, Errno> {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = *number {
            return Ok(number);
        }
        let (folder, _) = beneath::make_folders(self.run, SUPERSEDED.as_bytes())?;
        let names = Dir::read_from(&folder)?.collect::<Result<Vec<_>, _>>()?;
        let next = next_superseded(names.iter().map(|entry| entry.file_name().to_bytes()));
        *number = Some(next);
        Ok(next)
    }
}

impl MountTransport {
    pub(super) fn move_files_aside(
        &self,
        run: &RunPath,
        files: &[FilePath],
        cancel: &CancellationToken,
    ) -> Result<(), TransportError> {
        let (root, _) = Root::open_marked(self)?;
        let Some(folder) = root.run(run)? else { return Ok(()) };
        refuse_record(files)?;
        let aside = Aside::new(&root, &folder);
        for file in files {
            if cancel.is_cancelled() {
                return Err(TransportError::interrupted());
            }
            aside.take(file)?;
        }
        root.sync()
    }
}

impl MountTransport {
    pub(super) fn remove_folders_without_files(
        &self,
        run: &RunPath,
        folders: &[FilePath],
        cancel: &CancellationToken,
    ) -> Result<(), TransportError> {
        let (root, _) = Root::open_marked(self)?;
        let Some(run) = root.run(run)? else { return Ok(()) };
        for folder in folders {
            if cancel.is_cancelled() {
                return Err(TransportError::interrupted());
            }
            let (parent, name) = beneath::split(folder.as_bytes());
            let removed = match beneath::open_folder(&run, parent) {
                Ok(parent) => remove_without_files(&parent, name, 0),
                Err(error) => Err(error),
            };
            match removed {
                // Whatever stands in the way is for the push to name.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(error) => {
                    return Err(TransportError::destination(error, format!("removing the empty folder {folder}"))
                        .naming(folder));
                }
            }
        }
        root.sync()
    }
}

fn remove_without_files(parent: &OwnedFd, name: &[u8], depth: usize) -> Result<(), Errno> {
    /// Deeper ones are no folders of a run.
    const DEPTH: usize = 256;
    let folder = beneath::open_folder(parent, name)?;
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let inside = entry.file_name().to_bytes();
        if depth < DEPTH && !matches!(inside, b"." | b"..") {
            // A file is no folder: it and all above it stay.
            remove_without_files(&folder, inside, depth + 1)?;
        }
    }
    rustix::fs::unlinkat(parent, name, rustix::fs::AtFlags::REMOVEDIR)
}
