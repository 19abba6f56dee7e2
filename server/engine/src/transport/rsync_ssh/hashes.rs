//! Hashing what the server holds: by the server itself, many files per command, some commands at once; in the seal's
//! order.
//!
//! A server without a SHA-256 tool has its files read back over the connection, within `verify.max_stream_bytes`.

use super::look::{self, Kind, Looked, folders_above, word_here};
use super::session::{HashTool, Session};
use super::{Place, classify, failed, session};
use crate::keep::seal::{SealError, SealFiles, SealReader};
use crate::machine::child::Ended;
use crate::transport::{CallContext, HashOutcome, Hashed, TransportError};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::proof::{Digest, ProofLevel};
use futures::StreamExt;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Files of one command at most, and about their bytes.
const BATCH_FILES: usize = 1_000;
const BATCH_BYTES: u64 = 256 << 20;
/// Commands at once: what hides the time that starting them takes, and keeps two or three cores there busy.
const AT_ONCE: usize = 3;
/// A server that hashes says nothing for as long as a file takes it; none is thought to be slower than this. So much
/// longer it may take at most: a disk that hangs there while the connection lives must not hold the job for ever.
const SLOWEST_BYTES_PER_SECOND: u64 = 5 << 20;
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
/// Between what `look` says and the digests.
const DIGESTS_FOLLOW: &[u8] = b"\0\0";

/// Hashes every file of the seal.
pub(super) async fn of_seal(
    place: &Arc<Place>,
    run: &RunPath,
    seal: &SealReader,
    found: &mut (dyn FnMut(Hashed) + Send),
    context: &CallContext,
) -> Result<(), TransportError> {
    let session = Session::open_marked(place, context).await?;
    place.note_tool(session.can.hash_tool);
    let mut files = seal.files()?;
    let batches = std::iter::from_fn(move || next_batch(&mut files));
    hash_batches(&session, run, batches.map(|batch| batch.map_err(TransportError::from)), found, context).await
}

/// Hashes batches of files, some at once, in order.
async fn hash_batches(
    session: &Session,
    run: &RunPath,
    batches: impl Iterator<Item = Result<(Vec<FilePath>, u64), TransportError>>,
    found: &mut (dyn FnMut(Hashed) + Send),
    context: &CallContext,
) -> Result<(), TransportError> {
    let hash = |batch: Result<(Vec<FilePath>, u64), TransportError>| async move {
        let (files, bytes) = batch?;
        hash_batch(session, run, files, bytes, context).await
    };
    let mut answers = std::pin::pin!(futures::stream::iter(batches).map(hash).buffered(AT_ONCE));
    while let Some(answer) = answers.next().await {
        answer?.into_iter().for_each(&mut *found);
    }
    Ok(())
}

/// Hashes these files of so many bytes, in as many parts at once as are worth a command each, in order.
pub(super) async fn hash_in_parts(
    session: &Session,
    run: &RunPath,
    files: Vec<FilePath>,
    bytes: u64,
    found: &mut (dyn FnMut(Hashed) + Send),
    context: &CallContext,
) -> Result<(), TransportError> {
    let each = files.len().div_ceil(AT_ONCE).max(BATCH_FILES);
    // How long a part may take is told by all bytes: they are not known of each.
    let parts: Vec<_> = files.chunks(each).map(|part| Ok((part.to_vec(), bytes))).collect();
    hash_batches(session, run, parts.into_iter(), found, context).await
}

/// Files and their bytes.
fn next_batch(files: &mut SealFiles) -> Option<Result<(Vec<FilePath>, u64), SealError>> {
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
    (!batch.is_empty()).then_some(Ok((batch, bytes)))
}

/// Hashes files of the run, of so many bytes, in order.
pub(super) async fn hash_batch(
    session: &Session,
    run: &RunPath,
    files: Vec<FilePath>,
    bytes: u64,
    context: &CallContext,
) -> Result<Vec<Hashed>, TransportError> {
    let (ended, said) = ask(session, &script(session, run, &files), bytes, context).await?;
    answers(session, run, files, &ended, &said, context).await
}

/// Runs a script that hashes so many bytes.
async fn ask(
    session: &Session,
    script: &[u8],
    bytes: u64,
    context: &CallContext,
) -> Result<(Ended, Vec<u8>), TransportError> {
    let mut said = Vec::new();
    let ended = ask_into(&mut said, session, script, bytes, context).await?;
    Ok((ended, said))
}

/// The same; what was said is there also when it broke off.
pub(super) async fn ask_into(
    said: &mut Vec<u8>,
    session: &Session,
    script: &[u8],
    bytes: u64,
    context: &CallContext,
) -> Result<Ended, TransportError> {
    let patience = session.place.patience + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
    let mut hear = |bytes: &[u8]| said.extend_from_slice(bytes);
    let ended = tokio::time::timeout(patience, session.place.connection.script(script, &mut hear, context)).await;
    ended.map_err(|_| {
        let message =
            format!("{} gave no hashes within {} s: its disk may hang", session.place.describe(), patience.as_secs());
        TransportError::new(FailureClass::Network, Side::Destination, message)
    })?
}

/// A script that looks at files of the run and says their digests.
pub(super) fn script(session: &Session, run: &RunPath, files: &[FilePath]) -> Vec<u8> {
    let folders: BTreeSet<&[u8]> = files.iter().flat_map(folders_above).collect();
    let names = folders.iter().copied().chain(files.iter().map(FilePath::as_bytes));
    let mut script = session.enter_run(run);
    script.extend_from_slice(look::functions(session.can).as_bytes());
    look::call_look(&mut script, session, names);
    script.extend_from_slice(b"printf '\\0\\0'\n");
    digests(&mut script, session, files);
    script.extend_from_slice(b"echo .\n");
    script
}

/// What it said, file by file.
pub(super) async fn answers(
    session: &Session,
    run: &RunPath,
    files: Vec<FilePath>,
    ended: &Ended,
    said: &[u8],
    context: &CallContext,
) -> Result<Vec<Hashed>, TransportError> {
    let missing = |path: FilePath| Hashed { path, outcome: HashOutcome::Missing };
    match ended.code {
        Some(0) if said == b"missing" => {
            files.iter().for_each(|_| context.progress.add_file());
            return Ok(files.into_iter().map(missing).collect());
        }
        Some(0) => {}
        Some(session::NOT_PLAIN) => {
            let reason = "the run's folder there is a link or no folder";
            return Ok(files.into_iter().map(|path| failed(path, reason)).collect());
        }
        _ => return Err(classify::script(ended, "hashing at the server")),
    }
    if let Some(trouble) = unseen(&ended.stderr) {
        return Err(classify::script(&Ended { stderr: trouble, ..ended.clone() }, "hashing at the server"));
    }
    let (seen, digests) = read(said, &files).ok_or_else(|| look::garbled("hashing at the server"))?;
    let mut hashed = Vec::with_capacity(files.len());
    for (path, digest) in files.into_iter().zip(digests) {
        let answer = judge(session, run, path, &seen, digest, &ended.stderr, context).await?;
        if let HashOutcome::Digest { size, level: ProofLevel::L2, .. } = answer.outcome {
            context.progress.add_bytes(size);
        }
        context.progress.add_file();
        hashed.push(answer);
    }
    Ok(hashed)
}

/// What was looked at, and a digest for each file where there is one; `None` when the answer is not whole.
fn read(said: &[u8], files: &[FilePath]) -> Option<(Looked, Vec<Option<Digest>>)> {
    // What was looked at ends with NUL itself, so that three may stand here.
    let at = said.windows(DIGESTS_FOLLOW.len()).position(|window| window == DIGESTS_FOLLOW)?;
    let at = if said.get(at + 2) == Some(&0) { at + 1 } else { at };
    let seen = look::read(&said[..at], b"")?;
    let lines = said[at + 2..].strip_suffix(b".\n")?;
    let mut lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).peekable();
    let digests = files.iter().map(|path| match seen.get(path.as_bytes()) {
        Some(seen) if seen.kind == Kind::File => lines.next_if(|line| is_of(line, path)).and_then(digest_of),
        _ => None,
    });
    let digests = digests.collect();
    Some((seen, digests))
}

/// What one file's answer is.
async fn judge(
    session: &Session,
    run: &RunPath,
    path: FilePath,
    seen: &Looked,
    digest: Option<Digest>,
    said: &str,
    context: &CallContext,
) -> Result<Hashed, TransportError> {
    if let Some(folder) = linked_folder(&path, seen) {
        return Ok(failed(path, format!("{folder} is a link there")));
    }
    let there = match seen.get(path.as_bytes()) {
        None => return Ok(Hashed { path, outcome: HashOutcome::Missing }),
        Some(there) if there.kind != Kind::File => return Ok(failed(path, "it is not a regular file")),
        Some(there) => *there,
    };
    let outcome = match (session.can.hash_tool, digest) {
        (HashTool::Openssl | HashTool::Sha256sum, Some(digest)) => {
            HashOutcome::Digest { digest, size: there.size, level: ProofLevel::L2 }
        }
        (HashTool::Openssl | HashTool::Sha256sum, None) => {
            let reason = said.lines().last().unwrap_or("the server gave no digest");
            HashOutcome::Failed { reason: reason.chars().take(300).collect() }
        }
        (HashTool::None, _) if session.place.max_stream_bytes.is_some_and(|most| there.size > most) => {
            HashOutcome::Oversize { size: there.size }
        }
        (HashTool::None, _) => read_back(session, run, &path, context).await?,
    };
    Ok(Hashed { path, outcome })
}

/// A folder above the file that is none.
fn linked_folder(path: &FilePath, seen: &Looked) -> Option<String> {
    let linked = folders_above(path).find(|folder| seen.get(*folder).is_some_and(|seen| seen.kind == Kind::Other));
    linked.map(domain::path::escape_bytes)
}

/// Reads a file over the connection: from the server, past any cache of ours.
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
    let whole = read_whole(session, run, path, &mut take, context).await;
    if context.cancel.is_cancelled() {
        return Err(TransportError::interrupted());
    }
    Ok(match whole {
        true => HashOutcome::Digest { digest: Digest(hash.finalize().into()), size, level: ProofLevel::L3 },
        false => HashOutcome::Failed { reason: "it could not be read back whole".to_owned() },
    })
}

/// The part of a script that says the digests: only of regular files, for a pipe would never end.
fn digests(script: &mut Vec<u8>, session: &Session, files: &[FilePath]) {
    let command = match session.can.hash_tool {
        HashTool::Openssl => "openssl dgst -sha256 -r",
        HashTool::Sha256sum => "sha256sum",
        HashTool::None => return,
    };
    // Where it is GNU's, `find` tells files apart thousands at a time; a shell takes as long for it as hashing small
    // ones does.
    let hash = match session.can.find_prints {
        true => format!(
            r#"hash_lines() {{ tr '\n' '\000' | xargs -0 -r -s 1000000 sh -c 'exec find "$@" -maxdepth 0 -type f -print0' sh | xargs -0 -r -s 1000000 {command}; true; }}"#
        ),
        false => format!(
            r#"hash() {{ for f; do shift; if [ -f "$f" ] && [ ! -L "$f" ]; then set -- "$@" "$f"; fi; done
if [ $# -gt 0 ]; then {command} "$@" </dev/null; fi; }}"#
        ),
    };
    let functions = format!(
        r#"{hash}
odd() {{ if [ -f "$1" ] && [ ! -L "$1" ]; then {command} <"$1" || echo '!'; fi; }}
"#
    );
    script.extend_from_slice(functions.as_bytes());
    for group in files.chunk_by(|a, b| is_odd(a) == is_odd(b)) {
        match is_odd(&group[0]) {
            false if session.can.find_prints => {
                look::call_lines(script, "hash_lines", group.iter().map(FilePath::as_bytes))
            }
            false => look::call(script, "hash", group.iter().map(FilePath::as_bytes)),
            true => {
                for file in group {
                    script.extend_from_slice(b"odd ");
                    script.extend(word_here(file.as_bytes()));
                    script.push(b'\n');
                }
            }
        }
    }
}

/// Names that the tools write in ways of their own.
fn is_odd(path: &FilePath) -> bool {
    path.as_bytes().iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'\\'))
}

/// Is this line the answer for this file? `digest *./name`, `digest  ./name`, or without a name for an odd one.
fn is_of(line: &[u8], path: &FilePath) -> bool {
    if is_odd(path) {
        return line == b"!" || matches!(line.get(64..), Some(b" *stdin" | b" *-" | b"  -" | b" -"));
    }
    let name = line.get(64..).and_then(|rest| rest.strip_prefix(b" *./").or_else(|| rest.strip_prefix(b"  ./")));
    name == Some(path.as_bytes())
}

fn digest_of(line: &[u8]) -> Option<Digest> {
    Digest::parse(std::str::from_utf8(line.get(..64)?).ok()?)
}

/// What `find` could not look at: then nothing can be said of what is missing.
fn unseen(stderr: &str) -> Option<String> {
    stderr
        .lines()
        .find(|line| line.starts_with("find:") && !line.contains("No such file or directory"))
        .map(str::to_owned)
}

/// Reads a file of the run over the connection; true when all of it came.
pub(super) async fn read_whole(
    session: &Session,
    run: &RunPath,
    file: &FilePath,
    output: &mut (dyn FnMut(&[u8]) + Send),
    context: &CallContext,
) -> bool {
    let word = session.word(run.below_equipment().as_bytes());
    let mut script = [b"[ -e ".to_vec(), word, b" ] || exit 1\n".to_vec(), session.enter_run(run)].concat();
    script.extend_from_slice(b"exec cat ");
    script.extend(super::look::word_here(file.as_bytes()));
    script.extend_from_slice(b" </dev/null");
    session.place.connection.script(&script, output, context).await.is_ok_and(|ended| ended.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v9_answers_are_matched_to_their_files() {
        let digest = "a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa";
        let line = |rest: &str| format!("{digest}{rest}").into_bytes();
        let path = |name: &str| FilePath::new(name).unwrap();
        assert!(is_of(&line(" *./a b"), &path("a b")));
        assert!(is_of(&line("  ./a b"), &path("a b")));
        assert!(!is_of(&line("  ./a"), &path("a b")));
        assert!(!is_of(b"short", &path("a")));
        assert!(is_of(&line(" *stdin"), &path("a\nb")));
        assert!(is_of(&line("  -"), &path("a\\b")));
        assert!(is_of(b"!", &path("a\\b")) && digest_of(b"!").is_none());
        assert_eq!(digest_of(&line(" *./x")).unwrap().to_string(), digest);
    }
}
