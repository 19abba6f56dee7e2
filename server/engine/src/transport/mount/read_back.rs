//! Reading a destination file past this computer's cache, so that the hash is of what the NAS holds.
//!
//! First with `O_DIRECT`. Where that is refused the cached pages are dropped, and it is looked whether they are gone.
//! Where a program on this computer makes the file system (FUSE), it may have a cache of its own that neither tells of:
//! what it is known to pass on counts.

use super::super::HashOutcome;
use crate::files::beneath::{self, identity};
use crate::files::hash::{ALIGNMENT, Hasher};
use domain::proof::ProofLevel;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Advice, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::IoSliceMut;
use tokio_util::sync::CancellationToken;

/// How a file was read back; a greater one is weaker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Way {
    Direct = 0,
    Dropped = 1,
    Cached = 2,
}

impl Way {
    pub fn from_number(number: u8) -> Way {
        [Way::Direct, Way::Dropped].into_iter().find(|way| *way as u8 == number).unwrap_or(Way::Cached)
    }

    pub fn describe(self) -> &'static str {
        match self {
            Way::Direct => "read back with O_DIRECT",
            Way::Dropped => "read back after dropping the cache",
            Way::Cached => "read back, maybe from the cache",
        }
    }

    fn level(self) -> ProofLevel {
        match self {
            Way::Direct | Way::Dropped => ProofLevel::L3,
            Way::Cached => ProofLevel::L1,
        }
    }
}

/// Why a file gave no digest.
enum Failure {
    Interrupted,
    /// Direct reads do not work here after all.
    NotDirect,
    System(Errno),
}

/// FUSE file systems that ask what is behind them for every read that passes the kernel by, or are a disk of this
/// computer.
const PASSES_ON: [&str; 7] =
    ["fuseblk", "fuse.sshfs", "fuse.bindfs", "fuse.mergerfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.mfs"];

/// The strongest way on a file system of this kind.
pub(super) fn at_best_on(kind: &str) -> Way {
    let may_answer_by_itself = kind.starts_with("fuse") && !PASSES_ON.contains(&kind);
    if may_answer_by_itself { Way::Cached } else { Way::Direct }
}

/// As an outcome of its own.
pub(super) fn unreadable(error: Errno) -> HashOutcome {
    HashOutcome::Failed { reason: std::io::Error::from(error).to_string() }
}

/// Hashes one file beneath `folder`. `None`: interrupted. `source`: device and inode of the file in staging. An error
/// where it cannot be read.
pub(super) fn read_back(
    hasher: &mut Hasher,
    folder: &OwnedFd,
    name: &[u8],
    source: Option<(u64, u64)>,
    at_best: Way,
    cancel: &CancellationToken,
    read: &(dyn Fn(u64) + Sync),
) -> Result<Option<(HashOutcome, Way)>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let (fd, direct) = match beneath::open(folder, name, flags | OFlags::DIRECT, Mode::empty()) {
        Ok(fd) => (fd, true),
        Err(Errno::INVAL | Errno::NOTSUP) => match beneath::open(folder, name, flags, Mode::empty()) {
            Ok(fd) => (fd, false),
            Err(Errno::NOENT) => return Ok(Some((HashOutcome::Missing, Way::Direct))),
            Err(error) => return Err(error),
        },
        Err(Errno::NOENT) => return Ok(Some((HashOutcome::Missing, Way::Direct))),
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&fd)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(Some((HashOutcome::Failed { reason: "it is not a regular file".to_owned() }, Way::Direct)));
    }
    if source == Some(identity(&stat)) {
        return Ok(Some((HashOutcome::SameFile, Way::Direct)));
    }
    let size = beneath::file_stat(&stat).size;
    // Some file systems take the flag and read through the cache all the same.
    let _ = rustix::fs::fadvise(&fd, 0, None, Advice::DontNeed);
    let mut hashed = if direct { hash(hasher, &fd, size, true, cancel, read) } else { Err(Failure::NotDirect) };
    let mut way = Way::Direct;
    if let Err(Failure::NotDirect) = hashed {
        way = drop_cache(&fd, size);
        hashed = match beneath::open(folder, name, flags, Mode::empty()) {
            Ok(plain) => hash(hasher, &plain, size, false, cancel, read),
            Err(error) => Err(Failure::System(error)),
        };
    }
    way = way.max(at_best);
    match hashed {
        Ok((digest, size)) => Ok(Some((HashOutcome::Digest { digest, size, level: way.level() }, way))),
        Err(Failure::Interrupted) => Ok(None),
        Err(Failure::NotDirect) => Err(Errno::INVAL),
        Err(Failure::System(error)) => Err(error),
    }
}

fn hash(
    hasher: &mut Hasher,
    fd: &OwnedFd,
    size: u64,
    direct: bool,
    cancel: &CancellationToken,
    read: &(dyn Fn(u64) + Sync),
) -> Result<(domain::proof::Digest, u64), Failure> {
    let mut offset = 0_u64;
    let mut fill = |space: &mut [u8]| {
        if cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        // A direct read that ended at the end of the file cannot go on from there: offsets must be aligned.
        if direct && offset > 0 && !offset.is_multiple_of(ALIGNMENT as u64) {
            return if offset >= size { Ok(0) } else { Err(Failure::NotDirect) };
        }
        let n = loop {
            match rustix::io::pread(fd.as_fd(), &mut *space, offset) {
                Err(Errno::INTR) => {}
                Err(Errno::INVAL) if direct => return Err(Failure::NotDirect),
                Err(error) => return Err(Failure::System(error)),
                Ok(n) => break n,
            }
        };
        offset += n as u64;
        read(n as u64);
        Ok(n)
    };
    hasher.stream(size, &mut fill)
}

/// Writes what is dirty, drops the cached pages, and looks whether the first and the last one are gone.
fn drop_cache(fd: &OwnedFd, size: u64) -> Way {
    let dropped = rustix::fs::fdatasync(fd).is_ok() && rustix::fs::fadvise(fd, 0, None, Advice::DontNeed).is_ok();
    if dropped && is_gone(fd, size) { Way::Dropped } else { Way::Cached }
}

/// True when neither the first nor the last page is in memory.
fn is_gone(fd: &OwnedFd, size: u64) -> bool {
    [0, size.saturating_sub(1)].into_iter().all(|offset| {
        let mut byte = [0_u8];
        let answer = rustix::io::preadv2(fd, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
        size == 0 || matches!(answer, Err(Errno::AGAIN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn v25_a_file_system_with_a_cache_of_its_own_proves_little() {
        for kind in ["ext4", "nfs4", "cifs", "fuseblk", "fuse.sshfs"] {
            assert_eq!(at_best_on(kind).level(), ProofLevel::L3, "{kind}");
        }
        for kind in ["fuse.rclone", "fuse.s3fs", "fuse", "fuse.davfs"] {
            assert_eq!(at_best_on(kind).level(), ProofLevel::L1, "{kind}");
        }
    }

    const TMPFS_MAGIC: u64 = 0x0102_1994;

    #[test]
    fn a_dropped_cache_is_seen_to_be_dropped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![1; 100_000]).unwrap();
        let fd = OwnedFd::from(File::open(file.path()).unwrap());
        let in_memory = u64::try_from(rustix::fs::fstatfs(&fd).unwrap().f_type).unwrap() == TMPFS_MAGIC;
        assert_eq!(drop_cache(&fd, 100_000), if in_memory { Way::Cached } else { Way::Dropped });
    }

    #[test]
    fn a_cache_that_is_in_use_is_seen_to_be_there() {
        // A page that is being read back in stays: the look must notice, or L1 would be called L3.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![1; 100_000]).unwrap();
        let fd = OwnedFd::from(File::open(file.path()).unwrap());
        assert!(!is_gone(&fd, 100_000), "it was written just now");
    }
}
