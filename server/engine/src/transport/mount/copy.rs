//! Copying one file: temporary name, bytes hashed as they pass, mtime, then a rename that does not replace.

use super::super::TransportError;
use super::super::rules::layout::TEMPORARY;
use super::super::throttle::Throttle;
use super::root::Root;
use crate::files::beneath;
use crate::files::hash::{HashError, Hasher, LocalHash, read_some, wall_clock_ns};
use crate::files::source::RunFolder;
use crate::files::source::{attributes_of, carry};
use crate::machine::progress::ProgressSink;
use domain::path::FilePath;
use domain::proof::FileStat;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

/// Begins the names of temporary files.
const PREFIX: &str = "push-";
/// Begins the names of those made beside another process, which takes away what begins with [`PREFIX`].
const BESIDE_OTHERS: &str = "beside-";
/// Names this start of the program, so that leftovers of an earlier one are known.
static THIS_START: LazyLock<String> = LazyLock::new(|| format!("{PREFIX}{}-", uuid::Uuid::new_v4().simple()));
static NEXT: AtomicU64 = AtomicU64::new(0);
/// NFS reports a full disk only when its data is flushed.
const NFS_MAGIC: u64 = 0x6969;

/// Smaller holes are written: less is no block of any file system.
const HOLE: usize = 4 << 10;

/// The mode of what is made at the destination: never more open to others than it is here, and always open to
/// ourselves, who read it back. This process's umask closes more.
pub(super) fn no_more_open_than(here: rustix::fs::RawMode, most: rustix::fs::RawMode) -> Mode {
    Mode::from_raw_mode((here & most & 0o077) | (most & 0o700))
}

/// What copying needs, shared by all threads of a push.
pub(super) struct Copying<'a> {
    pub root: &'a Root,
    pub temporary: &'a OwnedFd,
    pub throttle: &'a Throttle,
    pub progress: &'a ProgressSink,
    pub cancel: &'a CancellationToken,
    /// Flush each file before its rename, because errors would come too late otherwise.
    pub flush_each: bool,
    no_rename_flags: AtomicBool,
    no_attributes: AtomicBool,
}

/// How a copy ended.
pub(super) enum Copied {
    /// Whole, under its final name.
    Placed(LocalHash),
    /// Something took the final name meanwhile; nothing was changed.
    NameTaken(LocalHash),
}

impl<'a> Copying<'a> {
    pub fn new(
        root: &'a Root,
        temporary: &'a OwnedFd,
        throttle: &'a Throttle,
        progress: &'a ProgressSink,
        cancel: &'a CancellationToken,
    ) -> Self {
        let nfs = rustix::fs::fstatfs(&root.folder)
            .is_ok_and(|fs| u64::try_from(fs.f_type).is_ok_and(|kind| kind == NFS_MAGIC));
        Copying {
            root,
            temporary,
            throttle,
            progress,
            cancel,
            flush_each: nfs,
            no_rename_flags: AtomicBool::new(false),
            no_attributes: AtomicBool::new(false),
        }
    }

    /// Copies `path` of the run to `name` in `folder`.
    pub fn copy(
        &self,
        hasher: &mut Hasher,
        source: &RunFolder,
        path: &FilePath,
        listed: &FileStat,
        folder: &OwnedFd,
        name: &[u8],
    ) -> Result<Copied, TransportError> {
        let began_ns = wall_clock_ns();
        let (mut from, stat) = source.open_file(path)?;
        if stat != *listed {
            return Err(HashError::Changed { path: path.clone() }.into());
        }
        let raw =
            rustix::fs::fstat(&from).map_err(|error| HashError::Read { path: path.clone(), error: error.into() })?;
        let mut to = Temporary::create(self, no_more_open_than(raw.st_mode, 0o666))?;
        // A file with holes takes less room than its size says; what is a hole here is to be one there.
        to.keeps_holes = u64::try_from(raw.st_blocks).unwrap_or(0).saturating_mul(512) < stat.size;
        let piece = self.throttle.piece();
        let mut fill = |space: &mut [u8]| -> Result<usize, TransportError> {
            let room = space.len().min(piece);
            let n = read_some(&mut from, &mut space[..room])
                .map_err(|error| HashError::Read { path: path.clone(), error })?;
            if !self.throttle.pass(n as u64, self.cancel) {
                return Err(TransportError::interrupted());
            }
            to.write(&space[..n], path)?;
            self.progress.add_bytes(n as u64);
            Ok(n)
        };
        let (digest, total) = hasher.stream(stat.size, &mut fill)?;
        let after =
            rustix::fs::fstat(&from).map_err(|error| HashError::Read { path: path.clone(), error: error.into() })?;
        if total != stat.size || beneath::file_stat(&after) != *listed {
            return Err(HashError::Changed { path: path.clone() }.into());
        }
        self.carry_attributes(&from, &to.file);
        let hashed = LocalHash { digest, began_ns };
        Ok(if to.place(folder, name, stat.mtime_ns, path)? {
            Copied::Placed(hashed)
        } else {
            Copied::NameTaken(hashed)
        })
    }

    /// Streams and labels lie beside the bytes where the destination takes them. What is proven is the list of them in
    /// the record.
    fn carry_attributes(&self, from: &File, to: &File) {
        if self.no_attributes.load(Ordering::Relaxed) {
            return;
        }
        let found = attributes_of(from).unwrap_or_default();
        if !found.is_empty() && matches!(carry(&found, to), Err(Errno::NOTSUP | Errno::NOSYS)) {
            self.no_attributes.store(true, Ordering::Relaxed);
        }
    }

    /// An account may write and not rename, and is told what it lacks.
    fn not_named(&self, error: Errno, path: &FilePath) -> TransportError {
        TransportError::destination(error, naming(path, &self.root.path, error)).naming(path)
    }

    fn failed(&self, error: impl Into<std::io::Error>, path: &FilePath) -> TransportError {
        TransportError::destination(error, format!("writing {path} to {}", self.root.path.display())).naming(path)
    }
}

/// A file that has no final name yet; removed when it never gets one.
pub(super) struct Temporary<'a> {
    copying: &'a Copying<'a>,
    name: String,
    file: File,
    placed: bool,
    /// Blocks of zeros are not written.
    keeps_holes: bool,
    written: u64,
}

impl<'a> Temporary<'a> {
    pub fn create(copying: &'a Copying<'a>, mode: Mode) -> Result<Temporary<'a>, TransportError> {
        let before = if copying.root.beside_others { BESIDE_OTHERS } else { "" };
        let name = format!("{before}{}{}", *THIS_START, NEXT.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        match beneath::open(copying.temporary, name.as_bytes(), flags, mode) {
            Ok(fd) => {
                Ok(Temporary { copying, name, file: File::from(fd), placed: false, keeps_holes: false, written: 0 })
            }
            Err(error) => {
                Err(TransportError::destination(error, format!("making a file below {}", copying.root.path.display())))
            }
        }
    }

    pub fn write(&mut self, bytes: &[u8], path: &FilePath) -> Result<(), TransportError> {
        let failed = |error| self.copying.failed(error, path);
        if !self.keeps_holes {
            self.file.write_all(bytes).map_err(failed)?;
            self.written += bytes.len() as u64;
            return Ok(());
        }
        for block in bytes.chunks(HOLE) {
            if block.iter().any(|byte| *byte != 0) {
                self.file.write_all_at(block, self.written).map_err(failed)?;
            }
            self.written += block.len() as u64;
        }
        Ok(())
    }

    /// Sets the mtime and moves the file to its final name; false when that is taken.
    pub fn place(
        mut self,
        folder: &OwnedFd,
        name: &[u8],
        mtime_ns: i64,
        path: &FilePath,
    ) -> Result<bool, TransportError> {
        self.finish(mtime_ns, path)?;
        self.placed =
            self.copying.rename(&self.name, folder, name).map_err(|error| self.copying.not_named(error, path))?;
        Ok(self.placed)
    }

    /// Sets the mtime and takes the place of whatever has the final name: only for the record.
    pub fn replace(
        mut self,
        folder: &OwnedFd,
        name: &[u8],
        mtime_ns: i64,
        path: &FilePath,
    ) -> Result<(), TransportError> {
        self.finish(mtime_ns, path)?;
        let renamed = rustix::fs::renameat(self.copying.temporary, self.name.as_str(), folder, name);
        renamed.map_err(|error| self.copying.not_named(error, path))?;
        self.placed = true;
        Ok(())
    }

    /// What comes before the rename.
    fn finish(&self, mtime_ns: i64, path: &FilePath) -> Result<(), TransportError> {
        let failed = |error: Errno| self.copying.failed(error, path);
        if self.keeps_holes {
            // A hole at the end is made by its length alone.
            self.file.set_len(self.written).map_err(|error| self.copying.failed(error, path))?;
        }
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: mtime_ns.div_euclid(1_000_000_000),
                tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
            },
        };
        rustix::fs::futimens(&self.file, &times).map_err(failed)?;
        if self.copying.flush_each {
            rustix::fs::fdatasync(&self.file).map_err(failed)?;
        }
        if self.copying.cancel.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // What stays behind is removed when the next push starts.
            let _ = rustix::fs::unlinkat(self.copying.temporary, self.name.as_str(), AtFlags::empty());
        }
    }
}

impl Copying<'_> {
    /// Renames without replacing; false when the name is taken.
    fn rename(&self, temporary: &str, folder: &OwnedFd, name: &[u8]) -> Result<bool, Errno> {
        if !self.no_rename_flags.load(Ordering::Relaxed) {
            match rustix::fs::renameat_with(self.temporary, temporary, folder, name, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(true),
                Err(Errno::EXIST) => return Ok(false),
                // This file system has no such rename.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.no_rename_flags.store(true, Ordering::Relaxed),
                Err(error) => return Err(error),
            }
        }
        rename_without_flags(self.temporary, temporary, folder, name)
    }
}

/// What was tried when a file that is whole was to get its name.
pub(super) fn naming(what: &dyn std::fmt::Display, place: &std::path::Path, error: Errno) -> String {
    let place = place.display();
    match error {
        Errno::PERM | Errno::ACCESS => {
            format!("{what} was written to {place}, and this account may not rename there, which it has to")
        }
        _ => format!("giving {what} its name in {place}"),
    }
}

/// A second name, which never replaces, then the first one taken away. Where there are no second names either, a look
/// and a plain rename: the only way left, with a gap of microseconds.
pub(super) fn rename_without_flags(
    from: &OwnedFd,
    temporary: &str,
    folder: &OwnedFd,
    name: &[u8],
) -> Result<bool, Errno> {
    match rustix::fs::linkat(from, temporary, folder, name, AtFlags::empty()) {
        Ok(()) => rustix::fs::unlinkat(from, temporary, AtFlags::empty()).map(|()| true),
        // Over NFS a link is asked for again when the answer was lost: then it is our own that is there.
        Err(Errno::EXIST) if is_one_file(from, temporary, folder, name) => {
            rustix::fs::unlinkat(from, temporary, AtFlags::empty()).map(|()| true)
        }
        Err(Errno::EXIST) => Ok(false),
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL | Errno::MLINK) => {
            match super::root::look(folder, name)? {
                Some(_) => Ok(false),
                None => rustix::fs::renameat(from, temporary, folder, name).map(|()| true),
            }
        }
        Err(error) => Err(error),
    }
}

fn is_one_file(from: &OwnedFd, temporary: &str, folder: &OwnedFd, name: &[u8]) -> bool {
    let looked = (super::root::look(from, temporary.as_bytes()), super::root::look(folder, name));
    matches!(looked, (Ok(Some(ours)), Ok(Some(there))) if beneath::identity(&ours) == beneath::identity(&there))
}

/// Removes what an earlier start of this program left in our temporary folder, and nothing else.
pub(super) fn remove_leftovers(root: &Root, temporary: &OwnedFd) -> Result<(), TransportError> {
    if root.beside_others {
        return Ok(());
    }
    let failed =
        |error: Errno| TransportError::destination(error, format!("tidying {}", root.shown(TEMPORARY.as_bytes())));
    for entry in Dir::read_from(temporary).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        let old = name.starts_with(PREFIX.as_bytes()) && !name.starts_with(THIS_START.as_bytes());
        if old && matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
            match rustix::fs::unlinkat(temporary, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_without_the_flag_nothing_is_replaced_either() {
        let dir = tempfile::tempdir().unwrap();
        let folder = beneath::open_folder(std::fs::File::open(dir.path()).unwrap(), b"").unwrap();
        std::fs::write(dir.path().join("new"), "new").unwrap();
        std::fs::write(dir.path().join("taken"), "old").unwrap();
        assert_eq!(rename_without_flags(&folder, "new", &folder, b"taken"), Ok(false));
        assert_eq!(std::fs::read_to_string(dir.path().join("taken")).unwrap(), "old");
        assert_eq!(rename_without_flags(&folder, "new", &folder, b"free"), Ok(true));
        assert_eq!(std::fs::read_to_string(dir.path().join("free")).unwrap(), "new");
        assert!(!dir.path().join("new").exists());
        // Linked already, and the answer was lost.
        std::fs::write(dir.path().join("new"), "newer").unwrap();
        std::fs::hard_link(dir.path().join("new"), dir.path().join("linked")).unwrap();
        assert_eq!(rename_without_flags(&folder, "new", &folder, b"linked"), Ok(true));
        assert!(!dir.path().join("new").exists() && dir.path().join("linked").exists());
    }
}
