//! The destination must be another place than the staging tree (D12): else every hash agrees, and clearing takes the only copy.
//!
//! Three looks, each for what the others cannot see: the folders above each root by device and inode; the paths of both inside
//! their file system (bind mounts); and the marker, which no equipment folder of the staging tree may show (a server that
//! exports this computer's own staging tree back to it).

use super::super::TransportError;
use super::root::{MARKER, Root};
use crate::beneath::{self, identity};
use crate::source::StagingRoot;
use domain::job::{FailureClass, Side};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Folders below the staging root in which the marker is looked for: equipment and project.
const LEVELS: u32 = 2;

/// Refuses a destination that is, holds, or lies in the staging tree.
pub(super) fn refuse(root: &Root, staging_path: &Path) -> Result<(), TransportError> {
    let staging = StagingRoot::open(staging_path)?;
    let foreign = |how: String| {
        let message = format!("{} is not another place than the staging tree {}: {how}", root.path.display(), staging_path.display());
        Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message))
    };
    let unclear = |error: Errno| TransportError::destination(error, format!("comparing {} with the staging tree", root.path.display()));
    let (own, other) = (above(&root.folder).map_err(unclear)?, above(staging.folder()).map_err(unclear)?);
    if own.first() == other.first() {
        return foreign("they are the same folder".to_owned());
    }
    if other.first().is_some_and(|staging| own.contains(staging)) {
        return foreign("it lies inside".to_owned());
    }
    if own.first().is_some_and(|root| other.contains(root)) {
        return foreign("it contains it".to_owned());
    }
    if let (Some(a), Some(b)) = (place(&root.folder), place(staging.folder()))
        && a.device == b.device
        && (within(&a.path, &b.path) || within(&b.path, &a.path))
    {
        return foreign("both are mounts of overlapping folders of one file system".to_owned());
    }
    let Some(marker) = root.marker()? else { return Ok(()) };
    let marker_identity = beneath::stat(&root.folder, MARKER).ok().map(|stat| identity(&stat));
    let staging_folder = beneath::open_folder(staging.folder(), b"").map_err(unclear)?;
    match shows_marker(&staging_folder, &marker, marker_identity, LEVELS) {
        Ok(true) => foreign("its marker is visible in it".to_owned()),
        Ok(false) => Ok(()),
        Err(error) => Err(unclear(error)),
    }
}

/// True when the staging tree, down to its `Runs` folders, shows this very marker. For destinations that are no folder here.
pub(in crate::transport) fn marker_is_visible(staging_path: &Path, marker: &[u8]) -> Result<bool, TransportError> {
    let staging = StagingRoot::open(staging_path)?;
    let unclear = |error: Errno| TransportError::destination(error, format!("looking for the marker in {}", staging_path.display()));
    let folder = beneath::open_folder(staging.folder(), b"").map_err(unclear)?;
    shows_marker(&folder, marker, None, LEVELS + 1).map_err(unclear)
}

/// Device and inode of a folder and of all folders above it, itself first.
fn above(folder: impl AsFd) -> Result<Vec<(u64, u64)>, Errno> {
    let mut found = vec![identity(&rustix::fs::fstat(folder.as_fd())?)];
    let mut held: Option<OwnedFd> = None;
    loop {
        let from = held.as_ref().map_or(folder.as_fd(), AsFd::as_fd);
        let parent = match rustix::fs::openat(from, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(parent) => parent,
            // A folder above that we may not look through: the looks below must do.
            Err(Errno::ACCESS) => return Ok(found),
            Err(error) => return Err(error),
        };
        let this = identity(&rustix::fs::fstat(&parent)?);
        if found.last() == Some(&this) {
            return Ok(found);
        }
        found.push(this);
        held = Some(parent);
    }
}

/// Where a folder lies inside its file system, whatever it is mounted as.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    device: Vec<u8>,
    path: Vec<u8>,
}

fn place(folder: &std::fs::File) -> Option<Place> {
    let id = rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?.stx_mnt_id;
    let path = rustix::fs::readlink(format!("/proc/self/fd/{}", folder.as_raw_fd()), Vec::new()).ok()?.into_bytes();
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    mounts.split(|b| *b == b'\n').find_map(|line| place_on_mount(line, id, &path))
}

/// Reads one line of `mountinfo`: id, parent, major:minor, root within the file system, mount point, ...
fn place_on_mount(line: &[u8], id: u64, path: &[u8]) -> Option<Place> {
    let mut fields = line.split(|b| *b == b' ');
    if fields.next()? != id.to_string().as_bytes() {
        return None;
    }
    let device = fields.nth(1)?.to_vec();
    let (root, point) = (unescape_octal(fields.next()?), unescape_octal(fields.next()?));
    let below = path.strip_prefix(trimmed(&point))?;
    let mut place = trimmed(&root).to_vec();
    place.extend_from_slice(below);
    Some(Place { device, path: trimmed(&place).to_vec() })
}

fn trimmed(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

fn within(inner: &[u8], outer: &[u8]) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// `mountinfo` writes blanks and the like as `\040`.
fn unescape_octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(value) if *byte == b'\\' => {
                out.push(value);
                rest = &after[3..];
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

/// True when the folder, or one at most `levels` below, shows this very marker.
fn shows_marker(folder: &OwnedFd, marker: &[u8], marker_identity: Option<(u64, u64)>, levels: u32) -> Result<bool, Errno> {
    match beneath::open_regular(folder, MARKER) {
        Ok(Some((fd, stat))) => {
            let mut bytes = Vec::new();
            let read = std::fs::File::from(fd).take(marker.len() as u64 + 1).read_to_end(&mut bytes);
            if Some(identity(&stat)) == marker_identity || (read.is_ok() && bytes == marker) {
                return Ok(true);
            }
        }
        Ok(None) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => {}
        Err(error) => return Err(error),
    }
    if levels == 0 {
        return Ok(false);
    }
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || !matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            continue;
        }
        match beneath::open_folder(folder, name) {
            Ok(below) => {
                if shows_marker(&below, marker, marker_identity, levels - 1)? {
                    return Ok(true);
                }
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d12_places_are_compared_inside_the_file_system() {
        let line = b"36 27 0:32 /data/my\\040lab /mnt/nas rw - ext4 /dev/vda rw";
        let found = place_on_mount(line, 36, b"/mnt/nas/EQ_1").unwrap();
        assert_eq!(found, Place { device: b"0:32".to_vec(), path: b"/data/my lab/EQ_1".to_vec() });
        assert_eq!(place_on_mount(line, 3, b"/mnt/nas/EQ_1"), None);
        let root = place_on_mount(b"1 0 8:1 / / rw - ext4 /dev/vda rw", 1, b"/staging").unwrap();
        assert_eq!(root.path, b"/staging");
        assert!(within(b"/data/x", b"/data") && within(b"/data", b"/data") && within(b"/data", b""));
        assert!(!within(b"/data2", b"/data"));
    }
}
