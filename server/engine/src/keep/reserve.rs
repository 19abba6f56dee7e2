//! Room kept back for clearing. On the day a disk is full to its last byte an operator clears, and clearing has to
//! write a little first: an intent, an entry in the history. So some space is taken beforehand, given up for a clear
//! alone, and taken again after it. Where a disk can hold so many files and no more, some files are kept back as well.

use rustix::fs::{FallocateFlags, Mode, OFlags};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Name of the file that holds the room, hidden from every walk.
pub const RESERVE_FILE: &str = ".exlab-reserve";
/// Files that are kept back beside it, where their number is limited: a clear makes a few while others still stand.
const FILES: u64 = 4;
/// Where room is scarce, no more than one part in this many of the free space is taken.
const SHARE: u64 = 8;
/// More than any room that is kept.
const MOST: u64 = 16 << 20;

/// Room on one disk. Whoever clears borrows it.
pub struct Reserve {
    folder: PathBuf,
    bytes: u64,
    borrowers: Mutex<Borrowers>,
    told: AtomicBool,
}

#[derive(Default)]
struct Borrowers {
    count: usize,
    given_up: bool,
}

/// The room is free to be used until this is dropped.
pub struct Borrowed(Arc<Reserve>);

impl Reserve {
    /// Room of `bytes` in `folder`, not taken yet.
    pub fn new(folder: PathBuf, bytes: u64) -> Reserve {
        Reserve { folder, bytes, borrowers: Mutex::default(), told: AtomicBool::new(false) }
    }

    /// Takes the room where it is not taken yet; a disk that has none to give is tried again later. Blocking.
    pub fn keep(&self) {
        let borrowers = self.borrowers.lock().unwrap_or_else(PoisonError::into_inner);
        if borrowers.count == 0 {
            self.take();
        }
    }

    /// Gives the room up if its disk has less than that left. Blocking.
    pub fn borrow(self: &Arc<Reserve>) -> Borrowed {
        let mut borrowers = self.borrowers.lock().unwrap_or_else(PoisonError::into_inner);
        borrowers.count += 1;
        let is_short = free(&self.folder).is_some_and(|free| free < self.bytes)
            || free_files(&self.folder).is_some_and(|free| free < FILES);
        if !borrowers.given_up && is_short {
            borrowers.given_up = true;
            Reserve::give_up(&self.folder);
        }
        drop(borrowers);
        Borrowed(self.clone())
    }

    /// Gives up the room in this folder before anything else runs; false where none is kept. Blocking.
    pub fn give_up(folder: &Path) -> bool {
        let spare = (1..=FILES).map(|n| spare_file(folder, n));
        let give = |path: PathBuf| holds_nothing(&path) && std::fs::remove_file(path).is_ok();
        let given = [folder.join(RESERVE_FILE)].into_iter().chain(spare).filter(|path| give(path.clone())).count();
        given > 0
    }

    /// True while the room is given up: only clears may use it.
    pub fn is_given_up(&self) -> bool {
        self.borrowers.lock().unwrap_or_else(PoisonError::into_inner).given_up
    }

    fn take(&self) {
        self.take_files();
        let path = self.folder.join(RESERVE_FILE);
        let there = std::fs::symlink_metadata(&path).map(|metadata| metadata.len()).unwrap_or(0);
        let Some(free) = free(&self.folder) else { return };
        let wanted = self.bytes.min((free + there) / SHARE);
        if there >= wanted || wanted == 0 {
            return;
        }
        // A file of that name that is not ours holds no room.
        if std::fs::symlink_metadata(&path).is_ok() && !holds_nothing(&path) {
            return self.tell("there is a file of that name that is not ours");
        }
        match fill(&path, wanted) {
            Ok(()) => self.told.store(false, Ordering::Relaxed),
            Err(error) => {
                self.tell(&error.to_string());
                Reserve::give_up(&self.folder);
            }
        }
    }

    /// Empty files, where a disk can hold so many and has many left.
    fn take_files(&self) {
        for path in (1..=FILES).map(|n| spare_file(&self.folder, n)) {
            if free_files(&self.folder).is_none_or(|free| free < FILES * SHARE) {
                return;
            }
            // Whatever has the name stays.
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let _ = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600));
        }
    }

    /// Once, until room was kept again.
    fn tell(&self, why: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(folder = %self.folder.display(), why, "no room could be kept back for clearing; it is tried again");
        }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut borrowers = self.0.borrowers.lock().unwrap_or_else(PoisonError::into_inner);
        borrowers.count -= 1;
        if borrowers.count == 0 {
            borrowers.given_up = false;
            self.0.take();
        }
    }
}

/// A plain file of zeros, no larger than any room: removing it takes nothing away. Never waits, never follows a link.
fn holds_nothing(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()).map(std::fs::File::from) else { return false };
    let plain = file.metadata().is_ok_and(|stat| stat.is_file() && stat.len() <= MOST);
    let mut bytes = Vec::new();
    plain && file.take(MOST).read_to_end(&mut bytes).is_ok() && bytes.iter().all(|byte| *byte == 0)
}

fn free(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// How many more files can be made there; `None` where their number is not limited.
fn free_files(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    (stat.f_files > 0).then_some(stat.f_favail)
}

fn spare_file(folder: &Path, n: u64) -> PathBuf {
    folder.join(format!("{RESERVE_FILE}-{n}"))
}

/// Really takes the space, also where nothing can be preallocated.
fn fill(path: &Path, bytes: u64) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = std::fs::File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?);
    if rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes).is_err() {
        let zeros = [0; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let n = left.min(zeros.len() as u64);
            file.write_all(&zeros[..usize::try_from(n).unwrap_or(zeros.len())])?;
            left -= n;
        }
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d21_the_room_is_taken_and_stays_while_its_disk_has_enough() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Arc::new(Reserve::new(dir.path().to_owned(), 1 << 20));
        reserve.keep();
        let taken = || std::fs::metadata(dir.path().join(RESERVE_FILE)).map(|file| file.len()).unwrap_or(0);
        assert_eq!(taken(), 1 << 20);
        let borrowed = reserve.borrow();
        assert_eq!((taken(), reserve.is_given_up()), (1 << 20, false), "a disk with room needs no room given up");
        drop(borrowed);
        assert_eq!(taken(), 1 << 20);
        assert!(Reserve::give_up(dir.path()) && taken() == 0);
    }

    /// What an instrument wrote under that name is data: neither grown nor removed, however full its disk is; and
    /// nothing waits for a FIFO.
    #[test]
    fn d21_somebody_elses_file_of_that_name_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RESERVE_FILE);
        // More than any disk has left: the room would be given up at once.
        let reserve = Arc::new(Reserve::new(dir.path().to_owned(), u64::MAX));
        std::fs::write(&path, "only copy").unwrap();
        reserve.keep();
        drop(reserve.borrow());
        Reserve::give_up(dir.path());
        assert_eq!(std::fs::read(&path).unwrap(), b"only copy");
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        reserve.keep();
        Reserve::give_up(dir.path());
        assert!(path.exists());
    }
}
