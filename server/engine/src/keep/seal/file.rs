//! The file both listings and seals are: a header, items in path order, and a last line with totals and the SHA-256 of
//! all before.

use super::SealError;
use super::line::Item;
use domain::path::FilePath;
use domain::proof::{Digest, Totals};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

/// What a file is, written in its first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    Listing,
    Seal,
    Early,
    Again,
    Seen,
}

impl Content {
    /// The first line as it was before files had lines of attributes; those say nothing of attributes.
    fn older_header(self) -> Option<&'static str> {
        match self {
            Content::Listing => Some("exlab-orchestrator listing 1\n"),
            Content::Seal => Some("exlab-orchestrator seal 1\n"),
            Content::Early | Content::Again | Content::Seen => None,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Content::Listing => "exlab-orchestrator listing 1.1\n",
            Content::Seal => "exlab-orchestrator seal 1.1\n",
            Content::Early => "exlab-orchestrator early hashes 1\n",
            Content::Again => "exlab-orchestrator hashed again 1\n",
            Content::Seen => "exlab-orchestrator seen there 1\n",
        }
    }
}

/// The last line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Trailer {
    pub totals: Totals,
    /// When it was closed, nanoseconds since the epoch.
    pub closed_at_ns: i64,
    /// SHA-256 of all lines before.
    pub digest: Digest,
}

impl Trailer {
    fn parse(line: &str) -> Option<Trailer> {
        let mut parts = line.strip_prefix("end ")?.split(' ');
        let trailer = Trailer {
            totals: Totals { files: parts.next()?.parse().ok()?, bytes: parts.next()?.parse().ok()? },
            closed_at_ns: parts.next()?.parse().ok()?,
            digest: Digest::parse(parts.next()?)?,
        };
        parts.next().is_none().then_some(trailer)
    }
}

pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> SealError + '_ {
    |error| match error.kind() {
        ErrorKind::NotFound => SealError::Absent { path: path.to_owned() },
        _ => SealError::Io { path: path.to_owned(), error },
    }
}

/// `path` with a suffix appended to its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Appends items to a file that is not finished yet.
#[derive(Debug)]
pub(super) struct ItemWriter {
    path: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    totals: Totals,
    line: String,
}

impl ItemWriter {
    pub fn create(path: PathBuf, content: Content) -> Result<ItemWriter, SealError> {
        let file = File::create(&path).map_err(io_error(&path))?;
        let mut writer = ItemWriter {
            out: BufWriter::with_capacity(64 << 10, file),
            path,
            hash: Sha256::new(),
            totals: Totals::default(),
            line: String::new(),
        };
        writer.line.push_str(content.header());
        writer.put_line()?;
        Ok(writer)
    }

    fn put_line(&mut self) -> Result<(), SealError> {
        self.hash.update(self.line.as_bytes());
        self.out.write_all(self.line.as_bytes()).map_err(io_error(&self.path))
    }

    pub fn put(&mut self, item: &Item) -> Result<(), SealError> {
        if let Item::File { stat, .. } = item {
            self.totals.add(stat.size);
        }
        self.line.clear();
        item.write(&mut self.line);
        self.put_line()
    }

    /// No file was put yet.
    pub fn is_empty(&self) -> bool {
        self.totals.files == 0
    }

    /// Hands everything to the kernel, so that it outlives this process.
    pub fn flush(&mut self) -> Result<(), SealError> {
        self.out.flush().map_err(io_error(&self.path))
    }

    /// Writes the last line, makes the file durable and gives it its final name.
    pub fn close(mut self, finished: &Path, closed_at_ns: i64) -> Result<Trailer, SealError> {
        let trailer = Trailer { totals: self.totals, closed_at_ns, digest: Digest(self.hash.finalize().into()) };
        let Totals { files, bytes } = trailer.totals;
        let wrap = io_error(&self.path);
        writeln!(self.out, "end {files} {bytes} {closed_at_ns} {}", trailer.digest).map_err(&wrap)?;
        let file = self.out.into_inner().map_err(|error| wrap(error.into_error()))?;
        file.sync_all().map_err(&wrap)?;
        std::fs::rename(&self.path, finished).map_err(&wrap)?;
        sync_folder_of(finished)?;
        Ok(trailer)
    }
}

fn sync_folder_of(path: &Path) -> Result<(), SealError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let opened = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    opened.and_then(rustix::fs::fsync).map_err(|error| io_error(folder)(error.into()))
}

/// Streams items; checks order, totals and the last line as it goes.
#[derive(Debug)]
pub(super) struct ItemReader {
    path: PathBuf,
    input: BufReader<File>,
    hash: Sha256,
    totals: Totals,
    buffer: Vec<u8>,
    last: Option<Item>,
    trailer: Option<Trailer>,
    ended: bool,
    older: bool,
}

impl ItemReader {
    pub fn open(path: &Path, content: Content) -> Result<ItemReader, SealError> {
        let file = File::open(path).map_err(io_error(path))?;
        let mut reader = ItemReader {
            path: path.to_owned(),
            input: BufReader::with_capacity(64 << 10, file),
            hash: Sha256::new(),
            totals: Totals::default(),
            buffer: Vec::new(),
            last: None,
            trailer: None,
            ended: false,
            older: false,
        };
        reader.read_line()?;
        reader.older = content.older_header().is_some_and(|header| reader.buffer == header.as_bytes());
        if !reader.older && reader.buffer != content.header().as_bytes() {
            return Err(reader.torn("its first line is not a known one"));
        }
        reader.hash.update(&reader.buffer);
        Ok(reader)
    }

    fn torn(&self, reason: &str) -> SealError {
        SealError::Torn { path: self.path.clone(), reason: reason.to_owned() }
    }

    fn read_line(&mut self) -> Result<(), SealError> {
        self.buffer.clear();
        self.input.read_until(b'\n', &mut self.buffer).map_err(io_error(&self.path))?;
        Ok(())
    }

    /// The next item, `None` after a last line that fits.
    fn step(&mut self) -> Result<Option<Item>, SealError> {
        self.read_line()?;
        let Some(line) = self.buffer.strip_suffix(b"\n") else {
            return Err(self.torn("it is cut short"));
        };
        let line = std::str::from_utf8(line).map_err(|_| self.torn("a line is not text"))?;
        if let Some(trailer) = Trailer::parse(line) {
            if trailer.digest.0 != <[u8; 32]>::from(std::mem::take(&mut self.hash).finalize())
                || trailer.totals != self.totals
            {
                return Err(self.torn("its last line does not fit"));
            }
            self.read_line()?;
            if !self.buffer.is_empty() {
                return Err(self.torn("something follows its last line"));
            }
            self.trailer = Some(trailer);
            return Ok(None);
        }
        let item = Item::parse(line).ok_or_else(|| self.torn("a line cannot be understood"))?;
        if self.last.as_ref().is_some_and(|last| !item.follows(last))
            || (self.older && matches!(item, Item::Attributes { .. }))
        {
            return Err(self.torn("its lines are not in order"));
        }
        self.hash.update(&self.buffer);
        if let Item::File { stat, .. } = &item {
            self.totals.add(stat.size);
        }
        self.last = Some(item.clone());
        Ok(Some(item))
    }

    /// Written before attributes were: it says nothing of them.
    pub fn is_older(&self) -> bool {
        self.older
    }

    /// The last line, once it was read and fits.
    pub fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    /// Reads to the end; the last line.
    pub fn check(mut self) -> Result<Trailer, SealError> {
        while self.step()?.is_some() {}
        self.trailer.ok_or_else(|| self.torn("it has no last line"))
    }
}

impl Iterator for ItemReader {
    type Item = Result<Item, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.step().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Items of a file, asked for by path, in path order. What cannot be read, or not any more, answers nothing.
#[derive(Debug)]
pub(super) struct InOrder(Option<Peekable<ItemReader>>);

impl InOrder {
    pub fn open(path: &Path, content: Content) -> InOrder {
        InOrder(ItemReader::open(path, content).ok().map(Iterator::peekable))
    }

    /// The item of this path; one that was asked for behind it is passed over.
    pub fn at(&mut self, path: &FilePath) -> Option<&Item> {
        let items = self.0.as_mut()?;
        while items.next_if(|item| item.as_ref().is_ok_and(|item| item.path() < path)).is_some() {}
        items.peek()?.as_ref().ok().filter(|item| item.path() == path)
    }
}
