//! Whether an instrument has finished a run (docs/format.md).
//!
//! The signal and what a manifest promises, as values. Whether the files are there, and whether the run has settled, is
//! seen by the watcher. Refusals are sentences: an operator reads them beside the run or in the config's error.

use crate::document::creation::PushedSignal;
use crate::path::{FilePath, RECORD_FOLDER};

/// The configured or pushed signal. The name is a single name inside the run: [`Signal::sentinel`] and
/// [`Signal::manifest`] refuse others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signal {
    /// `<run>/<filename>` is a regular file.
    SentinelFile {
        /// Single name.
        filename: String,
    },
    /// `<run>/<filename>` lists files that are all there with their sizes.
    Manifest {
        /// Single name.
        filename: String,
    },
}

impl Signal {
    /// Refuses anything but a single plain name, and patterns.
    pub fn sentinel(filename: &str) -> Result<Signal, String> {
        if filename.contains(['*', '?']) {
            return Err(format!(
                "sentinel {filename:?} is a pattern, and a name is taken literally, so that no run would ever be complete: write the exact \
                 name of a file that every run ends with, or completeness_signal: manifest"
            ));
        }
        single_name("sentinel", filename).map(|filename| Signal::SentinelFile { filename })
    }

    /// Refuses anything but a single plain name.
    pub fn manifest(filename: &str) -> Result<Signal, String> {
        single_name("manifest", filename).map(|filename| Signal::Manifest { filename })
    }

    /// The signal of a pushed creation.json for equipment unknown here; `None` when it carries none; the error is a
    /// sentence.
    pub fn from_pushed(pushed: &PushedSignal) -> Option<Result<Signal, String>> {
        let missing =
            |key: &str| Err(format!("creation.json's orchestrator block has no `{key}`: its producer must write one"));
        match pushed.completeness_signal.as_deref()? {
            "sentinel_file" => {
                Some(pushed.sentinel_filename.as_deref().map_or_else(|| missing("sentinel_filename"), Signal::sentinel))
            }
            "manifest" => {
                Some(pushed.manifest_filename.as_deref().map_or_else(|| missing("manifest_filename"), Signal::manifest))
            }
            other => Some(Err(format!(
                "creation.json's orchestrator block asks for completeness signal {other:?}: only `sentinel_file` and `manifest` are known here"
            ))),
        }
    }

    /// The file looked for.
    pub fn filename(&self) -> &str {
        match self {
            Signal::SentinelFile { filename } | Signal::Manifest { filename } => filename,
        }
    }

    /// The file looked for, as a path inside the run.
    pub fn file(&self) -> Option<FilePath> {
        FilePath::new(self.filename()).ok()
    }

    /// As the config writes it: `sentinel_file` or `manifest`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Signal::SentinelFile { .. } => "sentinel_file",
            Signal::Manifest { .. } => "manifest",
        }
    }
}

fn single_name(what: &str, name: &str) -> Result<String, String> {
    let why = if name.is_empty() {
        "is empty"
    } else if matches!(name, "." | "..") {
        "names a folder"
    } else if name == RECORD_FOLDER {
        "names the folder of the run's record"
    } else if name.contains(['/', '\\']) {
        "is a path"
    } else if name.chars().any(char::is_control) {
        "has a control character"
    } else if name.len() > 255 {
        "is longer than 255 bytes"
    } else {
        return Ok(name.to_owned());
    };
    Err(format!("{what} name {name:?} {why}: give the name of one file directly in the run's folder"))
}

/// The files a manifest promises.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// Path inside the run and size in bytes; never empty, no path twice, in the manifest's order.
    pub files: Vec<(FilePath, u64)>,
}

impl Manifest {
    /// Reads a manifest; the error is a sentence for a finding (`unusable_manifest`).
    ///
    /// Unknown keys are ignored. Nothing is guessed: one entry that cannot be used makes the whole manifest unusable.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, String> {
        manifest::parse(bytes).map(|files| Manifest { files })
    }
}

#[path = "completeness_manifest.rs"]
mod manifest;

#[cfg(test)]
#[path = "completeness_tests.rs"]
mod tests;
