//! The staging tree: opened anew for everything that is done in it, and what was last seen of it.

use crate::files::source::{RunFolder, SourceError, StagingRoot};
use crate::keep::staging_owner::StagingOwner;
use crate::machine::writers;
use domain::finding::Finding;
use domain::path::RunPath;
use domain::timestamp::Timestamp;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What is wrong with a staging root that is not the one that was scanned.
pub const ANOTHER_ROOT: &str = "it is not the same folder as before: is the staging disk not mounted?";

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
    /// What is looked at, and since when.
    looking: Option<(String, Instant)>,
}

/// Something of the tree is being looked at, until this is dropped.
pub struct Looking<'a>(&'a Staging);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.seen().looking = None;
    }
}

/// A look that takes longer is reported: a disk that hangs answers nothing at all, not even an error.
const LONG: Duration = Duration::from_secs(120);

fn takes_long(what: &str, since: Duration) -> Option<String> {
    (since >= LONG).then(|| {
        let minutes = domain::units::counted(since.as_secs() / 60, "minute");
        format!(
            "looking at {what} has taken {minutes}: its disk hangs, or is very slow, and nothing new is seen meanwhile"
        )
    })
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

    /// Opens the root anew: it may have been mounted since. If it is not the folder that was scanned, a mount is
    /// missing, and none of its runs counts as gone.
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

    /// Notes which folder was scanned as the root.
    pub fn scanned(&self, identity: Identity) {
        self.seen().identity = Some(identity);
    }

    /// Why it cannot be read, while it cannot, or that it does not answer.
    pub fn error(&self) -> Option<String> {
        let seen = self.seen();
        let hangs = seen.looking.as_ref().and_then(|(what, since)| takes_long(what, since.elapsed()));
        hangs.or_else(|| seen.error.clone())
    }

    /// Notes what is being looked at, and since when.
    pub fn looking_at(&self, what: &str) -> Looking<'_> {
        self.seen().looking = Some((what.to_owned(), Instant::now()));
        Looking(self)
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
        let disk =
            stat.map(|stat| (stat.f_blocks.saturating_mul(stat.f_frsize), stat.f_bavail.saturating_mul(stat.f_frsize)));
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

    /// Notes when it was looked through.
    pub fn looked_through(&self, at: Timestamp) {
        self.seen().looked_through_at = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s31_a_tree_that_does_not_answer_is_said_to_hang() {
        assert_eq!(takes_long("/data/staging", Duration::from_secs(119)), None);
        let said = takes_long("/data/staging", Duration::from_secs(200)).unwrap();
        assert!(said.starts_with("looking at /data/staging has taken 3 minutes: its disk hangs"), "{said}");
    }

    #[test]
    fn s31_what_is_looked_at_is_forgotten_when_the_look_is_over() {
        let root = tempfile::tempdir().unwrap();
        let owner = StagingOwner::new(root.path().to_owned(), "i", "h", crate::machine::clock::Clock::system());
        let staging = Staging::new(root.path().display().to_string(), owner);
        let looking = staging.looking_at("Run_1");
        if let Some((_, since)) = &mut staging.seen().looking {
            *since -= LONG;
        }
        assert!(staging.error().is_some_and(|error| error.contains("Run_1") && error.contains("2 minutes")));
        staging.note_error(Some("unreadable"));
        drop(looking);
        assert_eq!(staging.error().as_deref(), Some("unreadable"));
    }
}
