//! What a folder of the destination holds, whatever the number of files: each name as a number, on disk beyond some ten
//! thousand.
//!
//! A name's number is made up anew at every start. That one name more has the number of one of a million is as likely
//! as 1 in 10^13: a file would be taken for sent then that is not, and proving, which asks by name, finds it missing.

use super::look::{Kind, Seen};
use super::names::{fold, is_odd};
use crate::transport::{TransportError, private_name};
use domain::job::{FailureClass, Side};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

/// What is held in memory at most.
const IN_MEMORY: usize = 1 << 16;
/// Entries read at once to find one.
const WINDOW: u64 = 64;

/// Where names meet that are listed as they are, and where those that are shown in another way.
const PLAIN: u8 = 0;
const ODD: u8 = 1;

/// One name and what stands under it. Of two of one name the first counts: a file rather than a folder, and either
/// rather than a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Numbered {
    number: u64,
    kind: u8,
    size: u64,
    /// Nanoseconds; [`Numbered::NO_TIME`] where the destination keeps no times.
    mtime_ns: i64,
}

impl Numbered {
    const BYTES: usize = 25;
    const NO_TIME: i64 = i64::MIN;

    fn new(number: u64, seen: &Seen) -> Numbered {
        let kind = match seen.kind {
            Kind::File => 0,
            Kind::Folder => 1,
            Kind::Other => 2,
        };
        let mtime_ns = seen
            .mtime_ns
            .map_or(Numbered::NO_TIME, |time| i64::try_from(time).unwrap_or(i64::MAX).max(Numbered::NO_TIME + 1));
        Numbered { number, kind, size: seen.size, mtime_ns }
    }

    fn seen(&self) -> Seen {
        let kind = [Kind::File, Kind::Folder].get(usize::from(self.kind)).copied().unwrap_or(Kind::Other);
        Seen {
            kind,
            size: self.size,
            mtime_ns: (self.mtime_ns != Numbered::NO_TIME).then(|| i128::from(self.mtime_ns)),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.number.to_le_bytes())?;
        out.write_all(&[self.kind])?;
        out.write_all(&self.size.to_le_bytes())?;
        out.write_all(&self.mtime_ns.to_le_bytes())
    }

    fn read(bytes: &[u8]) -> Option<Numbered> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (size, rest) = rest.split_first_chunk()?;
        let mtime_ns = rest.first_chunk()?;
        Some(Numbered {
            number: u64::from_le_bytes(*number),
            kind: *kind,
            size: u64::from_le_bytes(*size),
            mtime_ns: i64::from_le_bytes(*mtime_ns),
        })
    }
}

/// What a listing tells, while it does.
pub(super) struct Listed {
    there: There,
    entries: Vec<Numbered>,
    most: usize,
    /// The rest, each file sorted.
    sorted: Vec<File>,
    /// What every name begins with.
    prefix: String,
}

impl Listed {
    /// Nothing yet. What is listed lies in this folder of what will be asked for.
    pub fn below(prefix: &str) -> Listed {
        Listed::with(prefix, IN_MEMORY)
    }

    fn with(prefix: &str, most: usize) -> Listed {
        Listed { there: There::default(), entries: Vec::new(), most, sorted: Vec::new(), prefix: prefix.to_owned() }
    }

    /// Something stands under this name, as the listing shows it.
    pub fn add(&mut self, name: &str, seen: &Seen) -> io::Result<()> {
        let mut name = name.to_owned();
        if !self.prefix.is_empty() {
            name = format!("{}/{name}", self.prefix);
        }
        let number = if is_odd(name.as_bytes()) {
            self.there.number(ODD, fold(name.as_bytes()).as_bytes())
        } else {
            self.there.number(PLAIN, name.as_bytes())
        };
        self.entries.push(Numbered::new(number, seen));
        if self.entries.len() < self.most { Ok(()) } else { self.spill() }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.entries.sort_unstable();
        let mut out = BufWriter::new(unnamed()?);
        self.entries.drain(..).try_for_each(|entry| entry.write(&mut out))?;
        self.sorted.push(out.into_inner()?);
        Ok(())
    }

    /// That was all.
    pub fn finish(mut self) -> io::Result<There> {
        if self.sorted.is_empty() {
            self.entries.sort_unstable();
            self.entries.shrink_to_fit();
            return Ok(There { entries: Entries::InMemory(self.entries), ..self.there });
        }
        self.spill()?;
        let entries = merge(self.sorted)?;
        Ok(There { entries, ..self.there })
    }
}

/// One file of all, sorted.
fn merge(sorted: Vec<File>) -> io::Result<Entries> {
    let mut inputs = Vec::new();
    for mut file in sorted {
        file.rewind()?;
        inputs.push(BufReader::new(file));
    }
    let mut next = BinaryHeap::new();
    for (at, input) in inputs.iter_mut().enumerate() {
        next.extend(read_one(input)?.map(|entry| Reverse((entry, at))));
    }
    let (mut out, mut count) = (BufWriter::new(unnamed()?), 0);
    while let Some(Reverse((entry, at))) = next.pop() {
        entry.write(&mut out)?;
        count += 1;
        if let Some(input) = inputs.get_mut(at) {
            next.extend(read_one(input)?.map(|entry| Reverse((entry, at))));
        }
    }
    Ok(Entries::OnDisk { file: out.into_inner()?, count })
}

fn read_one(input: &mut impl Read) -> io::Result<Option<Numbered>> {
    let mut bytes = [0; Numbered::BYTES];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(Numbered::read(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that nobody else can open, and that is gone with its last handle.
fn unnamed() -> io::Result<File> {
    let path = private_name::new_in(&std::env::temp_dir());
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// What a folder holds, by relative path.
#[derive(Default)]
pub(super) struct There {
    keys: RandomState,
    entries: Entries,
}

enum Entries {
    InMemory(Vec<Numbered>),
    OnDisk { file: File, count: u64 },
}

impl Default for Entries {
    fn default() -> Entries {
        Entries::InMemory(Vec::new())
    }
}

impl There {
    /// What stands under a name that is listed as it is.
    pub fn plain(&self, name: &[u8]) -> Result<Option<Seen>, TransportError> {
        self.find(self.number(PLAIN, name))
    }

    /// What stands under a name that is shown in another way, or under one that is shown as it is.
    pub fn odd(&self, name: &[u8]) -> Result<Option<Seen>, TransportError> {
        self.find(self.number(ODD, fold(name).as_bytes()))
    }

    /// True when it holds nothing.
    pub fn is_empty(&self) -> bool {
        matches!(&self.entries, Entries::InMemory(entries) if entries.is_empty())
    }

    fn number(&self, kind: u8, name: &[u8]) -> u64 {
        self.keys.hash_one((kind, name))
    }

    fn find(&self, number: u64) -> Result<Option<Seen>, TransportError> {
        let found = match &self.entries {
            Entries::InMemory(entries) => Ok(first_from(entries, number)),
            Entries::OnDisk { file, count } => find_in(file, *count, number),
        };
        Ok(found.map_err(|error| not_kept(&error))?.filter(|entry| entry.number == number).map(|entry| entry.seen()))
    }
}

fn first_from(entries: &[Numbered], number: u64) -> Option<Numbered> {
    entries.get(entries.partition_point(|entry| entry.number < number)).copied()
}

/// The first entry of at least this number. Numbers are spread evenly: the place is guessed, and the guess is seldom
/// far off.
fn find_in(file: &File, count: u64, number: u64) -> io::Result<Option<Numbered>> {
    let (mut low, mut high) = (0, count);
    let guess = u64::try_from((u128::from(number) * u128::from(count)) >> 64).unwrap_or(0);
    let mut at = guess.saturating_sub(WINDOW / 2);
    let mut window = Vec::new();
    // What is looked for is not before `low`, and before `high` when it is there at all.
    while low < high {
        at = at.clamp(low, high - 1);
        window.resize(usize::try_from(WINDOW.min(high - at)).unwrap_or(0) * Numbered::BYTES, 0);
        file.read_exact_at(&mut window, at * Numbered::BYTES as u64)?;
        let entries: Vec<Numbered> = window.chunks_exact(Numbered::BYTES).filter_map(Numbered::read).collect();
        let before = entries.partition_point(|entry| entry.number < number) as u64;
        if before == entries.len() as u64 {
            low = at + before;
        } else if before > 0 || at == low {
            return Ok(entries.get(before as usize).copied());
        } else {
            high = at + 1;
        }
        at = if high - low > WINDOW { low + (high - low) / 2 } else { low };
    }
    Ok(None)
}

/// What was listed cannot be kept on this computer.
pub(super) fn not_kept(error: &io::Error) -> TransportError {
    let message = format!("what was listed cannot be kept in {}: {error}", std::env::temp_dir().display());
    TransportError::new(FailureClass::LocalFull, Side::Here, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn file(size: u64) -> Seen {
        Seen { kind: Kind::File, size, mtime_ns: (size & 1 == 1).then(|| i128::from(size) * 1_000_000_007) }
    }

    proptest! {
        #[test]
        fn e8_every_name_is_found_wherever_it_is_kept(names in prop::collection::btree_map("[a-d]{1,4}", 0_u64..1_000, 0..200), most in 1_usize..100) {
            let mut listed = Listed::with("", most);
            for (name, size) in &names {
                listed.add(name, &file(*size)).unwrap();
            }
            let there = listed.finish().unwrap();
            prop_assert_eq!(there.is_empty(), names.is_empty());
            for asked in names.keys().cloned().chain(["a", "dddd", "x", ""].map(str::to_owned)) {
                prop_assert_eq!(there.plain(asked.as_bytes()).unwrap(), names.get(&asked).map(|size| file(*size)));
            }
        }
    }

    #[test]
    fn e8_a_hundred_thousand_names_are_on_disk_and_found() {
        let mut listed = Listed::below("run");
        let names: BTreeMap<String, u64> = (0..100_000).map(|n| (format!("a/{n}"), n)).collect();
        names.iter().for_each(|(name, n)| listed.add(name, &file(*n)).unwrap());
        let there = listed.finish().unwrap();
        assert!(matches!(there.entries, Entries::OnDisk { count: 100_000, .. }));
        assert!(names.iter().all(|(name, n)| there.plain(format!("run/{name}").as_bytes()).unwrap() == Some(file(*n))));
        assert!((0..1_000).all(|n| there.plain(format!("run/b/{n}").as_bytes()).unwrap().is_none()));
    }

    #[test]
    fn of_two_of_one_name_a_link_counts_last() {
        let link = Seen { kind: Kind::Other, ..file(7) };
        for seen in [[link, file(1)], [file(1), link]] {
            let mut listed = Listed::below("");
            seen.iter().for_each(|seen| listed.add("x", seen).unwrap());
            assert_eq!(listed.finish().unwrap().plain(b"x").unwrap(), Some(file(1)));
        }
    }
}
