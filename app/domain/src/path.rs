//! Names of runs and of files in them. A request's path becomes a [`RunPath`] before anything else sees it.
//!
//! A `RunPath` cannot hold `..`, an empty segment, a hidden segment, or anything outside the staging tree's shapes
//! (docs/format.md), so code that takes one needs no check of its own. It says nothing about links: those are
//! refused where the path is opened.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// `experimental` or `test`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// `Runs/Run_*`
    Experimental,
    /// `TestRuns/TestRun_*`
    Test,
}

impl RunKind {
    /// As written in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            RunKind::Experimental => "experimental",
            RunKind::Test => "test",
        }
    }

    /// The kind a leaf's prefix claims; `None` when the leaf is no run (docs/format.md).
    pub fn of_leaf(leaf: &str) -> Option<RunKind> {
        if leaf.starts_with("TestRun_") {
            Some(RunKind::Test)
        } else if leaf.starts_with("Run_") {
            Some(RunKind::Experimental)
        } else {
            None
        }
    }
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// True for an equipment's id (docs/format.md): `^[A-Z][A-Z0-9_]*$`, 1-32 characters.
pub fn is_equipment_id(text: &str) -> bool {
    let rest = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    text.len() <= 32
        && text.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
        && text.as_bytes().iter().all(rest)
}

/// The folder between project and leaf.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Shelf {
    /// The run lies directly in the project: misplaced or legacy.
    Direct,
    /// `Runs`
    Runs,
    /// `TestRuns`
    TestRuns,
}

impl Shelf {
    /// The folder's name; `None` when the run lies directly in the project.
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Shelf::Direct => None,
            Shelf::Runs => Some("Runs"),
            Shelf::TestRuns => Some("TestRuns"),
        }
    }
}

/// Why a text names no run.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum PathError {
    /// An empty segment, `.`, `..`, a NUL, a leading or trailing slash: never normalised, always refused.
    #[error("{0:?} is not a plain path: empty segments, '.', '..', NUL and outer slashes are refused")]
    NotPlain(String),
    /// It is plain but has not the shape of a run.
    #[error(
        "{0:?} is not a run: expected EQUIPMENT/project/Runs/Run_* (or TestRuns/TestRun_*, or EQUIPMENT/project/Run_*)"
    )]
    NotARun(String),
    /// The absolute path lies outside the staging root.
    #[error("{0:?} lies outside the staging root")]
    Outside(String),
}

/// A run's path relative to the staging root, of exactly the shapes in docs/format.md.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunPath {
    text: Box<str>,
    equipment_end: u16,
    project_end: u16,
    leaf_start: u16,
}

/// Endings that programs give to what they have not finished writing.
const UNFINISHED: [&str; 5] = [".tmp", ".part", ".partial", ".filepart", ".crdownload"];

/// The part of a folder's name that says that it is still being made: one of the usual endings, in any case, or `~` at
/// its beginning. The folder is renamed when it is finished.
pub fn arriving_name(name: &str) -> Option<&'static str> {
    let ends_in = |ending: &str| {
        let at = name.len().checked_sub(ending.len());
        at.and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    if name.starts_with('~') { Some("~") } else { UNFINISHED.into_iter().find(|ending| ends_in(ending)) }
}

impl RunPath {
    /// Parses a path relative to the staging root. Nothing is normalised.
    pub fn parse(text: &str) -> Result<RunPath, PathError> {
        if !text.split('/').all(is_plain) {
            return Err(PathError::NotPlain(text.to_owned()));
        }
        let not_a_run = || PathError::NotARun(text.to_owned());
        let segments: Vec<&str> = text.split('/').collect();
        if text.len() > usize::from(u16::MAX) || segments.iter().any(|s| s.starts_with('.')) {
            return Err(not_a_run());
        }
        let leaf = match segments.as_slice() {
            [_, _, leaf] | [_, _, "Runs" | "TestRuns", leaf] => leaf,
            _ => return Err(not_a_run()),
        };
        RunKind::of_leaf(leaf).ok_or_else(not_a_run)?;
        let end = |n: usize| u16::try_from(segments[..n].iter().map(|s| s.len() + 1).sum::<usize>() - 1);
        let (Ok(equipment_end), Ok(project_end), Ok(leaf_start)) =
            (end(1), end(2), u16::try_from(text.len() - leaf.len()))
        else {
            return Err(not_a_run());
        };
        Ok(RunPath { text: text.into(), equipment_end, project_end, leaf_start })
    }

    /// Parses what a request names: relative to `staging_root`, or absolute and below it.
    pub fn parse_request(text: &str, staging_root: &str) -> Result<RunPath, PathError> {
        if !text.starts_with('/') {
            return RunPath::parse(text);
        }
        let root = staging_root.trim_end_matches('/');
        match text.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) {
            Some(relative) => RunPath::parse(relative),
            None if !text.split('/').skip(1).all(is_plain) => Err(PathError::NotPlain(text.to_owned())),
            None => Err(PathError::Outside(text.to_owned())),
        }
    }

    /// The whole path, segments joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// First segment: the equipment's id as the folder says it.
    pub fn equipment(&self) -> &str {
        &self.text[..usize::from(self.equipment_end)]
    }

    /// Second segment: the project folder.
    pub fn project(&self) -> &str {
        &self.text[usize::from(self.equipment_end) + 1..usize::from(self.project_end)]
    }

    /// Where between project and leaf the run lies.
    pub fn shelf(&self) -> Shelf {
        match self.text.get(usize::from(self.project_end) + 1..usize::from(self.leaf_start).saturating_sub(1)) {
            Some("Runs") => Shelf::Runs,
            Some("TestRuns") => Shelf::TestRuns,
            _ => Shelf::Direct,
        }
    }

    /// Last segment.
    pub fn leaf(&self) -> &str {
        &self.text[usize::from(self.leaf_start)..]
    }

    /// What of its name says that the run is still on its way; `None` for a run.
    pub fn arriving(&self) -> Option<&'static str> {
        arriving_name(self.leaf())
    }

    /// Kind by the leaf's prefix. The document may say otherwise; the gate reports that.
    pub fn kind(&self) -> RunKind {
        RunKind::of_leaf(self.leaf()).unwrap_or(RunKind::Experimental)
    }

    /// The path below the equipment's own root, as it is mirrored on the NAS: `<project>/Runs/<leaf>`.
    pub fn below_equipment(&self) -> &str {
        &self.text[usize::from(self.equipment_end) + 1..]
    }

    /// Segments from the staging root down.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/')
    }

    /// For a URL: every segment percent-encoded, slashes kept.
    pub fn to_url(&self) -> String {
        crate::address::encode_path(&self.text)
    }
}

fn is_plain(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains('\0')
}

impl fmt::Display for RunPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RunPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunPath({:?})", self.text)
    }
}

impl Serialize for RunPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RunPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RunPath::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A file's path inside its run: the bytes the file system gave, segments joined by `/`. Never empty, never escapes.
///
/// Bytes, because instruments write names that are not UTF-8 and their data must not be lost for it.
/// Orders by bytes, which is the order of `checksums.sha256` and of every listing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(Box<[u8]>);

impl FilePath {
    /// Takes a relative path; refuses what could leave the run or name nothing.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<FilePath, PathError> {
        let bytes: Vec<u8> = bytes.into();
        let plain =
            |segment: &[u8]| !segment.is_empty() && segment != b"." && segment != b".." && !segment.contains(&0);
        if bytes.split(|b| *b == b'/').all(plain) {
            Ok(FilePath(bytes.into()))
        } else {
            Err(PathError::NotPlain(escape_bytes(&bytes)))
        }
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Segments from the run's folder down.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/')
    }

    /// The text, when it is UTF-8.
    pub fn as_utf8(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// True for what lies in the run's own `.exlab-wizard` folder: the record, not data (docs/format.md).
    pub fn is_record(&self) -> bool {
        self.0.starts_with(b".exlab-wizard/")
    }
}

/// The name of the folder of the record, directly in a run.
pub const RECORD_FOLDER: &str = ".exlab-wizard";

/// Shows bytes as text: UTF-8 as it is, other bytes as `\xNN`.
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_bytes(&self.0))
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FilePath({self})")
    }
}

/// Shown text only: it does not read back, since `\xNN` is not unique.
impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
