//! Guarded writes of `ingest.json` and `creation.json`: read, check with the domain's rules, and write under one lock.

use crate::keep::record::{RecordError, RecordFolder, Stamp};
use cap_std::fs::Dir;
use domain::api::RowProblem;
use domain::document::creation::{Creation, SyncStatus};
use domain::document::ingest::{FirstIngest, Ingest};
use domain::lifecycle::{RunEvent, RunState, apply};
use domain::overrides::OverrideEntry;
use domain::path::RunPath;
use domain::timestamp::Timestamp;
use serde_json::{Map, Value};

/// File name of the lifecycle's document.
pub const INGEST: &str = "ingest.json";
/// File name of the producer's document.
pub const CREATION: &str = "creation.json";
/// File name of the list of what an override let through and is not sent: links, FIFOs, sockets, devices.
pub const UNSENT: &str = "unsent.json";
/// File name of what the bytes do not say: attributes, permissions, owners.
pub const METADATA: &str = "metadata.json";
/// File name of the count of what the record could not take of it.
pub const NOT_CARRIED: &str = "metadata_not_carried.json";
/// File name of the list of hashes.
pub const CHECKSUMS: &str = "checksums.sha256";

/// A document that cannot be used, as a row shows it.
pub fn row_problem(error: &RecordError) -> RowProblem {
    let code = match error {
        RecordError::Document(document) => document.code(),
        _ => "document_unreadable",
    };
    RowProblem { code: code.to_owned(), message: error.to_string() }
}

/// Further fields of an entry, written in place as a JSON object.
pub fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Reads `ingest.json`; `None` when there is none.
pub fn read_ingest(record: &RecordFolder) -> Result<Option<Ingest>, RecordError> {
    Ok(record.read(INGEST)?.map(|bytes| Ingest::parse(&bytes)).transpose()?)
}

/// Reads `creation.json`; `None` when there is none.
pub fn read_creation(record: &RecordFolder) -> Result<Option<Creation>, RecordError> {
    Ok(record.read(CREATION)?.map(|bytes| Creation::parse(&bytes)).transpose()?)
}

/// Writes the first `ingest.json` of a life. One that is there already is kept: somebody was faster.
pub fn write_first(run: &Dir, first: &FirstIngest<'_>) -> Result<Ingest, RecordError> {
    let record = RecordFolder::open_or_create(run)?;
    let mut written = Ingest::first(first);
    record.rewrite(INGEST, |old| match old {
        None => Ok(written.to_bytes()),
        Some(bytes) => {
            written = Ingest::parse(&bytes)?;
            Ok(bytes)
        }
    })?;
    Ok(written)
}

/// Writes that the run's folder was renamed to what `to` says; refused where the state that stands in the file now does
/// not allow it.
pub fn rename(run: &Dir, to: &FirstIngest<'_>) -> Result<(Ingest, Option<Stamp>), RecordError> {
    change(run, RunEvent::Renamed, |ingest, _| ingest.rename(to))
}

/// Appends the transition that `event` makes from the state that stands in the file now; illegal ones write nothing.
/// Answers the document and the stamp it was written with.
pub fn append(
    run: &Dir,
    event: RunEvent,
    at: Timestamp,
    host: &str,
    extra: Map<String, Value>,
) -> Result<(Ingest, Option<Stamp>), RecordError> {
    change(run, event, |ingest, next| ingest.append(next, at, host, extra.clone()))
}

fn change(
    run: &Dir,
    event: RunEvent,
    made: impl Fn(&mut Ingest, RunState),
) -> Result<(Ingest, Option<Stamp>), RecordError> {
    let missing = || RecordError::Stale("its ingest.json is gone".into());
    let record = RecordFolder::open(run)?.ok_or_else(missing)?;
    let mut written = None;
    let stamp = record.rewrite(INGEST, |old| {
        let mut ingest = Ingest::parse(&old.ok_or_else(missing)?)?;
        let state = ingest.current_state();
        let known = state
            .known()
            .ok_or_else(|| RecordError::Stale(format!("its state `{}` is not known here", state.as_str())))?;
        let next = apply(Some(known), event).map_err(|illegal| RecordError::Stale(illegal.to_string()))?;
        made(&mut ingest, next);
        let bytes = ingest.to_bytes();
        written = Some(ingest);
        Ok(bytes)
    })?;
    written.map(|ingest| (ingest, stamp)).ok_or_else(missing)
}

/// Ids for overrides that an old minor wrote without one: the same at every reading, so that a tombstone can name what
/// was only read.
pub fn override_ids(run: &RunPath) -> impl FnMut() -> String {
    use sha2::{Digest, Sha256};
    let run = run.as_str().to_owned();
    let mut count = 0_u64;
    move || {
        count += 1;
        let digest = Sha256::digest(format!("{run}\0override {count}").as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }
}

/// How appending an override ended.
pub enum Appended<E> {
    /// The document as written, and its stamp.
    Written(Box<Creation>, Option<Stamp>),
    /// There is no creation.json; nothing was written.
    Missing,
    /// The entry was refused; nothing was written.
    Refused(E),
}

/// Appends what `entry` makes of the document as it stands now, overrides without an id given one. `entry` may be asked
/// more than once.
pub fn append_override<E>(
    folder: &Dir,
    run: &RunPath,
    entry: impl Fn(&Creation) -> Result<OverrideEntry, E>,
) -> Result<Appended<E>, RecordError> {
    let Some(record) = RecordFolder::open(folder)? else { return Ok(Appended::Missing) };
    if record.read(CREATION)?.is_none() {
        return Ok(Appended::Missing);
    }
    let (mut written, mut refused) = (None, None);
    let stamp = record.rewrite(CREATION, |old| {
        let bytes = old.ok_or_else(|| RecordError::Stale("its creation.json is gone".into()))?;
        let mut creation = Creation::parse(&bytes)?;
        creation.fill_override_ids(override_ids(run));
        match entry(&creation) {
            Ok(entry) => creation.append_override(&entry),
            Err(why) => {
                refused = Some(why);
                return Err(RecordError::Stale("the override was refused".into()));
            }
        }
        let bytes = creation.to_bytes();
        written = Some(creation);
        Ok(bytes)
    });
    match (refused, written, stamp) {
        (Some(why), ..) => Ok(Appended::Refused(why)),
        (None, _, Err(error)) => Err(error),
        (None, Some(creation), Ok(stamp)) => Ok(Appended::Written(Box::new(creation), stamp)),
        (None, None, Ok(_)) => Ok(Appended::Missing),
    }
}

/// Tells the producer's side. A run without creation.json, or with one that cannot be read, is left as it is. Answers
/// the stamp it was written with; `None` when nothing was written.
pub fn set_sync_status(run: &Dir, status: SyncStatus) -> Result<Option<Stamp>, RecordError> {
    let Some(record) = RecordFolder::open(run)? else { return Ok(None) };
    match read_creation(&record) {
        Ok(Some(creation)) if creation.sync_status() != Some(status) => record.rewrite(CREATION, |old| {
            let bytes = old.ok_or_else(|| RecordError::Stale("its creation.json is gone".into()))?;
            let mut creation = Creation::parse(&bytes)?;
            creation.set_sync_status(status);
            Ok(creation.to_bytes())
        }),
        Ok(_) | Err(RecordError::Document(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
