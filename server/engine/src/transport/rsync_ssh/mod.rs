//! A NAS that is reached by ssh: rsync carries the bytes, small scripts on the server's own shell do the rest.
//!
//! Every call shows the marker anew before anything else. rsync, or `tar` for many small files, writes below a folder
//! of our own at the root; from there files get their final names by hard links, which fail if the name exists. The
//! server hashes what it holds by itself; where it cannot, its bytes are read back over the connection. Verification
//! decides, never rsync's word.

use super::{CallContext, HashOutcome, Hashed, MarkedFor, Marker, Push, Transport, TransportError, Wire};
use crate::files::source::RunFolder;
use crate::keep::seal::SealReader;
use async_trait::async_trait;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::proof::FileStat;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

mod capacity;
mod ciphers;
mod classify;
mod connecting;
mod connection;
mod framing;
mod hashes;
mod labels;
mod look;
mod moves;
mod opened;
mod private_folder;
mod push;
mod quote;
mod send;
mod server;
mod session;
mod settle;
mod ssh_words;
mod stream;
mod upload;
mod waiting_shell;

use connection::Connection;
use opened::SshWire;
pub use server::Server;
use session::{HashTool, Session};

/// The `rsync_ssh` transport of one equipment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RsyncSshTransport {
    place: Arc<Place>,
}

/// The destination as configured, and the way to it.
#[derive(Debug)]
struct Place {
    connection: Connection,
    /// The equipment's root at the server; relative to the account's home when it does not begin with `/`.
    path: String,
    /// The staging root, as configured.
    staging: PathBuf,
    /// Whose it is to be; anybody's where nothing is said.
    owner: Option<MarkedFor>,
    /// Bound of reading back per file.
    max_stream_bytes: Option<u64>,
    /// How the last hashes were made.
    tool: AtomicU8,
    /// How long the server may hash beyond what its slowest disk would take.
    patience: Duration,
}

impl Place {
    fn describe(&self) -> String {
        format!("{}:{}", self.connection.server().target, self.path)
    }

    /// As configured, with nothing learnt, and a connection of its own.
    fn anew(&self) -> Place {
        Place {
            connection: Connection::new(self.connection.server().clone()),
            path: self.path.clone(),
            staging: self.staging.clone(),
            owner: self.owner.clone(),
            max_stream_bytes: self.max_stream_bytes,
            tool: AtomicU8::new(HashTool::Openssl as u8),
            patience: self.patience,
        }
    }

    /// That a marker is ours.
    fn is_ours(&self, marker: &[u8]) -> Result<(), TransportError> {
        self.owner.as_ref().map_or(Ok(()), |owner| owner.owns(marker, &self.describe()))
    }

    /// The root for `cd`: never an option, never looked up on `CDPATH`.
    fn root_word(&self) -> Vec<u8> {
        let path = self.path.strip_prefix("~/").unwrap_or(&self.path);
        if path.starts_with('/') { path.as_bytes().to_vec() } else { [b"./", path.as_bytes()].concat() }
    }

    fn note_tool(&self, tool: HashTool) {
        self.tool.store(tool as u8, Ordering::Relaxed);
    }
}

impl RsyncSshTransport {
    /// `path`: the equipment's root at the server. `staging`: the staging root, which it must not overlap.
    pub fn new(server: Server, path: String, staging: PathBuf, max_stream_bytes: Option<u64>) -> RsyncSshTransport {
        let tool = AtomicU8::new(HashTool::Openssl as u8);
        let (connection, patience) = (Connection::new(server), hashes::PATIENCE);
        RsyncSshTransport {
            place: Arc::new(Place { connection, path, staging, owner: None, max_stream_bytes, tool, patience }),
        }
    }

    /// Bears less with a server that hangs while it hashes.
    pub fn impatient(self, patience: Duration) -> RsyncSshTransport {
        RsyncSshTransport { place: Arc::new(Place { patience, ..self.place.anew() }) }
    }

    /// Every call refuses a destination that is marked for another.
    pub fn of(self, owner: Option<MarkedFor>) -> RsyncSshTransport {
        RsyncSshTransport { place: Arc::new(Place { owner, ..self.place.anew() }) }
    }
}

#[async_trait]
impl Transport for RsyncSshTransport {
    fn describe(&self) -> String {
        self.place.describe()
    }

    fn method(&self) -> String {
        let tool = self.place.tool.load(Ordering::Relaxed);
        match tool {
            tool if tool == HashTool::None as u8 => "read back over ssh",
            tool if tool == HashTool::Sha256sum as u8 => "sha256sum at the server",
            _ => "openssl at the server",
        }
        .to_owned()
    }

    async fn open(&self, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        let session = Session::open_marked(&self.place, context).await?;
        Ok(Box::new(SshWire { session, context: context.clone() }))
    }

    async fn open_to_mark(&self, make: bool, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        let session = match Session::open(&self.place, context).await? {
            Some(session) => session,
            None if make => Session::make_root(&self.place, context).await?,
            None => {
                let message = format!("{} went away", self.place.describe());
                return Err(TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message));
            }
        };
        Ok(Box::new(SshWire { session, context: context.clone() }))
    }

    fn hashes_while_pushing(&self) -> bool {
        false
    }

    async fn push(&self, push: Push<'_>, context: &CallContext) -> Result<(), TransportError> {
        match push::push(&self.place, push, context).await {
            Err(error) => Err(self.explain(error, context).await),
            pushed => pushed,
        }
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

    async fn look(
        &self,
        run: &RunPath,
        files: &[FilePath],
        context: &CallContext,
    ) -> Result<Vec<Option<FileStat>>, TransportError> {
        look::stats(&self.place, run, files, context).await?.1
    }

    async fn identify_and_look(
        &self,
        run: &RunPath,
        files: &[FilePath],
        context: &CallContext,
    ) -> Result<Option<(Marker, Result<Vec<Option<FileStat>>, TransportError>)>, TransportError> {
        let (session, stats) = look::stats(&self.place, run, files, context).await?;
        Ok(Some((Marker::read(&session.marker, &self.place.describe())?, stats)))
    }

    async fn free_bytes(&self, context: &CallContext) -> Option<u64> {
        capacity::free_bytes(&self.place, context).await
    }

    async fn free_files(&self, context: &CallContext) -> Option<(u64, u64)> {
        capacity::free_files(&self.place, context).await
    }

    async fn clock_offset_seconds(&self, context: &CallContext) -> Option<i64> {
        capacity::clock_offset_seconds(&self.place, context).await
    }
}

/// A failure of one destination file as an outcome.
fn failed(path: FilePath, reason: impl ToString) -> Hashed {
    Hashed { path, outcome: HashOutcome::Failed { reason: reason.to_string() } }
}
