//! The destination must be another place than the staging tree (D12): else every hash agrees, and clearing takes the
//! only copy.
//!
//! Three looks, each for what the others cannot see: the folders above each root by device and inode; the paths of both
//! inside their file system (bind mounts); and the marker, which no equipment folder of the staging tree may show (a
//! server that exports this computer's own staging tree back to it).

use super::super::TransportError;
use super::super::rules::layout::MARKER;
use super::root::Root;
use crate::files::beneath::{self, identity};
use crate::files::source::StagingRoot;
use crate::machine::mounts::{self, Mount};
use domain::job::{FailureClass, Side};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags};
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
        let message = format!(
            "{} is not another place than the staging tree {}: {how}",
            root.path.display(),
            staging_path.display()
        );
        Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message))
    };
    let unclear = |error: Errno| {
        TransportError::destination(error, format!("comparing {} with the staging tree", root.path.display()))
    };
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
    let marker_identity = beneath::stat(&root.folder, MARKER.as_bytes()).ok().map(|stat| identity(&stat));
    let staging_folder = beneath::open_folder(staging.folder(), b"").map_err(unclear)?;
    match shows_marker(&staging_folder, &marker, marker_identity, LEVELS) {
        Ok(true) => foreign("its marker is visible in it".to_owned()),
        Ok(false) => Ok(()),
        Err(error) => Err(unclear(error)),
    }
}

/// True when the staging tree, down to its `Runs` folders, shows this very marker. For destinations that are no folder
/// here.
pub(in crate::transport) fn marker_is_visible(staging_path: &Path, marker: &[u8]) -> Result<bool, TransportError> {
    let staging = StagingRoot::open(staging_path)?;
    let unclear = |error: Errno| {
        TransportError::destination(error, format!("looking for the marker in {}", staging_path.display()))
    };
    let folder = beneath::open_folder(staging.folder(), b"").map_err(unclear)?;
    shows_marker(&folder, marker, None, LEVELS + 1).map_err(unclear)
}

/// Device and inode of a folder and of all folders above it, itself first.
fn above(folder: impl AsFd) -> Result<Vec<(u64, u64)>, Errno> {
    let mut found = vec![identity(&rustix::fs::fstat(folder.as_fd())?)];
    let mut held: Option<OwnedFd> = None;
    loop {
        let from = held.as_ref().map_or(folder.as_fd(), AsFd::as_fd);
        let parent =
            match rustix::fs::openat(from, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
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
struct OnDevice {
    device: Vec<u8>,
    path: Vec<u8>,
}

fn place(folder: &std::fs::File) -> Option<OnDevice> {
    let path = rustix::fs::readlink(format!("/proc/self/fd/{}", folder.as_raw_fd()), Vec::new()).ok()?.into_bytes();
    place_on_mount(mounts::of(folder)?, &path)
}

fn place_on_mount(mount: Mount, path: &[u8]) -> Option<OnDevice> {
    let below = path.strip_prefix(trimmed(&mount.point))?;
    let mut place = trimmed(&mount.root).to_vec();
    place.extend_from_slice(below);
    Some(OnDevice { device: mount.device, path: trimmed(&place).to_vec() })
}

fn trimmed(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

fn within(inner: &[u8], outer: &[u8]) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// True when the folder, or one at most `levels` below, shows this very marker.
fn shows_marker(
    folder: &OwnedFd,
    marker: &[u8],
    marker_identity: Option<(u64, u64)>,
    levels: u32,
) -> Result<bool, Errno> {
    match beneath::open_regular(folder, MARKER.as_bytes()) {
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
        let mount = |root: &str, point: &str| Mount {
            device: b"0:32".to_vec(),
            root: root.into(),
            point: point.into(),
            kind: b"ext4".to_vec(),
        };
        let found = place_on_mount(mount("/data/my lab", "/mnt/nas"), b"/mnt/nas/EQ_1").unwrap();
        assert_eq!(found, OnDevice { device: b"0:32".to_vec(), path: b"/data/my lab/EQ_1".to_vec() });
        assert_eq!(place_on_mount(mount("/", "/mnt/nas"), b"/elsewhere"), None);
        assert_eq!(place_on_mount(mount("/", "/"), b"/staging").unwrap().path, b"/staging");
        assert!(within(b"/data/x", b"/data") && within(b"/data", b"/data") && within(b"/data", b""));
        assert!(!within(b"/data2", b"/data"));
    }
}
