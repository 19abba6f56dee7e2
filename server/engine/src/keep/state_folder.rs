//! The state folder: who this installation is, and that only one program works on it at a time.

use rustix::fs::FlockOperation;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    #[error("another exlab-orchestrator works on {} already: stop it first, or give this one a state folder of its own", .0.display())]
    InUse(PathBuf),
    /// The system's own words.
    #[error("the state folder {} cannot be used: {error}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The identity file holds something else.
    #[error("{} does not hold an installation's id: restore it, or remove it and adopt every destination anew with `nas init`", .0.display())]
    Identity(PathBuf),
}

/// An opened state folder; no other program can open it until this is dropped.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    installation: String,
    _lock: File,
}

impl StateFolder {
    /// Opens the folder, makes it and its identity where they are missing, and locks it.
    pub fn open(path: &Path) -> Result<StateFolder, StateFolderError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| StateFolderError::Io { path, error }
        };
        std::fs::create_dir_all(path).map_err(io(path))?;
        let lock_path = path.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(io(&lock_path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StateFolderError::InUse(path.to_owned())),
            Err(errno) => return Err(io(&lock_path)(errno.into())),
        }
        Ok(StateFolder { path: path.to_owned(), installation: installation(path)?, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This installation's id, as markers name it.
    pub fn installation(&self) -> &str {
        &self.installation
    }
}

/// Reads the installation's id, making one where there is none. Works while a server runs on the folder.
pub fn installation(state_folder: &Path) -> Result<String, StateFolderError> {
    let path = state_folder.join("installation");
    let io = |error| StateFolderError::Io { path: path.clone(), error };
    std::fs::create_dir_all(state_folder).map_err(io)?;
    loop {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let id = uuid::Uuid::parse_str(text.trim()).map_err(|_| StateFolderError::Identity(path.clone()))?;
                return Ok(id.to_string());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let temporary = state_folder.join(format!("installation.{}.tmp", uuid::Uuid::new_v4().simple()));
                let mut file = File::create_new(&temporary).map_err(io)?;
                file.write_all(format!("{}\n", uuid::Uuid::new_v4()).as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(io)?;
                // A hard link does not replace: of two that begin at once, one wins and both read it.
                let linked = std::fs::hard_link(&temporary, &path);
                std::fs::remove_file(&temporary).map_err(io)?;
                match linked {
                    Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(io(error)),
                    _ => {}
                }
            }
            Err(error) => return Err(io(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_refused_and_the_identity_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateFolder::open(folder.path()).unwrap();
        assert!(matches!(StateFolder::open(folder.path()), Err(StateFolderError::InUse(_))));
        let id = first.installation().to_owned();
        assert_eq!(installation(folder.path()).unwrap(), id);
        drop(first);
        assert_eq!(StateFolder::open(folder.path()).unwrap().installation(), id);
    }

    #[test]
    fn d15_a_damaged_identity_is_an_error_not_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("installation"), "garbage").unwrap();
        assert!(matches!(StateFolder::open(folder.path()), Err(StateFolderError::Identity(_))));
    }
}
