//! Looking at files at the destination: everything in a folder at once, since one listing is cheaper than many
//! questions.
//!
//! Links are never followed: a local listing shows them as what they are, an sftp listing leaves them out.

use super::classify;
use super::names::is_odd;
use super::session::{Session, join};
use super::there::{Listed, There, not_kept};
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use serde::Deserialize;

/// What something at the destination is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    File,
    Folder,
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

impl ListedEntry {
    fn seen(&self, kind: Kind) -> Seen {
        Seen { kind, size: u64::try_from(self.size).unwrap_or(0), mtime_ns: nanoseconds(&self.mod_time) }
    }

    fn kind(&self) -> Kind {
        if self.is_dir { Kind::Folder } else { Kind::File }
    }

    /// The name of the link that a local listing shows as a file.
    fn link(&self) -> Option<&str> {
        self.path.strip_suffix(".rclonelink").filter(|_| !self.is_dir)
    }
}

/// Everything below a folder of the root; `None` when it is not there.
pub(super) async fn everything(
    session: &Session,
    folder: &[u8],
    context: &CallContext,
) -> Result<Option<There>, TransportError> {
    everything_below(session, folder, "", &mut |_| (), context).await
}

/// The same, seen from a folder above: every name begins with `prefix`. `file` is told of every file whose name is
/// shown as it is, without the prefix.
pub(super) async fn everything_below(
    session: &Session,
    folder: &[u8],
    prefix: &str,
    file: &mut (dyn FnMut(&[u8]) + Send),
    context: &CallContext,
) -> Result<Option<There>, TransportError> {
    let shown = domain::path::escape_bytes(folder);
    let what = format!("looking at {}/{shown}", session.place.describe());
    let links = session.backend.ends.local;
    let mut call = session.call("lsjson", what.as_str()).args(["--recursive", "--no-mimetype", "--sftp-skip-links"]);
    if links {
        call = call.arg("--links");
    }
    let (mut listed, mut line, mut garbled, mut closed) = (Listed::below(prefix), Vec::new(), false, false);
    let mut kept = Ok(());
    let mut add = |entry: ListedEntry| {
        context.progress.alive();
        if entry.kind() == Kind::File && !is_odd(entry.path.as_bytes()) {
            file(entry.path.as_bytes());
        }
        if let Some(linked) = entry.link().filter(|_| links) {
            listed.add(linked, &entry.seen(Kind::Other))?;
        }
        listed.add(&entry.path, &entry.seen(entry.kind()))
    };
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
                    Ok(entry) if kept.is_ok() => kept = add(entry),
                    Ok(_) => {}
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
        return Err(incomplete(&what));
    }
    kept.map_err(|error| not_kept(&error))?;
    Ok(Some(listed.finish().map_err(|error| not_kept(&error))?))
}

/// The names directly in a folder of the root, as rclone shows them; none when it is not there.
pub(super) async fn names_in(
    session: &Session,
    folder: &[u8],
    context: &CallContext,
) -> Result<Vec<Vec<u8>>, TransportError> {
    let what = format!("looking at {}/{}", session.place.describe(), domain::path::escape_bytes(folder));
    let call = session.call("lsjson", what.as_str()).args(["--no-modtime", "--no-mimetype", "--sftp-skip-links"]);
    let (ended, said) = call.operands([session.at(folder)]).collect(context).await?;
    if ended.not_there() {
        return Ok(Vec::new());
    }
    if !ended.success() {
        return Err(classify::rclone(&ended, &what));
    }
    let entries: Vec<ListedEntry> = serde_json::from_slice(&said).map_err(|_| incomplete(&what))?;
    Ok(entries.into_iter().map(|entry| entry.path.into_bytes()).collect())
}

fn incomplete(what: &str) -> TransportError {
    TransportError::new(FailureClass::Network, Side::Destination, format!("{what}: the answer is incomplete"))
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
        return there.plain(name);
    }
    let Some(listed) = there.odd(name)? else { return Ok(None) };
    // Two names may be shown as one: the very name must be there too.
    let what = format!("looking at {}", domain::path::escape_bytes(name));
    let call = session
        .call("lsjson", what.as_str())
        .args(["--stat", "--no-mimetype"])
        .operands([session.at(&join(folder, name))]);
    let (ended, said) = call.collect(context).await?;
    if ended.not_there() {
        return Ok(None);
    }
    if !ended.success() {
        return Err(classify::rclone(&ended, &what));
    }
    // Older ones say `null` of what is not there.
    let Ok(Some(entry)) = serde_json::from_slice::<Option<ListedEntry>>(&said) else { return Ok(None) };
    Ok(Some(entry.seen(listed.kind)))
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
        let seen =
            entry(r#"{"Path":" a ","Name":" a ","Size":1,"ModTime":"2026-11-25T03:24:17.428644364Z","IsDir":false}"#);
        assert_eq!(
            seen.seen(seen.kind()),
            Seen { kind: Kind::File, size: 1, mtime_ns: Some(1_795_577_057_428_644_364) }
        );
        let folder = entry(r#"{"Path":"sub","Name":"sub","Size":-1,"ModTime":"","IsDir":true}"#);
        assert_eq!(folder.seen(folder.kind()), Seen { kind: Kind::Folder, size: 0, mtime_ns: None });
        let link = entry(r#"{"Path":"sub/l.rclonelink","Name":"l","Size":3,"ModTime":"","IsDir":false}"#);
        assert_eq!(link.link(), Some("sub/l"));
        let odd = entry(
            "{\"Path\":\"new\u{240a}line\",\"Size\":2,\"ModTime\":\"2000-01-01T01:00:00+01:00\",\"IsDir\":false}",
        );
        let mut listed = Listed::below("");
        listed.add(&odd.path, &odd.seen(odd.kind())).unwrap();
        let there = listed.finish().unwrap();
        assert_eq!(there.odd(b"new\nline").unwrap().unwrap().mtime_ns, Some(946_684_800_000_000_000));
        assert_eq!(there.plain(b"new\nline").unwrap(), None);
    }
}
