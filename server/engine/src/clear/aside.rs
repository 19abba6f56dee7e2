//! The folder that runs are renamed into while they are cleared, and the renames there and back. Everything by handle,
//! through no link; nothing is ever replaced.

use crate::core::Core;
use crate::files::beneath::rename_new;
use crate::files::source::{Entry, RunFolder, SourceError};
use domain::path::RunPath;
use domain::proof::Totals;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// Where runs are renamed to while they are cleared, below the staging root; hidden from every walk.
pub const CLEARING_FOLDER: &str = ".exlab-clearing";

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Makes the clearing folder: before an intent is recorded, so that a staging root without it is known to be another
/// disk.
pub fn prepare(core: &Core) -> Result<(), SourceError> {
    let root = core.staging.open()?;
    match rustix::fs::mkdirat(root.folder(), CLEARING_FOLDER, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(SourceError::Root { path: root.path().to_owned(), error: errno.into() }),
    }
}

/// True when the clearing folder stands: where it does not, no intent of ours was ever recorded for this disk.
pub fn is_prepared(core: &Core) -> Result<bool, SourceError> {
    Ok(rustix::fs::statat(core.staging.open()?.folder(), CLEARING_FOLDER, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}

/// What renaming a run aside came to.
pub enum Renamed {
    /// The proven folder is aside.
    Aside,
    /// Another folder stood at the run's path; it stands there again.
    Another,
}

/// Renames the run aside and makes sure that what was renamed is the folder that was proven (D9, D13). Blocking.
pub fn rename_aside(core: &Core, run: &RunPath, intent: &str, proven: &RunFolder) -> Result<Renamed, Errno> {
    let (parent, aside) = (parent_of(core, run)?, clearing_folder(core)?);
    rename_new(&parent, run.leaf().as_bytes(), &aside, intent.as_bytes())?;
    let (moved, handle) =
        (rustix::fs::statat(&aside, intent, AtFlags::SYMLINK_NOFOLLOW)?, rustix::fs::fstat(proven.dir())?);
    if (moved.st_dev, moved.st_ino) == (handle.st_dev, handle.st_ino) {
        rustix::fs::fsync(&parent)?;
        rustix::fs::fsync(&aside)?;
        return Ok(Renamed::Aside);
    }
    rename_new(&aside, intent.as_bytes(), &parent, run.leaf().as_bytes())?;
    Ok(Renamed::Another)
}

/// Puts what is left back to where the run stood; `EEXIST` when something new stands there. Blocking.
pub fn put_back(core: &Core, run: &RunPath, intent: &str) -> Result<(), Errno> {
    let (parent, aside) = (parent_of(core, run)?, clearing_folder(core)?);
    match rename_new(&aside, intent.as_bytes(), &parent, run.leaf().as_bytes()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The data that stands aside; nothing where nothing does. Blocking.
pub fn data_totals(core: &Core, intent: &str) -> Totals {
    let mut totals = Totals::default();
    let aside = core.staging.open().and_then(|root| root.run_at(&format!("{CLEARING_FOLDER}/{intent}")));
    let Ok(entries) = aside.and_then(|folder| folder.walk()) else { return totals };
    for entry in entries.flatten().filter(Entry::is_data_file) {
        totals.add(entry.stat.size);
    }
    totals
}

/// Removes the emptied folder itself. Blocking.
pub fn remove(core: &Core, intent: &str) -> Result<(), Errno> {
    match rustix::fs::unlinkat(clearing_folder(core)?, intent, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// True when the run's folder can be renamed aside: both are on one mount. Blocking.
pub fn same_mount(core: &Core, run: &RunPath) -> Result<bool, Errno> {
    let root = rustix::fs::open(core.staging.root(), FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
    let parent = parent_of(core, run)?;
    let around = mount_of(&parent)?;
    // A run that is a mount point is renamed by nobody; one that is a volume of its own (btrfs) is.
    let own = mount_of(rustix::fs::openat(&parent, run.leaf(), FOLDER, Mode::empty())?)?;
    Ok(mount_of(&root)? == around && own.1 == around.1)
}

fn mount_of(folder: impl AsFd) -> Result<(u64, u64), Errno> {
    let device = rustix::fs::fstat(folder.as_fd())?.st_dev;
    // Two mounts of one device have one device number, and no rename goes from one to the other.
    let id = rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, rustix::fs::StatxFlags::MNT_ID);
    Ok((device, id.map_or(0, |stat| stat.stx_mnt_id)))
}

/// Opens the run's parent folder, part by part from the root, following no link.
pub(super) fn parent_of(core: &Core, run: &RunPath) -> Result<OwnedFd, Errno> {
    let mut folder = rustix::fs::open(core.staging.root(), FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
    let segments: Vec<&str> = run.segments().collect();
    for segment in &segments[..segments.len() - 1] {
        folder = rustix::fs::openat(&folder, *segment, FOLDER, Mode::empty())?;
    }
    Ok(folder)
}

pub(super) fn clearing_folder(core: &Core) -> Result<OwnedFd, Errno> {
    let root = rustix::fs::open(core.staging.root(), FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
    rustix::fs::openat(&root, CLEARING_FOLDER, FOLDER, Mode::empty())
}
