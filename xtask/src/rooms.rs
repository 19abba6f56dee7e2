//! `cargo xtask rooms`: the folders of engine and panel, and which of them knows which.
//!
//! No folder knows one above it, and so none stands in a circle: whoever changes one need not look up. ARCHITECTURE
//! shows the map that this draws.

use crate::machine;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Packages whose folders are held apart.
const PACKAGES: [(&str, &str); 2] = [("engine", "server/engine/src"), ("app", "app/src")];

/// A folder of a package, or a file beside them.
#[derive(Default)]
struct Room {
    /// The first sentence of its documentation.
    holds: String,
    /// Rooms of the package that its code names.
    knows: BTreeSet<String>,
    /// Code that reaches out of it other than by the name of a room.
    odd: Vec<String>,
}

type Rooms = BTreeMap<String, Room>;

/// Prints the map.
pub fn print() -> Result<()> {
    print!("{}", map(machine::root())?);
    Ok(())
}

/// Both packages, the uppermost room first.
fn map(root: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for (package, folder) in PACKAGES {
        let rooms = rooms_of(&root.join(folder))?;
        let levels = levels(&rooms)?;
        let width = rooms.keys().map(String::len).max().unwrap_or(0);
        lines.push(format!("{package}, {folder}"));
        let highest = levels.values().max().copied().unwrap_or(0);
        for level in (0..=highest).rev() {
            for (name, _) in levels.iter().filter(|(_, at)| **at == level) {
                lines.push(format!("  {level:>2}  {name:<width$}  {}", rooms[*name].holds));
            }
        }
        lines.push(String::new());
    }
    Ok(lines.join("\n"))
}

/// How many rooms stand below each, one upon the other. An error names a circle.
fn levels(rooms: &Rooms) -> Result<BTreeMap<&str, usize>> {
    let mut levels: BTreeMap<&str, usize> = BTreeMap::new();
    while levels.len() < rooms.len() {
        let known = |name: &String| levels.get(name.as_str()).copied();
        let level = |room: &Room| {
            room.knows
                .iter()
                .map(known)
                .collect::<Option<Vec<_>>>()
                .map(|below| below.into_iter().max().map_or(0, |at| at + 1))
        };
        let placed: Vec<(&str, usize)> = rooms
            .iter()
            .filter(|(name, _)| !levels.contains_key(name.as_str()))
            .filter_map(|(name, room)| Some((name.as_str(), level(room)?)))
            .collect();
        if placed.is_empty() {
            let left = rooms.iter().filter(|(name, _)| !levels.contains_key(name.as_str()));
            let lines: Vec<String> = left.map(|(name, room)| format!("{name} knows {:?}", room.knows)).collect();
            bail!("rooms stand in a circle, or upon one: {}", lines.join("; "));
        }
        levels.extend(placed);
    }
    Ok(levels)
}

fn rooms_of(source: &Path) -> Result<Rooms> {
    let mut rooms = Rooms::new();
    let mut texts = Vec::new();
    let library = fs::read_to_string(source.join("lib.rs"))?;
    for entry in fs::read_dir(source).with_context(|| source.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, &name, 0, &mut texts)?;
        } else if name != "lib" && name != "main" && !library.contains(&format!("#[cfg(test)]\nmod {name};")) {
            texts.push((name, 1, fs::read_to_string(&path)?));
        }
    }
    let names: BTreeSet<String> = texts.iter().map(|(name, ..)| name.clone()).collect();
    for (name, depth, text) in &texts {
        let room = rooms.entry(name.clone()).or_default();
        if *depth == 1 {
            room.holds = first_sentence(text);
        }
        look(text, *depth, room);
    }
    for (name, room) in &mut rooms {
        room.knows.remove(name);
        room.odd.extend(
            room.knows.difference(&names).map(|other| format!("{name} names crate::{other}, which is no room")),
        );
        room.knows.retain(|other| names.contains(other));
    }
    Ok(rooms)
}

/// All sources of a room, and how many `super` lead out of each.
fn files(folder: &Path, room: &str, above: usize, found: &mut Vec<(String, usize, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, room, above + 1, found)?;
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let depth = if name == "mod.rs" { above + 1 } else { above + 2 };
            found.push((room.to_owned(), depth, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Which other rooms the code names; tests may name any.
fn look(text: &str, depth: usize, room: &mut Room) {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            // The panel is the package itself. Everything else is named by its room, one at a time, so that it can be
            // seen here.
            match name.chars().next() {
                Some(first) if first.is_ascii_lowercase() => drop(room.knows.insert(name)),
                Some(_) if name == "App" => {}
                _ => room.odd.push(line.trim().to_owned()),
            }
        }
        if line.contains(&"super::".repeat(depth))
            || line.contains("{super::")
            || line.trim_start().starts_with("super::super")
        {
            room.odd.push(line.trim().to_owned());
        }
    }
}

fn first_sentence(text: &str) -> String {
    let docs: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let docs = docs.join(" ");
    let end = docs.find(". ").unwrap_or(docs.len());
    // A map does not say where there is more to read.
    let first = docs[..end].trim_end_matches('.');
    first.split(" (docs/").next().unwrap_or_default().replace(['`', '[', ']'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_knows_one_above_it_and_architecture_shows_the_map() {
        let architecture = fs::read_to_string(machine::root().join("ARCHITECTURE.md")).unwrap();
        let map = map(machine::root()).unwrap();
        assert!(
            architecture.contains(map.trim_end()),
            "ARCHITECTURE.md shows another map than `cargo xtask rooms` prints:\n{map}"
        );
        for (_, folder) in PACKAGES {
            let odd: Vec<String> =
                rooms_of(&machine::root().join(folder)).unwrap().into_values().flat_map(|room| room.odd).collect();
            assert_eq!(odd, [""; 0], "{folder}");
        }
    }

    /// Only the engine's edge makes what REST answers: below it errors are types, and no decision rests on a sentence.
    #[test]
    fn only_the_engines_edge_makes_problems() {
        let mut texts = Vec::new();
        files(&machine::root().join("server/engine/src"), "engine", 0, &mut texts).unwrap();
        let edge: Vec<_> = fs::read_dir(machine::root().join("server/engine/src/api")).unwrap().collect();
        let makes = |text: &String| text.contains("Problem::new(");
        let making = texts.iter().filter(|(_, _, text)| makes(text)).count();
        let at_the_edge =
            edge.iter().filter(|entry| makes(&fs::read_to_string(entry.as_ref().unwrap().path()).unwrap())).count();
        assert!(making > 0);
        assert_eq!(making, at_the_edge, "`Problem::new` stands below server/engine/src/api");
    }

    /// A name shared by three types says nothing.
    #[test]
    fn no_type_is_named_three_times_in_a_package() {
        let mut often = Vec::new();
        for folder in ["server/engine/src", "app/src", "app/domain/src", "server/src", "xtask/src"] {
            let mut texts = Vec::new();
            files(&machine::root().join(folder), folder, 0, &mut texts).unwrap();
            let mut named: BTreeMap<String, usize> = BTreeMap::new();
            for (_, _, text) in &texts {
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                code.lines().filter_map(type_named).for_each(|name| *named.entry(name).or_default() += 1);
            }
            assert!(named.len() > 20, "{folder}: {named:?}");
            often.extend(
                named
                    .into_iter()
                    .filter(|(_, times)| *times > 2)
                    .map(|(name, times)| format!("{folder}: {name}, {times} times")),
            );
        }
        assert_eq!(often, [""; 0]);
    }

    /// The name that this line gives to a type.
    fn type_named(line: &str) -> Option<String> {
        let line = line.trim_start();
        let line = line.strip_prefix("pub").map_or(line, |rest| {
            rest.split_once(") ").filter(|_| rest.starts_with('(')).map_or(rest, |(_, rest)| rest)
        });
        let rest = ["struct ", "enum ", "trait "].iter().find_map(|word| line.trim_start().strip_prefix(word))?;
        Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
    }

    #[test]
    fn circles_and_ways_around_are_seen() {
        let mut room = Room::default();
        let text = "//! One. Two.\nuse crate::b::X;\n/// See [`crate::c`].\nuse super::super::d::Y;\ncrate::App\nuse crate::{f, g};\ncrate::Z\n#[cfg(test)]\nmod tests {\n    use crate::e;\n}\n";
        look(text, 2, &mut room);
        assert_eq!(room.knows, BTreeSet::from(["b".to_owned()]));
        assert_eq!(room.odd, ["use super::super::d::Y;", "use crate::{f, g};", "crate::Z"]);
        assert_eq!(first_sentence(text), "One");
        for line in ["struct A {", "pub struct A(u8);", "    pub(super) enum A<'a> {", "pub trait A: B {"] {
            assert_eq!(type_named(line).as_deref(), Some("A"), "{line}");
        }
        assert_eq!(type_named("let structure = 1;"), None);
        let knows = |name: &str, other: &str| {
            (name.to_owned(), Room { knows: BTreeSet::from([other.to_owned()]), ..Room::default() })
        };
        let mut rooms = Rooms::from([knows("a", "b"), knows("b", "c"), ("c".to_owned(), Room::default())]);
        assert_eq!(levels(&rooms).unwrap(), BTreeMap::from([("a", 2), ("b", 1), ("c", 0)]));
        rooms.get_mut("c").unwrap().knows.insert("a".to_owned());
        assert!(levels(&rooms).unwrap_err().to_string().contains("circle"));
    }
}
