//! `metadata.json` of the record: what the bytes of a run do not say. Extended attributes with their values (alternate
//! data streams, labels, resource forks), permissions, owners and access lists, and names that are one file. The record
//! goes to every kind of destination and is proven there, so that all of it is carried also where a destination cannot
//! hold it.
//!
//! Attributes beyond what a record takes are counted in `metadata_not_carried.json`, and hold the clear.

mod carried;

pub use carried::carries;

use crate::files::source::{Attribute, Entry, RunFolder, SourceError, attributes_of, digest_of, value_of};
use crate::keep::ingest_store::{METADATA, NOT_CARRIED};
use crate::keep::record::{RecordError, RecordFolder};
use crate::keep::seal::{Item, SealEntries, SealError, SealReader, Sealed};
use domain::gate::EntryKind;
use domain::path::{FilePath, escape_bytes};
use domain::proof::Digest;
use rustix::fd::AsFd;
use rustix::fs::Mode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
/// What a folder gives to what is made in it.
const DEFAULT_LIST: &[u8] = b"system.posix_acl_default";
/// The run's own folder, as a name in the list.
const OWN_FOLDER: &str = ".";
/// Names listed of each sort of permissions but the most frequent one, and of names that are one file.
const NAMED: usize = 10_000;
/// Attributes in one record, and the bytes of their values, each counted once.
const ATTRIBUTES: u64 = 200_000;
const VALUE_BYTES: usize = 16 << 20;

/// Why the list was not written.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The run is no longer what was sealed.
    #[error("{0} has other extended attributes (streams, labels) than a moment ago")]
    Changed(FilePath),
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Our seal of it.
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes the list. Attributes that are not those that were sealed are an error: the run is not at rest. Blocking.
pub fn list(folder: &RunFolder, seal: &SealReader, record: &RecordFolder) -> Result<(), MetadataError> {
    let (mut gathered, mut failed) = (Gathered::default(), None);
    let written = record.replace_with(METADATA, |out| {
        let open = rustix::fs::fstat(out.get_ref())?.st_mode & 0o777;
        rustix::fs::fchmod(out.get_ref(), Mode::from_raw_mode(open & 0o700))?;
        match write(folder, seal, &mut gathered, out) {
            Err(MetadataError::Io(error)) => Err(error),
            Err(other) => {
                failed = Some(other);
                Err(io::Error::other("the run changed"))
            }
            // The values of a file that is closed to others are, too.
            Ok(()) => {
                let mode = open & !gathered.closed;
                Ok(rustix::fs::fchmod(out.get_ref(), Mode::from_raw_mode(mode))?)
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    written?;
    let left = &gathered.left;
    if left.attributes > 0 || record.stamp(NOT_CARRIED).is_some() {
        let said =
            json!({"schema_version": "1.0", "attributes": left.attributes, "bytes": left.bytes, "first": left.first});
        record.replace(NOT_CARRIED, format!("{said}\n").as_bytes())?;
    }
    Ok(())
}

/// What the record of a run could not take; `None` when it took all.
pub fn not_carried(folder: &RunFolder) -> Option<Left> {
    let record = RecordFolder::open(folder.dir()).ok().flatten()?;
    let said: Value = serde_json::from_slice(&record.read(NOT_CARRIED).ok().flatten()?).ok()?;
    let (attributes, bytes) = (said["attributes"].as_u64().filter(|count| *count > 0)?, said["bytes"].as_u64()?);
    Some(Left { attributes, bytes, first: said["first"].as_str().unwrap_or_default().to_owned() })
}

/// What is known only at the end.
#[derive(Default)]
struct Gathered {
    listed: u64,
    /// By digest, each once.
    values: BTreeMap<[u8; 32], Vec<u8>>,
    value_bytes: usize,
    left: Left,
    permissions: HashMap<Permissions, Named>,
    /// By device and inode, of those with more names than one.
    links: HashMap<(u64, u64), Vec<String>>,
    /// Permissions that not everything with attributes gives to others.
    closed: u32,
}

/// Attributes beyond what a record takes.
#[derive(Default)]
pub struct Left {
    pub attributes: u64,
    /// Of all their values.
    pub bytes: u64,
    /// A file that has one, as shown text.
    pub first: String,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Permissions {
    mode: u32,
    owner: u32,
    group: u32,
    access_list: Option<String>,
    default_list: Option<String>,
}

/// What the bytes of something do not say.
struct Beside {
    attributes: Vec<Attribute>,
    access_list: Option<String>,
    default_list: Option<String>,
}

#[derive(Default)]
struct Named {
    entries: u64,
    names: Vec<String>,
}

fn write(
    folder: &RunFolder,
    seal: &SealReader,
    gathered: &mut Gathered,
    out: &mut impl Write,
) -> Result<(), MetadataError> {
    out.write_all(b"{\"schema_version\": \"1.0\", \"attributes\": [")?;
    let mut sealed = Lockstep { entries: seal.entries()?, next: None };
    for attribute in gathered.own_folder(folder)? {
        gathered.attribute(OWN_FOLDER, attribute, out)?;
    }
    for entry in folder.walk()? {
        let entry = match entry {
            Ok(entry) if entry.is_record() => continue,
            Ok(entry) => entry,
            Err(SourceError::Vanished { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let attributes = gathered.look(folder, &entry)?;
        if entry.is_data_file() && !sealed.agrees(&entry.path, digest_of(&attributes))? {
            return Err(MetadataError::Changed(entry.path));
        }
        for attribute in attributes {
            gathered.attribute(&entry.path.to_string(), attribute, out)?;
        }
    }
    out.write_all(b"\n], \"values\": {")?;
    for (n, (digest, value)) in gathered.values.iter().enumerate() {
        write!(out, "{}\n  \"{}\": \"{}\"", if n == 0 { "" } else { "," }, hex::encode(digest), hex::encode(value))?;
    }
    out.write_all(b"\n}, \"permissions\": [")?;
    let most = gathered.permissions.values().map(|named| named.entries).max().unwrap_or(0);
    let mut sorts: Vec<_> = gathered.permissions.iter().collect();
    sorts.sort_by_key(|(permissions, named)| (std::cmp::Reverse(named.entries), *permissions));
    for (n, (Permissions { mode, owner, group, access_list, default_list }, Named { entries, names })) in
        sorts.into_iter().enumerate()
    {
        let mut line = json!({"mode": format!("{mode:04o}"), "owner": owner, "group": group, "entries": entries});
        if let Some(access_list) = access_list {
            line["access_list"] = access_list.as_str().into();
        }
        if let Some(default_list) = default_list {
            line["default_list"] = default_list.as_str().into();
        }
        // Those of the most frequent sort are all that no other sort names.
        if *entries < most || n > 0 {
            line["names"] = json!(names);
        }
        write!(out, "{}\n  {line}", if n == 0 { "" } else { "," })?;
    }
    out.write_all(b"\n], \"one_file\": [")?;
    let mut links: Vec<_> = gathered.links.values().filter(|names| names.len() > 1).collect();
    links.sort();
    for (n, names) in links.into_iter().enumerate() {
        write!(out, "{}\n  {}", if n == 0 { "" } else { "," }, json!(names))?;
    }
    Ok(out.write_all(b"\n]}\n")?)
}

impl Gathered {
    /// Permissions and names of an entry; its attributes are answered.
    fn look(&mut self, folder: &RunFolder, entry: &Entry) -> Result<Vec<Attribute>, MetadataError> {
        let stat = folder.raw_stat(&entry.path)?;
        let shown = entry.path.to_string();
        let beside = match entry.kind {
            EntryKind::File { .. } => match folder.open_file(&entry.path) {
                Ok((file, _)) => Beside::of(&file, &entry.path)?,
                // What cannot be read was not sealed either.
                Err(SourceError::Unreadable { .. }) => Beside::NOTHING,
                Err(error) => return Err(error.into()),
            },
            EntryKind::Folder => {
                match crate::files::beneath::open_folder(folder.dir().as_fd(), entry.path.as_bytes()) {
                    Ok(folder) => Beside::of(&folder, &entry.path)?,
                    Err(errno) => return Err(SourceError::at(&entry.path, errno).into()),
                }
            }
            _ => Beside::NOTHING,
        };
        if matches!(entry.kind, EntryKind::File { .. }) && stat.st_nlink > 1 && self.links.len() < NAMED {
            self.links.entry((stat.st_dev, stat.st_ino)).or_default().push(shown.clone());
        }
        Ok(self.permissions(&stat, beside, shown))
    }

    /// The same of the run's own folder.
    fn own_folder(&mut self, folder: &RunFolder) -> Result<Vec<Attribute>, MetadataError> {
        let stat = rustix::fs::fstat(folder.dir()).map_err(io::Error::from)?;
        // A folder that was opened for its path alone tells of no attributes.
        let opened = crate::files::beneath::open_folder(folder.dir().as_fd(), b"").map_err(io::Error::from)?;
        let beside = Beside::read(&opened).map_err(io::Error::from)?;
        Ok(self.permissions(&stat, beside, OWN_FOLDER.to_owned()))
    }

    fn permissions(&mut self, stat: &rustix::fs::Stat, beside: Beside, shown: String) -> Vec<Attribute> {
        let Beside { attributes, access_list, default_list } = beside;
        if !attributes.is_empty() {
            self.closed |= !stat.st_mode & 0o077;
        }
        let (mode, owner, group) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        let named = self.permissions.entry(Permissions { mode, owner, group, access_list, default_list }).or_default();
        named.entries += 1;
        if named.names.len() < NAMED {
            named.names.push(shown);
        }
        attributes
    }

    /// One line, while there is room in the record.
    fn attribute(&mut self, path: &str, attribute: Attribute, out: &mut impl Write) -> Result<(), MetadataError> {
        let Attribute { name, value } = attribute;
        let (digest, bytes) = (<[u8; 32]>::from(Sha256::digest(&value)), value.len());
        let new = if self.values.contains_key(&digest) { 0 } else { bytes };
        if self.listed >= ATTRIBUTES || self.value_bytes + new > VALUE_BYTES {
            if self.left.attributes == 0 {
                self.left.first = path.to_owned();
            }
            self.left.attributes += 1;
            self.left.bytes += bytes as u64;
            return Ok(());
        }
        let line = json!({"path": path, "name": escape_bytes(&name), "bytes": bytes, "sha256": hex::encode(digest)});
        write!(out, "{}\n  {line}", if self.listed == 0 { "" } else { "," })?;
        self.listed += 1;
        self.value_bytes += new;
        self.values.entry(digest).or_insert(value);
        Ok(())
    }
}

impl Beside {
    const NOTHING: Beside = Beside { attributes: Vec::new(), access_list: None, default_list: None };

    /// Of something of the run that is opened.
    fn of(opened: impl AsFd, path: &FilePath) -> Result<Beside, SourceError> {
        Beside::read(opened).map_err(|errno| SourceError::at(path, errno))
    }

    fn read(opened: impl AsFd) -> Result<Beside, rustix::io::Errno> {
        let list = |name| value_of(opened.as_fd(), name).ok().and_then(|list| access_list(&list));
        let (access_list, default_list) = (list(ACCESS_LIST), list(DEFAULT_LIST));
        Ok(Beside { attributes: attributes_of(opened.as_fd())?, access_list, default_list })
    }
}

/// As `getfacl -n` writes it, in one line; `None` of what is no list of version 2.
fn access_list(bytes: &[u8]) -> Option<String> {
    let entries = bytes.strip_prefix(&2_u32.to_le_bytes())?;
    let entry = |entry: &[u8; 8]| {
        let [a, b, c, d, id @ ..] = entry;
        let (tag, rights, id) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]), u32::from_le_bytes(*id));
        let who = match tag {
            0x01 => "user:".to_owned(),
            0x02 => format!("user:{id}"),
            0x04 => "group:".to_owned(),
            0x08 => format!("group:{id}"),
            0x10 => "mask:".to_owned(),
            _ => "other:".to_owned(),
        };
        let right = |bit: u16, letter: char| if rights & bit == 0 { '-' } else { letter };
        format!("{who}:{}{}{}", right(4, 'r'), right(2, 'w'), right(1, 'x'))
    };
    let (entries, rest) = entries.as_chunks::<8>();
    rest.is_empty().then(|| entries.iter().map(entry).collect::<Vec<_>>().join(","))
}

/// The seal beside the walk, both in path order.
struct Lockstep {
    entries: SealEntries,
    next: Option<Sealed>,
}

impl Lockstep {
    /// True where the file has the attributes that were sealed, or is not sealed at all: the comparison with the seal
    /// finds such files.
    fn agrees(&mut self, path: &FilePath, now: Option<Digest>) -> Result<bool, SealError> {
        loop {
            let next = match self.next.take() {
                Some(next) => next,
                None => match self.entries.next().transpose()? {
                    Some(next) => next,
                    None => return Ok(true),
                },
            };
            match next.item.path().cmp(path) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    return Ok(!matches!(next.item, Item::File { .. }) || next.attributes == now);
                }
                std::cmp::Ordering::Greater => {
                    self.next = Some(next);
                    return Ok(true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d19_access_lists_are_told_as_getfacl_tells_them() {
        let entry = |tag: u16, rights: u16, id: u32| {
            [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let none = u32::MAX;
        let list = [
            entry(1, 6, none),
            entry(2, 7, 1_001),
            entry(4, 4, none),
            entry(8, 5, 50),
            entry(16, 7, none),
            entry(32, 0, none),
        ]
        .concat();
        let whole = [&2_u32.to_le_bytes()[..], &list].concat();
        assert_eq!(
            access_list(&whole).unwrap(),
            "user::rw-,user:1001:rwx,group::r--,group:50:r-x,mask::rwx,other::---"
        );
        assert_eq!(access_list(&whole[..whole.len() - 1]), None);
        assert_eq!(access_list(b""), None);
    }
}
