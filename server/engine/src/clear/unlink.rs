//! Unlinking one file by its name in the handle of its own folder, while nobody writes to it: the hand of the one
//! deleter.

use super::delete::Deleted;
use crate::files::beneath;
use crate::files::source::RunFolder;
use crate::machine::lease::{Answer, Lease};
use crate::machine::writers::is_shared;
use domain::path::FilePath;
use domain::proof::FileStat;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;

/// What came of unlinking.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlinked {
    /// It is gone, or noted as stuck.
    Done,
    /// It is not as it was compared, and stands.
    OtherStat,
    /// Somebody has it open for writing, and it stands.
    WrittenTo,
}

/// Unlinks a file whose stat was just compared; once more, in the handle of its own folder.
pub(super) fn unlink(parent: &mut Parent<'_>, path: &FilePath, compared: &FileStat, deleted: &mut Deleted) -> Unlinked {
    match try_unlink(parent, path, compared) {
        Ok(Unlinked::Done) => deleted.freed.add(compared.size),
        Ok(stands) => return stands,
        Err(Errno::NOENT) => {}
        Err(errno) => deleted.stick(path, errno),
    }
    Unlinked::Done
}

fn try_unlink(parent: &mut Parent<'_>, path: &FilePath, compared: &FileStat) -> Result<Unlinked, Errno> {
    let shared = parent.shared;
    let (folder, name) = parent.of(path)?;
    // Held until it is gone, so that who begins to write meanwhile is seen. Where there is none to be had, all
    // processes were looked into.
    let opened = if shared { None } else { beneath::open_regular(folder, name).ok().flatten() };
    let asked = opened.map(|(file, _)| Lease::ask(File::from(file)));
    let lease = match asked {
        Some(Answer::Somebody) => return Ok(Unlinked::WrittenTo),
        Some(Answer::Nobody(lease)) => Some(lease),
        Some(Answer::Untold) | None => None,
    };
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if beneath::file_stat(&stat) != *compared {
        return Ok(Unlinked::OtherStat);
    }
    if lease.as_ref().is_some_and(|lease| !lease.stands()) {
        return Ok(Unlinked::WrittenTo);
    }
    rustix::fs::unlinkat(folder, name, AtFlags::empty()).map(|()| Unlinked::Done)
}

/// Handles of parent folders, opened part by part without following links; keeps the last one, since files come sorted.
pub(super) struct Parent<'a> {
    run: &'a RunFolder,
    /// Leases say nothing there.
    shared: bool,
    open: Option<(Vec<u8>, OwnedFd)>,
}

impl<'a> Parent<'a> {
    pub fn new(run: &'a RunFolder) -> Parent<'a> {
        Parent { run, shared: is_shared(run.dir()), open: None }
    }

    pub fn of<'p>(&mut self, path: &'p FilePath) -> Result<(&OwnedFd, &'p [u8]), Errno> {
        let bytes = path.as_bytes();
        let (parents, name) = match bytes.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&bytes[..at], &bytes[at + 1..]),
            None => (&bytes[..0], bytes),
        };
        let same = self.open.as_ref().is_some_and(|(known, _)| known == parents);
        if !same {
            self.open = Some((parents.to_vec(), self.descend(parents)?));
        }
        match &self.open {
            Some((_, folder)) => Ok((folder, name)),
            None => Err(Errno::NOENT),
        }
    }

    fn descend(&self, parents: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder = rustix::fs::openat(self.run.dir(), ".", flags, Mode::empty())?;
        for part in parents.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            folder = rustix::fs::openat(&folder, part, flags, Mode::empty())?;
        }
        Ok(folder)
    }
}
