//! A folder of this computer that only this account can enter, for what rclone is to carry and what is no file of the
//! run.

use crate::transport::{TransportError, private_name};
use domain::job::{FailureClass, Side};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Removed with all it holds when dropped.
#[derive(Debug)]
pub(super) struct PrivateFolder {
    path: PathBuf,
    /// What was made in it, in that order; taken away in the other.
    made: Vec<PathBuf>,
}

impl PrivateFolder {
    pub fn make() -> Result<PrivateFolder, TransportError> {
        let path = private_name::new_in(&std::env::temp_dir());
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| full(&path, &error))?;
        Ok(PrivateFolder { path, made: Vec::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder, with those above it.
    pub fn folder(&mut self, name: &[u8]) -> Result<(), TransportError> {
        let mut at = self.path.clone();
        for segment in name.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
            at.push(OsStr::from_bytes(segment));
            match std::fs::create_dir(&at) {
                Ok(()) => self.made.push(at.clone()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(full(&at, &error)),
            }
        }
        Ok(())
    }

    /// A file, with the folders above it.
    pub fn file(&mut self, name: &[u8], bytes: &mut impl io::Read) -> Result<(), TransportError> {
        let (folder, _) = crate::files::beneath::split(name);
        self.folder(folder)?;
        let path = self.path.join(OsStr::from_bytes(name));
        let copied = std::fs::File::create(&path).and_then(|mut file| io::copy(bytes, &mut file));
        copied.map_err(|error| full(&path, &error))?;
        self.made.push(path);
        Ok(())
    }
}

fn full(path: &Path, error: &io::Error) -> TransportError {
    TransportError::new(FailureClass::LocalFull, Side::Here, format!("{} cannot be made: {error}", path.display()))
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        for made in self.made.iter().rev() {
            let _ = std::fs::remove_file(made).or_else(|_| std::fs::remove_dir(made));
        }
        let _ = std::fs::remove_dir(&self.path);
    }
}
