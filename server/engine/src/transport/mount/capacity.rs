//! What a mounted destination tells of itself besides its files: its free space and its clock.

use super::super::TransportError;
use super::super::rules::layout::TEMPORARY;
use super::MountTransport;
use super::root::Root;
use crate::files::beneath;
use crate::files::hash::wall_clock_ns;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

impl MountTransport {
    /// Bytes that this account may still write.
    pub(super) fn find_free_bytes(&self) -> Result<u64, TransportError> {
        let (root, _) = Root::open_marked(self)?;
        let space = rustix::fs::fstatvfs(&root.folder).map_err(|error| {
            TransportError::destination(error, format!("asking {} for its free space", root.path.display()))
        })?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// How many more files can be made, and how many there can be; `None` where the file system has no such limit.
    pub(super) fn find_free_files(&self) -> Result<Option<(u64, u64)>, TransportError> {
        let (root, _) = Root::open_marked(self)?;
        let space = rustix::fs::fstatvfs(&root.folder).map_err(|error| {
            TransportError::destination(error, format!("asking {} for its free files", root.path.display()))
        })?;
        Ok((space.f_files > 0).then_some((space.f_favail, space.f_files)))
    }

    /// The time that the destination gives a file written just now, less our own, in whole seconds.
    pub(super) fn find_clock_offset(&self) -> Result<i64, TransportError> {
        let (root, _) = Root::open_marked(self)?;
        let failed = |error: std::io::Error| {
            TransportError::destination(
                error,
                format!("writing a file for its time to {}", root.shown(TEMPORARY.as_bytes())),
            )
        };
        let errno = |error: Errno| failed(error.into());
        let folder = root.temporary()?;
        let name = format!("clock-{}", uuid::Uuid::new_v4().simple());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let before = wall_clock_ns();
        let mut file =
            File::from(beneath::open(&folder, name.as_bytes(), flags, Mode::from_raw_mode(0o666)).map_err(errno)?);
        let stat = file.write_all(b"clock").and_then(|()| file.sync_all()).and_then(|()| Ok(rustix::fs::fstat(&file)?));
        let after = wall_clock_ns();
        let removed = rustix::fs::unlinkat(&folder, name.as_str(), AtFlags::empty());
        let there = beneath::file_stat(&stat.map_err(failed)?).mtime_ns;
        removed.map_err(errno)?;
        Ok(offset_seconds(before, there, after))
    }
}

/// Zero while the time lies between ours before and after; whole seconds otherwise, cut.
fn offset_seconds(before: i64, there: i64, after: i64) -> i64 {
    (there - there.clamp(before.min(after), after)) / SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_outside_of_our_own_two_moments_is_an_offset() {
        assert_eq!(offset_seconds(10 * SECOND, 12 * SECOND, 20 * SECOND), 0);
        assert_eq!(offset_seconds(10 * SECOND, 10 * SECOND - 1, 20 * SECOND), 0);
        assert_eq!(offset_seconds(10 * SECOND, 3 * SECOND, 20 * SECOND), -7);
        assert_eq!(offset_seconds(10 * SECOND, 320 * SECOND, 20 * SECOND), 300);
    }
}
