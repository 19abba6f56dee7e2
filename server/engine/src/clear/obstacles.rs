//! What would stop a clear half-way although every byte is proven: folders of which nothing may be moved or deleted,
//! files that cannot be changed or that a program still writes to, mounts inside the run. Looked at before anything is
//! touched, so that such a clear is refused and not begun.
//!
//! Not a promise: rights may change a moment later. What fails then is taken back, or waits.

use super::aside;
use crate::core::Core;
use crate::files::source::RunFolder;
use crate::keep::ingest_store::{CREATION, read_creation};
use crate::keep::metadata::not_carried;
use crate::keep::record::RecordFolder;
use crate::machine::writers::{FileId, Writers, Writing, is_shared};
use crate::tell::index::Obstacles;
use domain::finding::Rule;
use domain::gate::{OTHER_DISK, metadata_not_carried};
use domain::overrides::is_overridden;
use domain::path::{RECORD_FOLDER, RunPath, escape_bytes};
use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::cell::Cell;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

/// How deep folders are followed; deeper ones are said to be an obstacle, since nothing could remove them either.
const DEPTH: usize = 256;
const STICKY: u32 = 0o1000;

/// What would stop this run from being moved aside and deleted. Blocking.
pub fn obstacles(core: &Core, run: &RunPath, folder: &RunFolder, writers: &Writers) -> Obstacles {
    let around = Around::of(folder, writers);
    let first = look(core, run, folder, &around).err().map(|Obstacle(sentence)| sentence);
    Obstacles { first, written: around.written.get(), writers_untold: around.untold.get() }
}

/// The same for what stands aside already: only its inside matters. Blocking.
pub fn obstacle_inside(folder: &RunFolder) -> Option<String> {
    inside(folder.dir().as_fd(), &Around::of(folder, &Writers::now_and_each_file()), b"", 0)
        .err()
        .map(|Obstacle(sentence)| sentence)
}

/// True where an operator has let go, with a reason, of what the record could not take.
pub fn may_be_left(core: &Core, run: &RunPath) -> bool {
    let class = Rule::MetadataNotCarried.as_str();
    core.index.look(run, |facts| is_overridden(&facts.overrides, class, core.site.clock.now())).unwrap_or(false)
}

struct Obstacle(String);

/// What every folder of a run is held against.
struct Around<'a> {
    mount: Option<u64>,
    writers: &'a Writers,
    written: Cell<bool>,
    untold: Cell<bool>,
}

impl<'a> Around<'a> {
    fn of(folder: &RunFolder, writers: &'a Writers) -> Around<'a> {
        let top = folder.dir().as_fd();
        Around { mount: mount_of(top), writers, written: Cell::new(false), untold: Cell::new(is_shared(top)) }
    }
}

fn look(core: &Core, run: &RunPath, folder: &RunFolder, around: &Around<'_>) -> Result<(), Obstacle> {
    let unreadable = |errno: Errno| Obstacle(format!("the folder around it cannot be looked at: {errno}"));
    match aside::same_mount(core, run) {
        Ok(true) => {}
        Ok(false) => return Err(Obstacle(format!("it lies on another mount than the staging root: {OTHER_DISK}"))),
        Err(errno) => return Err(unreadable(errno)),
    }
    let parent = aside::parent_of(core, run).map_err(unreadable)?;
    let shown = run.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
    may_change(parent.as_fd(), &format!("{}/{shown}", core.staging.root()))?;
    may_take(parent.as_fd(), run.leaf(), run.as_str())?;
    match aside::clearing_folder(core) {
        Ok(aside) => may_change(aside.as_fd(), &format!("{}/{}", core.staging.root(), aside::CLEARING_FOLDER))?,
        // Made when a clear begins.
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(Obstacle(format!("{} cannot be opened: {errno}", aside::CLEARING_FOLDER))),
    }
    inside(folder.dir().as_fd(), around, b"", 0)?;
    // What the NAS has of it would be replaced by what nobody can read.
    let record = RecordFolder::open(folder.dir()).ok().flatten();
    if let Some(Err(error)) = record.map(|record| read_creation(&record)) {
        return Err(Obstacle(format!("{error}; mend {RECORD_FOLDER}/{CREATION}, or move it away, first")));
    }
    match not_carried(folder) {
        Some(left) if !may_be_left(core, run) => {
            Err(Obstacle(metadata_not_carried(run, left.attributes, left.bytes, &left.first).rule_detail))
        }
        _ => Ok(()),
    }
}

/// Every folder of the run, and every entry in it.
fn inside(folder: BorrowedFd<'_>, around: &Around<'_>, path: &[u8], depth: usize) -> Result<(), Obstacle> {
    let shown = if path.is_empty() { "its folder".to_owned() } else { format!("the folder {}", escape_bytes(path)) };
    if depth > DEPTH {
        return Err(Obstacle(format!("{shown} lies more than {DEPTH} folders deep")));
    }
    may_change(folder, &shown)?;
    let listed = |errno: Errno| Obstacle(format!("{shown} cannot be listed: {errno}"));
    for entry in Dir::read_from(folder).map_err(listed)? {
        let entry = entry.map_err(listed)?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let below = if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
        let told = escape_bytes(&below);
        let stat = match about(folder, name) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(Obstacle(format!("{told} cannot be looked at: {errno}"))),
        };
        if stat.mount.is_some() && around.mount.is_some() && stat.mount != around.mount {
            return Err(Obstacle(format!("{told} is a mount of its own: unmount it first")));
        }
        if stat.fixed {
            return Err(Obstacle(format!("{told} is marked as not to be changed (see lsattr): nothing can delete it")));
        }
        may_take_as(folder, stat.owner, &told)?;
        if stat.is_file {
            let open =
                || crate::files::beneath::open_regular(folder, name).ok().flatten().map(|(file, _)| File::from(file));
            match around.writers.writing(stat.id, open) {
                Writing::Nobody => {}
                Writing::Untold => around.untold.set(true),
                Writing::By(program) => {
                    around.written.set(true);
                    let why = format!(
                        "{told} is open for writing by {program}: what it writes next would be lost; close it there"
                    );
                    return Err(Obstacle(why));
                }
            }
        }
        if stat.is_folder {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let child = rustix::fs::openat(folder, name, flags, Mode::empty())
                .map_err(|errno| Obstacle(format!("the folder {told} cannot be opened: {errno}")))?;
            inside(child.as_fd(), around, &below, depth + 1)?;
        }
    }
    Ok(())
}

struct About {
    id: FileId,
    owner: u32,
    is_folder: bool,
    is_file: bool,
    fixed: bool,
    mount: Option<u64>,
}

fn about(folder: BorrowedFd<'_>, name: &[u8]) -> Result<About, Errno> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let stat = rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
    Ok(About {
        id: (rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino),
        owner: stat.stx_uid,
        is_folder: FileType::from_raw_mode(stat.stx_mode.into()).is_dir(),
        is_file: FileType::from_raw_mode(stat.stx_mode.into()).is_file(),
        fixed: stat.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND),
        mount: told(stat.stx_mask, StatxFlags::MNT_ID).then_some(stat.stx_mnt_id),
    })
}

fn told(mask: u32, flag: StatxFlags) -> bool {
    mask & flag.bits() != 0
}

fn mount_of(folder: BorrowedFd<'_>) -> Option<u64> {
    let stat = rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    told(stat.stx_mask, StatxFlags::MNT_ID).then_some(stat.stx_mnt_id)
}

/// Entries may be added to and taken from this folder.
fn may_change(folder: BorrowedFd<'_>, shown: &str) -> Result<(), Obstacle> {
    if let Err(errno) = rustix::fs::accessat(folder, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        let user = rustix::process::geteuid().as_raw();
        return Err(Obstacle(format!("this program (user {user}) may not change {shown}: {errno}")));
    }
    let stat = rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
    let fixed =
        stat.is_ok_and(|stat| stat.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND));
    match fixed {
        true => Err(Obstacle(format!("{shown} is marked as not to be changed (see lsattr)"))),
        false => Ok(()),
    }
}

/// A sticky folder gives its entries only to their owner, its own owner and root.
fn may_take(folder: BorrowedFd<'_>, name: &str, shown: &str) -> Result<(), Obstacle> {
    match about(folder, name.as_bytes()) {
        Ok(stat) if stat.fixed => Err(Obstacle(format!("{shown} is marked as not to be changed (see lsattr)"))),
        Ok(stat) => may_take_as(folder, stat.owner, shown),
        Err(errno) => Err(Obstacle(format!("{shown} cannot be looked at: {errno}"))),
    }
}

fn may_take_as(folder: BorrowedFd<'_>, owner: u32, shown: &str) -> Result<(), Obstacle> {
    let Ok(stat) = rustix::fs::fstat(folder) else { return Ok(()) };
    let user = rustix::process::geteuid();
    let free = stat.st_mode & STICKY == 0 || user.is_root() || user.as_raw() == stat.st_uid || user.as_raw() == owner;
    match free {
        true => Ok(()),
        false => Err(Obstacle(format!(
            "{shown} belongs to user {owner}, and its folder lets only owners delete (sticky bit)"
        ))),
    }
}
