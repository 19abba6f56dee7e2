//! The rules for project names (docs/format.md): printable ASCII that every file system takes as it is.
//!
//! Stricter than the rules for any name, and only shown: data under an unwise project name is still data.

use super::names::{is_illegal, reserved_base};
use std::fmt;

const MAX_CHARACTERS: usize = 255;

/// Something unwise about a project's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ProjectNameFault {
    /// Begins or ends with a blank.
    OuterBlank,
    /// Ends in a dot.
    TrailingDot,
    /// A Windows device, with or without an extension.
    Reserved,
    /// A character that Windows refuses.
    Illegal(char),
    /// A character beyond printable ASCII.
    NotPrintableAscii(char),
    /// More characters than 255: this many.
    TooLong(usize),
}

impl fmt::Display for ProjectNameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProjectNameFault::OuterBlank => f.write_str("begins or ends with a blank"),
            ProjectNameFault::TrailingDot => f.write_str("ends in a dot, which Windows drops"),
            ProjectNameFault::Reserved => f.write_str("is the name of a Windows device"),
            ProjectNameFault::Illegal(c) => write!(f, "holds {c}, which Windows refuses"),
            ProjectNameFault::NotPrintableAscii(c) => write!(f, "holds {}, which is not printable ASCII", shown(*c)),
            ProjectNameFault::TooLong(n) => write!(f, "has {n} characters, more than {MAX_CHARACTERS}"),
        }
    }
}

impl ProjectNameFault {
    /// The part of `name` that is meant, for marking.
    pub(super) fn token(self, name: &str) -> String {
        match self {
            ProjectNameFault::OuterBlank if name.starts_with(char::is_whitespace) => name.chars().take(1).collect(),
            ProjectNameFault::OuterBlank => name.chars().next_back().into_iter().collect(),
            ProjectNameFault::TrailingDot => ".".into(),
            ProjectNameFault::Illegal(c) | ProjectNameFault::NotPrintableAscii(c) => c.into(),
            ProjectNameFault::Reserved | ProjectNameFault::TooLong(_) => name.into(),
        }
    }
}

fn shown(c: char) -> String {
    if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
}

/// Everything unwise about a project's name, each character once; empty when it is fine.
pub fn project_name_faults(name: &str) -> Vec<ProjectNameFault> {
    let mut faults = Vec::new();
    if name.trim() != name {
        faults.push(ProjectNameFault::OuterBlank);
    }
    if name.ends_with('.') {
        faults.push(ProjectNameFault::TrailingDot);
    }
    if reserved_base(name.as_bytes()).is_some() {
        faults.push(ProjectNameFault::Reserved);
    }
    let distinct = |fits: fn(char) -> bool| {
        let mut seen = Vec::new();
        name.chars().filter(|c| fits(*c)).for_each(|c| {
            if !seen.contains(&c) {
                seen.push(c)
            }
        });
        seen
    };
    faults.extend(distinct(|c| is_illegal(c) || matches!(c, '<' | '>')).into_iter().map(ProjectNameFault::Illegal));
    faults.extend(distinct(|c| !matches!(c, ' '..='~')).into_iter().map(ProjectNameFault::NotPrintableAscii));
    let characters = name.chars().count();
    if characters > MAX_CHARACTERS {
        faults.push(ProjectNameFault::TooLong(characters));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(serde::Deserialize)]
    struct Vectors {
        equipment_id: BTreeMap<String, bool>,
        project_name: BTreeMap<String, Vec<String>>,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../tests/fixtures/vectors/names.json")).unwrap()
    }

    /// The existing system's words for a fault, with its way of quoting.
    fn existing_words(name: &str, fault: ProjectNameFault) -> String {
        let quote = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\t', "\\t"));
        let what = match fault {
            ProjectNameFault::OuterBlank => "has leading or trailing whitespace".to_owned(),
            ProjectNameFault::TrailingDot => "ends with a trailing dot, illegal on Windows targets".to_owned(),
            ProjectNameFault::Reserved => "is a reserved Windows device name".to_owned(),
            ProjectNameFault::Illegal(c) => format!("contains illegal filesystem character {}", quote(&c.to_string())),
            ProjectNameFault::NotPrintableAscii(c) => {
                format!(
                    "contains non-ASCII or control character {}; project names must be printable ASCII",
                    quote(&c.to_string())
                )
            }
            ProjectNameFault::TooLong(n) => format!("exceeds max length 255 ({n} chars)"),
        };
        format!("project name {} {what}", quote(name))
    }

    #[test]
    fn golden_project_names() {
        let names = vectors().project_name;
        assert!(names.len() > 15);
        for (name, expected) in names {
            let words: Vec<_> =
                project_name_faults(&name).into_iter().map(|fault| existing_words(&name, fault)).collect();
            assert_eq!(words, expected);
        }
    }

    #[test]
    fn golden_equipment_ids() {
        let ids = vectors().equipment_id;
        assert!(ids.len() > 10);
        for (id, accepted) in ids {
            assert_eq!(crate::path::is_equipment_id(&id), accepted, "{id:?}");
        }
    }

    #[test]
    fn tokens_are_parts_of_the_name() {
        for (name, _) in vectors().project_name {
            for fault in project_name_faults(&name) {
                assert!(name.contains(&fault.token(&name)) && !fault.token(&name).is_empty(), "{name:?} {fault}");
            }
        }
        assert_eq!(ProjectNameFault::OuterBlank.token("x\u{3000}"), "\u{3000}");
    }
}
