//! A NAS mounted on this computer: the system's own file operations, beneath an opened handle of the equipment's root.
//!
//! Every call opens the root anew and looks for the marker in what it opened: a NAS that was unmounted meanwhile leaves
//! an empty folder behind, and nothing must be written there (V10), and nothing at all into the staging tree (D12).

use super::{CallContext, HashOutcome, Hashed, MarkedFor, Marker, Push, Transport, TransportError, Wire};
use crate::files::source::RunFolder;
use crate::keep::seal::SealReader;
use async_trait::async_trait;
use domain::path::{FilePath, RunPath};
use domain::proof::FileStat;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use tokio_util::sync::CancellationToken;

mod aside;
mod capacity;
mod copy;
mod hashes;
mod look;
mod opened;
mod push;
mod read_back;
mod root;
mod same_tree;
mod send;
mod thread;

use read_back::Way;
pub(in crate::transport) use same_tree::marker_is_visible;

/// The `mount` transport of one equipment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MountTransport {
    /// The equipment's root on the NAS, as configured.
    root: Arc<std::path::Path>,
    /// The staging root, as configured.
    staging: Arc<std::path::Path>,
    /// The weakest way in which a file was read back last.
    way: Arc<AtomicU8>,
    /// Whose it is to be; anybody's where nothing is said.
    owner: Option<MarkedFor>,
    /// A thread asks the destination whether it is there, and has no answer yet.
    asking: Arc<AtomicBool>,
    /// Another process may be at work on the same root: its temporary files are left alone.
    beside_others: bool,
}

impl MountTransport {
    /// `root`: the equipment's root on the NAS, which must exist. `staging`: the staging root, which it must not
    /// overlap.
    pub fn new(root: PathBuf, staging: PathBuf) -> MountTransport {
        let way = Arc::new(AtomicU8::new(Way::Direct as u8));
        MountTransport {
            root: root.into(),
            staging: staging.into(),
            way,
            owner: None,
            asking: Arc::default(),
            beside_others: false,
        }
    }

    /// Every call refuses a root that is marked for another.
    pub fn of(self, owner: Option<MarkedFor>) -> MountTransport {
        MountTransport { owner, ..self }
    }

    /// For a program that works on the root while the server may: its temporary files have names that the server leaves
    /// alone, and it leaves alone those of the server.
    pub fn beside_others(self) -> MountTransport {
        MountTransport { beside_others: true, ..self }
    }

    /// Refuses a root that is, holds, or lies in the staging tree.
    pub(in crate::transport) fn refuse_staging(&self) -> Result<(), TransportError> {
        same_tree::refuse(&root::Root::open(self)?, &self.staging)
    }

    fn call(&self, context: &CallContext) -> thread::OwnCall {
        let own = self.clone();
        // Of the destination alone, not of what lies here: what it answers is for those who ask for it.
        let ask = move || drop(root::Root::open(&own).and_then(|root| root.marker()));
        thread::OwnCall::new(context, &self.asking, ask)
    }

    fn weaker_way(&self, way: Way) {
        self.way.fetch_max(way as u8, Ordering::Relaxed);
    }
}

#[async_trait]
impl Transport for MountTransport {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn method(&self) -> String {
        Way::from_number(self.way.load(Ordering::Relaxed)).describe().to_owned()
    }

    async fn open(&self, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        let (own, context) = (self.clone(), context.clone());
        let (root, marker) = self.call(&context).run(move |_| root::Root::open_marked(&own)).await?;
        Ok(Box::new(opened::MountWire { transport: self.clone(), root: Arc::new(root), marker, context }))
    }

    /// The root is never made: that would hide a missing mount.
    async fn open_to_mark(&self, _make: bool, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        let (own, context) = (self.clone(), context.clone());
        let open = move |_: &CancellationToken| {
            let root = root::Root::open(&own)?;
            same_tree::refuse(&root, &own.staging)?;
            let marker = root.marker()?.unwrap_or_default();
            Ok((root, marker))
        };
        let (root, marker) = self.call(&context).run(open).await?;
        Ok(Box::new(opened::MountWire { transport: self.clone(), root: Arc::new(root), marker, context }))
    }

    /// Who it is is what is asked of a destination that may hang: whoever asks waits as long as they will.
    async fn identify(&self, context: &CallContext) -> Result<Marker, TransportError> {
        let own = self.clone();
        let (root, marker) = thread::OwnCall::patient(context).run(move |_| root::Root::open_marked(&own)).await?;
        Marker::read(&marker, &root.path.display().to_string())
    }

    fn hashes_while_pushing(&self) -> bool {
        true
    }

    async fn push(&self, push: Push<'_>, context: &CallContext) -> Result<(), TransportError> {
        let call = self.call(context);
        let job = push::PushJob::new(self, &push, call.context());
        let pushed = call.run_with(move |outbox| job.run(outbox), |message: push::Message| message.answer(&push)).await;
        match pushed {
            Err(error) => Err(self.explain(error, context).await),
            pushed => pushed,
        }
    }

    async fn hashes(
        &self,
        run: &RunPath,
        seal: &SealReader,
        source: Option<&RunFolder>,
        found: &mut (dyn FnMut(Hashed) + Send),
        context: &CallContext,
    ) -> Result<(), TransportError> {
        let call = self.call(context);
        let job = hashes::HashJob::new(self, run, seal, source, call.context());
        call.run_with(move |outbox| job.run(outbox), |batch: Vec<Hashed>| batch.into_iter().for_each(&mut *found)).await
    }

    async fn look(
        &self,
        run: &RunPath,
        files: &[FilePath],
        context: &CallContext,
    ) -> Result<Vec<Option<FileStat>>, TransportError> {
        let (own, run, files) = (self.clone(), run.clone(), files.to_vec());
        self.call(context).run(move |cancel| look::look(&own, &run, &files, cancel)).await
    }

    async fn free_bytes(&self, context: &CallContext) -> Option<u64> {
        let own = self.clone();
        self.call(context).run(move |_| own.find_free_bytes()).await.ok()
    }

    async fn free_files(&self, context: &CallContext) -> Option<(u64, u64)> {
        let own = self.clone();
        self.call(context).run(move |_| own.find_free_files()).await.ok().flatten()
    }

    async fn clock_offset_seconds(&self, context: &CallContext) -> Option<i64> {
        let own = self.clone();
        self.call(context).run(move |_| own.find_clock_offset()).await.ok()
    }
}

/// A failure of one destination file as an outcome.
fn failed(path: FilePath, reason: impl ToString) -> Hashed {
    Hashed { path, outcome: HashOutcome::Failed { reason: reason.to_string() } }
}
