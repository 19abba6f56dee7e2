//! Reading and writing the list of what is ours of a run's record.

use super::super::TransportError;
use super::super::rules::layout::{RECORDS, list_name};
use super::super::rules::record::{LIST_BYTES_AT_MOST, entries_of, list_of};
use super::copy::{Copying, Temporary};
use super::root::Root;
use crate::files::beneath;
use crate::files::hash::wall_clock_ns;
use domain::path::{FilePath, RunPath};
use domain::proof::Digest;
use rustix::fs::Mode;
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;

/// The record files of one run that are ours.
#[derive(Debug)]
pub(super) struct RecordList {
    name: FilePath,
    /// Path inside the run, and a digest that we put there.
    pub entries: Vec<(FilePath, Digest)>,
}

impl RecordList {
    /// Reads what is known; unreadable lines are nothing known.
    pub fn read(root: &Root, run: &RunPath) -> Result<RecordList, TransportError> {
        let failed = |error: std::io::Error| {
            TransportError::destination(error, format!("reading {}", root.shown(RECORDS.as_bytes())))
        };
        let name = FilePath::new(list_name(run)).map_err(|error| failed(std::io::Error::other(error)))?;
        let mut text = Vec::new();
        let path = [RECORDS.as_bytes(), b"/", name.as_bytes()].concat();
        match beneath::open_regular(&root.folder, &path) {
            Ok(Some((fd, _))) => drop(File::from(fd).take(LIST_BYTES_AT_MOST).read_to_end(&mut text).map_err(failed)?),
            Ok(None) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error.into())),
        }
        Ok(RecordList { name, entries: entries_of(&String::from_utf8_lossy(&text)) })
    }

    /// Writes it durably enough: the rename comes before those of the record, on the same file system.
    pub fn write(&self, entries: &[(FilePath, Digest)], copying: &Copying<'_>) -> Result<(), TransportError> {
        let made = beneath::make_folders(&copying.root.folder, RECORDS.as_bytes());
        let (folder, _) = made.map_err(|error| {
            TransportError::destination(error, format!("making {}", copying.root.shown(RECORDS.as_bytes())))
        })?;
        let mut temporary = Temporary::create(copying, Mode::from_raw_mode(0o666))?;
        temporary.write(list_of(entries).as_bytes(), &self.name)?;
        temporary.replace(&folder, self.name.as_bytes(), wall_clock_ns(), &self.name)
    }
}
