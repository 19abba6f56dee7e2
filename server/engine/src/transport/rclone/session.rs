//! What one call knows of its destination: what the backend can do, and that the marker is there.

use super::backend::{self, Backend};
use super::look;
use super::tool::Call;
use super::{Place, classify};
use crate::transport::rules::layout::MARKER;
use crate::transport::rules::marker::{self, no_marker};
use crate::transport::{CallContext, TransportError, same_host};
use domain::job::FailureClass;
use domain::path::RunPath;
use domain::proof::Digest;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

impl Place {
    /// Something below the root, as rclone names it.
    pub fn at(&self, below: &[u8]) -> OsString {
        let root = self.path.trim_end_matches('/');
        let root = if root.is_empty() && self.path.starts_with('/') { "/" } else { root };
        let mut whole = format!("{}:{root}", self.name).into_bytes();
        if !below.is_empty() {
            if !whole.ends_with(b"/") && !root.is_empty() {
                whole.push(b'/');
            }
            whole.extend_from_slice(below);
        }
        OsStr::from_bytes(&whole).to_owned()
    }
}

/// An opened destination.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub place: Arc<Place>,
    pub backend: Backend,
    /// The marker's bytes; empty when there is none.
    pub marker: Vec<u8>,
}

impl Session {
    /// Connects and reads the marker, whatever it holds.
    pub async fn open(place: &Arc<Place>, context: &CallContext) -> Result<Session, TransportError> {
        let backend = place.backend.get_or_try_init(|| backend::ask(place, context)).await?.clone();
        let call = place
            .rclone
            .call("cat", format!("reading the marker of {}", place.describe()))
            .arg(format!("--head={}", marker::BYTES_AT_MOST));
        let what = call.what().to_owned();
        let (ended, marker) = call.operands([place.at(MARKER.as_bytes())]).collect(context).await?;
        if !ended.success() && !ended.not_there() {
            return Err(classify::connecting(&ended, &what));
        }
        let marker = if ended.success() { marker } else { Vec::new() };
        let session = Session { place: place.clone(), backend, marker };
        session.refuse_staging().await?;
        Ok(session)
    }

    /// Connects and shows that this is a destination: the marker is there, and the staging tree does not see it.
    pub async fn open_marked(place: &Arc<Place>, context: &CallContext) -> Result<Session, TransportError> {
        let mut session = Session::open(place, context).await?;
        if session.marker.is_empty() {
            return Err(no_marker(&place.describe()));
        }
        if let Some(owner) = &place.owner {
            owner.owns(&session.marker, &place.describe())?;
        }
        if session.backend.has_sha256 {
            let tells = place.tells_hashes.get_or_try_init(|| session.tells_the_marker(context)).await?;
            session.backend.has_sha256 = *tells;
        }
        let _ = place.method.set(session.backend.method());
        Ok(session)
    }

    /// Whether the destination tells the marker's hash. The bytes that were read are known here: a hash that is
    /// refused, or is of something else, says that its hashes are not of what it holds for us. Then everything is read
    /// back.
    async fn tells_the_marker(&self, context: &CallContext) -> Result<bool, TransportError> {
        let place = &self.place;
        let call =
            self.call("hashsum", format!("asking {} for the hash of its marker", place.describe())).arg("sha256");
        let what = call.what().to_owned();
        let (ended, said) = call.operands([place.at(MARKER.as_bytes())]).collect(context).await?;
        if !ended.success() && classify::connecting(&ended, &what).class == FailureClass::DestinationUnreachable {
            return Err(classify::connecting(&ended, &what));
        }
        let told = said.get(..64).and_then(|digest| std::str::from_utf8(digest).ok()).and_then(Digest::parse);
        let agrees = told == Some(super::hashes::digest_of_bytes(&self.marker));
        if !agrees {
            tracing::warn!(
                destination = place.describe(),
                "it tells no hash of its own marker, or another: what it holds is read back"
            );
        }
        Ok(agrees)
    }

    /// Refuses a destination that is, holds, or lies in the staging tree (D12).
    pub async fn refuse_staging(&self) -> Result<(), TransportError> {
        let (place, marker, backend) = (self.place.clone(), self.marker.clone(), self.backend.clone());
        let looked = tokio::task::spawn_blocking(move || {
            // The names below a wrapped folder are not to be guessed, so the folder itself must lie apart.
            for folder in backend.ends.folders.iter().chain(&backend.local_root) {
                same_host::refuse_folder(folder, &place.staging)?;
            }
            if marker.is_empty() {
                return Ok(());
            }
            // A server may be this very computer: then the path that it is reached by may show the same marker here.
            let named = Some(Path::new(&place.path)).filter(|path| path.is_absolute());
            same_host::refuse(&place.describe(), backend.local_root.as_deref().or(named), &place.staging, &marker)
        });
        looked.await.map_err(crate::transport::portions::fault)?
    }

    /// A call of rclone.
    pub fn call(&self, command: &str, what: impl Into<String>) -> Call {
        self.place.rclone.call(command, what)
    }

    /// A call that writes.
    pub fn write(&self, command: &str, what: impl Into<String>) -> Call {
        writing(self.call(command, what))
    }

    /// Something below the root.
    pub fn at(&self, below: &[u8]) -> OsString {
        self.place.at(below)
    }

    /// Something in a run.
    pub fn in_run(&self, run: &RunPath, below: &[u8]) -> Vec<u8> {
        join(run.below_equipment().as_bytes(), below)
    }

    /// Deletes a temporary folder of ours, with all it holds.
    pub async fn purge(&self, folder: &[u8], context: &CallContext) -> Result<(), TransportError> {
        let call = self.call("purge", "tidying our temporary folder");
        let what = call.what().to_owned();
        let (ended, _) = call.operands([self.at(folder)]).collect(context).await?;
        if ended.success() || ended.not_there() {
            return Ok(());
        }
        // The versions do not agree on how they say that there was nothing.
        match look::everything(self, folder, context).await? {
            None => Ok(()),
            Some(there) if there.is_empty() => Ok(()),
            Some(_) => Err(classify::rclone(&ended, &what)),
        }
    }
}

/// What a call that writes is told. None verifies by itself: over SFTP that asks the account's shell, which may see
/// other paths than SFTP does or none; we verify.
pub(super) fn writing(call: Call) -> Call {
    call.args(["--ignore-checksum", "--sftp-disable-hashcheck"])
}

/// Two parts of a path.
pub(super) fn join(folder: &[u8], below: &[u8]) -> Vec<u8> {
    match (folder, below) {
        (folder, b"") => folder.to_vec(),
        (b"", below) => below.to_vec(),
        (folder, below) => [folder, b"/", below].concat(),
    }
}
