//! A NAS that is reached by rclone: whatever backend the operator's rclone.conf names.
//!
//! One rclone per step, each with the exact list of what it may touch; no daemon and no mount. Every call shows the
//! marker anew before anything else. rclone writes below a folder of our own at the root, from where files are moved to
//! their names, which must be free. It is never asked whether two files are equal: hashes are, and the seal decides.
//!
//! rclone cannot make a destination durable (`syncfs`), and has no rename that refuses to replace: names are looked at
//! first and moved to with `--ignore-existing`.

use super::{CallContext, HashOutcome, Hashed, MarkedFor, Push, Transport, TransportError, Wire};
use crate::files::source::RunFolder;
use crate::keep::seal::SealReader;
use async_trait::async_trait;
use domain::path::{FilePath, RunPath};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::OnceCell;

mod backend;
mod capacity;
mod classify;
mod control;
mod hashes;
mod look;
mod moves;
mod names;
mod opened;
mod output;
mod private_folder;
mod push;
mod refusal;
mod send;
mod session;
mod there;
mod tool;
mod wrapped_remotes;

use backend::Backend;
use opened::RcloneWire;
use session::Session;
use tool::Rclone;

/// Where an equipment's runs go, and with which rclone.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The program: a name or an absolute path.
    pub program: String,
    /// `--config`, when it is not rclone's own.
    pub config: Option<PathBuf>,
    /// The remote's name in rclone.conf; never a connection string.
    pub name: String,
    /// The equipment's root at the remote.
    pub path: String,
}

/// The `rclone` transport of one equipment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RcloneTransport {
    place: Arc<Place>,
}

/// The destination as configured, and what was learnt of it.
#[derive(Debug)]
struct Place {
    rclone: Rclone,
    name: String,
    path: String,
    /// The staging root, as configured.
    staging: PathBuf,
    /// Whose it is to be; anybody's where nothing is said.
    owner: Option<MarkedFor>,
    /// Bound of reading back per file.
    max_stream_bytes: Option<u64>,
    /// Asked once, when the destination first answers.
    backend: OnceCell<Backend>,
    /// Whether what it hashes by itself is what it holds for us; asked once.
    tells_hashes: OnceCell<bool>,
    /// How hashes are made; known once the backend is.
    method: OnceLock<&'static str>,
}

impl Place {
    fn describe(&self) -> String {
        format!("{}:{}", self.name, self.path)
    }

    /// As configured, with nothing learnt.
    fn anew(&self) -> Place {
        Place {
            rclone: self.rclone.clone(),
            name: self.name.clone(),
            path: self.path.clone(),
            staging: self.staging.clone(),
            owner: self.owner.clone(),
            max_stream_bytes: self.max_stream_bytes,
            backend: OnceCell::new(),
            tells_hashes: OnceCell::new(),
            method: OnceLock::new(),
        }
    }
}

impl RcloneTransport {
    /// `staging`: the staging root, which the destination must not overlap. `max_stream_bytes`: of reading back, per
    /// file.
    pub fn new(remote: Remote, staging: PathBuf, max_stream_bytes: Option<u64>) -> RcloneTransport {
        let Remote { program, config, name, path } = remote;
        let place = Place {
            rclone: Rclone::new(program, config, tool::PATIENCE),
            name,
            path,
            staging,
            owner: None,
            max_stream_bytes,
            backend: OnceCell::new(),
            tells_hashes: OnceCell::new(),
            method: OnceLock::new(),
        };
        RcloneTransport { place: Arc::new(place) }
    }

    /// Bears less with an rclone that makes no progress.
    pub fn impatient(self, patience: Duration) -> RcloneTransport {
        let place = self.place.anew();
        RcloneTransport { place: Arc::new(Place { rclone: place.rclone.impatient(patience), ..place }) }
    }

    /// Every call refuses a destination that is marked for another.
    pub fn of(self, owner: Option<MarkedFor>) -> RcloneTransport {
        RcloneTransport { place: Arc::new(Place { owner, ..self.place.anew() }) }
    }
}

#[async_trait]
impl Transport for RcloneTransport {
    fn describe(&self) -> String {
        self.place.describe()
    }

    fn method(&self) -> String {
        self.place.method.get().copied().unwrap_or("hashed by rclone").to_owned()
    }

    async fn open(&self, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        let session = Session::open_marked(&self.place, context).await?;
        Ok(Box::new(RcloneWire { session, context: context.clone() }))
    }

    async fn open_to_mark(&self, make: bool, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        let session = Session::open(&self.place, context).await?;
        if make && session.marker.is_empty() {
            let call = session.call("mkdir", format!("making {}", self.place.describe()));
            call.operands([session.at(b"")]).ask(context).await?;
            // Now the root is there, and can be compared.
            session.refuse_staging().await?;
        }
        Ok(Box::new(RcloneWire { session, context: context.clone() }))
    }

    fn hashes_while_pushing(&self) -> bool {
        false
    }

    fn makes_durable(&self) -> bool {
        false
    }

    async fn push(&self, push: Push<'_>, context: &CallContext) -> Result<(), TransportError> {
        match push::push(&self.place, push, context).await {
            Err(error) => Err(self.explain(error, context).await),
            pushed => pushed,
        }
    }

    async fn explain(&self, error: TransportError, context: &CallContext) -> TransportError {
        refusal::explained(&self.place, error, context).await
    }

    async fn hashes(
        &self,
        run: &RunPath,
        seal: &SealReader,
        _source: Option<&RunFolder>,
        found: &mut (dyn FnMut(Hashed) + Send),
        context: &CallContext,
    ) -> Result<(), TransportError> {
        hashes::of_seal(&self.place, run, seal, found, context).await
    }

    fn looks_at_once(&self) -> usize {
        10_000
    }

    async fn free_bytes(&self, context: &CallContext) -> Option<u64> {
        capacity::free_bytes(&self.place, context).await
    }

    async fn clock_offset_seconds(&self, context: &CallContext) -> Option<i64> {
        capacity::clock_offset_seconds(&self.place, context).await
    }
}

/// A failure of one destination file as an outcome.
fn failed(path: FilePath, reason: impl ToString) -> Hashed {
    Hashed { path, outcome: HashOutcome::Failed { reason: reason.to_string() } }
}
