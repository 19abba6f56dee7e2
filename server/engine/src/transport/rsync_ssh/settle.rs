//! A portion that rsync has carried over: what arrived whole gets its names, and is hashed by the server.

use super::arrange;
use super::hashes::hash_batch;
use super::look::{self, Kind};
use super::session::{HashTool, Session};
use crate::hash::HashError;
use crate::transport::failure::FILES_NAMED_AT_MOST;
use crate::transport::portions::{Problems, Wanted, changed};
use crate::transport::{CallContext, Push, TransportError};
use domain::path::FilePath;
use domain::proof::FileStat;
use std::collections::{BTreeSet, HashSet};

/// A file that rsync was given.
pub(super) struct Outgoing {
    pub path: FilePath,
    pub stat: FileStat,
    /// The first folder above it that was not there: it may move as it is, with all it holds.
    pub new_folder: Option<Vec<u8>>,
}

/// A portion after its rsync.
pub(super) struct Sent {
    /// Our own folder that it lies in, absolute.
    pub data: Vec<u8>,
    pub files: Vec<Outgoing>,
    /// Folders to be made.
    pub empty_folders: Vec<FilePath>,
    /// What rsync said of files that it could not carry.
    pub failed: Option<TransportError>,
}

pub(super) struct Settling<'a> {
    pub session: Session,
    pub push: &'a Push<'a>,
    pub context: &'a CallContext,
    /// For hashing, with progress of its own.
    pub hashing: CallContext,
    pub problems: Problems,
}

impl Settling<'_> {
    /// Gives a portion its names and has it hashed. Files that changed meanwhile, or that rsync could not carry, are its failure, after all
    /// others have their names.
    pub async fn settle(&mut self, sent: Option<Sent>) -> Result<(), TransportError> {
        let Some(Sent { data, files, empty_folders, failed }) = sent else { return Ok(()) };
        if !files.is_empty() {
            let wanted: Vec<Wanted> = files.iter().map(|file| (file.path.clone(), file.stat)).collect();
            let changed = changed(self.push.source, wanted).await?;
            let arrived = self.arrived(&data, &files).await?;
            let is_whole = |file: &&Outgoing| arrived.contains(file.path.as_bytes()) && !changed.contains(&file.path);
            let whole: Vec<&Outgoing> = files.iter().filter(is_whole).collect();
            let placed = self.place(&data, &whole, whole.len() == files.len()).await?;
            if let Some(first) = changed.first() {
                let error = TransportError::from(HashError::Changed { path: first.clone() });
                return Err(TransportError { files: changed.into_iter().take(FILES_NAMED_AT_MOST).collect(), ..error });
            }
            if let Some(failed) = failed {
                return Err(failed);
            }
            let bytes = files.iter().map(|file| file.stat.size).sum();
            self.hash(placed, bytes).await?;
        }
        self.make_folders(&empty_folders).await
    }

    /// Which files lie in our own folder with their sizes. What else lies there is left from another attempt, and removed.
    async fn arrived(&self, data: &[u8], files: &[Outgoing]) -> Result<HashSet<Vec<u8>>, TransportError> {
        let word = super::quote::shell_word(data);
        // rsync makes it, unless it had nothing to put there.
        let enter = [b"mkdir -p ".to_vec(), word.clone(), b" && cd -- ".to_vec(), word, b" || exit 1\n".to_vec()].concat();
        let script = [&enter, look::functions(&self.session).as_bytes(), b"all\nprintf '.'"].concat();
        let said = self.session.ask(&script, "looking at what was sent", self.context).await?;
        let mut found = look::read(&said, b".").ok_or_else(|| look::garbled("looking at what was sent"))?;
        let mut arrived = HashSet::with_capacity(files.len());
        for Outgoing { path, stat, .. } in files {
            // One of another size is taken away below: it is not what was listed.
            let whole = found.get(path.as_bytes()).is_some_and(|seen| (seen.kind, seen.size) == (Kind::File, stat.size));
            if whole {
                found.remove(path.as_bytes());
                arrived.insert(path.as_bytes().to_vec());
            }
        }
        if !found.is_empty() {
            let mut script = enter;
            look::call(&mut script, "rm -f", found.keys().map(Vec::as_slice));
            self.session.ask(&script, "tidying what was sent", self.context).await?;
        }
        Ok(arrived)
    }

    /// Gives files their names; answers those that have them. `all`: nothing else lies in our own folder, so that folders may move as
    /// they are.
    async fn place(&mut self, data: &[u8], files: &[&Outgoing], all: bool) -> Result<Vec<FilePath>, TransportError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let mut single: Vec<&[u8]> = Vec::new();
        let mut moved: Vec<(&[u8], &[u8])> = Vec::new();
        for file in files {
            match file.new_folder.as_deref().filter(|_| all) {
                Some(folder) => moved.push((folder, file.path.as_bytes())),
                None => single.push(file.path.as_bytes()),
            }
        }
        let folders: BTreeSet<&[u8]> = moved.iter().map(|(folder, _)| *folder).collect();
        let mut unmoved = arrange::place(&self.session, self.push.run, data, &folders, &single, self.context).await?;
        if !unmoved.folders.is_empty() {
            moved.retain(|(folder, _)| unmoved.folders.contains(*folder));
            let rest: Vec<&[u8]> = moved.iter().map(|(_, file)| *file).collect();
            let more = arrange::place(&self.session, self.push.run, data, &BTreeSet::new(), &rest, self.context).await?;
            unmoved.taken.extend(more.taken);
        }
        let mut placed = Vec::with_capacity(files.len());
        for file in files {
            if unmoved.taken.contains(file.path.as_bytes()) {
                self.problems.add(&file.path, format!("{} appeared there just now", file.path));
            } else {
                (self.push.placed)(&file.path);
                placed.push(file.path.clone());
            }
            self.context.progress.add_file();
        }
        Ok(placed)
    }

    /// Has the server hash what has its names, while the next portion is sent. Where it cannot, everything is read back at the end.
    async fn hash(&mut self, files: Vec<FilePath>, bytes: u64) -> Result<(), TransportError> {
        if self.session.hash_tool == HashTool::None || self.push.again.is_some() {
            return Ok(());
        }
        for hashed in hash_batch(&self.session, self.push.run, files, bytes, &self.hashing).await? {
            (self.push.hashed)(hashed);
        }
        Ok(())
    }

    async fn make_folders(&mut self, folders: &[FilePath]) -> Result<(), TransportError> {
        if folders.is_empty() {
            return Ok(());
        }
        let target = self.session.word(self.push.run.below_equipment().as_bytes());
        let mut script = [b"mkdir -p ".to_vec(), target, b" || exit 1\n".to_vec(), self.session.enter_run(self.push.run)].concat();
        look::call(&mut script, "mkdir -p", folders.iter().map(|folder| folder.as_bytes()));
        self.session.ask(&script, "making empty folders", self.context).await.map(drop)
    }
}
