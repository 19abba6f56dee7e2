//! Hashing the run before it is sent, for transports that do not read the bytes themselves.

use super::{CallContext, FILES_NAMED_AT_MOST, TransportError};
use crate::files::hash::{HashError, Hasher, LocalHash};
use crate::files::source::RunFolder;
use crate::keep::seal::{Item, Listing, SealWriter};
use crate::machine::ordered::{WORKERS, ordered};
use domain::api::Phase;
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use domain::proof::{Digest, FileStat};
use domain::units;
use tokio_util::sync::CancellationToken;

struct Task {
    path: FilePath,
    stat: FileStat,
    known: Option<Digest>,
}

/// Gives the seal the digest of every listed file; what an earlier attempt read is not read again. Blocks.
/// Files that cannot be read are named together, after everything else was hashed.
pub fn hash_all(
    source: &RunFolder,
    listing: &Listing,
    seal: &SealWriter,
    context: &CallContext,
) -> Result<(), TransportError> {
    let totals = listing.totals();
    context.progress.begin(Phase::Hashing, totals.files, totals.bytes);
    let stop = context.cancel.child_token();
    let mut items = listing.items()?;
    let mut unreadable = TransportError::new(FailureClass::LocalRead, Side::Source, String::new());
    let mut unreadable_total = 0_u64;
    let next = || loop {
        if stop.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        match items.next().transpose()? {
            None => return Ok(None),
            Some(Item::File { path, stat, .. }) => {
                let known = seal.known(&path, &stat)?;
                return Ok(Some(Task { path, stat, known }));
            }
            Some(_) => {}
        }
    };
    let outcome = ordered(
        WORKERS,
        &stop,
        next,
        |task| task.stat.size,
        Hasher::new,
        |hasher, task| match hash(hasher, source, &task, &stop, context) {
            Ok(hashed) => Ok((task, Ok(hashed))),
            Err(error) if error.class == FailureClass::LocalRead => Ok((task, Err(error.message))),
            Err(error) => Err(error),
        },
        |(task, hashed)| {
            match hashed {
                Ok(LocalHash { digest, began_ns }) => seal.put(&task.path, task.stat, digest, began_ns)?,
                Err(message) => {
                    seal.skip(&task.path)?;
                    unreadable_total += 1;
                    if unreadable.files.is_empty() {
                        unreadable.message = message;
                    }
                    if unreadable.files.len() < FILES_NAMED_AT_MOST {
                        unreadable.files.push(task.path);
                    }
                }
            }
            context.progress.add_file();
            Ok(())
        },
    );
    seal.flush()?;
    outcome?;
    if unreadable_total > 0 {
        unreadable.message =
            format!("{} cannot be read; {}", units::counted(unreadable_total, "file"), unreadable.message);
        return Err(unreadable);
    }
    Ok(())
}

fn hash(
    hasher: &mut Hasher,
    source: &RunFolder,
    task: &Task,
    stop: &CancellationToken,
    context: &CallContext,
) -> Result<LocalHash, TransportError> {
    let Task { path, stat, known } = task;
    match known {
        Some(digest) if source.stat(path)? == *stat => {
            context.progress.add_bytes(stat.size);
            // Known digests are of files that were no young ones.
            Ok(LocalHash { digest: *digest, began_ns: i64::MAX })
        }
        Some(_) => Err(HashError::Changed { path: path.clone() }.into()),
        None => Ok(hasher.local(source, path, stat, stop, &|bytes| context.progress.add_bytes(bytes))?),
    }
}
