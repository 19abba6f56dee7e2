//! Which files we put at a destination, in this life of a run: decides between "ours, move aside" and "a stranger's, conflict".

use crate::seal::{SealError, SealReader};
use domain::path::FilePath;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The list of one run's life, appended to after every rename at the destination. Names end in NUL: any other byte may be in one.
pub struct Placed {
    path: PathBuf,
    out: Mutex<std::io::BufWriter<File>>,
    /// Read only when a conflict asks.
    earlier: OnceLock<HashSet<Box<[u8]>>>,
}

impl Placed {
    /// Opens the list of a work folder.
    pub fn open(work_folder: &Path) -> std::io::Result<Placed> {
        let path = work_folder.join("placed");
        let out = File::options().create(true).append(true).open(&path)?;
        Ok(Placed { path, out: Mutex::new(std::io::BufWriter::new(out)), earlier: OnceLock::new() })
    }

    /// A file stands under its final name.
    pub fn add(&self, file: &FilePath) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A name that could not be noted makes a later rot look like a stranger's file: an operator decides then.
        if let Err(error) = out.write_all(file.as_bytes()).and_then(|()| out.write_all(&[0])) {
            tracing::warn!(%error, "the list of placed files could not be written");
        }
    }

    /// True when an earlier attempt or generation placed it. What this attempt placed is flushed first.
    pub fn contains(&self, file: &FilePath) -> bool {
        self.earlier.get_or_init(|| self.read()).contains(file.as_bytes())
    }

    /// What was placed in this life and a seal lacks, in path order: a later generation has it no more. Blocking.
    pub fn lacking(&self, seal: &SealReader) -> Result<Vec<FilePath>, SealError> {
        let mut lacking = self.read();
        for file in seal.files()? {
            lacking.remove(file?.path.as_bytes());
        }
        let mut lacking: Vec<FilePath> = lacking.iter().filter_map(|name| FilePath::new(name.to_vec()).ok()).collect();
        lacking.sort();
        Ok(lacking)
    }

    /// Hands everything to the kernel.
    pub fn flush(&self) {
        let flushed = self.out.lock().unwrap_or_else(PoisonError::into_inner).flush();
        if let Err(error) = flushed {
            tracing::warn!(%error, "the list of placed files could not be written");
        }
    }

    fn read(&self) -> HashSet<Box<[u8]>> {
        self.flush();
        let mut bytes = Vec::new();
        if let Err(error) = File::open(&self.path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            tracing::warn!(%error, "the list of placed files could not be read");
        }
        bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(Into::into).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_placed_is_known_to_the_next_attempt_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let odd = FilePath::new(b"a\n \\ \xff/b".to_vec()).unwrap();
        let placed = Placed::open(folder.path()).unwrap();
        placed.add(&odd);
        placed.flush();
        let next = Placed::open(folder.path()).unwrap();
        assert!(next.contains(&odd));
        assert!(!next.contains(&FilePath::new("a").unwrap()));
    }
}
