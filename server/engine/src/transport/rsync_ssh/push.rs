//! Sending the sealed files, some thousands at a time: look what is there, let rsync carry the rest, give it its names.
//!
//! Only one such portion is held in memory, whatever the run's size. A portion that stands under its names is not sent again.

use super::Place;
use super::arrange::{self, Aside};
use super::look::{self, Kind, Seen, folders_above};
use super::send::{Sending, send};
use super::session::{OWN_FOLDER, Session};
use crate::hash::HashError;
use crate::transport::failure::FILES_NAMED_AT_MOST;
use crate::transport::portions::{Portion, Portions, Problems, Wanted, changed};
use crate::transport::{CallContext, Push, TransportError};
use domain::api::Phase;
use domain::path::{FilePath, RunPath};
use domain::proof::FileStat;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Sends everything.
pub(super) async fn push(place: &Arc<Place>, push: Push<'_>, context: &CallContext) -> Result<(), TransportError> {
    let session = Session::open_marked(place, context).await?;
    let totals = push.listing.totals();
    match push.again {
        None => context.progress.begin(Phase::Sending, totals.files, totals.bytes),
        Some(files) => context.progress.begin(Phase::Sending, files.len() as u64, 0),
    }
    let temporary = Temporary::of(&session, push.run);
    let mut portions = Portions::new(push.listing, push.again)?;
    let mut pushing =
        Pushing { session, temporary, push, context, aside: Aside::default(), problems: Problems::default(), known: HashMap::new() };
    while let Some(portion) = portions.next().await? {
        if context.cancel.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        pushing.portion(&portion).await?;
    }
    pushing.finish().await
}

/// Our folder at the server for what is on its way; the same for every attempt at a run, so that a part is found again.
struct Temporary {
    folder: Vec<u8>,
    data: Vec<u8>,
    partial: Vec<u8>,
}

impl Temporary {
    fn of(session: &Session, run: &RunPath) -> Temporary {
        let name = hex::encode(&Sha256::digest(run.as_str().as_bytes())[..12]);
        let folder = session.path(format!("{OWN_FOLDER}/tmp/{name}").as_bytes());
        Temporary { data: [folder.as_slice(), b"/data"].concat(), partial: [folder.as_slice(), b"/partial"].concat(), folder }
    }
}

struct Pushing<'a> {
    session: Session,
    temporary: Temporary,
    push: Push<'a>,
    context: &'a CallContext,
    aside: Aside,
    problems: Problems,
    /// What stands where a folder must be: `None` is nothing.
    known: HashMap<Vec<u8>, Option<Kind>>,
}

impl Pushing<'_> {
    async fn portion(&mut self, portion: &Portion) -> Result<(), TransportError> {
        let run = self.push.run;
        let there = self.look(portion).await?;
        let mut to_send: Vec<&Wanted> = Vec::new();
        let mut old: Vec<&[u8]> = Vec::new();
        for wanted in &portion.files {
            let (path, stat) = wanted;
            if let Some(folder) = self.blocked_above(path) {
                self.leave(path, stat, format!("{}/{folder} is no plain folder there", run.below_equipment()));
                continue;
            }
            match there.get(path.as_bytes()) {
                None => to_send.push(wanted),
                Some(seen) if self.push.again.is_none() && counts_as_sent(seen, stat) => self.context.progress.skip_file(stat.size),
                Some(_) if (self.push.placed_by_us)(path) => {
                    old.push(path.as_bytes());
                    to_send.push(wanted);
                }
                Some(_) => self.leave(path, stat, format!("{path} is a different file there")),
            }
        }
        if !old.is_empty() {
            self.aside.take(&self.session, run, &old, self.context).await?;
        }
        if !to_send.is_empty() {
            self.send(&to_send).await?;
        }
        self.make_folders(&portion.empty_folders).await
    }

    /// What stands under the names of a portion, and above them.
    async fn look(&mut self, portion: &Portion) -> Result<look::Looked, TransportError> {
        let folders = portion.files.iter().map(|(path, _)| path).chain(&portion.empty_folders).flat_map(folders_above);
        let own = portion.empty_folders.iter().map(FilePath::as_bytes);
        let folders: BTreeSet<&[u8]> = folders.chain(own).filter(|folder| !self.known.contains_key(*folder)).collect();
        let names = folders.iter().copied().chain(portion.files.iter().map(|(path, _)| path.as_bytes()));
        let there = look::in_run(&self.session, self.push.run, names, self.context).await?.unwrap_or_default();
        for folder in folders {
            self.known.insert(folder.to_vec(), there.get(folder).map(|seen| seen.kind));
        }
        Ok(there)
    }

    fn is_blocked(&self, folder: &[u8]) -> bool {
        matches!(self.known.get(folder), Some(Some(kind)) if *kind != Kind::Folder)
    }

    /// The first folder above a file that is not there yet.
    fn new_folder_above<'p>(&self, path: &'p FilePath) -> Option<&'p [u8]> {
        folders_above(path).find(|folder| matches!(self.known.get(*folder), Some(None)))
    }

    fn blocked_above(&self, path: &FilePath) -> Option<String> {
        folders_above(path).find(|folder| self.is_blocked(folder)).map(domain::path::escape_bytes)
    }

    fn leave(&mut self, path: &FilePath, stat: &FileStat, reason: String) {
        self.problems.add(path, reason);
        self.context.progress.skip_file(stat.size);
    }

    async fn send(&mut self, files: &[&Wanted]) -> Result<(), TransportError> {
        let Temporary { data, partial, .. } = &self.temporary;
        let word = super::quote::shell_word;
        let script = [b"mkdir -p ".to_vec(), word(data), b" ".to_vec(), word(partial), b" || exit 1".to_vec()].concat();
        self.session.ask(&script, "making a folder for what is sent", self.context).await?;
        // rsync takes a line that begins with `#` or `;` for a comment, NUL-separated or not.
        let names: Vec<u8> = files.iter().flat_map(|(path, _)| [b"./", path.as_bytes(), b"\0"].concat()).collect();
        let sending = Sending {
            session: &self.session,
            source: self.push.source,
            data,
            partial,
            names: &names,
            bytes: files.iter().map(|(_, stat)| stat.size).sum(),
            again: self.push.again.is_some(),
            context: self.context,
        };
        let failed = send(&sending).await?;
        let changed = changed(self.push.source, files).await?;
        let arrived = self.arrived(files).await?;
        let whole: Vec<&Wanted> =
            files.iter().copied().filter(|(path, _)| arrived.contains(path.as_bytes()) && !changed.contains(path)).collect();
        self.place(&whole, whole.len() == files.len()).await?;
        if let Some(first) = changed.first() {
            let error = TransportError::from(HashError::Changed { path: first.clone() });
            return Err(TransportError { files: changed.into_iter().take(FILES_NAMED_AT_MOST).collect(), ..error });
        }
        failed.map_or(Ok(()), Err)
    }

    /// Which files lie in our temporary folder with their sizes. What else lies there is left from another attempt, and removed.
    async fn arrived(&self, files: &[&Wanted]) -> Result<HashSet<Vec<u8>>, TransportError> {
        let enter = [b"cd -- ".to_vec(), super::quote::shell_word(&self.temporary.data), b" || exit 1\n".to_vec()].concat();
        let script = [&enter, look::functions(&self.session).as_bytes(), b"all\nprintf '.'"].concat();
        let said = self.session.ask(&script, "looking at what was sent", self.context).await?;
        let mut found = look::read(&said, b".").ok_or_else(|| look::garbled("looking at what was sent"))?;
        let mut arrived = HashSet::with_capacity(files.len());
        for (path, stat) in files {
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

    /// Gives files their names. `all`: nothing else lies in our temporary folder, so that folders may move as they are.
    async fn place(&mut self, files: &[&Wanted], all: bool) -> Result<(), TransportError> {
        if files.is_empty() {
            return Ok(());
        }
        let mut single: Vec<&[u8]> = Vec::new();
        let mut moved: Vec<(&[u8], &[u8])> = Vec::new();
        for (path, _) in files {
            match self.new_folder_above(path).filter(|_| all) {
                Some(folder) => moved.push((folder, path.as_bytes())),
                None => single.push(path.as_bytes()),
            }
        }
        let folders: BTreeSet<&[u8]> = moved.iter().map(|(folder, _)| *folder).collect();
        let from = &self.temporary.data;
        let mut unmoved = arrange::place(&self.session, self.push.run, from, &folders, &single, self.context).await?;
        if !unmoved.folders.is_empty() {
            moved.retain(|(folder, _)| unmoved.folders.contains(*folder));
            let rest: Vec<&[u8]> = moved.iter().map(|(_, file)| *file).collect();
            let more = arrange::place(&self.session, self.push.run, from, &BTreeSet::new(), &rest, self.context).await?;
            unmoved.taken.extend(more.taken);
        }
        for (path, _) in files {
            if unmoved.taken.contains(path.as_bytes()) {
                self.problems.add(path, format!("{path} appeared there just now"));
            } else {
                (self.push.placed)(path);
            }
            for folder in folders_above(path) {
                self.known.insert(folder.to_vec(), Some(Kind::Folder));
            }
            self.context.progress.add_file();
        }
        Ok(())
    }

    async fn make_folders(&mut self, folders: &[FilePath]) -> Result<(), TransportError> {
        let blocked = |folder: &&FilePath| folders_above(folder).chain([folder.as_bytes()]).any(|above| self.is_blocked(above));
        let (blocked, free): (Vec<&FilePath>, Vec<&FilePath>) = folders.iter().partition(blocked);
        for folder in blocked {
            self.problems.add(folder, format!("{folder} is no plain folder there"));
        }
        if free.is_empty() {
            return Ok(());
        }
        let target = self.session.word(self.push.run.below_equipment().as_bytes());
        let mut script = [b"mkdir -p ".to_vec(), target, b" || exit 1\n".to_vec(), self.session.enter_run(self.push.run)].concat();
        look::call(&mut script, "mkdir -p", free.iter().map(|folder| folder.as_bytes()));
        self.session.ask(&script, "making empty folders", self.context).await.map(drop)
    }

    async fn finish(self) -> Result<(), TransportError> {
        // Also the folder of an empty run: it is there, and proves nothing.
        let target = self.session.word(self.push.run.below_equipment().as_bytes());
        let folder = super::quote::shell_word(&self.temporary.folder);
        let mut script = [b"mkdir -p ".to_vec(), target, b" || exit 1\nrm -rf ".to_vec(), folder, b"\n".to_vec()].concat();
        script.extend(self.session.syncing());
        self.session.ask(&script, "making what was sent durable", self.context).await?;
        self.problems.into_result()
    }
}

/// A regular file of the same size and mtime; what it holds is for verification to say. Whole seconds, and even ones where the
/// destination can hold no others.
fn counts_as_sent(seen: &Seen, listed: &FileStat) -> bool {
    let sent = listed.mtime_ns.div_euclid(1_000_000_000);
    let same_time = seen.mtime_seconds == sent || (!seen.fraction && seen.mtime_seconds == sent - sent.rem_euclid(2));
    seen.kind == Kind::File && seen.size == listed.size && same_time
}
