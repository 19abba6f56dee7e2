//! Where the socket of a connection lies: a folder of its own with a short path.

use crate::transport::{TransportError, private_name};
use domain::job::{FailureClass, Side};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// What remains for the socket's own name, and for the suffix that ssh gives it while it makes it.
const FOLDER_LENGTH_AT_MOST: usize = 60;

/// A folder that only this account can enter; removed with the connection.
#[derive(Debug)]
pub(super) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Makes one.
    pub fn make() -> Result<PrivateFolder, TransportError> {
        let usual = std::env::temp_dir();
        let parent = if usual.as_os_str().len() <= FOLDER_LENGTH_AT_MOST { usual } else { PathBuf::from("/tmp") };
        let path = private_name::new_in(&parent);
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(PrivateFolder(path)),
            Err(error) => {
                let message = format!("no folder for a connection can be made in {}: {error}", parent.display());
                Err(TransportError::new(FailureClass::LocalFull, Side::Here, message))
            }
        }
    }

    /// Where the socket comes to lie.
    pub fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // Ended by a signal, ssh may leave its socket behind.
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_dir(&self.0);
    }
}
