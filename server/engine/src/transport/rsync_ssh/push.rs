//! Sending the sealed files, portion by portion: look what is there, carry the rest over, many small files as a stream
//! and the others by rsync; what has arrived gets its names and is hashed by the server ([`super::settle`]) while the
//! next portion is on its way.
//!
//! Only two portions are held in memory, whatever the run's size. A portion that stands under its names is not sent
//! again.

use super::Place;
use super::labels::Labels;
use super::look::{self, Kind, Seen, folders_above};
use super::opened::SshWire;
use super::send::{RsyncCall, send};
use super::session::Session;
use super::settle::{Carried, Outgoing, Sent, Settling};
use super::stream::{self, Streamed, Streaming};
use crate::machine::progress::ProgressSink;
use crate::transport::portions::{Met, Portion, Portions, Problems, Size, Sorted, Wanted, sort_out};
use crate::transport::rules::aside::Superseded;
use crate::transport::rules::fate::{EQUAL, Standing, no_folder, same_second};
use crate::transport::rules::layout::temporary_of;
use crate::transport::{CallContext, Push, TransportError};
use domain::api::Phase;
use domain::path::FilePath;
use domain::proof::FileStat;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What is carried at once at most: enough that a start costs little, and little enough that hashing is soon at work
/// beside it.
const PORTION: Size = Size { files: 16_000, bytes: 512 << 20 };

/// Sends everything.
pub(super) async fn push(place: &Arc<Place>, push: Push<'_>, context: &CallContext) -> Result<(), TransportError> {
    let session = Session::open_marked(place, context).await?;
    place.note_tool(session.can.hash_tool);
    let totals = push.listing.totals();
    // Of what is sent again nothing is hashed early.
    let hashing = match push.again {
        None => {
            context.progress.begin(Phase::Sending, totals.files, totals.bytes);
            context.progress.beside(Phase::Verifying, totals.files, totals.bytes)
        }
        Some(files) => {
            context.progress.begin(Phase::Sending, files.len() as u64, 0);
            ProgressSink::new()
        }
    };
    let temporary = session.path(temporary_of(push.run).as_bytes());
    let mut portions = Portions::new(push.listing, push.again, PORTION)?;
    let mut pushing = Pushing {
        session: session.clone(),
        temporary: temporary.clone(),
        push: &push,
        context,
        aside: Superseded::default(),
        problems: Problems::default(),
        run_was_there: None,
        known: HashMap::new(),
        has_left: false,
        has_own_folders: false,
    };
    let mut settling = Settling {
        session: session.clone(),
        push: &push,
        context,
        hashing: CallContext { progress: hashing, ..context.clone() },
        problems: Problems::default(),
        make_run: session.make_run(push.run).await,
    };
    let (mut behind, mut number) = (None, 0_u64);
    while let Some(portion) = portions.next().await? {
        if context.cancel.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        // The same for every attempt, so that what arrived, and a part of a file, is found again.
        let data = [temporary.as_slice(), format!("/data/{number}").as_bytes()].concat();
        let (settled, sent) = tokio::join!(settling.settle(behind.take(), false), pushing.portion(portion, data));
        settled?;
        behind = Some(sent?);
        number += 1;
    }
    settling.settle(behind, true).await?;
    finish(&session, &settling.make_run, &temporary, context).await?;
    pushing.problems.and(settling.problems).into_result()
}

/// Makes what was sent durable, and takes our temporary folder away.
async fn finish(
    session: &Session,
    make_run: &[u8],
    temporary: &[u8],
    context: &CallContext,
) -> Result<(), TransportError> {
    // Also the folder of an empty run: it is there, and proves nothing.
    let folder = super::quote::shell_word(temporary);
    let mut script = [make_run.to_vec(), b"rm -rf ".to_vec(), folder, b"\n".to_vec()].concat();
    script.extend(session.syncing());
    session.ask(&script, "making what was sent durable", context).await.map(drop)
}

struct Pushing<'a> {
    session: Session,
    /// Our own folder for what is on its way, absolute.
    temporary: Vec<u8>,
    push: &'a Push<'a>,
    context: &'a CallContext,
    aside: Superseded,
    problems: Problems,
    /// The run's folder was there before this push; `None` before anything was looked at.
    run_was_there: Option<bool>,
    /// What stands where a folder must be.
    known: HashMap<Vec<u8>, Stands>,
    /// An earlier attempt may have left files in our own folder.
    has_left: bool,
    /// What rsync needs of our own folders was made.
    has_own_folders: bool,
}

/// What stands where a folder must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stands {
    Nothing,
    /// A folder that this push brings or has brought: nothing is in it but what the push puts there.
    Brought,
    There(Kind),
}

impl Pushing<'_> {
    /// Sends what is not there yet of a portion, into our own folder `data`.
    async fn portion(&mut self, portion: Portion, data: Vec<u8>) -> Result<Sent, TransportError> {
        let run = self.push.run;
        let there = self.look(&portion).await?;
        let met: Vec<(Wanted, Met)> = portion
            .files
            .into_iter()
            .map(|wanted| {
                let under = |seen: &Seen| Met::Under(standing(seen, &wanted.1), seen.size);
                let nothing = || Met::Under(Standing::Nothing, 0);
                let met = match self.blocked_above(&wanted.0) {
                    Some(folder) => Met::NoFolder(folder),
                    None => there.get(wanted.0.as_bytes()).map_or_else(nothing, under),
                };
                (wanted, met)
            })
            .collect();
        let Sorted { send, aside } = sort_out(self.push, met, &mut self.problems, &self.context.progress);
        let files: Vec<Outgoing> = send
            .into_iter()
            .map(|(path, stat)| {
                let new_folder = self.new_folder_above(&path).map(<[u8]>::to_vec);
                Outgoing { path, stat, new_folder }
            })
            .collect();
        let (blocked, free): (Vec<FilePath>, Vec<FilePath>) =
            portion.empty_folders.into_iter().partition(|folder| self.is_in_the_way(folder));
        for folder in blocked {
            self.problems.add(&folder, no_folder(run, folder.as_bytes()));
        }
        for folder in files.iter().flat_map(|file| folders_above(&file.path)) {
            if let Some(stands) = self.known.get_mut(folder).filter(|stands| **stands == Stands::Nothing) {
                *stands = Stands::Brought;
            }
        }
        let wire = SshWire { session: self.session.clone(), context: self.context.clone() };
        self.aside.take(&wire, run, &aside).await?;
        let carried = if files.is_empty() { Carried::default() } else { self.send(&files, &data).await? };
        Ok(Sent { data, files, empty_folders: free, carried })
    }

    /// What stands under the names of a portion; and above them, which is `known` from then on. Files are asked for
    /// only where there was something before this push.
    async fn look(&mut self, portion: &Portion) -> Result<look::Looked, TransportError> {
        let (session, run) = (&self.session, self.push.run);
        let folders = portion.files.iter().map(|(path, _)| path).chain(&portion.empty_folders).flat_map(folders_above);
        let own = portion.empty_folders.iter().map(FilePath::as_bytes);
        let folders: BTreeSet<&[u8]> = folders.chain(own).filter(|folder| !self.known.contains_key(*folder)).collect();
        if !folders.is_empty() || self.run_was_there.is_none() {
            let names = folders.iter().copied();
            let there = match self.run_was_there {
                None => {
                    let (left, there) = look::at_first(session, run, &self.temporary, names, self.context).await?;
                    self.has_left = left;
                    self.run_was_there = Some(there.is_some());
                    there
                }
                Some(true) => look::in_run(session, run, names, self.context).await?,
                // Nothing is in it but what this push puts there; what somebody puts there meanwhile keeps its name.
                Some(false) => None,
            };
            let there = there.unwrap_or_default();
            for folder in folders {
                let stands = there.get(folder).map_or(Stands::Nothing, |seen| Stands::There(seen.kind));
                self.known.insert(folder.to_vec(), stands);
            }
        }
        let files: Vec<&[u8]> = portion
            .files
            .iter()
            .map(|(path, _)| path)
            .filter(|path| self.may_be_there(path))
            .map(FilePath::as_bytes)
            .collect();
        if files.is_empty() {
            return Ok(look::Looked::new());
        }
        Ok(look::in_run(session, run, files, self.context).await?.unwrap_or_default())
    }

    /// What this file is in was there before this push.
    fn may_be_there(&self, path: &FilePath) -> bool {
        match folders_above(path).last() {
            None => self.run_was_there == Some(true),
            Some(folder) => matches!(self.known.get(folder), Some(Stands::There(_))),
        }
    }

    fn is_blocked(&self, folder: &[u8]) -> bool {
        matches!(self.known.get(folder), Some(Stands::There(kind)) if *kind != Kind::Folder)
    }

    /// The first folder above a file that is not there yet.
    fn new_folder_above<'p>(&self, path: &'p FilePath) -> Option<&'p [u8]> {
        folders_above(path).find(|folder| self.known.get(*folder) == Some(&Stands::Nothing))
    }

    fn blocked_above(&self, path: &FilePath) -> Option<Vec<u8>> {
        folders_above(path).find(|folder| self.is_blocked(folder)).map(<[u8]>::to_vec)
    }

    /// Everything that must be a folder for this empty folder to be made.
    fn is_in_the_way(&self, folder: &FilePath) -> bool {
        folders_above(folder).chain([folder.as_bytes()]).any(|above| self.is_blocked(above))
    }

    /// Carries the files over.
    async fn send(&mut self, files: &[Outgoing], data: &[u8]) -> Result<Carried, TransportError> {
        let (small, others): (Vec<&Outgoing>, Vec<&Outgoing>) =
            files.iter().partition(|file| stream::is_small(&file.stat));
        // What was wrong there goes another way the second time.
        let streams = self.session.can.unpacks && small.len() >= stream::FEWEST && self.push.again.is_none();
        let (small, others) = if streams { (small, others) } else { (Vec::new(), files.iter().collect()) };
        let mut carried = Carried::default();
        if !small.is_empty() {
            let there = match self.has_left {
                true => {
                    look::below(&self.session, data, "looking at what an earlier attempt sent", self.context).await?
                }
                false => look::Looked::new(),
            };
            let is_there = |file: &Outgoing| {
                there.get(file.path.as_bytes()).is_some_and(|seen| standing(seen, &file.stat) == EQUAL)
            };
            let (done, missing): (Vec<&Outgoing>, Vec<&Outgoing>) = small.into_iter().partition(|file| is_there(file));
            self.context.progress.add_bytes(done.iter().map(|file| file.stat.size).sum());
            let done: Vec<FilePath> = done.into_iter().map(|file| file.path.clone()).collect();
            let files: Vec<Wanted> = missing.into_iter().map(|file| (file.path.clone(), file.stat)).collect();
            let streaming = Streaming { session: &self.session, source: self.push.source, data, context: self.context };
            let Streamed { there, failed, labels } = streaming.send(files).await?;
            let earlier = Labels::read(self.push.source, done).await?;
            carried = Carried { there: Some(there), failed, labels: labels.and(earlier) };
        }
        if others.is_empty() {
            return Ok(carried);
        }
        self.own_folders(data).await?;
        let sending = RsyncCall {
            session: &self.session,
            source: self.push.source,
            data,
            files: &others.iter().map(|file| &file.path).collect::<Vec<_>>(),
            bytes: others.iter().map(|file| file.stat.size).sum(),
            again: self.push.again.is_some(),
            context: self.context,
        };
        let failed = send(&sending).await?;
        let labels = Labels::read(self.push.source, others.iter().map(|file| file.path.clone()).collect()).await?;
        Ok(Carried { there: None, failed: carried.failed.or(failed), labels: carried.labels.and(labels) })
    }

    /// Makes what rsync needs, once: the last part of its target's path is its own to make.
    async fn own_folders(&mut self, data: &[u8]) -> Result<(), TransportError> {
        if !self.has_own_folders {
            let above = data.rsplitn(2, |byte| *byte == b'/').last().unwrap_or(data);
            let script = self.session.make(&[above]);
            self.session.ask(&script, "making a folder for what is sent", self.context).await?;
            self.has_own_folders = true;
        }
        Ok(())
    }
}

fn standing(seen: &Seen, sealed: &FileStat) -> Standing {
    match seen.kind {
        Kind::File => {
            let same_time = same_second(seen.mtime_seconds, seen.fraction, sealed);
            Standing::File { same_size: seen.size == sealed.size, same_time }
        }
        Kind::Folder => Standing::Folder,
        Kind::Other => Standing::Other,
    }
}

/// A regular file of the same size.
pub(super) fn has_size(seen: &Seen, sealed: &FileStat) -> bool {
    seen.kind == Kind::File && seen.size == sealed.size
}
