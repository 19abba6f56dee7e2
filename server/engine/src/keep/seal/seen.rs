//! What could be told of a destination's files without reading them, looked at right before they were hashed; kept
//! beside the seal while that proof holds. What still looks the same holds the same bytes.

use super::file::{Content, InOrder, ItemWriter, beside};
use super::line::Item;
use super::{SealError, SealReader};
use domain::path::FilePath;
use domain::proof::{FileStat, SealedFile};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

fn file_of(seal: &SealReader) -> PathBuf {
    beside(seal.path(), ".seen")
}

/// Takes what is seen, in path order. Each has a file of its own: a clear, a repeated proof and an operator may look at one
/// run at the same time, and what one of them saw says nothing about the proof of another.
#[derive(Debug)]
pub struct SeenWriter {
    path: PathBuf,
    /// Until it is kept.
    out: Option<ItemWriter>,
    partial: PathBuf,
}

impl SeenWriter {
    /// Begins anew: what was seen before is forgotten.
    pub fn begin(seal: &SealReader) -> Result<SeenWriter, SealError> {
        let path = file_of(seal);
        forget(&path)?;
        remove_what_a_killed_start_left(&path);
        let partial = beside(&path, &format!(".{}-{}.partial", *THIS_START, NEXT.fetch_add(1, Ordering::Relaxed)));
        let out = Some(ItemWriter::create(partial.clone(), Content::Seen)?);
        Ok(SeenWriter { path, out, partial })
    }

    /// The destination's file looks like this.
    pub fn put(&mut self, path: &FilePath, stat: FileStat) -> Result<(), SealError> {
        let item = Item::File { path: path.clone(), stat, digest: None, young: false };
        self.out.as_mut().map_or(Ok(()), |out| out.put(&item))
    }

    /// The proof held: what was seen before it may be relied on.
    pub fn keep(mut self) -> Result<(), SealError> {
        self.out.take().map_or(Ok(()), |out| out.close(&self.path, 0).map(|_| ()))
    }
}

impl Drop for SeenWriter {
    fn drop(&mut self) {
        // Best effort: it costs room and nothing else.
        let _ = std::fs::remove_file(&self.partial);
    }
}

/// Removes what an earlier start was killed before it could keep. Best effort: it costs room and nothing else.
fn remove_what_a_killed_start_left(kept: &Path) {
    let (Some(folder), Some(name)) = (kept.parent(), kept.file_name().and_then(|name| name.to_str())) else { return };
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let left = entry.file_name();
        let of_a_start =
            left.to_str().and_then(|left| left.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".partial"));
        if of_a_start.is_some_and(|start| !start.starts_with(THIS_START.as_str())) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Names this start of the program, and what it wrote last.
static THIS_START: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().simple().to_string());
static NEXT: AtomicU64 = AtomicU64::new(0);

fn forget(path: &Path) -> Result<(), SealError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(super::file::io_error(path)(error)),
        _ => Ok(()),
    }
}

/// What was seen before the last proof that held, asked for in path order.
#[derive(Debug)]
pub struct SeenAtNas(InOrder);

impl SeenAtNas {
    /// Of this seal; nothing where nothing was kept, or where it cannot be read.
    pub fn of(seal: &SealReader) -> SeenAtNas {
        SeenAtNas(InOrder::open(&file_of(seal), Content::Seen))
    }

    /// Removes what was kept for this seal. Best effort: it costs room and nothing else.
    pub fn forget(seal: &SealReader) {
        if let Err(error) = forget(&file_of(seal)) {
            tracing::debug!(%error, "what the destination's files looked like stays");
        }
    }

    /// How this file looked.
    pub fn at(&mut self, path: &FilePath) -> Option<FileStat> {
        match self.0.at(path)? {
            Item::File { stat, .. } => Some(*stat),
            _ => None,
        }
    }
}

/// A seal of these few files, in a file beside the whole one that is removed with it.
#[derive(Debug)]
pub struct Part(SealReader);

impl Part {
    /// In path order, as they were sealed.
    pub fn of(seal: &SealReader, files: &[SealedFile]) -> Result<Part, SealError> {
        let path = beside(seal.path(), ".part");
        let mut out = ItemWriter::create(beside(&path, ".partial"), Content::Seal)?;
        for SealedFile { path, stat, digest } in files {
            out.put(&Item::File { path: path.clone(), stat: *stat, digest: Some(*digest), young: false })?;
        }
        let trailer = out.close(&path, 0)?;
        Ok(Part(SealReader::finished(&path, trailer)))
    }

    /// As a seal.
    pub fn seal(&self) -> &SealReader {
        &self.0
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Best effort: the next one is written anew whatever lies there.
        let _ = std::fs::remove_file(self.0.path());
    }
}
