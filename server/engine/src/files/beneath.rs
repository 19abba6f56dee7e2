//! Opening names beneath a folder's handle, never following a link on the way and never leaving the folder.
//!
//! Both trees are reached only through here: the staging tree, where instruments write what they like, and the NAS,
//! where anybody may. `openat2` does it in one call; where the kernel or a sandbox refuses that, every part is opened
//! by itself.

use domain::proof::FileStat;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::sync::atomic::{AtomicBool, Ordering};

static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// Opens `path` (plain segments joined by `/`) beneath `folder` with `flags`; a link anywhere is `ELOOP` (or
/// `ENOTDIR`).
pub(crate) fn open(folder: impl AsFd, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    // `openat2` refuses, with O_PATH, every flag that has no meaning there.
    let own = if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NOCTTY };
    let flags = flags | own | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if !NO_OPENAT2.load(Ordering::Relaxed) {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // EAGAIN: something was renamed while the kernel looked; it asks to be called again.
        for _ in 0..16 {
            match rustix::fs::openat2(folder.as_fd(), path, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::NOSYS) => {
                    NO_OPENAT2.store(true, Ordering::Relaxed);
                    break;
                }
                answer => return answer,
            }
        }
    }
    open_part_by_part(folder, path, flags, mode)
}

/// What [`open`] does without `openat2`.
fn open_part_by_part(folder: impl AsFd, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let (parents, name) = split(path);
    let mut held: Option<OwnedFd> = None;
    for part in parents.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
        let from = held.as_ref().map_or(folder.as_fd(), AsFd::as_fd);
        held = Some(open_part(from, part, FOLDER | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?);
    }
    open_part(held.as_ref().map_or(folder.as_fd(), AsFd::as_fd), name, flags, mode)
}

fn open_part(folder: impl AsFd, part: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    if part == b".." || part.contains(&b'/') {
        return Err(Errno::XDEV);
    }
    loop {
        match rustix::fs::openat(folder.as_fd(), part, flags, mode) {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

/// Opens a folder beneath `folder`; the empty path is `folder` itself.
pub(crate) fn open_folder(folder: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    open(folder, path, FOLDER, Mode::empty())
}

/// Opens a regular file for reading, without waiting: whatever else stands there is `None`.
pub(crate) fn open_regular(folder: impl AsFd, path: &[u8]) -> Result<Option<(OwnedFd, Stat)>, Errno> {
    let fd = match open(folder, path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
        Ok(fd) => fd,
        // A socket, a device without driver, a link under the last name.
        Err(Errno::NXIO | Errno::NODEV | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&fd)?;
    Ok(FileType::from_raw_mode(stat.st_mode).is_file().then_some((fd, stat)))
}

/// `lstat` beneath `folder`.
pub(crate) fn stat(folder: impl AsFd, path: &[u8]) -> Result<Stat, Errno> {
    let (parents, name) = split(path);
    if parents.is_empty() {
        return rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    }
    let parent = open(folder, parents, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Opens a folder beneath `folder`, making what is missing; tells whether the last one was made just now.
pub(crate) fn make_folders(folder: impl AsFd, path: &[u8]) -> Result<(OwnedFd, bool), Errno> {
    make_folders_with(folder, path, |_| Mode::from_raw_mode(0o777))
}

/// The same; `mode` tells that of each folder that is made, by its path.
pub(crate) fn make_folders_with(
    folder: impl AsFd,
    path: &[u8],
    mode: impl Fn(&[u8]) -> Mode,
) -> Result<(OwnedFd, bool), Errno> {
    match open_folder(folder.as_fd(), path) {
        Ok(fd) => return Ok((fd, false)),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    let mut held: Option<OwnedFd> = None;
    let mut made = false;
    let mut end = 0;
    for part in path.split(|b| *b == b'/') {
        end += part.len();
        let from = held.as_ref().map_or(folder.as_fd(), AsFd::as_fd);
        made = match rustix::fs::mkdirat(from, part, mode(&path[..end])) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error),
        };
        held = Some(open_part(from, part, FOLDER | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())?);
        end += 1;
    }
    held.map(|fd| (fd, made)).ok_or(Errno::NOENT)
}

/// Renames without replacing, on any file system: one that has no such rename gets a look and a plain one. `EEXIST`
/// where the name is taken.
pub(crate) fn rename_new(from: impl AsFd, name: &[u8], to: impl AsFd, new_name: &[u8]) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from.as_fd(), name, to.as_fd(), new_name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            match rustix::fs::statat(to.as_fd(), new_name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(from, name, to, new_name),
                Ok(_) => Err(Errno::EXIST),
                Err(errno) => Err(errno),
            }
        }
        answer => answer,
    }
}

/// Parent and last name; the parent of a single name is empty.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// What the seal keeps of a `stat`.
pub(crate) fn file_stat(stat: &Stat) -> FileStat {
    FileStat {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: nanoseconds(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        ctime_ns: nanoseconds(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        inode: stat.st_ino,
    }
}

/// Saturates in the years 1677 and 2262.
fn nanoseconds(seconds: i64, part: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(part)
}

/// Device and inode: the identity of a file on this computer.
pub(crate) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    type Opener = fn(&std::fs::File, &[u8]) -> Result<OwnedFd, Errno>;

    /// Both ways of opening, so that the one this kernel does not need is tried too.
    const WAYS: [Opener; 2] = [
        |folder, path| open(folder, path, OFlags::RDONLY, Mode::empty()),
        |folder, path| open_part_by_part(folder, path, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty()),
    ];

    #[test]
    fn v12_no_link_is_followed_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("in/real")).unwrap();
        std::fs::write(dir.path().join("in/real/file"), "x").unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        symlink("real", dir.path().join("in/link")).unwrap();
        symlink("../../secret", dir.path().join("in/real/out")).unwrap();
        let root = std::fs::File::open(dir.path().join("in")).unwrap();
        for way in WAYS {
            assert!(way(&root, b"real/file").is_ok());
            assert!(way(&root, b"link/file").is_err());
            assert!(way(&root, b"link").is_err());
            assert!(way(&root, b"real/out").is_err());
            assert!(way(&root, b"../secret").is_err());
        }
        assert_eq!(stat(&root, b"real/file").unwrap().st_size, 1);
        assert!(matches!(stat(&root, b"link/file"), Err(Errno::LOOP | Errno::NOTDIR)));
    }

    #[test]
    fn a_rename_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let root = std::fs::File::open(dir.path()).unwrap();
        assert_eq!(rename_new(&root, b"a", &root, b"b"), Err(Errno::EXIST));
        rename_new(&root, b"a", &root, b"c").unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).ok();
        assert_eq!((read("a"), read("b").as_deref(), read("c").as_deref()), (None, Some("b"), Some("a")));
    }

    #[test]
    fn folders_are_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        assert!(make_folders(&root, b"a/b c/d").unwrap().1);
        assert!(!make_folders(&root, b"a/b c/d").unwrap().1);
        assert!(make_folders(&root, b"a/b c/e").unwrap().1);
        symlink("a", dir.path().join("l")).unwrap();
        assert!(make_folders(&root, b"l/x").is_err());
    }
}
