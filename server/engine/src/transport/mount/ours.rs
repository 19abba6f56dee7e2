//! What we put last as the record of a run: digests in `<root>/.exlab-orchestrator/records/`, one small file per run.
//!
//! It never says that something is proven; it only decides whether a record file is replaced or moved aside. Lost, it costs
//! one needless moving aside.

use super::super::TransportError;
use super::super::record_plan::{entries_of, list_of};
use super::copy::{Copying, Temporary};
use super::root::Root;
use crate::beneath;
use crate::hash::wall_clock_ns;
use domain::path::{FilePath, RunPath};
use domain::proof::Digest;
use rustix::fs::Mode;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read;

/// Where these files lie, below the root.
const RECORDS_FOLDER: &[u8] = b".exlab-orchestrator/records";
/// Some files of a record, two digests each.
const BYTES_AT_MOST: u64 = 1 << 20;

/// The record files of one run that are ours.
#[derive(Debug)]
pub(super) struct Ours {
    name: FilePath,
    /// Path inside the run, and a digest that we put there.
    pub entries: Vec<(FilePath, Digest)>,
}

impl Ours {
    /// Reads what is known; unreadable lines are nothing known.
    pub fn read(root: &Root, run: &RunPath) -> Result<Ours, TransportError> {
        let hashed = Digest(Sha256::digest(run.as_str().as_bytes()).into());
        let failed = |error: std::io::Error| TransportError::destination(error, format!("reading {}", root.shown(RECORDS_FOLDER)));
        let name = FilePath::new(hashed.to_string()).map_err(|error| failed(std::io::Error::other(error)))?;
        let mut text = Vec::new();
        let path = [RECORDS_FOLDER, b"/", name.as_bytes()].concat();
        match beneath::open_regular(&root.folder, &path) {
            Ok(Some((fd, _))) => drop(File::from(fd).take(BYTES_AT_MOST).read_to_end(&mut text).map_err(failed)?),
            Ok(None) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error.into())),
        }
        Ok(Ours { name, entries: entries_of(&String::from_utf8_lossy(&text)) })
    }

    /// True when these very bytes were put there by us.
    pub fn contains(&self, path: &FilePath, digest: &Digest) -> bool {
        self.entries.iter().any(|(known, put)| known == path && put == digest)
    }

    /// Writes it durably enough: the rename comes before those of the record, on the same file system.
    pub fn write(&self, copying: &Copying<'_>) -> Result<(), TransportError> {
        let made = beneath::make_folders(&copying.root.folder, RECORDS_FOLDER);
        let (folder, _) =
            made.map_err(|error| TransportError::destination(error, format!("making {}", copying.root.shown(RECORDS_FOLDER))))?;
        let mut temporary = Temporary::create(copying, Mode::from_raw_mode(0o666))?;
        temporary.write(list_of(&self.entries).as_bytes(), &self.name)?;
        temporary.replace(&folder, self.name.as_bytes(), wall_clock_ns(), &self.name)
    }
}
