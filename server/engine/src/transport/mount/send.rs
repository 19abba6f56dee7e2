//! Sending one file: is it there already, is the name free, whose is what stands there; then the copy.

use super::super::TransportError;
use super::super::rules::fate::{Fate, Standing, fate, has_appeared, is_another, no_folder, same_second};
use super::aside::Aside;
use super::copy::{Copied, Copying, no_more_open_than};
use super::push::Message;
use super::root::{Root, look};
use super::thread::Outbox;
use crate::files::beneath::{self, identity};
use crate::files::hash::{HashError, Hasher, LocalHash};
use crate::files::source::RunFolder;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::proof::{Digest, FileStat};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, Stat};
use rustix::io::Errno;
use std::sync::mpsc::sync_channel;

/// What a thread is given.
pub(super) enum Task {
    File { path: FilePath, stat: FileStat, known: Option<Digest> },
    Folder { path: FilePath },
}

impl Task {
    pub fn weight(&self) -> u64 {
        match self {
            Task::File { stat, .. } => stat.size,
            Task::Folder { .. } => 0,
        }
    }
}

/// What it gives back.
pub(super) struct Done {
    pub path: FilePath,
    pub stat: FileStat,
    pub outcome: Outcome,
}

/// How it ended.
pub(super) enum Outcome {
    /// The folder is there.
    Folder,
    /// Something else stands where the folder must be.
    FolderConflict(String),
    /// The file is there, or its name is taken by something that is not ours (`conflict`).
    Hashed { digest: Digest, began_ns: i64, conflict: Option<String> },
    /// It cannot be read in staging.
    Unreadable(String),
}

/// What all threads of a push share.
pub(super) struct Sending<'a> {
    pub copying: Copying<'a>,
    pub aside: Aside<'a>,
    pub run: &'a RunPath,
    pub source: &'a RunFolder,
    /// A second sending of some files: what is there is wrong, whatever its size and mtime.
    pub again: bool,
    pub root: &'a Root,
    pub folder: &'a OwnedFd,
    /// The run's folder was made just now: nothing of anybody's is in it.
    pub fresh: bool,
    pub outbox: &'a Outbox<Message>,
}

/// One thread of a push: its buffers, and the folder it wrote to last.
#[derive(Default)]
pub(super) struct Sender {
    hasher: Hasher,
    parent: Option<Parent>,
}

struct Parent {
    path: Vec<u8>,
    folder: OwnedFd,
    fresh: bool,
}

impl Sender {
    pub fn send(&mut self, sending: &Sending<'_>, task: Task) -> Result<Done, TransportError> {
        let empty = FileStat { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0 };
        match task {
            Task::Folder { path } => {
                let outcome = match self.open_parent(sending, path.as_bytes())? {
                    None => Outcome::Folder,
                    Some(reason) => Outcome::FolderConflict(reason),
                };
                Ok(Done { path, stat: empty, outcome })
            }
            Task::File { path, stat, known } => {
                let outcome = match self.send_file(sending, &path, &stat, known) {
                    Err(error) if error.class == FailureClass::LocalRead => Outcome::Unreadable(error.message),
                    outcome => outcome?,
                };
                Ok(Done { path, stat, outcome })
            }
        }
    }

    /// Opens (or makes) a folder of the run at the destination; the reason when something else stands there.
    fn open_parent(&mut self, sending: &Sending<'_>, path: &[u8]) -> Result<Option<String>, TransportError> {
        if self.parent.as_ref().is_some_and(|parent| parent.path == path) {
            return Ok(None);
        }
        self.parent = None;
        let made = match path {
            [] => beneath::open_folder(sending.folder, b"").map(|fd| (fd, sending.fresh)),
            path => beneath::make_folders_with(sending.folder, path, |made| sending.mode_of(made)),
        };
        match made {
            Ok((folder, fresh)) => {
                self.parent = Some(Parent { path: path.to_vec(), folder, fresh });
                Ok(None)
            }
            Err(error @ (Errno::LOOP | Errno::NOTDIR)) => {
                Ok(Some(format!("{}: {}", no_folder(sending.run, path), std::io::Error::from(error))))
            }
            Err(error) => {
                let folder = format!("{}/{}", sending.run.below_equipment(), domain::path::escape_bytes(path));
                Err(TransportError::destination(error, format!("making {folder} in {}", sending.root.path.display())))
            }
        }
    }

    fn send_file(
        &mut self,
        sending: &Sending<'_>,
        path: &FilePath,
        stat: &FileStat,
        known: Option<Digest>,
    ) -> Result<Outcome, TransportError> {
        let (parent, name) = beneath::split(path.as_bytes());
        if let Some(reason) = self.open_parent(sending, parent)? {
            return self.hash_only(sending, path, stat, known, Some(reason));
        }
        let Some(Parent { folder, fresh, .. }) = &self.parent else {
            return Err(TransportError::new(FailureClass::Unknown, Side::Here, "a folder was opened and is not there"));
        };
        let there = if *fresh { None } else { look(folder, name).map_err(|error| sending.failed(error, path))? };
        let standing = there.as_ref().map_or(Standing::Nothing, |there| standing(there, stat));
        match fate(standing, sending.again, || sending.is_ours(path))? {
            Fate::Send => {}
            Fate::SendAfterAside => sending.aside.take(path)?,
            Fate::Sent => {
                if let Some(there) = &there {
                    sending.refuse_same_file(path, there)?;
                }
                return self.hash_only(sending, path, stat, known, None);
            }
            Fate::Conflict => {
                let conflict =
                    one_name_with(folder, name).map_or_else(|| is_another(path), |why| format!("{path} {why}"));
                return self.hash_only(sending, path, stat, known, Some(conflict));
            }
        }
        let copied = sending.copying.copy(&mut self.hasher, sending.source, path, stat, folder, name)?;
        let (hashed, conflict) = match copied {
            Copied::Placed(hashed) => {
                sending.outbox.send(Message::Placed(path.clone()))?;
                (hashed, None)
            }
            Copied::NameTaken(hashed) => {
                let taken =
                    one_name_with(folder, name).map_or_else(|| has_appeared(path), |why| format!("{path} {why}"));
                (hashed, Some(taken))
            }
        };
        if known.is_some_and(|known| known != hashed.digest) {
            return Err(HashError::Changed { path: path.clone() }.into());
        }
        let LocalHash { digest, began_ns } = hashed;
        Ok(Outcome::Hashed { digest, began_ns, conflict })
    }

    /// The file is not sent: its digest is still needed for the seal.
    fn hash_only(
        &mut self,
        sending: &Sending<'_>,
        path: &FilePath,
        stat: &FileStat,
        known: Option<Digest>,
        conflict: Option<String>,
    ) -> Result<Outcome, TransportError> {
        let source = sending.source;
        if let Some(digest) = known {
            if source.stat(path)? != *stat {
                return Err(HashError::Changed { path: path.clone() }.into());
            }
            sending.copying.progress.add_bytes(stat.size);
            // Known digests are of files that were no young ones.
            return Ok(Outcome::Hashed { digest, began_ns: i64::MAX, conflict });
        }
        let LocalHash { digest, began_ns } =
            self.hasher.local(source, path, stat, sending.copying.cancel, &|bytes| {
                sending.copying.progress.add_bytes(bytes)
            })?;
        Ok(Outcome::Hashed { digest, began_ns, conflict })
    }
}

impl Sending<'_> {
    fn failed(&self, error: Errno, path: &FilePath) -> TransportError {
        TransportError::destination(error, format!("looking at {path} in {}", self.root.path.display())).naming(path)
    }

    /// Of a folder that is made there; one that cannot be looked at here is ours alone there.
    fn mode_of(&self, folder: &[u8]) -> Mode {
        let here = FilePath::new(folder.to_vec()).ok().and_then(|path| self.source.raw_stat(&path).ok());
        no_more_open_than(here.map_or(0, |stat| stat.st_mode), 0o777)
    }

    fn is_ours(&self, path: &FilePath) -> Result<bool, TransportError> {
        let (reply, answer) = sync_channel(1);
        self.outbox.send(Message::WhoseIs(path.clone(), reply))?;
        answer.recv().map_err(|_| TransportError::interrupted())
    }

    fn refuse_same_file(&self, path: &FilePath, there: &Stat) -> Result<(), TransportError> {
        if identity(&self.source.raw_stat(path)?) != identity(there) {
            return Ok(());
        }
        let message = format!("{path} in {} is the very file in staging, no copy of it", self.root.path.display());
        Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message).naming(path))
    }
}

/// That a name is taken by another spelling of it: there are destinations that know no upper and lower case, or one
/// form of Unicode alone.
fn one_name_with(folder: &OwnedFd, name: &[u8]) -> Option<String> {
    let names = rustix::fs::Dir::read_from(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_bytes().to_vec());
    one_name_among(names, name)
}

fn one_name_among(names: impl Iterator<Item = Vec<u8>>, name: &[u8]) -> Option<String> {
    let wanted = String::from_utf8_lossy(name).to_lowercase();
    let mut alike = None;
    for other in names {
        if other == name {
            return None;
        }
        if String::from_utf8_lossy(&other).to_lowercase() == wanted {
            alike = Some(domain::path::escape_bytes(&other));
        }
    }
    alike.map(|other| format!("and {other} are one name there: it knows no upper and lower case; rename one of them"))
}

fn standing(there: &Stat, sealed: &FileStat) -> Standing {
    match FileType::from_raw_mode(there.st_mode) {
        FileType::RegularFile => Standing::File {
            same_size: beneath::file_stat(there).size == sealed.size,
            same_time: same_second(there.st_mtime, there.st_mtime_nsec != 0, sealed),
        },
        FileType::Directory => Standing::Folder,
        _ => Standing::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::one_name_among;

    #[test]
    fn v1_a_name_that_another_spelling_has_taken_is_told_as_that() {
        let told = |names: &[&str], name: &str| {
            one_name_among(names.iter().map(|name| name.as_bytes().to_vec()), name.as_bytes())
        };
        assert!(told(&["b", "A.TIF"], "a.tif").unwrap().starts_with("and A.TIF are one name there"));
        assert_eq!(told(&["A.TIF", "a.tif"], "a.tif"), None, "it is there under its own name");
        assert_eq!(told(&["b"], "a.tif"), None);
    }
}
