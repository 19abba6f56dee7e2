//! Putting a record, and proving that it stands. Where a destination replaces nothing (write-once storage), a document
//! that has grown is put beside its earlier version, as `.exlab-wizard/versions/<digest>/<name>`; so the whole history
//! is there, and nothing waits for ever.

use crate::database::Failure;
use crate::transport::{CallContext, RecordFile, Transport, TransportError};
use crate::verify::{sentence, verify_record};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RECORD_FOLDER, RunPath};
use domain::proof::SealedFile;
use domain::units;

/// Below the record's folder.
const VERSIONS: &str = "versions";
/// Of a digest, in hex: as many as tell a run's documents apart.
const SHORT: usize = 16;

/// A file of the record that the destination was just proven to hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentRecord {
    /// As it is here.
    pub file: RecordFile,
    /// Where it stands there, inside the run.
    pub there: FilePath,
}

impl SentRecord {
    /// As if it was sealed under the name that it has there.
    pub fn as_sealed(&self) -> SealedFile {
        SealedFile { path: self.there.clone(), ..self.file.as_sealed() }
    }

    /// True where its own name could not be used.
    pub fn is_beside(&self) -> bool {
        self.there != self.file.path
    }
}

/// Puts all files of a record and proves them.
pub async fn put(
    transport: &dyn Transport,
    run: &RunPath,
    life: u64,
    files: Vec<RecordFile>,
    context: &CallContext,
) -> Result<Vec<SentRecord>, Failure> {
    let refusal = match put_proven(transport, run, life, &files, context).await {
        Ok(()) => return Ok(files.into_iter().map(|file| SentRecord { there: file.path.clone(), file }).collect()),
        Err(failure) => failure,
    };
    if !may_be_a_refusal(&refusal) {
        return Err(refusal);
    }
    let mut sent = Vec::with_capacity(files.len());
    for file in files {
        let one = std::slice::from_ref(&file);
        let there = match put_proven(transport, run, life, one, context).await {
            Ok(()) => file.path.clone(),
            Err(failure) if may_be_a_refusal(&failure) => {
                let beside = RecordFile { path: version_of(&file)?, bytes: file.bytes.clone() };
                // As of a first life: what an earlier one left may not be moved here either, and this name is its
                // content's own.
                let put = put_proven(transport, run, 1, std::slice::from_ref(&beside), context).await;
                // An account that may not write at all gets the first refusal.
                put.map_err(|failure| if may_be_a_refusal(&failure) { refusal.clone() } else { failure })?;
                beside.path
            }
            Err(failure) => return Err(failure),
        };
        sent.push(SentRecord { file, there });
    }
    Ok(sent)
}

/// An account that may write but not replace gets the same error as one that may do nothing.
fn may_be_a_refusal(failure: &Failure) -> bool {
    failure.class == FailureClass::Authentication && failure.side == Side::Destination
}

fn version_of(file: &RecordFile) -> Result<FilePath, Failure> {
    let inside = file.path.as_bytes().strip_prefix(RECORD_FOLDER.as_bytes()).unwrap_or(file.path.as_bytes());
    let digest = file.bytes.digest().to_string();
    let folder = format!("{RECORD_FOLDER}/{VERSIONS}/{}", digest.get(..SHORT).unwrap_or(&digest));
    FilePath::new([folder.as_bytes(), inside].concat()).map_err(|error| Failure {
        class: FailureClass::Configuration,
        side: Side::Here,
        message: format!("{} cannot stand beside its earlier version: {error}", file.path),
    })
}

async fn put_proven(
    transport: &dyn Transport,
    run: &RunPath,
    life: u64,
    files: &[RecordFile],
    context: &CallContext,
) -> Result<(), Failure> {
    let hashed =
        transport.put_record(run, life, files, context).await.map_err(|error: TransportError| Failure::from(error))?;
    let proven = verify_record(files, &hashed);
    proven.map(drop).map_err(|differences| {
        let first = differences.first().map(|d| format!("{} {}", d.path, sentence(&d.kind))).unwrap_or_default();
        let message = format!(
            "{} not proven on the NAS: {first}",
            units::plural(differences.len() as u64, "file of the record is", "files of the record are")
        );
        Failure { class: FailureClass::HashMismatch, side: Side::Destination, message }
    })
}
