//! No text cites what is not here: every page that code or another page names exists, and so does every heading that a
//! page leads to. Tests only.

use crate::machine;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Names of texts that are not part of the project.
const ELSEWHERE: [&str; 4] = ["contract section", "the seeds", "CONTRACT.md", "HAZARDS.md"];

fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    const OTHERS: [&str; 4] = ["target", "node_modules", "fixtures", "artifacts"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !OTHERS.contains(&name.as_str()) {
                texts(&path, found);
            }
        } else if ["rs", "ts", "md", "toml", "sql", "css"]
            .iter()
            .any(|extension| path.extension().is_some_and(|found| found == *extension))
        {
            found.push(path);
        }
    }
}

/// Words that name a page below `docs/`, or a source.
fn pages_named(text: &str) -> impl Iterator<Item = &str> {
    let begins = |word: &str| {
        ["docs/", "app/", "server/", "frontend/", "xtask/", "end2end/"].iter().any(|folder| word.starts_with(folder))
    };
    let part =
        move |word: &str| begins(word) && [".md", ".rs", ".ts", ".mjs"].iter().any(|ending| word.ends_with(ending));
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c))).filter(move |word| part(word))
}

/// Where links of a page lead: a file, and a heading in it.
fn links(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://")).map(|target| match target.split_once('#') {
        Some((file, heading)) => (file, Some(heading)),
        None => (target, None),
    })
}

/// As a browser names them.
fn headings(text: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(name).collect()
}

fn mistakes(root: &Path, file: &Path) -> Vec<String> {
    let Ok(text) = fs::read_to_string(file) else { return Vec::new() };
    let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
    let mut found: Vec<String> =
        ELSEWHERE.iter().filter(|word| text.contains(**word)).map(|word| format!("{shown} cites {word:?}")).collect();
    found.extend(
        pages_named(&text)
            .filter(|page| !root.join(page).is_file())
            .map(|page| format!("{shown} names {page}, which is not there")),
    );
    // The tour leaves out the folder server/engine/src.
    if file.ends_with("docs/tour.md") {
        let engine = root.join("server/engine/src");
        let sources = text.split('`').filter(|word| word.ends_with(".rs"));
        let missing = sources.filter(|word| !root.join(word).is_file() && !engine.join(word).is_file());
        found.extend(missing.map(|word| format!("{shown} names {word}, which is not there")));
    }
    if file.extension().is_some_and(|extension| extension == "md") {
        for (target, heading) in links(&text) {
            let leads = if target.is_empty() { file.to_owned() } else { file.parent().unwrap_or(root).join(target) };
            let there = if leads.is_dir() {
                Some(String::new())
            } else {
                fs::read(&leads).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            };
            match (there, heading) {
                (None, _) => found.push(format!("{shown} leads to {target}, which is not there")),
                (Some(text), Some(heading)) if !headings(&text).contains(heading) => {
                    found.push(format!("{shown} leads to {target}#{heading}, and there is no such heading"));
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn no_text_cites_what_is_not_here() {
    let root = machine::root();
    let mut files = Vec::new();
    texts(root, &mut files);
    let own = Path::new(file!()).file_name();
    assert!(files.len() > 300, "the tree is read");
    let found: Vec<String> =
        files.iter().filter(|file| file.file_name() != own).flat_map(|file| mistakes(root, file)).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn links_and_headings_are_read() {
    let page = "# One word\n[a](b.md#two-words) [web](https://x.y/z) [c](#one-word)\n## Two `words`, more\n";
    assert_eq!(links(page).collect::<Vec<_>>(), [("b.md", Some("two-words")), ("", Some("one-word"))]);
    assert_eq!(headings(page), ["one-word", "two-words-more"].map(str::to_owned).into());
    assert_eq!(pages_named("(docs/format.md), `docs/x/y.md`.").collect::<Vec<_>>(), ["docs/format.md", "docs/x/y.md"]);
}
