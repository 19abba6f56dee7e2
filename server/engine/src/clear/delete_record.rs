//! Deleting a run's record, once all its data is gone: the other half of the one deleter, by its hand.

use super::delete::Deleted;
use super::unlink::{Parent, Unlinked, unlink};
use crate::files::hash::Hasher;
use crate::files::source::{Entry, RunFolder, SourceError};
use crate::keep::record::is_ours;
use crate::machine::writers::UNNAMED;
use crate::send::SentRecord;
use domain::gate::EntryKind;
use domain::path::FilePath;
use domain::proof::Totals;
use tokio_util::sync::CancellationToken;

/// Everything of the record that still stands. Blocking.
pub fn record_totals(folder: &RunFolder) -> Result<Totals, String> {
    let mut totals = Totals::default();
    for entry in record_entries(folder)? {
        if let EntryKind::File { size } = entry.kind {
            totals.add(size);
        }
    }
    Ok(totals)
}

fn record_entries(folder: &RunFolder) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for entry in folder.walk().map_err(|error| error.to_string())? {
        match entry {
            Ok(entry) if entry.is_record() => entries.push(entry),
            Ok(_) | Err(SourceError::Vanished { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(entries)
}

/// Deletes the record where all of it equals what was just proven on the NAS; our own temporary files and locks go
/// unproven. Where anything differs nothing of it goes: half a record is none. Answers what was kept, and why.
/// Blocking.
pub fn delete_record(folder: &RunFolder, proven: &[SentRecord]) -> Result<Deleted, String> {
    let mut deleted = Deleted::default();
    let entries = record_entries(folder)?;
    for entry in &entries {
        match entry.kind {
            EntryKind::Folder => {}
            EntryKind::File { .. } if is_ours(last_name(&entry.path)) => {}
            EntryKind::File { .. }
                if proven.iter().any(|sent| sent.file.path == entry.path && same_bytes(folder, sent, entry)) => {}
            EntryKind::File { .. } => deleted.keep(&entry.path, "is not as it was proven on the NAS"),
            _ => deleted.keep(&entry.path, "is a link or a special file in the record"),
        }
    }
    if deleted.kept.is_empty() {
        let mut parent = Parent::new(folder);
        for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Folder) {
            match unlink(&mut parent, &entry.path, &entry.stat, &mut deleted) {
                Unlinked::Done => {}
                Unlinked::OtherStat => deleted.keep(&entry.path, "changed while it was being cleared"),
                Unlinked::WrittenTo => deleted.keep_written(&entry.path, UNNAMED),
            }
        }
    }
    Ok(deleted)
}

fn last_name(path: &FilePath) -> &str {
    path.segments().last().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("")
}

fn same_bytes(folder: &RunFolder, proven: &SentRecord, entry: &Entry) -> bool {
    let hashed = Hasher::new().local(folder, &entry.path, &entry.stat, &CancellationToken::new(), &|_| ());
    entry.stat.size == proven.file.bytes.size()
        && hashed.is_ok_and(|hashed| hashed.digest == proven.file.bytes.digest())
}
