//! Every dependency of every package is used by it: a name in `Cargo.toml` that no source says is a build that nobody
//! needs. Tests only.

use crate::machine;
use std::fs;
use std::path::Path;

const PACKAGES: [&str; 7] = ["app", "app/domain", "frontend", "server", "server/bench", "server/engine", "xtask"];

/// Names below `[dependencies]` and its likes.
fn named(manifest: &str) -> Vec<String> {
    let (mut found, mut inside) = (Vec::new(), false);
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies");
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            found.extend(line.split(['.', '=', ' ']).next().map(str::to_owned));
        }
    }
    found
}

/// All sources of a package, but not those of a package inside its folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let other = path.join("Cargo.toml").is_file()
                || ["target", "node_modules", "fixtures"].iter().any(|name| path.ends_with(name));
            if !other {
                sources(&path, text);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

fn is_said(text: &str, name: &str) -> bool {
    let word = name.replace('-', "_");
    let alone = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(&word).any(|(at, _)| text[..at].ends_with(alone) && text[at + word.len()..].starts_with(alone))
}

#[test]
fn every_dependency_is_used() {
    let mut unused = Vec::new();
    for package in PACKAGES {
        let folder = machine::root().join(package);
        let names = named(&fs::read_to_string(folder.join("Cargo.toml")).unwrap());
        assert!(!names.is_empty(), "{package}");
        let mut text = String::new();
        sources(&folder, &mut text);
        let lacking = names.into_iter().filter(|name| !is_said(&text, name));
        unused.extend(lacking.map(|name| format!("{package}: {name}")));
    }
    assert_eq!(unused, [""; 0]);
}

#[test]
fn names_are_read_and_found() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb-c = { path = \"y\" }\n# d\n[lints]\nworkspace = true\n[dev-dependencies]\ne = \"1\"\n";
    assert_eq!(named(manifest), ["a", "b-c", "e"]);
    assert!(is_said(" use b_c::X;", "b-c") && !is_said(" use ab_c::X;", "b-c") && !is_said(" b_cd ", "b-c"));
}
