//! Texts that a template wrote (docs/operation.md): which files they are, and what is wrong in them.
//!
//! Never the instrument's data: an XML tag would pass for a placeholder.

use super::front_matter::{FrontMatter, find, has_value};
use super::names::{Fault, leftover};
use super::tokens::leftovers;
use crate::document::creation::Creation;
use crate::finding::{OffendingKind, Rule};
use crate::path::FilePath;
use crate::settings::Validator;
use std::collections::BTreeSet;

/// The file whose front matter carries the fields that the config requires.
pub(super) const README: &str = "README.md";

/// How far a NUL is looked for: a file with one is no text.
const TEXT_PROBE_BYTES: usize = 8 * 1024;

/// Which contents are asked for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    validator: &'a Validator,
    by_plugins: BTreeSet<Vec<u8>>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(validator: &'a Validator, creation: Option<&Creation>, leaf: &str) -> Wanted<'a> {
        let named = creation.map(Creation::files_written_by_plugins).unwrap_or_default();
        Wanted { validator, by_plugins: named.into_iter().map(|name| inside_run(name, leaf).into_bytes()).collect() }
    }

    /// The size up to which a content is read.
    pub(super) fn max_bytes(&self) -> u64 {
        self.validator.content_scan_max_mib.saturating_mul(1 << 20)
    }

    pub(super) fn wants(&self, path: &FilePath, size: u64) -> bool {
        let written = is_readme(path) || (self.by_plugins.contains(path.as_bytes()) && self.is_text_by_name(path));
        written && size <= self.max_bytes()
    }

    fn is_text_by_name(&self, path: &FilePath) -> bool {
        extension(path).is_some_and(|own| {
            self.validator.content_scan_extensions.iter().any(|listed| listed.eq_ignore_ascii_case(&own))
        })
    }
}

pub(super) fn is_readme(path: &FilePath) -> bool {
    path.as_bytes() == README.as_bytes()
}

/// A plugin's name for a file, as a path inside the run: `./`, backslashes and the run's own folder before it are left
/// out.
fn inside_run(name: &str, leaf: &str) -> String {
    let name = name.replace('\\', "/");
    let folder = format!("/{leaf}/");
    let inside = match name.rfind(&folder) {
        Some(at) => &name[at + folder.len()..],
        None => name.strip_prefix(&folder[1..]).unwrap_or(&name),
    };
    inside.trim_start_matches("./").to_owned()
}

/// `.txt` of `a.txt`; a name that only begins with a dot has none.
fn extension(path: &FilePath) -> Option<String> {
    let name = path.as_utf8()?.rsplit('/').next()?;
    let dot = name.rfind('.').filter(|at| *at > 0)?;
    Some(name[dot..].to_ascii_lowercase())
}

/// Everything wrong with a content that was asked for.
pub(super) fn faults(path: &FilePath, bytes: &[u8], validator: &Validator) -> Vec<Fault> {
    let is_text = !bytes[..bytes.len().min(TEXT_PROBE_BYTES)].contains(&0);
    let markdown = extension(path).as_deref() == Some(".md");
    let (scanned, malformed) = match find(bytes) {
        _ if !is_text => (&[][..], false),
        _ if !markdown => (bytes, false),
        FrontMatter::Closed(lines) => (lines, false),
        FrontMatter::None => (&[][..], false),
        FrontMatter::Unclosed => (&[][..], true),
    };
    let mut found: Vec<_> =
        leftovers(scanned).into_iter().map(|(rule, token)| leftover(rule, token, OffendingKind::FileContent)).collect();
    if malformed {
        let detail = "The file opens its front matter with --- and never closes it, so its fields cannot be read: add a closing line of ---.";
        found.push(Fault { rule: Rule::MalformedYamlFrontMatter, token: "---".into(), detail: detail.into() });
    } else if is_readme(path) {
        let missing = validator.required_readme_fields.iter().filter(|field| !has_value(scanned, field));
        found.extend(
            missing.map(|field| missing_field(field, "has no value in the front matter of README.md: fill it in")),
        );
    }
    found
}

/// Every required field, when README.md could not be judged at all.
pub(super) fn unjudged_readme(size: Option<u64>, wanted: &Wanted<'_>) -> Vec<Fault> {
    let why = match size {
        None => "is required, but the run has no README.md: add one with this field in its front matter".to_owned(),
        Some(size) if size > wanted.max_bytes() => {
            "is required, but README.md is larger than validator.content_scan_max_mib and was not read: shorten it"
                .to_owned()
        }
        Some(_) => "is required, but README.md could not be read: make it readable for this program".to_owned(),
    };
    wanted.validator.required_readme_fields.iter().map(|field| missing_field(field, &why)).collect()
}

fn missing_field(field: &str, what: &str) -> Fault {
    Fault { rule: Rule::MissingRequiredField, token: field.to_owned(), detail: format!("The field {field} {what}.") }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
