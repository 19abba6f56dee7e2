//! SHA-256 of streams at the speed of one core: for a big file one thread reads (and writes, when it is a copy) while
//! another hashes; a small one is read and hashed in one go. Used for the run's files, for copies, and for reading
//! back.

use crate::files::beneath;
use crate::files::source::{InOrder, RunFolder, SourceError};
use domain::path::FilePath;
use domain::proof::{Digest, FileStat};
use sha2::{Digest as _, Sha256};
use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// Bytes of one read of a big file.
pub(crate) const CHUNK: usize = 1 << 20;
/// From this size on a second thread is worth its start.
const BIG: u64 = 4 << 20;
/// Buffers on their way between the two threads.
const BUFFERS: usize = 3;
/// Direct reads want memory and lengths aligned; a page serves every device.
pub(crate) const ALIGNMENT: usize = 4096;

/// Why a file of the run could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Not to be opened, gone, or no regular file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its bytes cannot be read.
    #[error("{path} cannot be read: {error}")]
    Read {
        path: FilePath,
        /// The system's own words.
        error: io::Error,
    },
    /// Its stat is not (or no longer) the one it was listed with.
    #[error("{path} changed since it was listed")]
    Changed { path: FilePath },
    /// `cancel` fired.
    #[error("interrupted")]
    Interrupted,
}

/// A digest and when its making began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalHash {
    pub digest: Digest,
    /// Just before the first byte was read, nanoseconds since the epoch; for `SealWriter::put`.
    pub began_ns: i64,
}

/// The wall clock, only to be compared with ctimes of files.
#[allow(clippy::disallowed_methods, reason = "compared with ctimes, which no hand-set clock makes")]
pub(crate) fn wall_clock_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Memory whose used part begins at a page: direct reads need it, others do not mind.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    start: usize,
    filled: usize,
}

impl Buffer {
    fn new() -> Buffer {
        let memory = vec![0; CHUNK + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Buffer { memory, start, filled: 0 }
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + CHUNK]
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.filled]
    }
}

/// Owns the buffers of one worker, so that ten thousand small files cost no ten thousand allocations.
#[derive(Debug, Default)]
pub struct Hasher {
    buffers: Vec<Buffer>,
    files: Option<InOrder>,
}

impl Hasher {
    /// No memory is taken before the first file.
    pub fn new() -> Hasher {
        Hasher::default()
    }

    fn files_of(&mut self, run: &RunFolder) -> &mut InOrder {
        match &mut self.files {
            Some(files) if files.is_of(run) => {}
            files => *files = None,
        }
        self.files.get_or_insert_with(|| InOrder::new(run))
    }

    /// Hashes what `fill` gives until it gives nothing. `expected` bytes decide whether a second thread helps.
    /// `fill` reads into the buffer (and does what else must happen with those bytes) and answers how many.
    pub(crate) fn stream<E: Send>(
        &mut self,
        expected: u64,
        fill: &mut (dyn FnMut(&mut [u8]) -> Result<usize, E> + Send),
    ) -> Result<(Digest, u64), E> {
        if expected >= BIG {
            return self.stream_with_two_threads(fill);
        }
        if self.buffers.is_empty() {
            self.buffers.push(Buffer::new());
        }
        let buffer = &mut self.buffers[0];
        let (mut hash, mut total) = (Sha256::new(), 0_u64);
        loop {
            let n = fill(buffer.space())?;
            if n == 0 {
                return Ok((Digest(hash.finalize().into()), total));
            }
            hash.update(&buffer.space()[..n]);
            total += n as u64;
        }
    }

    fn stream_with_two_threads<E: Send>(
        &mut self,
        fill: &mut (dyn FnMut(&mut [u8]) -> Result<usize, E> + Send),
    ) -> Result<(Digest, u64), E> {
        self.buffers.resize_with(BUFFERS, Buffer::new);
        let (full_in, full_out): (SyncSender<Buffer>, Receiver<Buffer>) = sync_channel(BUFFERS);
        let (empty_in, empty_out) = sync_channel(BUFFERS);
        for buffer in self.buffers.drain(..) {
            // There is room for all of them, and both ends live.
            let _ = empty_in.send(buffer);
        }
        std::thread::scope(|scope| {
            let hashing = scope.spawn(move || {
                let (mut hash, mut total) = (Sha256::new(), 0_u64);
                for buffer in full_out {
                    hash.update(buffer.bytes());
                    total += buffer.filled as u64;
                    if empty_in.send(buffer).is_err() {
                        break;
                    }
                }
                (Digest(hash.finalize().into()), total)
            });
            let mut outcome = Ok(());
            while let Ok(mut buffer) = empty_out.recv() {
                match fill(buffer.space()) {
                    Ok(0) => break,
                    Ok(n) => buffer.filled = n,
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
                if full_in.send(buffer).is_err() {
                    break;
                }
            }
            drop(full_in);
            // The hashing thread only computes: a panic there is a fault of this program and goes on as one.
            let hashed = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.map(|()| hashed)
        })
    }

    /// Hashes a file of the run; its stat must be `listed` before and after. `read` is told of every piece.
    pub fn local(
        &mut self,
        run: &RunFolder,
        path: &FilePath,
        listed: &FileStat,
        cancel: &CancellationToken,
        read: &(dyn Fn(u64) + Sync),
    ) -> Result<LocalHash, HashError> {
        let began_ns = wall_clock_ns();
        let (mut file, stat) = self.files_of(run).open_file(path)?;
        if stat != *listed {
            return Err(HashError::Changed { path: path.clone() });
        }
        let mut fill = |space: &mut [u8]| {
            if cancel.is_cancelled() {
                return Err(HashError::Interrupted);
            }
            let n = read_some(&mut file, space).map_err(|error| HashError::Read { path: path.clone(), error })?;
            read(n as u64);
            Ok(n)
        };
        let (digest, total) = self.stream(stat.size, &mut fill)?;
        let after =
            rustix::fs::fstat(&file).map_err(|error| HashError::Read { path: path.clone(), error: error.into() })?;
        if total != stat.size || beneath::file_stat(&after) != *listed {
            return Err(HashError::Changed { path: path.clone() });
        }
        Ok(LocalHash { digest, began_ns })
    }
}

/// One read, again when a signal came between.
pub(crate) fn read_some(file: &mut impl Read, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0)]
    #[case(1)]
    #[case(CHUNK)]
    #[case(3 * CHUNK + 17)]
    fn both_ways_give_the_same_digest(#[case] size: usize) {
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let right = Digest(Sha256::digest(&bytes).into());
        for expected in [0, BIG] {
            let mut rest = bytes.as_slice();
            let found = Hasher::new().stream(expected, &mut |space| read_some(&mut rest, space)).unwrap();
            assert_eq!(found, (right, size as u64));
        }
    }

    #[rstest]
    #[case(0)]
    #[case(BIG)]
    fn an_error_of_the_reader_ends_it(#[case] expected: u64) {
        let mut calls = 0;
        let mut fill = |_: &mut [u8]| {
            calls += 1;
            if calls > 5 { Err("broken") } else { Ok(10) }
        };
        assert_eq!(Hasher::new().stream(expected, &mut fill), Err("broken"));
    }

    #[test]
    fn d14_a_file_that_is_not_as_listed_is_not_hashed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("E/P/Runs/Run_1")).unwrap();
        std::fs::write(dir.path().join("E/P/Runs/Run_1/a"), "abc").unwrap();
        let run = crate::files::source::StagingRoot::open(dir.path()).unwrap().run_at("E/P/Runs/Run_1").unwrap();
        let path = FilePath::new("a").unwrap();
        let stat = run.stat(&path).unwrap();
        let cancel = CancellationToken::new();
        assert!(Hasher::new().local(&run, &path, &stat, &cancel, &|_| ()).is_ok());
        let other = FileStat { ctime_ns: stat.ctime_ns - 1, ..stat };
        let refused = Hasher::new().local(&run, &path, &other, &cancel, &|_| ());
        assert!(matches!(refused, Err(HashError::Changed { .. })));
        cancel.cancel();
        let refused = Hasher::new().local(&run, &path, &stat, &cancel, &|_| ());
        assert!(matches!(refused, Err(HashError::Interrupted)));
    }

    #[rstest]
    #[case::small(10)]
    #[case::big(6 << 20)]
    fn d14_a_file_that_changes_while_it_is_hashed_is_refused(#[case] size: usize) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("E/P/Runs/Run_1/a");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, vec![1; size]).unwrap();
        let run = crate::files::source::StagingRoot::open(dir.path()).unwrap().run_at("E/P/Runs/Run_1").unwrap();
        let name = FilePath::new("a").unwrap();
        let stat = run.stat(&name).unwrap();
        // Written in place, with its mtime put back, at every piece that is read.
        let rewrite = |_| {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_at(&file, &[2], 0).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(stat.mtime_ns.cast_unsigned()))
                .unwrap();
        };
        let refused = Hasher::new().local(&run, &name, &stat, &CancellationToken::new(), &rewrite);
        assert!(matches!(refused, Err(HashError::Changed { .. })), "{refused:?}");
    }
}
