//! Many small files as one stream: packed here while they are read, unpacked by the server's `tar` into our own folder.
//!
//! rsync spends more on each small file than on its bytes: three processes that look at it, agree on it and rename it.
//! Here every file is read whole before the first byte of it goes out, so that nothing half is ever packed, and an
//! interruption loses no more than what was on its way. What was sent is looked at and hashed like everything else.

use super::Place;
use super::classify;
use super::labels::Labels;
use super::look::{self, Looked};
use super::session::Session;
use crate::files::hash::HashError;
use crate::files::source::{InOrder, RunFolder};
use crate::machine::child::Ended;
use crate::transport::portions::{Wanted, fault};
use crate::transport::throttle::Throttle;
use crate::transport::{CallContext, FILES_NAMED_AT_MOST, TransportError};
use domain::job::{FailureClass, Side};
use domain::path::FilePath;
use domain::proof::FileStat;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};

/// Larger files are rsync's: it goes on inside a file.
const SMALL: u64 = 1 << 20;
/// Fewer are rsync's too: they take it no time, and it is started for the others anyway.
pub(super) const FEWEST: usize = 32;
/// About so many bytes go out at once, and so many times as much is read ahead: little, since what is on its way to a
/// server that takes nothing looks like what is on its way over a very slow line.
const PIECE: usize = 256 << 10;
const PIECES: usize = 2;

/// Whether a file goes by a stream. Times before 1970 have no place in an archive that every `tar` reads.
pub(super) fn is_small(stat: &FileStat) -> bool {
    stat.size <= SMALL && stat.mtime_ns >= 0
}

/// Where the files come from and go to.
pub(super) struct Streaming<'a> {
    pub session: &'a Session,
    pub source: &'a RunFolder,
    /// Where files come to lie under their names; absolute, at the server.
    pub data: &'a [u8],
    pub context: &'a CallContext,
}

impl Streaming<'_> {
    /// Sends files.
    pub async fn send(&self, files: Vec<Wanted>) -> Result<Streamed, TransportError> {
        let (out, mut pieces) = channel(PIECES);
        let moved = Arc::new(AtomicU64::new(0));
        let stop = self.context.cancel.child_token();
        let mut packing = Packing {
            source: InOrder::new(self.source),
            throttle: Throttle::new(self.context.limit.clone()),
            context: CallContext { cancel: stop.clone(), ..self.context.clone() },
            moved: moved.clone(),
            out,
            failed: None,
            labels: Labels::default(),
        };
        let packed = tokio::task::spawn_blocking(move || {
            let packed = packing.pack(&files);
            (packed.map(|()| packing.failed), packing.labels)
        });
        let script =
            [&look::enter_own(self.session, self.data), UNPACK.as_bytes(), &look::all_here(self.session)].concat();
        let context = CallContext { cancel: stop.clone(), ..self.context.clone() };
        let Place { connection, patience, .. } = &*self.session.place;
        let unpacking = async move {
            let mut said = Vec::new();
            let mut hear = |bytes: &[u8]| said.extend_from_slice(bytes);
            let ended = connection.script_taking(&script, &mut pieces, &mut hear, &context).await;
            // Whoever packs hears that nobody takes any more.
            drop(pieces);
            ended.map(|ended| (ended, said))
        };
        let both = async { tokio::join!(unpacking, packed) };
        tokio::pin!(both);
        let mut silent = false;
        let (unpacked, packed) = tokio::select! {
            biased;
            both = &mut both => both,
            () = silence(&moved, *patience) => {
                silent = true;
                stop.cancel();
                both.await
            }
        };
        let (packed, labels) = packed.map_err(fault)?;
        if self.context.cancel.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        if silent {
            let message = format!(
                "{} took nothing for {} s: its disk may hang",
                self.session.place.describe(),
                patience.as_secs()
            );
            return Err(TransportError::new(FailureClass::Network, Side::Destination, message));
        }
        let (ended, said) = unpacked?;
        if ended.code != Some(0) {
            return Err(classify::script(&ended, WHAT));
        }
        let (complained, said) = complaint(&said);
        let there = look::read(said, look::END).ok_or_else(|| look::garbled(WHAT))?;
        let failed = match (complained, packed) {
            // Of some files; the others were unpacked.
            (Some(code), _) => Some(classify::script(&Ended { code: Some(code), ..ended }, WHAT)),
            // Nobody interrupted us: whoever unpacks did not want the rest, and said nothing.
            (None, Err(error)) if error.class == FailureClass::Interrupted => {
                let message = format!("{WHAT}: `tar` ended before it had read everything");
                Some(TransportError::new(FailureClass::Unknown, Side::Destination, message))
            }
            (None, packed) => packed?,
        };
        Ok(Streamed { there, failed, labels })
    }
}

/// What came of a stream.
pub(super) struct Streamed {
    /// All that lies in our folder now.
    pub there: Looked,
    /// The failure of single files; the others are there.
    pub failed: Option<TransportError>,
    /// What the files hold besides their bytes.
    pub labels: Labels,
}

const WHAT: &str = "unpacking what was sent";
/// As whoever unpacks, with rights as the umask gives them, many blocks at a time. A failure of `tar` is said before
/// all else.
const UNPACK: &str = "unset TAR_OPTIONS\ntar -xob 256 -f - || printf '!%s\\0' $?\n";

/// The exit code of a `tar` that failed, and the rest of what was said.
fn complaint(said: &[u8]) -> (Option<i32>, &[u8]) {
    let code = |said: &[u8]| {
        let end = said.iter().position(|byte| *byte == 0)?;
        Some((std::str::from_utf8(&said[..end]).ok()?.parse().ok()?, end + 1))
    };
    match said.strip_prefix(b"!").and_then(|rest| Some((code(rest)?, rest))) {
        Some(((code, end), rest)) => (Some(code), &rest[end..]),
        None => (None, said),
    }
}

/// Returns once nothing moved for so long.
async fn silence(moved: &AtomicU64, patience: Duration) {
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(patience).await;
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

/// Reads and packs; blocking.
struct Packing {
    source: InOrder,
    throttle: Throttle,
    context: CallContext,
    /// Counts what the server took.
    moved: Arc<AtomicU64>,
    out: Sender<Vec<u8>>,
    /// Of single files: they are not in the archive.
    failed: Option<TransportError>,
    labels: Labels,
}

impl Packing {
    fn pack(&mut self, files: &[Wanted]) -> Result<(), TransportError> {
        let mut archive = tar::Builder::new(Vec::with_capacity(2 * PIECE));
        let mut bytes = Vec::new();
        for (path, stat) in files {
            if self.context.cancel.is_cancelled() {
                return Err(TransportError::interrupted());
            }
            match read_whole(&mut self.source, path, stat, &mut bytes, &mut self.labels) {
                Ok(mode) => add(&mut archive, path, stat, mode, &bytes)?,
                Err(error) => self.note(error.into()),
            }
            self.context.progress.add_bytes(stat.size);
            if archive.get_ref().len() >= PIECE {
                self.give(std::mem::replace(archive.get_mut(), Vec::with_capacity(2 * PIECE)))?;
            }
        }
        let end = archive.into_inner().map_err(packing)?;
        self.give(end)
    }

    /// Hands bytes over, no faster than the limit.
    fn give(&self, bytes: Vec<u8>) -> Result<(), TransportError> {
        for piece in pieces(bytes, self.throttle.piece()) {
            let passes = self.throttle.pass(piece.len() as u64, &self.context.cancel);
            // Nobody takes it: why is for the other end to say.
            if !passes || self.out.blocking_send(piece).is_err() {
                return Err(TransportError::interrupted());
            }
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn note(&mut self, error: TransportError) {
        match &mut self.failed {
            None => self.failed = Some(error),
            Some(first) if first.class == error.class && first.files.len() < FILES_NAMED_AT_MOST => {
                first.files.extend(error.files)
            }
            Some(_) => {}
        }
    }
}

/// A piece is mostly not cut: only a limit makes it so small.
fn pieces(bytes: Vec<u8>, most: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let more = if rest.len() > most { rest.split_off(most) } else { Vec::new() };
        let piece = std::mem::replace(&mut rest, more);
        (!piece.is_empty()).then_some(piece)
    })
}

/// Reads a file as it was listed, all of it or nothing. Answers its mode for the other end: closed to others where it
/// is closed here.
fn read_whole(
    source: &mut InOrder,
    path: &FilePath,
    listed: &FileStat,
    bytes: &mut Vec<u8>,
    labels: &mut Labels,
) -> Result<u32, HashError> {
    let (file, stat) = source.open_file(path)?;
    if stat != *listed {
        return Err(HashError::Changed { path: path.clone() });
    }
    let here =
        rustix::fs::fstat(&file).map_err(|error| HashError::Read { path: path.clone(), error: error.into() })?.st_mode;
    labels.note(path, &file);
    bytes.clear();
    // One byte more than there should be tells a file that grows.
    file.take(listed.size + 1).read_to_end(bytes).map_err(|error| HashError::Read { path: path.clone(), error })?;
    if bytes.len() as u64 == listed.size {
        Ok((here & 0o044) | 0o600)
    } else {
        Err(HashError::Changed { path: path.clone() })
    }
}

fn add(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &FilePath,
    stat: &FileStat,
    mode: u32,
    bytes: &[u8],
) -> Result<(), TransportError> {
    let (seconds, fraction) = (stat.mtime_ns.div_euclid(1_000_000_000), stat.mtime_ns.rem_euclid(1_000_000_000));
    if fraction > 0 {
        let time = format!("{seconds}.{fraction:09}");
        archive.append_pax_extensions([("mtime", time.as_bytes())]).map_err(packing)?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(stat.size);
    header.set_mode(mode);
    header.set_mtime(u64::try_from(seconds).unwrap_or_default());
    archive.append_data(&mut header, OsStr::from_bytes(path.as_bytes()), bytes).map_err(packing)
}

/// Packing into memory fails only for what no archive can hold.
fn packing(error: std::io::Error) -> TransportError {
    TransportError::new(FailureClass::Unknown, Side::Here, format!("packing what is sent: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_again_together() {
        for (length, most, count) in [(0, 4, 0), (3, 4, 1), (4, 4, 1), (9, 4, 3)] {
            let bytes: Vec<u8> = (0..length).collect();
            let cut: Vec<Vec<u8>> = pieces(bytes.clone(), most).collect();
            assert_eq!((cut.len(), cut.concat()), (count, bytes));
            assert!(cut.iter().all(|piece| piece.len() <= most));
        }
    }

    #[test]
    fn what_tar_says_comes_before_what_is_there() {
        assert_eq!(complaint(b"!2\0f 1 2.0 ./a\0."), (Some(2), b"f 1 2.0 ./a\0.".as_slice()));
        assert_eq!(complaint(b"f 1 2.0 ./a\0."), (None, b"f 1 2.0 ./a\0.".as_slice()));
        assert_eq!(complaint(b"."), (None, b".".as_slice()));
    }

    #[test]
    fn only_a_file_as_it_was_listed_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let run = domain::path::RunPath::parse("EQ_1/P/Runs/Run_1").unwrap();
        let folder = dir.path().join(run.as_str());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a"), "content").unwrap();
        let source = crate::files::source::StagingRoot::open(dir.path()).unwrap().run(&run).unwrap();
        let (path, mut bytes) = (FilePath::new("a").unwrap(), Vec::new());
        let stat = source.stat(&path).unwrap();
        let mut source = InOrder::new(&source);
        read_whole(&mut source, &path, &stat, &mut bytes, &mut Labels::default()).unwrap();
        assert_eq!(bytes, b"content");
        for other in [FileStat { size: 6, ..stat }, FileStat { mtime_ns: stat.mtime_ns - 1, ..stat }] {
            assert!(matches!(
                read_whole(&mut source, &path, &other, &mut bytes, &mut Labels::default()),
                Err(HashError::Changed { .. })
            ));
        }
        assert!(
            is_small(&stat)
                && !is_small(&FileStat { size: SMALL + 1, ..stat })
                && !is_small(&FileStat { mtime_ns: -1, ..stat })
        );
    }
}
