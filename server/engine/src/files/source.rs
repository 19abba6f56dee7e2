//! The staging tree as this crate reads it: by handle, beneath the staging root, through no link.
//!
//! Only reads. Deleting belongs to clearing alone.

use crate::files::beneath;
use cap_std::fs::Dir;
use domain::path::{FilePath, RunPath};
use domain::proof::FileStat;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod attributes;
mod survey;
mod walk;

pub use attributes::{Attribute, attributes_of, carry, digest_of, value_of};
pub use survey::{Survey, survey};
pub use walk::{Entry, Walk};

/// Why something in the staging tree could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The staging root itself.
    #[error("the staging root {} cannot be opened: {error}", path.display())]
    Root {
        path: PathBuf,
        /// The system's own words.
        error: io::Error,
    },
    /// The run's folder is no longer there.
    #[error("{} is gone", path.display())]
    RunGone { path: PathBuf },
    /// The run's folder cannot be opened: no permission, or a link or file on the way.
    #[error("{} cannot be opened: {error}", path.display())]
    Run {
        path: PathBuf,
        /// The system's own words.
        error: io::Error,
    },
    /// An entry was listed, then gone (or something else) when it was looked at.
    #[error("{path} vanished while the run was read")]
    Vanished { path: FilePath },
    /// A folder or file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// Inside the run; `None` is the run's own folder.
        path: ShownPath,
        /// The system's own words.
        error: io::Error,
    },
    /// It is there, but no regular file.
    #[error("{path} is not a regular file")]
    NotRegular { path: FilePath },
}

/// A path inside the run, or the run's folder itself; for messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownPath(pub Option<FilePath>);

impl std::fmt::Display for ShownPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(path) => path.fmt(f),
            None => f.write_str("the run's folder"),
        }
    }
}

impl SourceError {
    /// Sorts an errno met at a file of the run.
    pub(crate) fn at(path: &FilePath, error: Errno) -> SourceError {
        match error {
            Errno::NOENT | Errno::STALE => SourceError::Vanished { path: path.clone() },
            // A parent became a link or a file: what was listed is no longer there.
            Errno::LOOP | Errno::NOTDIR => SourceError::Vanished { path: path.clone() },
            _ => SourceError::Unreadable { path: ShownPath(Some(path.clone())), error: error.into() },
        }
    }
}

/// The staging root, opened.
#[derive(Clone, Debug)]
pub struct StagingRoot {
    folder: Arc<File>,
    path: Arc<Path>,
}

impl StagingRoot {
    /// Opens the configured root. Links in the configured path itself are the operator's choice and are followed.
    pub fn open(path: &Path) -> Result<StagingRoot, SourceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(StagingRoot { folder: Arc::new(File::from(fd)), path: path.into() }),
            Err(error) => Err(SourceError::Root { path: path.to_owned(), error: error.into() }),
        }
    }

    /// As configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its handle.
    pub fn folder(&self) -> &File {
        &self.folder
    }

    /// Opens a run's folder beneath the root; a link anywhere on the way is refused.
    pub fn run(&self, run: &RunPath) -> Result<RunFolder, SourceError> {
        self.run_at(run.as_str())
    }

    /// Opens any folder beneath the root as a run's folder: clearing renames a run away and goes on with it there.
    /// `relative` is plain segments joined by `/`.
    pub fn run_at(&self, relative: &str) -> Result<RunFolder, SourceError> {
        let path = self.path.join(relative);
        match beneath::open_folder(&*self.folder, relative.as_bytes()) {
            Ok(fd) => Ok(RunFolder { dir: Arc::new(Dir::from_std_file(File::from(fd))), path: path.into() }),
            Err(Errno::NOENT) => Err(SourceError::RunGone { path }),
            Err(error) => Err(SourceError::Run { path, error: error.into() }),
        }
    }
}

/// A run's folder, opened; follows the folder when it is renamed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RunFolder {
    dir: Arc<Dir>,
    path: Arc<Path>,
}

impl RunFolder {
    /// Its handle.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Device and inode of the folder itself; `None` when it cannot be looked at.
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        rustix::fs::fstat(&*self.dir).ok().map(|stat| beneath::identity(&stat))
    }

    /// Absolute path when it was opened; for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading; never waits, never follows a link.
    pub fn open_file(&self, file: &FilePath) -> Result<(File, FileStat), SourceError> {
        let (opened, stat) = self.open_identified(file)?;
        Ok((opened, beneath::file_stat(&stat)))
    }

    /// As [`RunFolder::open_file`], with everything `stat` says.
    pub(crate) fn open_identified(&self, file: &FilePath) -> Result<(File, rustix::fs::Stat), SourceError> {
        match beneath::open_regular(self.dir.as_fd(), file.as_bytes()) {
            Ok(Some((fd, stat))) => Ok((File::from(fd), stat)),
            Ok(None) => Err(SourceError::NotRegular { path: file.clone() }),
            Err(error) => Err(SourceError::at(file, error)),
        }
    }

    /// `lstat` of one entry.
    pub fn stat(&self, file: &FilePath) -> Result<FileStat, SourceError> {
        self.raw_stat(file).map(|stat| beneath::file_stat(&stat))
    }

    /// Device and inode of one entry; `None` when it cannot be looked at.
    pub(crate) fn id_of(&self, file: &FilePath) -> Option<(u64, u64)> {
        self.raw_stat(file).ok().map(|stat| (stat.st_dev, stat.st_ino))
    }

    /// Where a link leads, as it is written in it; the link is not followed.
    pub fn link_target(&self, link: &FilePath) -> Result<Vec<u8>, SourceError> {
        let (parent, name) = beneath::split(link.as_bytes());
        let target = beneath::open_folder(self.dir.as_fd(), parent)
            .and_then(|folder| rustix::fs::readlinkat(folder, name, Vec::new()));
        target.map(|target| target.into_bytes()).map_err(|error| SourceError::at(link, error))
    }

    pub(crate) fn raw_stat(&self, file: &FilePath) -> Result<rustix::fs::Stat, SourceError> {
        beneath::stat(self.dir.as_fd(), file.as_bytes()).map_err(|error| SourceError::at(file, error))
    }

    /// Everything in the run, in byte order of the full paths.
    pub fn walk(&self) -> Result<Walk, SourceError> {
        Walk::new(self)
    }
}

/// Opens and looks at files of a run one after the other, in their order: the folder that the last one was in stays
/// open, so that the way to it is not gone again for each of its thousands of files. It was opened through no link, and
/// its handle leads nowhere else later.
#[derive(Debug)]
pub(crate) struct InOrder {
    run: RunFolder,
    folder: Option<(Box<[u8]>, OwnedFd)>,
}

impl InOrder {
    pub fn new(run: &RunFolder) -> InOrder {
        InOrder { run: run.clone(), folder: None }
    }

    /// True when these are files of this run, as it was opened.
    pub fn is_of(&self, run: &RunFolder) -> bool {
        Arc::ptr_eq(&self.run.dir, &run.dir)
    }

    /// As [`RunFolder::open_file`].
    pub fn open_file(&mut self, file: &FilePath) -> Result<(File, FileStat), SourceError> {
        match self.beside(file).and_then(|(folder, name)| beneath::open_regular(folder, name)) {
            Ok(Some((fd, stat))) => Ok((File::from(fd), beneath::file_stat(&stat))),
            // The folder may be another by now: the whole way says why.
            Ok(None) | Err(_) => self.run.open_file(file),
        }
    }

    /// As [`RunFolder::stat`].
    pub fn stat(&mut self, file: &FilePath) -> Result<FileStat, SourceError> {
        match self.beside(file).and_then(|(folder, name)| beneath::stat(folder, name)) {
            Ok(stat) => Ok(beneath::file_stat(&stat)),
            Err(_) => self.run.stat(file),
        }
    }

    /// The folder that a file is in, and its name there.
    fn beside<'a>(&'a mut self, file: &'a FilePath) -> Result<(BorrowedFd<'a>, &'a [u8]), Errno> {
        let (above, name) = beneath::split(file.as_bytes());
        if above.is_empty() {
            return Ok((self.run.dir.as_fd(), name));
        }
        if self.folder.as_ref().is_none_or(|(path, _)| **path != *above) {
            self.folder = None;
            self.folder = Some((
                above.into(),
                beneath::open(self.run.dir.as_fd(), above, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?,
            ));
        }
        let folder = self.folder.as_ref().map_or(self.run.dir.as_fd(), |(_, fd)| fd.as_fd());
        Ok((folder, name))
    }
}

#[cfg(test)]
#[path = "source/source_tests.rs"]
mod tests;
