//! A destination whose transport this version cannot drive yet. It never pretends: every call is a configuration error that says so.

use super::{CallContext, Hashed, Marker, Push, RecordFile, Transport, TransportError};
use crate::seal::SealReader;
use crate::source::RunFolder;
use async_trait::async_trait;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::settings::Target;

/// Answers every call with what is missing.
pub struct Unsupported {
    kind: &'static str,
    place: String,
}

impl Unsupported {
    /// For this target.
    pub fn new(target: &Target) -> Unsupported {
        Unsupported { kind: target.kind(), place: target.describe() }
    }

    fn error(&self) -> TransportError {
        TransportError {
            class: FailureClass::Configuration,
            side: Side::Here,
            message: format!("transport.type `{}` is not built into this version; mount the NAS and use `mount`", self.kind),
            files: Vec::new(),
        }
    }
}

#[async_trait]
impl Transport for Unsupported {
    fn describe(&self) -> String {
        self.place.clone()
    }

    fn method(&self) -> String {
        "not available".into()
    }

    async fn identify(&self, _: &CallContext) -> Result<Marker, TransportError> {
        Err(self.error())
    }

    async fn mark(&self, _: &Marker, _: bool, _: &CallContext) -> Result<(), TransportError> {
        Err(self.error())
    }

    fn hashes_while_pushing(&self) -> bool {
        true
    }

    async fn push(&self, _: Push<'_>, _: &CallContext) -> Result<(), TransportError> {
        Err(self.error())
    }

    async fn hashes(
        &self,
        _: &RunPath,
        _: &SealReader,
        _: Option<&RunFolder>,
        _: &mut (dyn FnMut(Hashed) + Send),
        _: &CallContext,
    ) -> Result<(), TransportError> {
        Err(self.error())
    }

    async fn move_aside(&self, _: &RunPath, _: &[FilePath], _: &CallContext) -> Result<(), TransportError> {
        Err(self.error())
    }

    async fn put_record(&self, _: &RunPath, _: u64, _: &[RecordFile], _: &CallContext) -> Result<Vec<Hashed>, TransportError> {
        Err(self.error())
    }

    async fn first_difference(&self, _: &RunPath, _: &FilePath, _: &RunFolder, _: &CallContext) -> Option<u64> {
        None
    }
}
