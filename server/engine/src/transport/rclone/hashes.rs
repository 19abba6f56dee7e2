//! Hashing what the destination holds: by itself where it knows SHA-256, else by reading it back, within
//! `verify.max_stream_bytes`. Some calls at once; answers in the seal's order.
//!
//! The run is listed first, so that what is not a regular file is never asked for: rclone would follow a link that it
//! is pointed at. A file for which no digest came is read back alone; when that fails too it could not be hashed, which
//! is never a pass.

use super::look::{self, Kind};
use super::names::is_odd;
use super::session::Session;
use super::there::There;
use super::{Place, classify, failed};
use crate::keep::seal::{SealError, SealFiles, SealReader};
use crate::transport::portions::folders_above;
use crate::transport::{CallContext, HashOutcome, Hashed, TransportError};
use domain::path::{FilePath, RunPath};
use domain::proof::Digest;
use futures::StreamExt;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// Files of one call at most, and about their bytes.
const BATCH_FILES: usize = 2_000;
const BATCH_BYTES: u64 = 1 << 30;
/// Calls at once.
const AT_ONCE: usize = 2;

/// Hashes every file of the seal.
pub(super) async fn of_seal(
    place: &Arc<Place>,
    run: &RunPath,
    seal: &SealReader,
    found: &mut (dyn FnMut(Hashed) + Send),
    context: &CallContext,
) -> Result<(), TransportError> {
    let session = Session::open_marked(place, context).await?;
    let there = look::everything(&session, &session.in_run(run, b""), context).await?.unwrap_or_default();
    let mut files = seal.files()?;
    let batches = std::iter::from_fn(move || next_batch(&mut files));
    let hash = |batch: Result<Vec<FilePath>, SealError>| {
        let (session, there) = (&session, &there);
        async move { hash_batch(session, run, there, batch?, context).await }
    };
    let mut answers = std::pin::pin!(futures::stream::iter(batches).map(hash).buffered(AT_ONCE));
    while let Some(answer) = answers.next().await {
        answer?.into_iter().for_each(&mut *found);
    }
    Ok(())
}

fn next_batch(files: &mut SealFiles) -> Option<Result<Vec<FilePath>, SealError>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH_FILES && bytes < BATCH_BYTES {
        match files.next() {
            Some(Ok(file)) => {
                bytes += file.stat.size;
                batch.push(file.path);
            }
            Some(Err(error)) => return Some(Err(error)),
            None => break,
        }
    }
    (!batch.is_empty()).then_some(Ok(batch))
}

/// What is known of one file before it is hashed.
enum AtServer {
    /// There is an answer already.
    Known(HashOutcome),
    /// A regular file of this size.
    There(u64),
}

/// Hashes files of the run, in order. `there`: what the run holds.
pub(super) async fn hash_batch(
    session: &Session,
    run: &RunPath,
    there: &There,
    files: Vec<FilePath>,
    context: &CallContext,
) -> Result<Vec<Hashed>, TransportError> {
    let mut asked = Vec::with_capacity(files.len());
    for path in files {
        let known = ask(session, run, there, &path, context).await?;
        asked.push((path, known));
    }
    let digests = digests(session, run, &asked, context).await?;
    let mut hashed = Vec::with_capacity(asked.len());
    for (path, known) in asked {
        let outcome = match (known, digests.get(path.as_bytes())) {
            (AtServer::Known(outcome), _) => outcome,
            (AtServer::There(size), Some(digest)) => {
                let level = if session.backend.has_sha256 {
                    session.backend.level_told()
                } else {
                    session.backend.level_read()
                };
                HashOutcome::Digest { digest: *digest, size, level }
            }
            (AtServer::There(_), None) => read_back(session, run, &path, context).await?,
        };
        context.progress.add_file();
        hashed.push(Hashed { path, outcome });
    }
    Ok(hashed)
}

async fn ask(
    session: &Session,
    run: &RunPath,
    there: &There,
    path: &FilePath,
    context: &CallContext,
) -> Result<AtServer, TransportError> {
    let reason = |text: String| Ok(AtServer::Known(failed(path.clone(), text).outcome));
    for folder in folders_above(path) {
        if there.plain(folder)?.is_some_and(|seen| seen.kind == Kind::Other) {
            return reason(format!("{} is a link there", domain::path::escape_bytes(folder)));
        }
    }
    let folder = session.in_run(run, b"");
    let size = match look::one(session, &folder, path.as_bytes(), there, context).await? {
        None => return Ok(AtServer::Known(HashOutcome::Missing)),
        Some(seen) if seen.kind != Kind::File => return reason("it is not a regular file".to_owned()),
        Some(seen) => seen.size,
    };
    let read_back = !session.backend.has_sha256 || is_odd(path.as_bytes());
    match session.place.max_stream_bytes {
        Some(most) if read_back && size > most => Ok(AtServer::Known(HashOutcome::Oversize { size })),
        _ => Ok(AtServer::There(size)),
    }
}

/// The digests that one rclone gives.
async fn digests(
    session: &Session,
    run: &RunPath,
    asked: &[(FilePath, AtServer)],
    context: &CallContext,
) -> Result<HashMap<Vec<u8>, Digest>, TransportError> {
    let mut sizes: HashMap<&[u8], u64> = HashMap::new();
    for (path, known) in asked {
        if let AtServer::There(size) = known
            && !is_odd(path.as_bytes())
        {
            sizes.insert(path.as_bytes(), *size);
        }
    }
    if sizes.is_empty() {
        return Ok(HashMap::new());
    }
    let told = session.backend.has_sha256;
    let largest = sizes.values().copied().max().unwrap_or(0);
    let mut call = session
        .call("hashsum", format!("hashing {run} at {}", session.place.describe()))
        .args(["sha256", "--no-traverse"]);
    if !told {
        call = call.arg("--download");
    }
    let what = call.what().to_owned();
    let names: Vec<&[u8]> =
        asked.iter().map(|(path, _)| path.as_bytes()).filter(|name| sizes.contains_key(name)).collect();
    let call = call.operands([session.at(&session.in_run(run, b""))]).only(names);
    // What is read back shows how it comes.
    let call = call.patient(if told { largest } else { 0 });
    let (mut found, mut line, mut counted) = (HashMap::new(), Vec::new(), 0_u64);
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            if let Some((digest, name)) = parse(&line)
                && let Some(size) = sizes.get(name)
            {
                // Files that are read back are counted as they come, below.
                if told {
                    context.progress.add_bytes(*size);
                }
                found.insert(name.to_vec(), digest);
            }
            line.clear();
        }
    };
    let mut count = |stats: &super::output::Stats| {
        if !told && stats.bytes > counted {
            context.progress.add_bytes(stats.bytes - counted);
            counted = stats.bytes;
        }
    };
    let ended = call.run(&mut take, &mut count, context).await?;
    if !ended.success() {
        // Without a connection nothing can be said of any file; what else it could not do is asked of each that lacks.
        if Session::open_marked(&session.place, context).await.is_err() {
            return Err(classify::rclone(&ended, &what));
        }
    }
    Ok(found)
}

/// `<64 hex digits>  <name>`
fn parse(line: &[u8]) -> Option<(Digest, &[u8])> {
    let digest = Digest::parse(std::str::from_utf8(line.get(..64)?).ok()?)?;
    Some((digest, line.get(64..)?.strip_prefix(b"  ")?))
}

/// Reads one file back here.
async fn read_back(
    session: &Session,
    run: &RunPath,
    path: &FilePath,
    context: &CallContext,
) -> Result<HashOutcome, TransportError> {
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    let mut take = |bytes: &[u8]| {
        hash.update(bytes);
        size += bytes.len() as u64;
        context.progress.add_bytes(bytes.len() as u64);
    };
    Ok(match read_whole(session, run, path, &mut take, context).await? {
        None => {
            HashOutcome::Digest { digest: Digest(hash.finalize().into()), size, level: session.backend.level_read() }
        }
        Some(reason) => HashOutcome::Failed { reason: format!("it could not be read back: {reason}") },
    })
}

/// Hashes bytes of ours.
pub(super) fn digest_of_bytes(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Reads a file of the run; `None` when all of it came, else why not.
pub(super) async fn read_whole(
    session: &Session,
    run: &RunPath,
    file: &FilePath,
    output: &mut (dyn FnMut(&[u8]) + Send),
    context: &CallContext,
) -> Result<Option<String>, TransportError> {
    // Without the option rclone looks for the name in a listing, and says nothing when that shows the name in another
    // way.
    let call = session
        .call("cat", format!("reading {file} back"))
        .arg("--no-traverse")
        .operands([session.at(&session.in_run(run, file.as_bytes()))]);
    let ended = call.run(output, &mut |_| (), context).await?;
    Ok((!ended.success()).then(|| ended.telling().chars().take(300).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v5_only_a_digest_is_one() {
        let digest = "a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa";
        let line = format!("{digest}   a \\b ");
        let (found, name) = parse(line.as_bytes()).unwrap();
        assert_eq!((found.to_string().as_str(), name), (digest, b" a \\b ".as_slice()));
        for wrong in [
            "UNSUPPORTED  a",
            "ERROR  a",
            "",
            "                                                                  a",
            digest,
        ] {
            assert!(parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
