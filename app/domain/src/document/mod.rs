//! The documents of a run's record (docs/format.md), as values: parsing and rewriting, no files.
//!
//! Each keeps the JSON object it was read from and changes only what it must, so that unknown fields survive at
//! every depth. A document of another major, or an unreadable one, is an error and never a default.

pub mod creation;
pub mod ingest;
pub(crate) mod text;

use serde_json::{Map, Value};

/// Why a document cannot be used. Never a reason to write a new one over it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DocumentError {
    /// Written by an incompatible version.
    #[error("{document}: schema version {found} is not readable here, major {expected_major} is expected")]
    SchemaMajorMismatch {
        /// File name.
        document: &'static str,
        /// The major this program reads.
        expected_major: u64,
        /// `schema_version` as found; `none` when missing.
        found: String,
    },
    /// Not JSON, or not of the document's shape.
    #[error("{document} cannot be read: {detail}")]
    Unreadable {
        /// File name.
        document: &'static str,
        /// What is wrong, with line and column where there is one.
        detail: String,
    },
}

impl DocumentError {
    /// The error code of REST and rows: `schema_major_mismatch` or `document_unreadable`.
    pub fn code(&self) -> &'static str {
        match self {
            DocumentError::SchemaMajorMismatch { .. } => "schema_major_mismatch",
            DocumentError::Unreadable { .. } => "document_unreadable",
        }
    }
}

const EXPECTED_MAJOR: u64 = 1;

/// Parses an object and checks its `schema_version`; returns the minor too.
fn parse_object(document: &'static str, bytes: &[u8]) -> Result<(Map<String, Value>, u64), DocumentError> {
    let unreadable = |detail: String| DocumentError::Unreadable { document, detail };
    let bytes = text::as_meant(bytes);
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| unreadable(text::no_json(&bytes, &error)))?;
    let Value::Object(object) = value else {
        return Err(unreadable("expected a JSON object".into()));
    };
    let found = match object.get("schema_version") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "none".into(),
    };
    let parts = found.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match parts {
        Some((EXPECTED_MAJOR, minor)) => Ok((object, minor)),
        _ => Err(DocumentError::SchemaMajorMismatch { document, expected_major: EXPECTED_MAJOR, found }),
    }
}

/// Raises `schema_version` to at least `1.<minor>`; never lowers it.
fn raise_minor(object: &mut Map<String, Value>, found: u64, ours: u64) {
    if found < ours {
        object.insert("schema_version".into(), Value::String(format!("{EXPECTED_MAJOR}.{ours}")));
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}
