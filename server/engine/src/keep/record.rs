//! The record of a run: its `.exlab-wizard/` folder (docs/format.md). The one place that writes into a run.
//!
//! Every rewrite happens under flock on `<file>.lock`, to a temporary file that is synced and renamed, so that a reader
//! sees the old document or the new one and a crash leaves one of the two. Links are never followed: a record folder
//! that is a link is an error, not a place to write.

use crate::files::beneath::rename_new;
use crate::keep::ingest_store::{CHECKSUMS, CREATION, INGEST, METADATA, NOT_CARRIED, UNSENT};
use crate::keep::record_bytes::RecordBytes;
use cap_std::fs::Dir;
use domain::path::{FilePath, RECORD_FOLDER};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

/// Why the record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The staging disk is full.
    #[error("the staging disk is full: {what} could not be written")]
    Full { what: String },
    /// Another program holds the lock.
    #[error("{what} is locked by another program for more than {} s", LOCK_PATIENCE.as_secs())]
    Locked { what: String },
    /// A record file that is far larger than any document.
    #[error("{what} is larger than {} MiB and is not read", limit_of(what) >> 20)]
    TooLarge { what: String },
    /// The system's own words.
    #[error("{what}: {source}{}", what_to_do(source))]
    Io {
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The caller's change was refused; nothing was written.
    #[error(transparent)]
    Document(#[from] domain::document::DocumentError),
    /// The caller found that its decision no longer holds; nothing was written.
    #[error("{0}")]
    Stale(String),
}

/// What people can do about it, where they can.
fn what_to_do(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => "; let the account of this program read and write it (chmod, chown)",
        std::io::ErrorKind::NotADirectory => "; a folder belongs there: move what stands in its place away",
        _ => "",
    }
}

/// Documents are small; what is larger than this is none.
const DOCUMENT_LIMIT: u64 = 64 << 20;
/// Lists of ours have a line for every file of a run: some hundred bytes each, of some millions.
const LIST_LIMIT: u64 = 1 << 30;
/// How often a document is read again when another program wrote it meanwhile.
const REWRITE_TRIES: usize = 10;
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

fn io(what: &str) -> impl Fn(std::io::Error) -> RecordError + '_ {
    move |source| match source.raw_os_error() {
        Some(code)
            if code == rustix::io::Errno::NOSPC.raw_os_error() || code == rustix::io::Errno::DQUOT.raw_os_error() =>
        {
            RecordError::Full { what: what.to_owned() }
        }
        _ => RecordError::Io { what: what.to_owned(), source },
    }
}

fn os(what: &str) -> impl Fn(rustix::io::Errno) -> RecordError + '_ {
    move |errno| io(what)(errno.into())
}

/// What changes when a document is rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    inode: u64,
    mtime_ns: i128,
    ctime_ns: i128,
    size: u64,
}

impl Stamp {
    /// As a hint, without opening the record: whoever acts on a change looks again through handles.
    pub fn of_path(file: &std::path::Path) -> Option<Stamp> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::symlink_metadata(file).ok()?;
        let ns = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Some(Stamp {
            inode: metadata.ino(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
        })
    }
}

/// An open record folder.
pub struct RecordFolder {
    dir: Dir,
}

impl RecordFolder {
    /// Opens the record of a run; `None` when it has none.
    pub fn open(run: &Dir) -> Result<Option<RecordFolder>, RecordError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(run, RECORD_FOLDER, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(RecordFolder { dir: Dir::from_std_file(File::from(fd)) })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(errno) => Err(os(RECORD_FOLDER)(errno)),
        }
    }

    /// Opens the record, making the folder when it is missing.
    pub fn open_or_create(run: &Dir) -> Result<RecordFolder, RecordError> {
        match rustix::fs::mkdirat(run, RECORD_FOLDER, Mode::from_raw_mode(0o775)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(os(RECORD_FOLDER)(errno)),
        }
        let opened = RecordFolder::open(run)?;
        opened.ok_or_else(|| io(RECORD_FOLDER)(std::io::Error::from(std::io::ErrorKind::NotFound)))
    }

    /// The folder itself.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Changes when the file changes; `None` when it is not there.
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        let stat = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let ns = |seconds: i64, nanoseconds: i128| i128::from(seconds) * 1_000_000_000 + nanoseconds;
        Some(Stamp {
            inode: stat.st_ino,
            mtime_ns: ns(stat.st_mtime, i128::from(stat.st_mtime_nsec)),
            ctime_ns: ns(stat.st_ctime, i128::from(stat.st_ctime_nsec)),
            size: u64::try_from(stat.st_size).unwrap_or(0),
        })
    }

    /// A whole file; `None` when it is not there. A link, a folder or a device is an error.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
        read_at(&self.dir, name)
    }

    /// Rewrites a document under its lock. `change` is given what is there now and answers what shall be there; an
    /// error of its own writes nothing. Answers the stamp of what was written, taken under the lock: whoever writes
    /// after us is news.
    ///
    /// A pusher that knows no lock may write in between: what it wrote is read again, not overwritten, so `change` may
    /// be asked more than once.
    pub fn rewrite(
        &self,
        name: &str,
        mut change: impl FnMut(Option<Vec<u8>>) -> Result<Vec<u8>, RecordError>,
    ) -> Result<Option<Stamp>, RecordError> {
        let _lock = self.lock(name)?;
        for _ in 0..REWRITE_TRIES {
            let before = self.stamp(name);
            let bytes = change(self.read(name)?)?;
            if self.place(name, |file| file.write_all(&bytes), || self.stamp(name) == before)? {
                return Ok(self.stamp(name));
            }
        }
        Err(RecordError::Stale(format!("another program writes {name} again and again")))
    }

    /// Writes a whole file: temporary name, sync, rename, sync of the folder.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), RecordError> {
        self.replace_with(name, |file| file.write_all(bytes))
    }

    /// Like [`RecordFolder::replace`], for what is too large to hold.
    pub fn replace_with(
        &self,
        name: &str,
        write: impl FnOnce(&mut std::io::BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<(), RecordError> {
        self.place(name, write, || true).map(|_| ())
    }

    /// Writes a temporary file and gives it its name if that is still wanted then; whether it has it now.
    fn place(
        &self,
        name: &str,
        write: impl FnOnce(&mut std::io::BufWriter<File>) -> std::io::Result<()>,
        wanted: impl FnOnce() -> bool,
    ) -> Result<bool, RecordError> {
        let temporary = format!("{name}.{}.tmp", uuid::Uuid::new_v4().simple());
        let placed = self.write_temporary(&temporary, write).and_then(|()| {
            if !wanted() {
                return Ok(false);
            }
            rustix::fs::renameat(&self.dir, &temporary, &self.dir, name)?;
            rustix::fs::fsync(&self.dir)?;
            Ok(true)
        });
        if !matches!(placed, Ok(true)) {
            // Best effort: what stays behind is removed at the next start.
            let _ = rustix::fs::unlinkat(&self.dir, &temporary, AtFlags::empty());
        }
        placed.map_err(io(name))
    }

    fn write_temporary(
        &self,
        name: &str,
        write: impl FnOnce(&mut std::io::BufWriter<File>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, name, flags, Mode::from_raw_mode(0o664))?;
        let mut writer = std::io::BufWriter::new(File::from(fd));
        write(&mut writer)?;
        let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()
    }

    /// Appends one line to a log of ours.
    pub fn append_line(&self, name: &str, line: &str) -> Result<(), RecordError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, name, flags, Mode::from_raw_mode(0o664)).map_err(os(name))?;
        let mut file = File::from(fd);
        file.write_all(format!("{line}\n").as_bytes()).map_err(io(name))
    }

    /// Moves the documents of an ended life to `lives/<life>/`. Repeating it after a crash moves what is left.
    pub fn move_to_lives(&self, life: u64, names: &[&str]) -> Result<(), RecordError> {
        let lives = self.subfolder(&self.dir, "lives")?;
        let folder = self.subfolder(&lives, &life.to_string())?;
        for name in names {
            // Somebody may have put something under the name: what is moved gets the next one that is free.
            let free = (1..).map(|n| if n == 1 { (*name).to_owned() } else { format!("{name}.{n}") });
            for to in free.take(NAMES_TRIED) {
                match rename_new(&self.dir, name.as_bytes(), &folder, to.as_bytes()) {
                    Ok(()) | Err(rustix::io::Errno::NOENT) => break,
                    Err(rustix::io::Errno::EXIST) => {}
                    Err(errno) => return Err(os(name)(errno)),
                }
            }
        }
        rustix::fs::fsync(&folder).and_then(|()| rustix::fs::fsync(&self.dir)).map_err(os("lives"))
    }

    fn subfolder(&self, parent: &Dir, name: &str) -> Result<Dir, RecordError> {
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o775)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(os(name)(errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(os(name))?;
        Ok(Dir::from_std_file(File::from(fd)))
    }

    /// All files of the record that are sent to the NAS: everything but our own `*.tmp` and `*.lock`, with their bytes.
    /// Blocking.
    pub fn files(&self) -> Result<Vec<(FilePath, RecordBytes)>, RecordError> {
        let mut found = Vec::new();
        collect(&self.dir, RECORD_FOLDER.as_bytes(), &mut found)?;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Removes our own `*.tmp` and `*.lock` at start (docs/format.md). Only plain files directly in the record, and no
    /// lock that another program holds.
    pub fn remove_leftovers(&self) -> Result<(), RecordError> {
        for entry in self.dir.entries().map_err(io(RECORD_FOLDER))? {
            let entry = entry.map_err(io(RECORD_FOLDER))?;
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(is_ours);
            if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) && !self.is_held(&name) {
                rustix::fs::unlinkat(&self.dir, &name, AtFlags::empty()).map_err(os(RECORD_FOLDER))?;
            }
        }
        Ok(())
    }

    fn is_held(&self, name: &std::ffi::OsStr) -> bool {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.dir, name, flags, Mode::empty()) else { return true };
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    /// Holds flock on `<name>.lock` until dropped.
    fn lock(&self, name: &str) -> Result<File, RecordError> {
        let lock_name = format!("{name}.lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(
            rustix::fs::openat(&self.dir, &lock_name, flags, Mode::from_raw_mode(0o664)).map_err(os(&lock_name))?,
        );
        let started = std::time::Instant::now();
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) if started.elapsed() < LOCK_PATIENCE => {
                    #[allow(
                        clippy::disallowed_methods,
                        reason = "flock has no wait with an end; this runs on a blocking thread"
                    )]
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(RecordError::Locked { what: name.to_owned() }),
                Err(errno) => return Err(os(&lock_name)(errno)),
            }
        }
    }
}

/// Files that this program makes around a document: `<document>.<32 hex digits>.tmp` while it is written, and
/// `<document>.lock`. They are never sent and go unproven, so nothing that somebody else may have written counts as
/// one.
pub fn is_ours(name: &str) -> bool {
    let document = |name: &str| [INGEST, CREATION, CHECKSUMS].contains(&name);
    let list = |name: &str| [METADATA, UNSENT, NOT_CARRIED].contains(&name);
    let temporary = |name: &str| {
        let (stem, id) = name.strip_suffix(".tmp")?.rsplit_once('.')?;
        Some((document(stem) || list(stem)) && id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name.strip_suffix(".lock").is_some_and(document) || temporary(name) == Some(true)
}

/// Names tried for a document of an earlier life.
const NAMES_TRIED: usize = 100;

fn limit_of(name: &str) -> u64 {
    if [CHECKSUMS, METADATA, UNSENT].contains(&name) { LIST_LIMIT } else { DOCUMENT_LIMIT }
}

fn read_at(dir: &Dir, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
    let Some(file) = open_at(dir, name)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit_of(name) + 1).read_to_end(&mut bytes).map_err(io(name))?;
    Ok(Some(bytes))
}

/// A regular file of no more than a document's size; `None` when it is not there.
fn open_at(dir: &Dir, name: &str) -> Result<Option<File>, RecordError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(os(name)(errno)),
    };
    let metadata = file.metadata().map_err(io(name))?;
    if !metadata.is_file() {
        return Err(io(name)(std::io::Error::other("it is not a regular file")));
    }
    if metadata.len() > limit_of(name) {
        return Err(RecordError::TooLarge { what: name.to_owned() });
    }
    Ok(Some(file))
}

fn collect(dir: &Dir, prefix: &[u8], found: &mut Vec<(FilePath, RecordBytes)>) -> Result<(), RecordError> {
    use std::os::unix::ffi::OsStrExt;
    let shown = || domain::path::escape_bytes(prefix);
    for entry in dir.entries().map_err(|error| io(&shown())(error))? {
        let entry = entry.map_err(|error| io(&shown())(error))?;
        let name = entry.file_name();
        let bytes = name.as_bytes();
        let path = [prefix, b"/", bytes].concat();
        let stat = match rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // A temporary name that has become a document since it was listed.
            Err(rustix::io::Errno::NOENT) => continue,
            Err(errno) => return Err(os(&shown())(errno)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(dir, &name, flags, Mode::empty()).map_err(os(&shown()))?;
                collect(&Dir::from_std_file(File::from(fd)), &path, found)?;
            }
            FileType::RegularFile if name.to_str().is_some_and(is_ours) => {}
            FileType::RegularFile => {
                let Some(text) = name.to_str() else {
                    return Err(io(&shown())(std::io::Error::other("the record holds a name that is not UTF-8")));
                };
                if let (Some(file), Ok(path)) = (open_at(dir, text)?, FilePath::new(path)) {
                    found.push((path, RecordBytes::of(file).map_err(io(text))?));
                }
            }
            _ => {
                return Err(io(&domain::path::escape_bytes(&path))(std::io::Error::other(
                    "the record holds a link or a special file",
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
