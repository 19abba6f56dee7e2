//! One line of a listing or a seal. Any byte may stand in a name, so names are escaped; the text stays readable.
//!
//! `f <size> <mtime> <ctime> <inode> <digest or -> <settled|young> <name>`: a data file. `d <name>`: an empty folder.
//! `u <kind> <size> <mtime> <ctime> <inode> <name>`: a link, FIFO, socket or device, which is never sent. `a <digest>
//! <name>`, right behind the file's own line: it has extended attributes, and this is their digest (since minor 1).

use crate::files::source::Entry;
use domain::gate::EntryKind;
use domain::path::FilePath;
use domain::proof::{Digest, FileStat};
use std::fmt::Write as _;

/// What a run can hold that is never sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnsupportedKind {
    Link,
    Fifo,
    Socket,
    /// Block or character device.
    Device,
}

impl UnsupportedKind {
    /// For rows and files.
    pub fn as_str(self) -> &'static str {
        match self {
            UnsupportedKind::Link => "link",
            UnsupportedKind::Fifo => "fifo",
            UnsupportedKind::Socket => "socket",
            UnsupportedKind::Device => "device",
        }
    }

    fn from_text(text: &str) -> Option<UnsupportedKind> {
        [UnsupportedKind::Link, UnsupportedKind::Fifo, UnsupportedKind::Socket, UnsupportedKind::Device]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// `None` for files and folders.
    pub fn of(kind: EntryKind) -> Option<UnsupportedKind> {
        match kind {
            EntryKind::File { .. } | EntryKind::Folder => None,
            EntryKind::Link => Some(UnsupportedKind::Link),
            EntryKind::Fifo => Some(UnsupportedKind::Fifo),
            EntryKind::Socket => Some(UnsupportedKind::Socket),
            EntryKind::Device => Some(UnsupportedKind::Device),
        }
    }
}

/// One entry of a listing or a seal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    File {
        path: FilePath,
        /// When it was listed.
        stat: FileStat,
        /// Once it has been hashed.
        digest: Option<Digest>,
        /// Its ctime was less than a second old when it was hashed: a later write might have left the stat as it was
        /// (D14).
        young: bool,
    },
    EmptyFolder {
        path: FilePath,
    },
    /// The data file of the line before has extended attributes.
    Attributes {
        path: FilePath,
        /// Of their names and values.
        digest: Digest,
    },
    Unsupported {
        path: FilePath,
        kind: UnsupportedKind,
        /// When it was listed.
        stat: FileStat,
    },
}

impl Item {
    /// Inside the run.
    pub fn path(&self) -> &FilePath {
        match self {
            Item::File { path, .. }
            | Item::EmptyFolder { path }
            | Item::Attributes { path, .. }
            | Item::Unsupported { path, .. } => path,
        }
    }

    /// May stand behind this line: paths go on in order, attributes follow their file.
    pub(super) fn follows(&self, before: &Item) -> bool {
        match self {
            Item::Attributes { path, .. } => matches!(before, Item::File { path: file, .. } if file == path),
            _ => before.place().lt(self.place()),
        }
    }

    /// Its place in a walk: a folder has the place that its contents would have.
    pub(super) fn place(&self) -> impl Iterator<Item = u8> + '_ {
        let folder = matches!(self, Item::EmptyFolder { .. }).then_some(b'/');
        self.path().as_bytes().iter().copied().chain(folder)
    }

    /// What a listing keeps of an entry; `None` for the record and for folders that hold something.
    pub(super) fn of(entry: Entry) -> Option<Item> {
        if entry.is_record() {
            return None;
        }
        match (entry.kind, UnsupportedKind::of(entry.kind)) {
            (_, Some(kind)) => Some(Item::Unsupported { path: entry.path, kind, stat: entry.stat }),
            (EntryKind::Folder, None) => entry.empty.then_some(Item::EmptyFolder { path: entry.path }),
            (_, None) => Some(Item::File { path: entry.path, stat: entry.stat, digest: None, young: false }),
        }
    }

    /// Appends the line, LF included.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Item::File { stat, digest, young, .. } => {
                out.push_str("f ");
                write_stat(out, stat);
                match digest {
                    Some(digest) => out.push_str(&hex::encode(digest.0)),
                    None => out.push('-'),
                }
                out.push_str(if *young { " young " } else { " settled " });
            }
            Item::EmptyFolder { .. } => out.push_str("d "),
            Item::Attributes { digest, .. } => {
                out.push_str("a ");
                out.push_str(&hex::encode(digest.0));
                out.push(' ');
            }
            Item::Unsupported { kind, stat, .. } => {
                out.push_str("u ");
                out.push_str(kind.as_str());
                out.push(' ');
                write_stat(out, stat);
            }
        }
        escape(self.path().as_bytes(), out);
        out.push('\n');
    }

    /// Reads a line without its LF.
    pub(super) fn parse(line: &str) -> Option<Item> {
        let (tag, rest) = line.split_once(' ')?;
        match tag {
            "f" => {
                let (stat, rest) = parse_stat(rest)?;
                let mut parts = rest.splitn(3, ' ');
                let digest = match parts.next()? {
                    "-" => None,
                    text => Some(Digest::parse(text)?),
                };
                let young = match parts.next()? {
                    "young" => true,
                    "settled" => false,
                    _ => return None,
                };
                Some(Item::File { path: parse_name(parts.next()?)?, stat, digest, young })
            }
            "d" => Some(Item::EmptyFolder { path: parse_name(rest)? }),
            "a" => {
                let (digest, name) = rest.split_once(' ')?;
                Some(Item::Attributes { path: parse_name(name)?, digest: Digest::parse(digest)? })
            }
            "u" => {
                let (kind, rest) = rest.split_once(' ')?;
                let (stat, name) = parse_stat(rest)?;
                Some(Item::Unsupported { path: parse_name(name)?, kind: UnsupportedKind::from_text(kind)?, stat })
            }
            _ => None,
        }
    }
}

fn write_stat(out: &mut String, stat: &FileStat) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{} {} {} {} ", stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode);
}

fn parse_stat(text: &str) -> Option<(FileStat, &str)> {
    let mut parts = text.splitn(5, ' ');
    let stat = FileStat {
        size: parts.next()?.parse().ok()?,
        mtime_ns: parts.next()?.parse().ok()?,
        ctime_ns: parts.next()?.parse().ok()?,
        inode: parts.next()?.parse().ok()?,
    };
    Some((stat, parts.next()?))
}

fn parse_name(text: &str) -> Option<FilePath> {
    FilePath::new(unescape(text)?).ok()
}

/// Backslash as `\\`, control characters and what is not UTF-8 as `\xNN`; everything else as it is.
fn escape(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                character if character.is_ascii_control() => escape_byte(character as u8, out),
                character => out.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, out));
    }
}

fn escape_byte(byte: u8, out: &mut String) {
    let _ = write!(out, "\\x{byte:02x}");
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'\\', [b'\\', after @ ..]) => {
                out.push(b'\\');
                after
            }
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |b: u8| char::from(b).to_digit(16);
                out.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
                after
            }
            (b'\\', _) => return None,
            (byte, after) => {
                out.push(*byte);
                after
            }
        };
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn v9_any_name_survives_a_line(
            name in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\\'), Just(b'\n'), Just(b'x'), Just(b' ')], 1..40),
            size: u64, mtime_ns: i64, ctime_ns: i64, inode: u64, young: bool, digest in proptest::option::of(any::<[u8; 32]>()),
        ) {
            let Ok(path) = FilePath::new(name) else { return Ok(()) };
            let stat = FileStat { size, mtime_ns, ctime_ns, inode };
            let items = [
                Item::File { path: path.clone(), stat, digest: digest.map(Digest), young },
                Item::EmptyFolder { path: path.clone() },
                Item::Attributes { path: path.clone(), digest: Digest([size as u8; 32]) },
                Item::Unsupported { path, kind: UnsupportedKind::Fifo, stat },
            ];
            for item in items {
                let mut line = String::new();
                item.write(&mut line);
                prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
                prop_assert_eq!(Item::parse(&line[..line.len() - 1]), Some(item));
            }
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for line in [
            "",
            "f",
            "d ",
            "d ..",
            "d a\\",
            "d a\\xg0",
            "f 1 2 3 4 - maybe a",
            "f 1 2 3 4 00 young a",
            "x a",
            "u pipe 1 2 3 4 a",
            "a 00 a",
            "a b",
        ] {
            assert_eq!(Item::parse(line), None, "{line:?}");
        }
    }
}
