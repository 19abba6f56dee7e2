//! A portion that was carried over: what arrived whole gets its names, and is hashed by the server.

use super::labels::Labels;
use super::look::{self, Kind, Looked};
use super::moves;
use super::push::has_size;
use super::send::PARTS;
use super::session::{HashTool, Session, make_closed};
use super::{hashes, session};
use crate::files::hash::HashError;
use crate::files::source::RunFolder;
use crate::machine::blocking::blocking;
use crate::transport::failure::FILES_NAMED_AT_MOST;
use crate::transport::portions::{Problems, Wanted, changed, folders_above};
use crate::transport::rules::fate::has_appeared;
use crate::transport::{CallContext, Hashed, Push, TransportError};
use domain::path::FilePath;
use domain::proof::FileStat;
use std::collections::{BTreeSet, HashSet};

/// A file that was sent.
pub(super) struct Outgoing {
    pub path: FilePath,
    pub stat: FileStat,
    /// The first folder above it that was not there: it may move as it is, with all it holds.
    pub new_folder: Option<Vec<u8>>,
}

/// A portion that was sent.
pub(super) struct Sent {
    /// Our own folder that it lies in, absolute.
    pub data: Vec<u8>,
    pub files: Vec<Outgoing>,
    /// Folders to be made.
    pub empty_folders: Vec<FilePath>,
    pub carried: Carried,
}

/// What is known of a portion from carrying it.
#[derive(Default)]
pub(super) struct Carried {
    /// All that lies in our own folder, when that was looked at.
    pub there: Option<Looked>,
    /// What was said of files that could not be carried; the others were.
    pub failed: Option<TransportError>,
    /// What the files hold besides their bytes.
    pub labels: Labels,
}

pub(super) struct Settling<'a> {
    pub session: Session,
    pub push: &'a Push<'a>,
    pub context: &'a CallContext,
    /// For hashing, with progress of its own.
    pub hashing: CallContext,
    pub problems: Problems,
    /// The part of a script that makes the run's folder.
    pub make_run: Vec<u8>,
}

/// Folders of the run with those above them, the upper ones first, each with its permissions here; one that cannot be
/// looked at is ours alone there.
async fn modes(source: RunFolder, folders: &[FilePath]) -> Vec<(Vec<u8>, u32)> {
    let of =
        |folder: &FilePath| folders_above(folder).chain([folder.as_bytes()]).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let all: BTreeSet<Vec<u8>> = folders.iter().flat_map(of).collect();
    blocking(move || {
        let mode = |path: &Vec<u8>| FilePath::new(path.clone()).ok().and_then(|path| source.raw_stat(&path).ok());
        all.into_iter().map(|path| (mode(&path).map_or(0, |stat| stat.st_mode), path)).map(|(m, p)| (p, m)).collect()
    })
    .await
}

/// The folder of a part of a file.
fn folder_of_parts(name: &[u8]) -> Option<&[u8]> {
    let folder = &name[..name.iter().rposition(|byte| *byte == b'/')?];
    let last = folder.rsplit(|byte| *byte == b'/').next()?;
    (last == PARTS.as_bytes()).then_some(folder)
}

/// What a script said of placing, and of hashing after it.
fn cut(said: &[u8]) -> (&[u8], Option<&[u8]>) {
    // What is said of a file that could not be moved ends with one NUL, and no such word begins with another.
    match said.windows(3).position(|window| window == b".\0\0") {
        Some(at) => (&said[..=at], Some(&said[at + 3..])),
        None => (said, None),
    }
}

impl Settling<'_> {
    /// Gives a portion its names and has it hashed. `alone`: nothing is sent meanwhile, so that the server has time for
    /// more. Files that changed meanwhile, or that could not be carried, are its failure, after all others have their
    /// names.
    pub async fn settle(&mut self, sent: Option<Sent>, alone: bool) -> Result<(), TransportError> {
        let Some(Sent { data, files, empty_folders, carried }) = sent else { return Ok(()) };
        if !files.is_empty() {
            let wanted: Vec<Wanted> = files.iter().map(|file| (file.path.clone(), file.stat)).collect();
            let changed = changed(self.push.source, wanted).await?;
            let arrived = self.arrived(&data, &files, carried.there).await?;
            let is_whole = |file: &&Outgoing| arrived.contains(file.path.as_bytes()) && !changed.contains(&file.path);
            let whole: Vec<&Outgoing> = files.iter().filter(is_whole).collect();
            carried.labels.set(&self.session, &data, self.context).await?;
            self.place(&data, &whole, whole.len() == files.len(), alone).await?;
            if let Some(first) = changed.first() {
                let error = TransportError::from(HashError::Changed { path: first.clone() });
                return Err(TransportError { files: changed.into_iter().take(FILES_NAMED_AT_MOST).collect(), ..error });
            }
            if let Some(failed) = carried.failed {
                return Err(failed);
            }
        }
        self.make_folders(&empty_folders).await
    }

    /// Which files lie in our own folder with their sizes. What else lies there is left from another attempt, and
    /// removed.
    async fn arrived(
        &self,
        data: &[u8],
        files: &[Outgoing],
        there: Option<Looked>,
    ) -> Result<HashSet<Vec<u8>>, TransportError> {
        let mut found = match there {
            Some(there) => there,
            None => look::below(&self.session, data, "looking at what was sent", self.context).await?,
        };
        let mut arrived = HashSet::with_capacity(files.len());
        for Outgoing { path, stat, .. } in files {
            // One of another size is taken away below: it is not what was listed.
            let whole =
                found.get(path.as_bytes()).is_some_and(|seen| (seen.kind, seen.size) == (Kind::File, stat.size));
            if whole {
                found.remove(path.as_bytes());
                arrived.insert(path.as_bytes().to_vec());
            }
        }
        if !found.is_empty() {
            let mut script = look::enter_own(&self.session, data);
            look::call(&mut script, "rm -f", found.keys().map(Vec::as_slice));
            // A folder that moves as it is must not bring one of rsync's with it.
            let parts: BTreeSet<&[u8]> = found.keys().filter_map(|name| folder_of_parts(name)).collect();
            script.extend_from_slice(b"gone() { rmdir \"$@\" 2>/dev/null; true; }\n");
            look::call(&mut script, "gone", parts);
            self.session.ask(&script, "tidying what was sent", self.context).await?;
        }
        Ok(arrived)
    }

    /// Gives files their names, and has the server hash those that have them, while the next portion is sent. `all`:
    /// nothing else lies in our own folder, so that folders may move as they are.
    async fn place(&mut self, data: &[u8], files: &[&Outgoing], all: bool, alone: bool) -> Result<(), TransportError> {
        if files.is_empty() {
            return Ok(());
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
        let (session, run) = (self.session.clone(), self.push.run);
        // Where the server cannot hash, everything is read back at the end; and what is sent again is asked for then.
        let hashes = session.can.hash_tool != HashTool::None && self.push.again.is_none();
        let paths: Vec<FilePath> = files.iter().map(|file| file.path.clone()).collect();
        let mut script = moves::placing(&session, run, &self.make_run, data, &folders, &single);
        let at_once = hashes && !alone;
        if at_once {
            script.extend([b"\nprintf '\\0\\0'\n".as_slice(), &hashes::script(&session, run, &paths)].concat());
        }
        let bytes = files.iter().map(|file| file.stat.size).sum();
        let mut said = Vec::new();
        let asked = hashes::ask_into(&mut said, &session, &script, bytes, self.context).await;
        let (about_places, about_hashes) = if at_once { cut(&said) } else { (said.as_slice(), None) };
        let ended = match asked {
            Ok(ended) => ended,
            Err(error) => {
                // It broke off while it hashed: what has its name by then is ours all the same.
                if let Some(unmoved) = about_hashes.and_then(|_| moves::read(about_places)) {
                    let has_moved = |file: &&&Outgoing| !unmoved.has(file.path.as_bytes(), file.new_folder.as_deref());
                    files.iter().filter(has_moved).for_each(|file| (self.push.placed)(&file.path));
                }
                return Err(error);
            }
        };
        let mut unmoved = moves::placed(&session, run, &ended, about_places)?;
        let moved_otherwise = !unmoved.folders.is_empty();
        if moved_otherwise {
            moved.retain(|(folder, _)| unmoved.folders.contains(*folder));
            let rest: Vec<&[u8]> = moved.iter().map(|(_, file)| *file).collect();
            let script = moves::placing(&session, run, &self.make_run, data, &BTreeSet::new(), &rest);
            let (ended, said) = session::collect(&session.place.connection, &script, self.context).await?;
            unmoved.taken.extend(moves::placed(&session, run, &ended, &said)?.taken);
        }
        let same = self.same_size(&unmoved.taken, files).await?;
        for file in files {
            if same.contains(file.path.as_bytes()) {
                // Its bytes may be these: verification decides.
            } else if unmoved.taken.contains(file.path.as_bytes()) {
                self.problems.add(&file.path, has_appeared(&file.path));
            } else {
                (self.push.placed)(&file.path);
            }
            self.context.progress.add_file();
        }
        // What stands under a taken name is not ours to speak of.
        let mut tell = |hashed: Hashed| {
            if !unmoved.taken.contains(hashed.path.as_bytes()) {
                (self.push.hashed)(hashed);
            }
        };
        match about_hashes {
            Some(said) if !moved_otherwise => {
                hashes::answers(&session, run, paths, &ended, said, &self.hashing).await?.into_iter().for_each(tell);
                Ok(())
            }
            None if at_once => Err(look::garbled("hashing at the server")),
            _ if hashes => hashes::hash_in_parts(&session, run, paths, bytes, &mut tell, &self.hashing).await,
            _ => Ok(()),
        }
    }

    /// Which of the names that were taken meanwhile hold a file of the right size: a call that broke off may still be
    /// at work at the server and have placed it.
    async fn same_size(
        &self,
        taken: &BTreeSet<Vec<u8>>,
        files: &[&Outgoing],
    ) -> Result<HashSet<Vec<u8>>, TransportError> {
        if taken.is_empty() || self.push.again.is_some() {
            return Ok(HashSet::new());
        }
        let names = taken.iter().map(Vec::as_slice);
        let there = look::in_run(&self.session, self.push.run, names, self.context).await?.unwrap_or_default();
        let is_same = |file: &&&Outgoing| {
            let path = file.path.as_bytes();
            taken.contains(path) && there.get(path).is_some_and(|seen| has_size(seen, &file.stat))
        };
        Ok(files.iter().filter(is_same).map(|file| file.path.as_bytes().to_vec()).collect())
    }

    async fn make_folders(&mut self, folders: &[FilePath]) -> Result<(), TransportError> {
        if folders.is_empty() {
            return Ok(());
        }
        let mut script = [self.make_run.clone(), self.session.enter_run(self.push.run)].concat();
        for (folder, mode) in modes(self.push.source.clone(), folders).await {
            script.extend(make_closed(&folder, mode));
        }
        self.session.ask(&script, "making empty folders", self.context).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn what_is_said_of_places_and_of_hashes_is_told_apart() {
        assert_eq!(cut(b".\0\0f 1 2.0 ./a\0\0\0abc"), (b".".as_slice(), Some(b"f 1 2.0 ./a\0\0\0abc".as_slice())));
        assert_eq!(cut(b"T./x.\0D./y.\0.\0\0missing"), (b"T./x.\0D./y.\0.".as_slice(), Some(b"missing".as_slice())));
        assert_eq!(cut(b"T./x.\0."), (b"T./x.\0.".as_slice(), None));
    }
}
