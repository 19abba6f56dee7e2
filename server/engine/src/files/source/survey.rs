//! One look at a whole run: how much there is, and whether anything changed since the last look.

use super::{Entry, RunFolder, SourceError};
use domain::gate::EntryKind;
use sha2::{Digest as _, Sha256};

/// What one walk through a run saw. The record is left out of everything here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Survey {
    /// Regular files of the data.
    pub files: u64,
    pub bytes: u64,
    /// Newest mtime or ctime of a data file, nanoseconds since the epoch; `None` without files. A camera's wrong clock
    /// shows here.
    pub latest_change_ns: Option<i64>,
    /// SHA-256 over path, size, mtime, ctime and inode of every data file, over kind and identity of every other entry:
    /// equal fingerprints mean that nothing changed in between.
    pub fingerprint: [u8; 32],
    /// Links, FIFOs, sockets, devices.
    pub unsupported: u64,
    /// Folders with nothing in them.
    pub empty_folders: u64,
    /// Entries that were listed and then gone: somebody is at work here.
    pub vanished: u64,
}

/// Walks the run and gives every entry, the record's included, to `visitor`. An unreadable folder is an error that
/// names it.
pub fn survey(run: &RunFolder, mut visitor: impl FnMut(&Entry)) -> Result<Survey, SourceError> {
    let mut survey = Survey::default();
    let mut hash = Sha256::new();
    let mut line = Vec::with_capacity(256);
    for entry in run.walk()? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(SourceError::Vanished { path }) if path.is_record() => continue,
            Err(SourceError::Vanished { path }) => {
                survey.vanished += 1;
                hash.update(b"vanished\0");
                hash.update(path.as_bytes());
                hash.update([0]);
                continue;
            }
            Err(error) => return Err(error),
        };
        visitor(&entry);
        if entry.is_record() {
            continue;
        }
        line.clear();
        line.push(kind_byte(entry.kind));
        line.extend_from_slice(entry.path.as_bytes());
        line.push(0);
        match entry.kind {
            EntryKind::Folder => survey.empty_folders += u64::from(entry.empty),
            kind => {
                if let EntryKind::File { size } = kind {
                    survey.files += 1;
                    survey.bytes += size;
                    let newest = entry.stat.mtime_ns.max(entry.stat.ctime_ns);
                    survey.latest_change_ns = Some(survey.latest_change_ns.map_or(newest, |latest| latest.max(newest)));
                } else {
                    survey.unsupported += 1;
                }
                for number in [
                    entry.stat.size.cast_signed(),
                    entry.stat.mtime_ns,
                    entry.stat.ctime_ns,
                    entry.stat.inode.cast_signed(),
                ] {
                    line.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        hash.update(&line);
    }
    survey.fingerprint = hash.finalize().into();
    Ok(survey)
}

fn kind_byte(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::File { .. } => b'f',
        EntryKind::Folder => b'd',
        EntryKind::Link => b'l',
        EntryKind::Fifo => b'p',
        EntryKind::Socket => b's',
        EntryKind::Device => b'b',
    }
}
