//! What an override let through and is not sent: listed in the run's record, since nothing else tells of it once the
//! run is cleared.

use crate::files::source::RunFolder;
use crate::keep::ingest_store::UNSENT;
use crate::keep::record::{RecordError, RecordFolder};
use crate::keep::seal::{Item, SealReader, UnsupportedKind};
use domain::path::escape_bytes;
use serde_json::json;
use std::io::Write;

/// Writes `unsent.json`: `{"schema_version": "1.0", "unsent": [{"path", "kind", "target"}, ...]}`, in path order,
/// `target` for links only. A run that has nothing of the kind, and had nothing, gets no such file. Blocking.
pub fn list(folder: &RunFolder, seal: &SealReader, record: &RecordFolder) -> Result<(), RecordError> {
    let unsent = || seal.items().into_iter().flatten().filter_map(Result::ok).filter_map(|item| line(folder, &item));
    if unsent().next().is_none() && record.stamp(UNSENT).is_none() {
        return Ok(());
    }
    record.replace_with(UNSENT, |out| {
        out.write_all(b"{\"schema_version\": \"1.0\", \"unsent\": [")?;
        for (n, line) in unsent().enumerate() {
            write!(out, "{}\n  {line}", if n == 0 { "" } else { "," })?;
        }
        out.write_all(b"\n]}\n")
    })
}

fn line(folder: &RunFolder, item: &Item) -> Option<serde_json::Value> {
    let Item::Unsupported { path, kind, .. } = item else { return None };
    let mut line = json!({"path": path.to_string(), "kind": kind.as_str()});
    if *kind == UnsupportedKind::Link {
        // One that went meanwhile is found changed by the comparison before any clear.
        line["target"] =
            folder.link_target(path).map_or(serde_json::Value::Null, |target| escape_bytes(&target).into());
    }
    Some(line)
}
