//! Streams and labels beside the bytes at the server, where it has a `setfattr` and a file system that takes them. What
//! is proven is the list of them in the record; so what is not taken there is not lost, and fails nothing.

use super::look;
use super::session::Session;
use crate::files::source::{Attribute, RunFolder, attributes_of};
use crate::transport::portions::fault;
use crate::transport::{CallContext, TransportError};
use domain::path::FilePath;
use std::os::fd::AsFd;

/// So many bytes of values are held at once; more stay in the record alone.
const MOST: usize = 8 << 20;

/// The attributes of the files of one portion; most files have none.
#[derive(Default)]
pub(super) struct Labels {
    of: Vec<(FilePath, Vec<Attribute>)>,
    bytes: usize,
}

impl Labels {
    /// Of files of the run.
    pub async fn read(source: &RunFolder, files: Vec<FilePath>) -> Result<Labels, TransportError> {
        let source = source.clone();
        let read = move || {
            let mut labels = Labels::default();
            for path in files {
                // What cannot be opened is not sent either.
                if let Ok((file, _)) = source.open_file(&path) {
                    labels.note(&path, file);
                }
            }
            labels
        };
        tokio::task::spawn_blocking(read).await.map_err(fault)
    }

    /// Takes those of an opened file in.
    pub fn note(&mut self, path: &FilePath, file: impl AsFd) {
        let found = attributes_of(file).unwrap_or_default();
        let bytes: usize = found.iter().map(|attribute| attribute.value.len()).sum();
        if !found.is_empty() && self.bytes + bytes <= MOST {
            self.bytes += bytes;
            self.of.push((path.clone(), found));
        }
    }

    /// Both.
    pub fn and(mut self, more: Labels) -> Labels {
        self.bytes += more.bytes;
        self.of.extend(more.of);
        self
    }

    /// Gives them to the files that lie in our own folder `data`, absolute.
    pub async fn set(&self, session: &Session, data: &[u8], context: &CallContext) -> Result<(), TransportError> {
        if self.of.is_empty() {
            return Ok(());
        }
        let script = [look::enter_own(session, data), SET.to_vec(), self.listed().into_bytes(), END.to_vec()].concat();
        session.ask(&script, "labelling what was sent", context).await.map(drop)
    }

    /// As `getfattr --dump` writes them.
    fn listed(&self) -> String {
        let mut text = String::new();
        for (path, attributes) in &self.of {
            text.push_str(&format!("# file: ./{}\n", quoted(path.as_bytes())));
            for Attribute { name, value } in attributes {
                let value = if value.is_empty() { "\"\"".to_owned() } else { format!("0x{}", hex::encode(value)) };
                text.push_str(&format!("{}={value}\n", quoted(name)));
            }
            text.push('\n');
        }
        text
    }
}

/// Of links the link itself, should somebody have put one there.
const SET: &[u8] = b"setfattr -h --restore=- >/dev/null 2>&1 <<'END OF LABELS' || :\n";
const END: &[u8] = b"END OF LABELS\n";

/// What is not a plain letter as `\` and three octal digits.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d19_a_list_says_no_more_than_it_means() {
        let attribute = |name: &[u8], value: &[u8]| Attribute { name: name.to_vec(), value: value.to_vec() };
        let labels = Labels {
            of: vec![(
                FilePath::new("a b\n\\c").unwrap(),
                vec![attribute(b"user.DosStream.Zone.Identifier:$DATA", b"\0\xff"), attribute(b"user.a=b", b"")],
            )],
            bytes: 2,
        };
        let expected =
            "# file: ./a\\040b\\012\\134c\nuser.DosStream.Zone.Identifier\\072\\044DATA=0x00ff\nuser.a\\075b=\"\"\n\n";
        assert_eq!(labels.listed(), expected);
    }
}
