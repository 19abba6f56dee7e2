//! The equipment's root at the destination, opened and looked at.

use super::super::TransportError;
use super::super::modes_here::mode_here;
use super::super::rules::layout::{MARKER, OWN_FOLDER, TEMPORARY};
use super::super::rules::marker::{self, no_marker};
use super::copy::no_more_open_than;
use super::read_back::{Way, at_best_on};
use super::{MountTransport, same_tree};
use crate::files::beneath;
use domain::job::{FailureClass, Side};
use domain::path::RunPath;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// [`TEMPORARY`], seen from our own folder.
const TEMPORARY_NAME: &[u8] = b"tmp";

/// The root, opened; everything at the destination goes through its handle.
#[derive(Debug)]
pub(super) struct Root {
    pub folder: File,
    pub path: PathBuf,
    /// Another process may have files in our temporary folder.
    pub beside_others: bool,
    /// The staging root, as configured.
    staging: Arc<std::path::Path>,
}

impl Root {
    /// Opens the root, whatever it holds. That it exists is the operator's matter: making it would hide a missing
    /// mount.
    pub fn open(transport: &MountTransport) -> Result<Root, TransportError> {
        let path = transport.root.to_path_buf();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => {
                let (beside_others, staging) = (transport.beside_others, transport.staging.clone());
                Ok(Root { folder: File::from(fd), path, beside_others, staging })
            }
            Err(error) => {
                let message = format!("{} cannot be opened: {}", path.display(), std::io::Error::from(error));
                Err(TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message))
            }
        }
    }

    /// Opens the root and shows that it is a destination: the marker is there, and the staging tree does not see it.
    pub fn open_marked(transport: &MountTransport) -> Result<(Root, Vec<u8>), TransportError> {
        let root = Root::open(transport)?;
        let marker = root.marker()?.ok_or_else(|| no_marker(&root.path.display().to_string()))?;
        same_tree::refuse(&root, &transport.staging)?;
        if let Some(owner) = &transport.owner {
            owner.owns(&marker, &root.path.display().to_string())?;
        }
        Ok((root, marker))
    }

    /// The strongest way of reading back that its file system allows.
    pub fn at_best(&self) -> Way {
        let kind = crate::machine::mounts::of(&self.folder).map(|mount| mount.kind);
        at_best_on(&kind.map_or_else(String::new, |kind| String::from_utf8_lossy(&kind).into_owned()))
    }

    /// The marker's bytes; `None` when there is none.
    pub fn marker(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let unreadable = |error: std::io::Error| {
            let message = format!("the marker of {} cannot be read: {error}", self.path.display());
            TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message)
        };
        match beneath::open_regular(&self.folder, MARKER.as_bytes()) {
            Ok(Some((fd, _))) => {
                let mut bytes = Vec::new();
                File::from(fd).take(marker::BYTES_AT_MOST).read_to_end(&mut bytes).map_err(unreadable)?;
                Ok(Some(bytes))
            }
            Ok(None) => Err(unreadable(std::io::Error::other("not a regular file"))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(unreadable(error.into())),
        }
    }

    /// The path of something below the root, for messages.
    pub fn shown(&self, relative: &[u8]) -> String {
        format!("{}/{}", self.path.display().to_string().trim_end_matches('/'), domain::path::escape_bytes(relative))
    }

    /// Opens the run's folder; `None` when it is not there.
    pub fn run(&self, run: &RunPath) -> Result<Option<OwnedFd>, TransportError> {
        let relative = run.below_equipment().as_bytes();
        match beneath::open_folder(&self.folder, relative) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(error @ (Errno::LOOP | Errno::NOTDIR)) => Err(self.not_plain(relative, error)),
            Err(error) => Err(TransportError::destination(error, format!("opening {}", self.shown(relative)))),
        }
    }

    /// A link or a file stands where a folder must be: neither ours, nor to be touched.
    fn not_plain(&self, relative: &[u8], error: Errno) -> TransportError {
        let message = format!("{} is not a plain folder: {}", self.shown(relative), std::io::Error::from(error));
        TransportError::new(FailureClass::Conflict, Side::Destination, message)
    }

    /// Opens the run's folder, making it when it is not there, no more open to others than it is here.
    pub fn make_run(&self, run: &RunPath) -> Result<(OwnedFd, bool), TransportError> {
        let relative = run.below_equipment().as_bytes();
        let mode = |made: &[u8]| {
            let here = std::str::from_utf8(made).map_or(0, |made| mode_here(&self.staging, run, made));
            no_more_open_than(here, 0o777)
        };
        match beneath::make_folders_with(&self.folder, relative, mode) {
            Ok(made) => Ok(made),
            Err(error @ (Errno::LOOP | Errno::NOTDIR)) => Err(self.not_plain(relative, error)),
            Err(error) => Err(TransportError::destination(error, format!("making {}", self.shown(relative)))),
        }
    }

    /// Opens our temporary folder, making it when needed, within the folder that the marker lies in: that one is never
    /// made here.
    pub fn temporary(&self) -> Result<OwnedFd, TransportError> {
        let own = beneath::open_folder(&self.folder, OWN_FOLDER.as_bytes()).map_err(|error| match error {
            Errno::NOENT => no_marker(&self.path.display().to_string()),
            error => TransportError::destination(error, format!("opening {}", self.shown(OWN_FOLDER.as_bytes()))),
        })?;
        let made = beneath::make_folders(&own, TEMPORARY_NAME);
        made.map(|(fd, _)| fd)
            .map_err(|error| TransportError::destination(error, format!("making {}", self.shown(TEMPORARY.as_bytes()))))
    }

    /// Makes everything written so far durable: one call for the whole destination.
    pub fn sync(&self) -> Result<(), TransportError> {
        rustix::fs::syncfs(&self.folder)
            .map_err(|error| TransportError::destination(error, format!("making {} durable", self.path.display())))
    }
}

/// `lstat` of a name directly in a folder; `None` when nothing is there.
pub(super) fn look(folder: &OwnedFd, name: &[u8]) -> Result<Option<rustix::fs::Stat>, Errno> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn v10_where_the_folder_of_the_marker_is_gone_none_is_made_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (nas, staging) = (dir.path().join("nas"), dir.path().join("staging"));
        let own = nas.join(".exlab-orchestrator");
        fs::create_dir_all(&own).unwrap();
        fs::create_dir(&staging).unwrap();
        fs::write(own.join("identity.json"), "{}").unwrap();
        let (root, _) = Root::open_marked(&MountTransport::new(nas.clone(), staging)).unwrap();
        root.temporary().unwrap();
        fs::rename(&own, nas.join("away")).unwrap();
        let error = root.temporary().unwrap_err();
        assert_eq!((error.class, error.side), (FailureClass::DestinationUnreachable, Side::Destination), "{error}");
        assert!(!own.exists());
    }
}
