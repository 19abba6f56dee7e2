//! Walking a run in byte order of the full paths, by handles, one folder's names in memory at a time.
//!
//! A folder's names are sorted with `/` appended to those of folders; then the order of the walk is the order of whole
//! paths, which is the order of listings, seals and `checksums.sha256`, and two of them can be merged without holding
//! either. Names of one folder lie in one block of memory: a flat folder of a million files costs some 30 MB, not
//! hundreds.

use super::{RunFolder, ShownPath, SourceError};
use crate::files::beneath;
use domain::gate::EntryKind;
use domain::path::{FilePath, RECORD_FOLDER};
use domain::proof::FileStat;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;
use std::cmp::Ordering;

/// One entry of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub path: FilePath,
    /// What it is, by `lstat`.
    pub kind: EntryKind,
    /// `lstat`.
    pub stat: FileStat,
    /// A folder with nothing in it.
    pub empty: bool,
}

impl Entry {
    /// Belongs to the record (the folder `.exlab-wizard` directly in the run), so is no data.
    pub fn is_record(&self) -> bool {
        self.path.is_record() || (self.kind == EntryKind::Folder && self.path.as_bytes() == RECORD_FOLDER.as_bytes())
    }

    /// A regular file of the data.
    pub fn is_data_file(&self) -> bool {
        matches!(self.kind, EntryKind::File { .. }) && !self.is_record()
    }

    /// A link, FIFO, socket or device outside the record.
    pub fn is_unsupported(&self) -> bool {
        !matches!(self.kind, EntryKind::File { .. } | EntryKind::Folder) && !self.is_record()
    }
}

/// Iterator over a run. [`SourceError::Vanished`] concerns one entry, and the walk goes on; after any other error it
/// ends.
#[derive(Debug)]
pub struct Walk {
    stack: Vec<Level>,
    prefix: Vec<u8>,
    ended: bool,
}

#[derive(Debug)]
struct Level {
    fd: OwnedFd,
    /// Length of the path of this folder with its `/`.
    prefix: usize,
    names: Names,
    next: usize,
}

impl Walk {
    pub(super) fn new(run: &RunFolder) -> Result<Walk, SourceError> {
        let unreadable = |error: Errno| SourceError::Unreadable { path: ShownPath(None), error: error.into() };
        let fd = beneath::open_folder(run.dir().as_fd(), b"").map_err(unreadable)?;
        let names = Names::read(&fd).map_err(unreadable)?;
        Ok(Walk { stack: vec![Level { fd, prefix: 0, names, next: 0 }], prefix: Vec::new(), ended: false })
    }

    fn step(&mut self) -> Option<Result<Entry, SourceError>> {
        loop {
            let level = self.stack.last_mut()?;
            self.prefix.truncate(level.prefix);
            let Some(name) = level.names.get(level.next) else {
                self.stack.pop();
                continue;
            };
            level.next += 1;
            self.prefix.extend_from_slice(name.bytes);
            let path = match FilePath::new(self.prefix.as_slice()) {
                Ok(path) => path,
                // The kernel gives no such names; a broken file system might.
                Err(_) => {
                    let error =
                        std::io::Error::other(format!("impossible name {}", domain::path::escape_bytes(name.bytes)));
                    return Some(Err(SourceError::Unreadable { path: ShownPath(None), error }));
                }
            };
            let stat = match rustix::fs::statat(&level.fd, name.bytes, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(error) => return Some(Err(SourceError::at(&path, error))),
            };
            // The order was chosen by the kind that was read; a folder in the place of a file would break it.
            let is_folder = FileType::from_raw_mode(stat.st_mode).is_dir();
            if is_folder != name.folder {
                return Some(Err(SourceError::Vanished { path }));
            }
            let mut entry = Entry { path, kind: kind_of(&stat), stat: beneath::file_stat(&stat), empty: false };
            if is_folder {
                let opened = beneath::open_folder(&level.fd, name.bytes)
                    .and_then(|fd| Names::read(&fd).map(|names| (fd, names)));
                match opened {
                    Ok((fd, names)) => {
                        entry.empty = names.is_empty();
                        self.prefix.push(b'/');
                        self.stack.push(Level { fd, prefix: self.prefix.len(), names, next: 0 });
                    }
                    Err(error) => return Some(Err(SourceError::at(&entry.path, error))),
                }
            }
            return Some(Ok(entry));
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Entry, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.step();
        self.ended = !matches!(item, Some(Ok(_) | Err(SourceError::Vanished { .. })));
        item
    }
}

/// What `stat` says an entry is.
fn kind_of(stat: &Stat) -> EntryKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File { size: u64::try_from(stat.st_size).unwrap_or(0) },
        FileType::Directory => EntryKind::Folder,
        FileType::Symlink => EntryKind::Link,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        _ => EntryKind::Device,
    }
}

/// The names of one folder, sorted, in one block: a byte for the kind, the name, NUL.
#[derive(Debug, Default)]
struct Names {
    block: Vec<u8>,
    starts: Vec<u32>,
}

struct Name<'a> {
    bytes: &'a [u8],
    folder: bool,
}

impl Names {
    fn read(fd: &OwnedFd) -> Result<Names, Errno> {
        let mut names = Names::default();
        for entry in Dir::read_from(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes_with_nul();
            if matches!(name, b".\0" | b"..\0") {
                continue;
            }
            let folder = match entry.file_type() {
                FileType::Unknown => {
                    let stat = rustix::fs::statat(fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
                    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
                }
                kind => kind.is_dir(),
            };
            names.starts.push(u32::try_from(names.block.len()).map_err(|_| Errno::OVERFLOW)?);
            names.block.push(u8::from(folder));
            names.block.extend_from_slice(name);
        }
        let Names { block, starts } = &mut names;
        starts.sort_unstable_by(|a, b| order(name_at(block, *a), name_at(block, *b)));
        block.shrink_to_fit();
        starts.shrink_to_fit();
        Ok(names)
    }

    fn get(&self, n: usize) -> Option<Name<'_>> {
        self.starts.get(n).map(|start| name_at(&self.block, *start))
    }

    fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }
}

fn name_at(block: &[u8], start: u32) -> Name<'_> {
    let record = &block[start as usize..];
    let end = record[1..].iter().position(|b| *b == 0).map_or(record.len(), |at| at + 1);
    Name { bytes: &record[1..end], folder: record[0] == 1 }
}

/// Byte order of names, those of folders taken with a `/` at their end.
fn order(a: Name<'_>, b: Name<'_>) -> Ordering {
    let common = a.bytes.len().min(b.bytes.len());
    let after = |name: &Name<'_>| name.bytes.get(common).copied().or(name.folder.then_some(b'/'));
    a.bytes[..common].cmp(&b.bytes[..common]).then_with(|| after(&a).cmp(&after(&b)))
}
