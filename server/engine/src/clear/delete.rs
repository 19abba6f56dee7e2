//! The one place in the program that deletes what an instrument wrote.
//!
//! Works beneath the handle of a folder that was renamed aside, takes a permit, compares each file with its sealed
//! entry once more, looks once more whether the destination still proves it, and unlinks it by name in its own folder's
//! handle. What is not exactly what was sealed, or not proven at that moment, stays, and is named.

use super::permit::ClearPermit;
use super::unlink::{Parent, Unlinked, unlink};
use crate::files::hash::Hasher;
use crate::files::source::{RunFolder, SourceError, digest_of};
use crate::keep::seal::{Item, SealEntries, Sealed};
use crate::machine::checkpoint::{Checkpoint, Checkpoints};
use crate::machine::progress::ProgressSink;
use crate::machine::writers::{UNNAMED, Writers, Writing};
use crate::prove::Differences;
use crate::prove::last_look::{Looked, ProvenNow};
use domain::gate::EntryKind;
use domain::path::{FilePath, RECORD_FOLDER};
use domain::proof::{Digest, FileStat, SealedFile, Totals};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

/// What deleting came to.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Files that went, and their bytes.
    pub freed: Totals,
    /// What stayed, and why.
    pub kept: Vec<(String, String)>,
    /// What is proven, and could not be removed all the same.
    pub stuck: Vec<(String, String)>,
    /// Links and special files that went; nothing of them is freed.
    special: u64,
}

/// What it means that a sealed file is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    /// A start of the program before this one removed it: it counts as freed.
    RemovedBefore,
    /// Somebody else removed it.
    Unknown,
}

const NAMED: usize = 1_000;
/// A batch also ends at this many bytes: where they are hashed again, deleting goes on in between.
const BATCH_BYTES: u64 = 4 << 30;

/// The last look at the destination, for files of one batch in path order. An error: there is no answer.
pub type Look<'a> = dyn FnMut(Vec<SealedFile>) -> Result<Looked, String> + 'a;

/// How deleting ended.
pub enum End {
    /// It went through the whole seal.
    Through(Deleted),
    /// Before anything went the destination was found not to hold what it was proven to hold.
    Untouched(Differences),
    /// Before anything went something was found here that has to stay: names and reasons.
    Disturbed(Vec<(String, String)>),
}

impl Deleted {
    fn nothing_went(&self) -> bool {
        self.freed.files == 0 && self.special == 0
    }

    pub(super) fn keep(&mut self, path: &FilePath, why: impl Into<String>) {
        if self.kept.len() < NAMED {
            self.kept.push((path.to_string(), why.into()));
        }
    }

    pub(super) fn keep_written(&mut self, path: &FilePath, program: &str) {
        self.keep(path, format!("is open for writing by {program}"));
    }

    pub(super) fn stick(&mut self, path: &FilePath, errno: Errno) {
        if self.stuck.len() < NAMED {
            self.stuck.push((path.to_string(), format!("could not be removed: {errno}")));
        }
    }
}

/// Deletes the data of a permitted run, so many files at once: each is compared with its sealed entry, the batch is
/// looked at once more at the destination, and then it goes. The folder is the permit's own, by handle, wherever it has
/// been renamed to. Blocking.
pub fn delete_data(
    permit: &ClearPermit,
    absent: Absent,
    checkpoints: &Checkpoints,
    progress: &ProgressSink,
    stop: &CancellationToken,
    (at_once, look): (usize, &mut Look<'_>),
) -> Result<End, String> {
    let folder = permit.folder();
    let mut work =
        Work { folder, absent, stop, hasher: Hasher::new(), parent: Parent::new(folder), deleted: Deleted::default() };
    let mut entries = permit.seal().entries().map_err(|error| error.to_string())?;
    while let Some(batch) = work.next_batch(&mut entries, at_once)? {
        let Batch { files, attributes, special } = batch;
        let Looked { files, lost } = look(files)?;
        let untouched = work.deleted.nothing_went();
        if let Some(differences) = lost.filter(|_| untouched) {
            return Ok(End::Untouched(differences));
        }
        // The run stands aside: nobody opens it by its path any more, and who has it open still is seen now.
        let writers = Writers::now();
        if untouched {
            work.keep_what_is_written_to(&files, &writers);
        }
        if untouched && !work.deleted.kept.is_empty() {
            return Ok(End::Disturbed(work.deleted.kept));
        }
        work.unlink_batch(files.into_iter().zip(attributes), special, &writers, (checkpoints, progress))?;
    }
    keep_the_rest(folder, &mut work.deleted)?;
    match work.deleted {
        // Of all that was sealed nothing could go: there is no rest of it, but all of it.
        deleted if deleted.nothing_went() && !deleted.kept.is_empty() => Ok(End::Disturbed(deleted.kept)),
        deleted => Ok(End::Through(deleted)),
    }
}

/// What goes at once.
#[derive(Default)]
struct Batch {
    files: Vec<SealedFile>,
    /// Of each of them, as sealed.
    attributes: Vec<Option<Digest>>,
    /// Links and special files that an override let through.
    special: Vec<FilePath>,
}

struct Work<'a> {
    folder: &'a RunFolder,
    absent: Absent,
    stop: &'a CancellationToken,
    hasher: Hasher,
    parent: Parent<'a>,
    deleted: Deleted,
}

impl Work<'_> {
    /// The next files that are here as they were sealed, with the stat they have now; `None` at the end. What must stay
    /// is noted on the way.
    fn next_batch(&mut self, entries: &mut SealEntries, at_once: usize) -> Result<Option<Batch>, String> {
        let (mut batch, mut bytes) = (Batch::default(), 0_u64);
        while batch.files.len() + batch.special.len() < at_once && bytes < BATCH_BYTES {
            self.unless_stopped()?;
            let Some(sealed) = entries.next() else {
                let ended = batch.files.is_empty() && batch.special.is_empty();
                return Ok((!ended).then_some(batch));
            };
            let Sealed { item, attributes } = sealed.map_err(|error| error.to_string())?;
            match item {
                Item::File { path, stat, digest: Some(digest), young } => {
                    if let Some(stat) = self.as_sealed(&path, stat, (digest, attributes), young) {
                        bytes += stat.size;
                        batch.files.push(SealedFile { path, stat, digest });
                        batch.attributes.push(attributes);
                    }
                }
                Item::Unsupported { path, stat, .. } => match self.folder.stat(&path) {
                    Ok(now) if now == stat => batch.special.push(path),
                    Ok(_) => self.deleted.keep(&path, "was replaced after it was sealed"),
                    Err(_) => {}
                },
                Item::File { path, .. } => self.deleted.keep(&path, "has no digest in its seal"),
                Item::EmptyFolder { .. } | Item::Attributes { .. } => {}
            }
        }
        Ok(Some(batch))
    }

    /// The stat of a file that holds what was sealed; what does not is kept.
    fn as_sealed(
        &mut self,
        path: &FilePath,
        sealed: FileStat,
        (digest, attributes): (Digest, Option<Digest>),
        young: bool,
    ) -> Option<FileStat> {
        let now = match self.folder.stat(path) {
            Ok(now) => now,
            Err(SourceError::Vanished { .. }) => {
                if self.absent == Absent::RemovedBefore {
                    self.deleted.freed.add(sealed.size);
                }
                return None;
            }
            Err(error) => {
                self.deleted.keep(path, error.to_string());
                return None;
            }
        };
        if now == sealed && !young {
            return Some(now);
        }
        if self.folder.attributes(path).map(|now| digest_of(&now)).ok() != Some(attributes) {
            self.deleted.keep(path, "has other extended attributes than were sealed");
            return None;
        }
        match self.hasher.local(self.folder, path, &now, self.stop, &|_| ()) {
            Ok(hashed) if hashed.digest == digest => return Some(now),
            Ok(_) => self.deleted.keep(path, "has other content than was sealed"),
            Err(error) => self.deleted.keep(path, error.to_string()),
        }
        None
    }

    /// True, and noted, when a program has it open for writing.
    fn is_written_to(&mut self, path: &FilePath, writers: &Writers) -> bool {
        let open = || self.folder.open_file(path).ok().map(|(file, _)| file);
        let Some(Writing::By(program)) = self.folder.id_of(path).map(|id| writers.writing(id, open)) else {
            return false;
        };
        self.deleted.keep_written(path, &program);
        true
    }

    fn keep_what_is_written_to(&mut self, files: &[Result<ProvenNow, (FilePath, String)>], writers: &Writers) {
        for proven in files.iter().flatten() {
            self.is_written_to(&proven.file().path, writers);
        }
    }

    /// Unlinks what is proven and nobody writes to.
    fn unlink_batch(
        &mut self,
        files: impl Iterator<Item = (Result<ProvenNow, (FilePath, String)>, Option<Digest>)>,
        special: Vec<FilePath>,
        writers: &Writers,
        (checkpoints, progress): (&Checkpoints, &ProgressSink),
    ) -> Result<(), String> {
        for (looked, attributes) in files {
            self.unless_stopped()?;
            let proven = match looked {
                Ok(proven) => proven,
                Err((path, why)) => {
                    self.deleted.keep(&path, format!("is not proven on the NAS any more: it {why}"));
                    continue;
                }
            };
            let SealedFile { path, stat, digest } = proven.file();
            if self.is_written_to(path, writers) {
                continue;
            }
            let mut unlinked = unlink_proven(&mut self.parent, &proven, stat, &mut self.deleted);
            // One that had another name in the run, which went a moment ago, has another change time: it is compared
            // anew.
            if unlinked == Unlinked::OtherStat
                && let Some(now) = self.as_sealed(path, *stat, (*digest, attributes), false)
            {
                unlinked = unlink_proven(&mut self.parent, &proven, &now, &mut self.deleted);
                if unlinked == Unlinked::OtherStat {
                    self.deleted.keep(path, "changed while it was being cleared");
                }
            }
            if unlinked == Unlinked::WrittenTo {
                self.deleted.keep_written(path, UNNAMED);
            }
            progress.skip_file(stat.size);
            checkpoints.reached(Checkpoint::FileUnlinked);
        }
        for path in special {
            unlink_special(&mut self.parent, &path, &mut self.deleted);
        }
        Ok(())
    }

    fn unless_stopped(&self) -> Result<(), String> {
        if self.stop.is_cancelled() { Err("the program is stopping".into()) } else { Ok(()) }
    }
}

/// Unlinks a file of the data: only one that the destination holds at this moment.
fn unlink_proven(parent: &mut Parent<'_>, proven: &ProvenNow, compared: &FileStat, deleted: &mut Deleted) -> Unlinked {
    unlink(parent, &proven.file().path, compared, deleted)
}

/// A link, FIFO, socket or device that an override let through: nothing of it was sent, and it is as it was listed.
fn unlink_special(parent: &mut Parent<'_>, path: &FilePath, deleted: &mut Deleted) {
    match parent.of(path).and_then(|(folder, name)| rustix::fs::unlinkat(folder, name, AtFlags::empty())) {
        Ok(()) => deleted.special += 1,
        Err(Errno::NOENT) => {}
        Err(errno) => deleted.stick(path, errno),
    }
}

/// Whatever else lies there was never sealed: it stays.
fn keep_the_rest(folder: &RunFolder, deleted: &mut Deleted) -> Result<(), String> {
    let named: std::collections::HashSet<String> =
        deleted.kept.iter().chain(&deleted.stuck).map(|(name, _)| name.clone()).collect();
    for entry in folder.walk().map_err(|error| error.to_string())? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(SourceError::Vanished { .. }) => continue,
            Err(error) => return Err(error.to_string()),
        };
        let unsealed = entry.is_data_file() || entry.is_unsupported();
        if unsealed && !named.contains(&entry.path.to_string()) {
            deleted.keep(&entry.path, "arrived after it was sealed");
        }
    }
    Ok(())
}

/// Removes the run's empty folders, deepest first, then its own folder from `parent`. A folder that is not empty stays.
/// Blocking.
pub fn remove_folders(folder: &RunFolder, keep_record: bool) -> Result<(), String> {
    let mut folders: Vec<FilePath> = Vec::new();
    for entry in folder.walk().map_err(|error| error.to_string())? {
        match entry {
            Ok(entry) if entry.kind == EntryKind::Folder && !(keep_record && entry.is_record()) => {
                folders.push(entry.path)
            }
            Ok(_) | Err(SourceError::Vanished { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    if !keep_record
        && let Ok(record) = FilePath::new(RECORD_FOLDER)
        && !folders.contains(&record)
    {
        folders.push(record);
    }
    folders.sort_by_key(|path| std::cmp::Reverse(path.segments().count()));
    let mut parent = Parent::new(folder);
    for path in folders {
        match parent.of(&path).and_then(|(holder, name)| rustix::fs::unlinkat(holder, name, AtFlags::REMOVEDIR)) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(format!("the emptied folder {path} could not be removed: {errno}")),
        }
    }
    Ok(())
}
