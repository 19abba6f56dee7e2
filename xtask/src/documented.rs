//! Every public type and function of engine and panel says what it is. Their fields may go without, where the name says
//! it: rustc's own lint cannot tell the two apart, and is off there. Tests only.

use crate::machine;
use std::fs;
use std::path::Path;

const PACKAGES: [&str; 2] = ["app/src", "server/engine/src"];

/// Whether a line begins something public that has to be documented.
fn begins_something(line: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix("pub ").filter(|rest| !rest.contains('$')) else { return false };
    let rest = ["const ", "async ", "unsafe "].iter().fold(rest, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    ["fn ", "struct ", "enum ", "trait ", "type ", "static "].iter().any(|word| rest.starts_with(word))
        || rest.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Whether documentation stands above a line, before its attributes.
fn is_documented(above: &[&str]) -> bool {
    let is_attribute = |line: &&&str| {
        let text = line.trim_start();
        text.starts_with(['#', ')', ']']) || (line.starts_with("        ") && !text.starts_with("///"))
    };
    let before = above.iter().rev().find(|line| !is_attribute(line));
    before.is_some_and(|line| line.trim_start().starts_with("///"))
}

/// The type that an `impl` is of.
fn type_of(line: &str) -> Option<&str> {
    let after = line.split(" for ").last()?.trim_start_matches("impl").trim_start();
    let after = if after.starts_with('<') { after.split_once("> ")?.1 } else { after };
    after.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
}

/// Whether a line stands in the `impl` of a type that only its own folder sees.
fn is_of_a_private_type(lines: &[&str], at: usize) -> bool {
    if !lines[at].starts_with(' ') {
        return false;
    }
    let of = lines[..at].iter().rev().find(|line| line.starts_with("impl")).and_then(|line| type_of(line));
    let seen_by_all = |line: &&str| {
        let words: Vec<&str> = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        line.starts_with("pub ") && words.get(2).copied() == of
    };
    of.is_some() && !lines.iter().any(seen_by_all)
}

fn undocumented(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            undocumented(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).collect();
            let asked = |at: &usize| begins_something(lines[*at]) && !is_of_a_private_type(&lines, *at);
            let missing = (0..lines.len()).filter(asked).filter(|at| !is_documented(&lines[..*at]));
            found.extend(missing.map(|at| format!("{}:{}: {}", path.display(), at + 1, lines[at].trim())));
        }
    }
}

#[test]
fn every_public_type_and_function_says_what_it_is() {
    assert!(begins_something("    pub async fn run(") && begins_something("pub const TEN: u8 = 10;"));
    assert!(
        !begins_something("    pub files: u64,")
            && !begins_something("pub(super) fn run(")
            && !begins_something("pub mod x;")
    );
    assert!(is_documented(&["/// What.", "#[derive(Debug)]"]) && !is_documented(&["}", ""]));
    assert_eq!(type_of("impl<'a> Drop for Temporary<'a> {"), Some("Temporary"));
    assert_eq!(type_of("impl<T: Copy> Listed<T> {"), Some("Listed"));
    let mut found = Vec::new();
    PACKAGES.iter().for_each(|package| undocumented(&machine::root().join(package), &mut found));
    assert_eq!(found, [""; 0]);
}
