//! Sending the sealed files: a few threads copy, the seal takes their digests in order.

use super::super::failure::FILES_NAMED_AT_MOST;
use super::super::portions::taken;
use super::super::throttle::Throttle;
use super::super::{CallContext, Push, TransportError};
use super::MountTransport;
use super::aside::Aside;
use super::copy::{Copying, remove_leftovers};
use super::root::Root;
use super::send::{Done, Outcome, Sender, Sending, Task};
use super::thread::Outbox;
use crate::files::source::RunFolder;
use crate::keep::seal::{Item, Listing, SealError, SealWriter};
use crate::machine::ordered::{WORKERS, ordered};
use domain::api::Phase;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::units;
use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;
use tokio_util::sync::CancellationToken;

/// What the threads tell or ask the caller's side.
pub(super) enum Message {
    /// A file stands under its final name.
    Placed(FilePath),
    /// Did we put this file there?
    WhoseIs(FilePath, SyncSender<bool>),
}

impl Message {
    pub fn answer(self, push: &Push<'_>) {
        match self {
            Message::Placed(file) => (push.placed)(&file),
            // Nobody waits any more when this fails.
            Message::WhoseIs(file, reply) => drop(reply.send((push.placed_by_us)(&file))),
        }
    }
}

/// A push, owning all it needs on its thread.
pub(super) struct PushJob {
    transport: MountTransport,
    run: RunPath,
    source: RunFolder,
    listing: Listing,
    seal: SealWriter,
    again: Option<BTreeSet<FilePath>>,
    context: CallContext,
}

impl PushJob {
    pub fn new(transport: &MountTransport, push: &Push<'_>, context: &CallContext) -> PushJob {
        PushJob {
            transport: transport.clone(),
            run: push.run.clone(),
            source: push.source.clone(),
            listing: push.listing.clone(),
            seal: push.seal.clone(),
            again: push.again.map(|files| files.iter().cloned().collect()),
            context: context.clone(),
        }
    }

    pub fn run(self, outbox: &Outbox<Message>) -> Result<(), TransportError> {
        let (root, _) = Root::open_marked(&self.transport)?;
        let temporary = root.temporary()?;
        remove_leftovers(&root, &temporary)?;
        let (folder, fresh) = root.make_run(&self.run)?;
        let totals = self.listing.totals();
        match &self.again {
            None => self.context.progress.begin(Phase::Sending, totals.files, totals.bytes),
            Some(files) => self.context.progress.begin(Phase::Sending, files.len() as u64, 0),
        }
        let stop = self.context.cancel.child_token();
        let throttle = Throttle::new(self.context.limit.clone());
        let sending = Sending {
            copying: Copying::new(&root, &temporary, &throttle, &self.context.progress, &stop),
            aside: Aside::new(&root, &folder),
            run: &self.run,
            source: &self.source,
            again: self.again.is_some(),
            root: &root,
            folder: &folder,
            fresh,
            outbox,
        };
        let mut items = self.listing.items()?;
        let mut next = || self.next(&mut items, &stop);
        let mut problems = Problems::default();
        let outcome = ordered(
            WORKERS,
            &stop,
            &mut next,
            |task: &Task| task.weight(),
            Sender::default,
            |sender, task| sender.send(&sending, task),
            |done| self.take(done, &mut problems),
        );
        // Even what ended early is worth keeping: digests for the next attempt.
        self.seal.flush()?;
        outcome?;
        root.sync()?;
        problems.into_result()
    }

    /// The next thing to send.
    fn next(
        &self,
        items: &mut impl Iterator<Item = Result<Item, SealError>>,
        stop: &CancellationToken,
    ) -> Result<Option<Task>, TransportError> {
        loop {
            if stop.is_cancelled() {
                return Err(TransportError::interrupted());
            }
            return match items.next().transpose()? {
                None => Ok(None),
                Some(Item::File { path, stat, .. }) => {
                    if self.again.as_ref().is_some_and(|files| !files.contains(&path)) {
                        continue;
                    }
                    let known = self.seal.known(&path, &stat)?;
                    Ok(Some(Task::File { path, stat, known }))
                }
                Some(Item::EmptyFolder { path }) if self.again.is_none() => Ok(Some(Task::Folder { path })),
                Some(_) => continue,
            };
        }
    }

    /// Takes what was done, in order.
    fn take(&self, done: Done, problems: &mut Problems) -> Result<(), TransportError> {
        let Done { path, stat, outcome } = done;
        match outcome {
            Outcome::Folder => return Ok(()),
            Outcome::Hashed { digest, began_ns, conflict } => {
                // A second sending of some files adds nothing to the seal.
                if self.again.is_none() {
                    self.seal.put(&path, stat, digest, began_ns)?;
                }
                if let Some(reason) = conflict {
                    problems.conflicts.add(&path, reason);
                }
            }
            Outcome::Unreadable(reason) => {
                if self.again.is_none() {
                    self.seal.skip(&path)?;
                }
                problems.unreadable.add(&path, reason);
            }
            Outcome::FolderConflict(reason) => problems.conflicts.add(&path, reason),
        }
        self.context.progress.add_file();
        Ok(())
    }
}

/// Files that stay unsent while everything else is sent.
#[derive(Default)]
struct Problems {
    conflicts: Named,
    unreadable: Named,
}

#[derive(Default)]
struct Named {
    files: Vec<FilePath>,
    total: u64,
    first: String,
}

impl Named {
    fn add(&mut self, path: &FilePath, reason: String) {
        if self.total == 0 {
            self.first = reason;
        }
        self.total += 1;
        if self.files.len() < FILES_NAMED_AT_MOST {
            self.files.push(path.clone());
        }
    }

    fn into_error(self, class: FailureClass, side: Side, what: &str) -> TransportError {
        TransportError { class, side, message: format!("{what}; {}", self.first), files: self.files }
    }
}

impl Problems {
    fn into_result(self) -> Result<(), TransportError> {
        if self.unreadable.total > 0 {
            let what = format!("{} cannot be read", units::counted(self.unreadable.total, "file"));
            return Err(self.unreadable.into_error(FailureClass::LocalRead, Side::Source, &what));
        }
        if self.conflicts.total > 0 {
            let what = taken(self.conflicts.total);
            return Err(self.conflicts.into_error(FailureClass::Conflict, Side::Destination, &what));
        }
        Ok(())
    }
}
