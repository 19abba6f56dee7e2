//! Whose staging tree it is (D17). Two installations on one tree would both write its records, queue its runs and clear
//! them. So the root holds a file that names the installation that works on it; its time of change is the heartbeat.
//! Another installation touches nothing.

use crate::files::beneath;
use crate::machine::clock::Clock;
use domain::timestamp::Timestamp;
use domain::units;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Name of the file at the staging root, hidden from every walk.
pub const OWNER_FILE: &str = ".exlab-owner.json";
/// How often the heartbeat is renewed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);
/// Whoever was heard of within so many seconds is at work.
const FRESH_SECONDS: i64 = 300;
/// It is some hundred bytes.
const BYTES_AT_MOST: u64 = 64 << 10;

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// `exlab-orchestrator staging owner`, so that the file explains itself.
    pub what: String,
    /// UUID of the installation.
    pub installation: String,
    /// The host it works on.
    pub host: String,
    pub since: Timestamp,
}

/// An owner, and when it was last heard of (seconds since 1970).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    pub owner: Owner,
    pub at: i64,
}

impl Heard {
    /// Seconds since it was heard of, while it counts as at work.
    fn fresh_for(&self, now: Timestamp) -> Option<i64> {
        let age = now.unix_seconds().saturating_sub(self.at);
        // One that is ahead of our clock is at work: whose clock is right is not ours to say.
        (age < FRESH_SECONDS).then_some(age.max(0))
    }
}

/// Why the tree was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Its owner is at work.
    #[error(
        "{} belongs to the installation on {host}, which was at work {} ago: stop that one first, or take it over with --force if it is known not to run",
        root.display(),
        units::counted(age_seconds.unsigned_abs(), "second")
    )]
    AtWork {
        root: PathBuf,
        host: String,
        /// Since it was heard of.
        age_seconds: i64,
    },
    /// The file system's word.
    #[error("{} cannot be used: {error}", path.display())]
    Io {
        /// The root, or the file.
        path: PathBuf,
        /// The system's own words.
        error: io::Error,
    },
}

/// The staging tree as this installation stands to it.
pub struct StagingOwner {
    root: PathBuf,
    own: Owner,
    clock: Clock,
    state: Mutex<State>,
    /// Whether it was logged that no file can be put there.
    told: AtomicBool,
}

struct State {
    /// Ours, or why not.
    known: Result<(), String>,
    /// When the heartbeat was renewed, monotonic.
    renewed: Option<Duration>,
}

impl StagingOwner {
    /// Nothing is looked at yet, so the tree is not ours yet.
    pub fn new(root: PathBuf, installation: &str, host: &str, clock: Clock) -> StagingOwner {
        let own = owner(installation, host, clock.now());
        let known = Err("its owner has not been looked up yet".to_owned());
        StagingOwner {
            root,
            own,
            clock,
            state: Mutex::new(State { known, renewed: None }),
            told: AtomicBool::new(false),
        }
    }

    /// What was found last: it is ours, or why it is not.
    pub fn known(&self) -> Result<(), String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).known.clone()
    }

    /// Looks up the tree's owner, takes a tree that has none, and renews the heartbeat. A root that cannot be opened
    /// tells nothing about its owner. Blocking.
    pub fn look(&self) -> Result<(), String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        let due = state.renewed.is_none_or(|at| now.saturating_sub(at) >= HEARTBEAT_EVERY);
        let found = self.find(due);
        if due && found.is_ok() {
            state.renewed = Some(now);
        }
        state.known = found;
        state.known.clone()
    }

    fn find(&self, renew: bool) -> Result<(), String> {
        let Ok(folder) = open_root(&self.root) else { return Ok(()) };
        let unreadable = |error: io::Error| {
            let file = self.root.join(OWNER_FILE);
            format!(
                "its owner is not known, because {} cannot be read: {error}; `staging adopt` writes it anew",
                file.display()
            )
        };
        let found = match read(&folder).map_err(unreadable)? {
            None => match write(&folder, &self.own, self.clock.now(), false) {
                Ok(()) => return Ok(()),
                // Another one was faster: it is its tree.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&folder).map_err(unreadable)?,
                // A root that takes no file of ours is told by the first clear: it needs a folder there, too.
                Err(error) => {
                    if !self.told.swap(true, Ordering::Relaxed) {
                        tracing::warn!(%error, "the staging root takes no owner file: a second installation on it would not be noticed");
                    }
                    return Ok(());
                }
            },
            found => found,
        };
        match found {
            // Gone again within a moment: the next look is soon.
            None => Err("its owner file comes and goes: another installation is just taking it".to_owned()),
            Some(heard) if heard.owner.installation != self.own.installation => Err(self.foreign(&heard)),
            Some(heard) if heard.owner.host != self.own.host => match heard.fresh_for(self.clock.now()) {
                Some(age) => Err(format!(
                    "a copy of this installation is at work on {} (heard of {} ago): one of the two needs a state folder of its own",
                    heard.owner.host,
                    units::counted(age.unsigned_abs(), "second")
                )),
                None => write(&folder, &self.own, self.clock.now(), true).map_err(unreadable),
            },
            Some(_) if renew => {
                if let Err(error) = beat(&folder, self.clock.now().unix_seconds()) {
                    tracing::warn!(%error, "the owner file of the staging root cannot be renewed");
                }
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    fn foreign(&self, heard: &Heard) -> String {
        let Heard { owner, at } = heard;
        format!(
            "it belongs to another installation, on {} since {} (heard of {}); nothing in it is touched from here. Stop that one, or take its \
             place with `exlab-orchestrator staging adopt`",
            owner.host,
            owner.since,
            if *at <= 0 { "no more: it was stopped".to_owned() } else { Timestamp::from_unix_seconds(*at).to_string() }
        )
    }

    /// The program ends: whoever takes the tree over need not wait. Blocking.
    pub fn release(&self) {
        if self.known().is_ok()
            && let Ok(folder) = open_root(&self.root)
            && let Ok(Some(heard)) = read(&folder)
            && heard.owner.installation == self.own.installation
            && let Err(error) = beat(&folder, 0)
        {
            tracing::debug!(%error, "the owner file of the staging root could not be released");
        }
    }
}

/// Takes a tree over; answers whom it belonged to. `force`: also from one that is at work. Blocking.
pub fn adopt(
    root: &Path,
    installation: &str,
    host: &str,
    now: Timestamp,
    force: bool,
) -> Result<Option<Owner>, AdoptError> {
    let io = |error: io::Error| AdoptError::Io { path: root.to_owned(), error };
    let folder = open_root(root).map_err(|errno| io(errno.into()))?;
    let heard = match read(&folder) {
        Ok(heard) => heard,
        // A file that cannot be read names no owner.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(error) => return Err(io(error)),
    };
    let before = heard.filter(|heard| heard.owner.installation != installation || heard.owner.host != host);
    if let Some(heard) = &before
        && let Some(age_seconds) = heard.fresh_for(now)
        && !force
    {
        return Err(AdoptError::AtWork { root: root.to_owned(), host: heard.owner.host.clone(), age_seconds });
    }
    write(&folder, &owner(installation, host, now), now, true).map_err(io)?;
    Ok(before.map(|heard| heard.owner))
}

fn owner(installation: &str, host: &str, since: Timestamp) -> Owner {
    let what = "exlab-orchestrator staging owner".to_owned();
    Owner { what, installation: installation.to_owned(), host: host.to_owned(), since }
}

fn open_root(root: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn read(folder: &OwnedFd) -> io::Result<Option<Heard>> {
    let (fd, stat) = match beneath::open_regular(folder, OWNER_FILE.as_bytes()) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Err(io::Error::other("it is not a regular file")),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let mut bytes = Vec::new();
    File::from(fd).take(BYTES_AT_MOST).read_to_end(&mut bytes)?;
    let owner = serde_json::from_slice(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some(Heard { owner, at: beneath::file_stat(&stat).mtime_ns.div_euclid(1_000_000_000) }))
}

/// Whole or not at all; `replace` only after it was decided that whoever stands there is not at work.
fn write(folder: &OwnedFd, owner: &Owner, now: Timestamp, replace: bool) -> io::Result<()> {
    let temporary = format!("{OWNER_FILE}.{}.tmp", uuid::Uuid::new_v4().simple());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(folder, &temporary, flags, Mode::from_raw_mode(0o664))?);
    let mut text = serde_json::to_vec_pretty(owner)?;
    text.push(b'\n');
    let placed = file
        .write_all(&text)
        .and_then(|()| set_time(&file, now.unix_seconds()))
        .and_then(|()| file.sync_all())
        .and_then(|()| match replace {
            true => Ok(rustix::fs::renameat(folder, &temporary, folder, OWNER_FILE)?),
            false => Ok(beneath::rename_new(folder, temporary.as_bytes(), folder, OWNER_FILE.as_bytes())?),
        });
    if placed.is_err() {
        // Best effort: it is hidden, and in nobody's way.
        let _ = rustix::fs::unlinkat(folder, &temporary, AtFlags::empty());
    }
    placed?;
    Ok(rustix::fs::fsync(folder)?)
}

fn beat(folder: &OwnedFd, seconds: i64) -> io::Result<()> {
    match beneath::open_regular(folder, OWNER_FILE.as_bytes())? {
        Some((fd, _)) => set_time(&fd, seconds),
        None => Err(io::Error::other("it is not a regular file")),
    }
}

/// Our own clock's time, on whatever server the tree lies. It takes no room, also on a full disk.
fn set_time(file: impl AsFd, seconds: i64) -> io::Result<()> {
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let last_modification = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access, last_modification })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d17_a_heartbeat_that_is_ahead_of_our_clock_is_one() {
        let owner = Owner {
            what: String::new(),
            installation: String::new(),
            host: String::new(),
            since: Timestamp::default(),
        };
        let heard = Heard { owner, at: 10_000 };
        let fresh = |now| heard.fresh_for(Timestamp::from_unix_seconds(now));
        assert_eq!((fresh(10_299), fresh(10_300), fresh(9_000), fresh(0)), (Some(299), None, Some(0), Some(0)));
    }

    /// Whoever begins on a tree that nobody has: one of them has it, and all others know.
    #[test]
    fn d17_of_many_that_begin_at_once_one_has_the_tree() {
        for _ in 0..20 {
            let root = tempfile::tempdir().unwrap();
            let together = std::sync::Barrier::new(8);
            let begin = |n: usize| {
                let owner = StagingOwner::new(
                    root.path().to_owned(),
                    &format!("installation {n}"),
                    &format!("host {n}"),
                    Clock::system(),
                );
                together.wait();
                owner.look()
            };
            let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
                let started: Vec<_> = (0..8).map(|n| scope.spawn(move || begin(n))).collect();
                started.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        }
    }
}
