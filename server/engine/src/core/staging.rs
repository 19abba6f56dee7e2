//! The staging tree: opened anew for everything that is done in it, and what was last seen of it.

use crate::files::source::{RunFolder, SourceError, StagingRoot};
use crate::keep::staging_owner::StagingOwner;
use crate::machine::writers;
use domain::finding::Finding;
use domain::path::RunPath;
use domain::timestamp::Timestamp;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is wrong with a staging root that is not the one that was scanned.
pub const ANOTHER_ROOT: &str = "it is another folder than before: is the staging disk not mounted?";

/// Device and inode of a folder.
pub type Identity = (u64, u64);

/// One staging tree.
pub struct Staging {
    root: String,
    /// Whose tree it is.
    pub owner: StagingOwner,
    /// Who has files open for writing on this computer.
    pub writers: writers::LastLook,
    seen: Mutex<AsSeen>,
}

/// As it was last seen.
#[derive(Default)]
struct AsSeen {
    identity: Option<Identity>,
    error: Option<String>,
    disk: Option<(u64, u64)>,
    unrecognised: Vec<Finding>,
    looked_through_at: Option<Timestamp>,
}

impl Staging {
    /// `root`: absolute, no trailing slash.
    pub fn new(root: String, owner: StagingOwner) -> Staging {
        Staging { root, owner, writers: writers::LastLook::default(), seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, AsSeen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its path: absolute, no trailing slash.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Opens the root anew: it may have been mounted since. Another folder than the one that was scanned is a missing mount, in which nothing
    /// is gone.
    pub fn open(&self) -> Result<StagingRoot, SourceError> {
        let root = StagingRoot::open(Path::new(&self.root))?;
        let failed = |error: std::io::Error| SourceError::Root { path: root.path().to_owned(), error };
        self.owner.known().map_err(|why| failed(std::io::Error::other(why)))?;
        let stat = rustix::fs::fstat(root.folder()).map_err(|errno| failed(errno.into()))?;
        match self.identity() {
            Some(known) if known != (stat.st_dev, stat.st_ino) => Err(failed(std::io::Error::other(ANOTHER_ROOT))),
            _ => Ok(root),
        }
    }

    /// Opens a run's folder.
    pub fn run(&self, run: &RunPath) -> Result<RunFolder, SourceError> {
        self.open()?.run(run)
    }

    /// The root as it was last scanned.
    pub fn identity(&self) -> Option<Identity> {
        self.seen().identity
    }

    /// It was scanned, and was this folder.
    pub fn scanned(&self, identity: Identity) {
        self.seen().identity = Some(identity);
    }

    /// Why it cannot be read, while it cannot.
    pub fn error(&self) -> Option<String> {
        self.seen().error.clone()
    }

    /// Notes why it cannot be read, or that it can; true where that is news.
    pub fn note_error(&self, error: Option<&str>) -> bool {
        let mut seen = self.seen();
        let news = seen.error.as_deref() != error;
        seen.error = error.map(str::to_owned);
        news
    }

    /// Size and free bytes of its disk, when last asked.
    pub fn disk(&self) -> Option<(u64, u64)> {
        self.seen().disk
    }

    /// Asks for them anew. Blocking.
    pub fn ask_disk(&self) -> Option<(u64, u64)> {
        let stat = rustix::fs::statvfs(self.root.as_str()).ok();
        let disk = stat.map(|stat| (stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bavail.saturating_mul(stat.f_frsize)));
        self.seen().disk = disk;
        disk
    }

    /// Folders at run depth that are no runs, as findings.
    pub fn unrecognised(&self) -> Vec<Finding> {
        self.seen().unrecognised.clone()
    }

    /// Notes them; true where that is news.
    pub fn note_unrecognised(&self, found: Vec<Finding>) -> bool {
        let mut seen = self.seen();
        let news = seen.unrecognised != found;
        seen.unrecognised = found;
        news
    }

    /// When the tree was last looked through.
    pub fn looked_through_at(&self) -> Option<Timestamp> {
        self.seen().looked_through_at
    }

    /// It was looked through.
    pub fn looked_through(&self, at: Timestamp) {
        self.seen().looked_through_at = Some(at);
    }
}
