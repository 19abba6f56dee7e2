//! Looking at files at the destination: everything in a folder at once, since one listing is cheaper than many questions.
//!
//! Links are never followed: a local listing shows them as what they are, an sftp listing leaves them out. What is there of one
//! run is held in memory meanwhile, about a hundred bytes for each file.

use super::classify;
use super::names::{fold, is_odd};
use super::session::{Session, join};
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use serde::Deserialize;
use std::collections::HashMap;

/// What something at the destination is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    File,
    Folder,
    /// A link.
    Other,
}

/// What is known of something at the destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub kind: Kind,
    pub size: u64,
    /// `None` where it keeps no times.
    pub mtime_ns: Option<i128>,
}

/// What a folder holds, by relative path.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct There {
    plain: HashMap<Vec<u8>, Seen>,
    /// Those whose names are shown in another way, by that way.
    odd: HashMap<String, Seen>,
}

impl There {
    /// What stands under a name that is listed as it is.
    pub fn plain(&self, name: &[u8]) -> Option<Seen> {
        self.plain.get(name).copied()
    }

    /// The same, seen from the folder above.
    pub fn below(self, folder: &str) -> There {
        let plain = self.plain.into_iter().map(|(name, seen)| ([folder.as_bytes(), b"/", &name].concat(), seen)).collect();
        let odd = self.odd.into_iter().map(|(name, seen)| (format!("{folder}/{name}"), seen)).collect();
        There { plain, odd }
    }

    /// Names of folders directly in `folder`.
    pub fn folders_in<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let within = move |name: &'a [u8]| name.strip_prefix(folder.as_bytes())?.strip_prefix(b"/").filter(|rest| !rest.contains(&b'/'));
        self.plain.iter().filter(|(_, seen)| seen.kind == Kind::Folder).filter_map(move |(name, _)| within(name))
    }

    /// Files whose names are listed as they are.
    pub fn files(&self) -> impl Iterator<Item = &[u8]> {
        self.plain.iter().filter(|(_, seen)| seen.kind == Kind::File).map(|(name, _)| name.as_slice())
    }

    fn add(&mut self, entry: ListedEntry, links: bool) {
        let kind = if entry.is_dir { Kind::Folder } else { Kind::File };
        let seen = Seen { kind, size: u64::try_from(entry.size).unwrap_or(0), mtime_ns: nanoseconds(&entry.mod_time) };
        if let Some(linked) = entry.path.strip_suffix(".rclonelink").filter(|_| links && kind == Kind::File) {
            self.plain.entry(linked.as_bytes().to_vec()).or_insert(Seen { kind: Kind::Other, ..seen });
        }
        if is_odd(entry.path.as_bytes()) {
            self.odd.insert(fold(entry.path.as_bytes()), seen);
        } else {
            self.plain.insert(entry.path.into_bytes(), seen);
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedEntry {
    path: String,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    mod_time: String,
    #[serde(default)]
    is_dir: bool,
}

/// Everything below a folder of the root; `None` when it is not there.
pub(super) async fn everything(session: &Session, folder: &[u8], context: &CallContext) -> Result<Option<There>, TransportError> {
    let shown = domain::path::escape_bytes(folder);
    let what = format!("looking at {}/{shown}", session.place.describe());
    let links = session.backend.ends.local;
    let mut call = session.call("lsjson", what.as_str()).args(["--recursive", "--no-mimetype", "--sftp-skip-links"]);
    if links {
        call = call.arg("--links");
    }
    let (mut there, mut line, mut garbled, mut closed) = (There::default(), Vec::new(), false, false);
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            match line.strip_suffix(b",").unwrap_or(&line) {
                b"[" | b"" => {}
                b"]" => closed = true,
                entry => match serde_json::from_slice(entry) {
                    Ok(entry) => there.add(entry, links),
                    Err(_) => garbled = true,
                },
            }
            line.clear();
        }
    };
    let ended = call.operands([session.at(folder)]).run(&mut take, &mut |_| (), context).await?;
    if ended.not_there() {
        return Ok(None);
    }
    if !ended.success() {
        return Err(classify::rclone(&ended, &what));
    }
    if garbled || !closed {
        return Err(TransportError::new(FailureClass::Network, Side::Destination, format!("{what}: the answer is incomplete")));
    }
    Ok(Some(there))
}

/// What stands under one name of a folder that was listed; asked anew when the listing shows such names in another way.
pub(super) async fn one(
    session: &Session,
    folder: &[u8],
    name: &[u8],
    there: &There,
    context: &CallContext,
) -> Result<Option<Seen>, TransportError> {
    if !is_odd(name) {
        return Ok(there.plain(name));
    }
    let Some(listed) = there.odd.get(&fold(name)).copied() else { return Ok(None) };
    // Two names may be shown as one: the very name must be there too.
    let what = format!("looking at {}", domain::path::escape_bytes(name));
    let call = session.call("lsjson", what.as_str()).args(["--stat", "--no-mimetype"]).operands([session.at(&join(folder, name))]);
    let (ended, said) = call.collect(context).await?;
    if ended.not_there() {
        return Ok(None);
    }
    if !ended.success() {
        return Err(classify::rclone(&ended, &what));
    }
    // Older ones say `null` of what is not there.
    let Ok(Some(entry)) = serde_json::from_slice::<Option<ListedEntry>>(&said) else { return Ok(None) };
    let size = u64::try_from(entry.size).unwrap_or(0);
    Ok(Some(Seen { size, mtime_ns: nanoseconds(&entry.mod_time), ..listed }))
}

fn nanoseconds(text: &str) -> Option<i128> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> ListedEntry {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn v9_v12_listings_are_read_whatever_is_in_them() {
        let mut there = There::default();
        there.add(entry(r#"{"Path":" a ","Name":" a ","Size":1,"ModTime":"2026-11-25T03:24:17.428644364Z","IsDir":false}"#), true);
        there.add(entry(r#"{"Path":"sub","Name":"sub","Size":-1,"ModTime":"","IsDir":true}"#), true);
        there.add(entry(r#"{"Path":"sub/l.rclonelink","Name":"l","Size":3,"ModTime":"","IsDir":false}"#), true);
        there.add(entry("{\"Path\":\"new\u{240a}line\",\"Size\":2,\"ModTime\":\"2000-01-01T01:00:00+01:00\",\"IsDir\":false}"), true);
        let seen = there.plain(b" a ").unwrap();
        assert_eq!((seen.kind, seen.size, seen.mtime_ns.unwrap() % 1_000_000_000), (Kind::File, 1, 428_644_364));
        assert_eq!(there.plain(b"sub").unwrap(), Seen { kind: Kind::Folder, size: 0, mtime_ns: None });
        assert_eq!(there.plain(b"sub/l").unwrap().kind, Kind::Other);
        assert_eq!(there.odd[&fold(b"new\nline")].mtime_ns, Some(946_684_800_000_000_000));
    }
}
