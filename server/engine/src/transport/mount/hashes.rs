//! Hashing what the destination holds, in the seal's order.

use super::super::{CallContext, HashOutcome, Hashed, TransportError};
use super::MountTransport;
use super::read_back::{Way, read_back, unreadable};
use super::root::Root;
use super::thread::Outbox;
use crate::files::beneath::{self, identity};
use crate::files::hash::Hasher;
use crate::files::source::{RunFolder, SourceError};
use crate::keep::seal::SealReader;
use crate::machine::ordered::{WORKERS, ordered};
use domain::path::RunPath;
use domain::proof::SealedFile;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// After a file that could not be read it is looked whether the destination is there, no sooner than this after the
/// last time.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Results given on at once.
const BATCH: usize = 64;

/// A reading back, owning all it needs on its thread.
pub(super) struct HashJob {
    transport: MountTransport,
    run: RunPath,
    seal: SealReader,
    source: Option<RunFolder>,
    context: CallContext,
}

impl HashJob {
    pub fn new(
        transport: &MountTransport,
        run: &RunPath,
        seal: &SealReader,
        source: Option<&RunFolder>,
        context: &CallContext,
    ) -> HashJob {
        HashJob {
            transport: transport.clone(),
            run: run.clone(),
            seal: seal.clone(),
            source: source.cloned(),
            context: context.clone(),
        }
    }

    pub fn run(self, outbox: &Outbox<Vec<Hashed>>) -> Result<(), TransportError> {
        let (root, _) = Root::open_marked(&self.transport)?;
        let (folder, at_best) = (root.run(&self.run)?, root.at_best());
        let stop = self.context.cancel.child_token();
        let weakest = AtomicU8::new(Way::Direct as u8);
        let mut files = self.seal.files()?;
        let (mut batch, mut asked) = (Vec::with_capacity(BATCH), None);
        ordered(
            WORKERS,
            &stop,
            || if stop.is_cancelled() { Err(TransportError::interrupted()) } else { Ok(files.next().transpose()?) },
            |file: &SealedFile| file.stat.size,
            Reader::default,
            |reader, file| {
                let (hashed, way) = reader.read(&self, folder.as_ref(), file, at_best, &stop)?;
                weakest.fetch_max(way as u8, Ordering::Relaxed);
                Ok(hashed)
            },
            |hashed| {
                self.context.progress.add_file();
                // A file that cannot be read may be that file alone, or a server that is gone: each of a million would
                // be waited for.
                if matches!(hashed.outcome, HashOutcome::Failed { .. })
                    && asked.is_none_or(|at: Instant| at.elapsed() > ASK_AGAIN)
                {
                    Root::open_marked(&self.transport)?;
                    asked = Some(Instant::now());
                }
                batch.push(hashed);
                if batch.len() < BATCH {
                    return Ok(());
                }
                outbox.send(std::mem::take(&mut batch))
            },
        )?;
        self.transport.way.store(weakest.load(Ordering::Relaxed), Ordering::Relaxed);
        outbox.send(batch)
    }
}

/// One thread: its buffers, and the folder it read from last.
#[derive(Default)]
struct Reader {
    hasher: Hasher,
    parent: Option<(Vec<u8>, OwnedFd)>,
}

impl Reader {
    fn read(
        &mut self,
        job: &HashJob,
        run: Option<&OwnedFd>,
        file: SealedFile,
        at_best: Way,
        stop: &CancellationToken,
    ) -> Result<(Hashed, Way), TransportError> {
        let path = file.path;
        let (parent, name) = beneath::split(path.as_bytes());
        let opened = match run {
            Some(run) => self.open_parent(run, parent),
            None => Err(Errno::NOENT),
        };
        match opened {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok((Hashed { path, outcome: HashOutcome::Missing }, Way::Direct)),
            Err(error) => return Ok((super::failed(path, std::io::Error::from(error)), Way::Direct)),
        }
        let source = match job.source.as_ref().map(|source| source.raw_stat(&path)) {
            None => None,
            Some(Ok(stat)) => Some(identity(&stat)),
            // A file that is gone here cannot be the one there; that it is gone is for others to find.
            Some(Err(SourceError::Vanished { .. } | SourceError::RunGone { .. })) => None,
            Some(Err(error)) => return Ok((super::failed(path, error), Way::Direct)),
        };
        let Some((_, folder)) = &self.parent else {
            return Ok((super::failed(path, "its folder is gone"), Way::Direct));
        };
        let read = |bytes| job.context.progress.add_bytes(bytes);
        match read_back(&mut self.hasher, folder, name, source, at_best, stop, &read) {
            Ok(Some((outcome, way))) => Ok((Hashed { path, outcome }, way)),
            Ok(None) => Err(TransportError::interrupted()),
            Err(error) => Ok((Hashed { path, outcome: unreadable(error) }, Way::Direct)),
        }
    }

    fn open_parent(&mut self, run: &OwnedFd, path: &[u8]) -> Result<(), Errno> {
        if self.parent.as_ref().is_none_or(|parent| parent.0 != path) {
            self.parent = None;
            self.parent = Some((path.to_vec(), beneath::open_folder(run, path)?));
        }
        Ok(())
    }
}
