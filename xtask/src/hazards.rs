//! `cargo xtask hazards D3`: which tests guard against a hazard of docs/hazards.md.
//!
//! A test that guards against one carries its number: `fn d3_…` in Rust, `test("D3 …")` in Playwright; several numbers
//! in a row are fine. No row is without a test, and no test carries a number without a row.

use crate::machine;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/hazards.md";
const SOURCES: [&str; 4] = ["app", "server", "xtask/src", "end2end/tests"];

/// Tests by the number they carry.
type Guards = BTreeMap<String, Vec<String>>;

/// The numbers a test carries, and its name.
type Found = Option<(Vec<String>, String)>;

/// Prints the tests of these hazards; of all without a number.
pub fn print(numbers: &[String]) -> Result<()> {
    let page = fs::read_to_string(machine::root().join(PAGE)).context(PAGE)?;
    let (rows, guards) = (rows(&page), guards(machine::root())?);
    let wanted: Vec<String> = numbers.iter().map(|number| number.to_ascii_uppercase()).collect();
    if let Some(unknown) = wanted.iter().find(|number| !rows.iter().any(|(known, _)| known == *number)) {
        bail!("{PAGE} has no {unknown}");
    }
    for (number, hazard) in rows.iter().filter(|(number, _)| wanted.is_empty() || wanted.contains(number)) {
        println!("{number}  {hazard}");
        guards.get(number).into_iter().flatten().for_each(|name| println!("    {name}"));
    }
    Ok(())
}

/// Numbers and hazards, as the page lists them.
fn rows(page: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (number, hazard) = (cells.next()?, cells.next()?);
        is_number(number).then(|| (number.to_owned(), hazard.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

/// What does not fit: rows without a test, and tests without a row.
#[cfg(test)]
fn mistakes(page: &str, guards: &Guards) -> Vec<String> {
    let rows = rows(page);
    let unguarded = rows
        .iter()
        .filter(|(number, _)| !guards.contains_key(number))
        .map(|(number, _)| format!("{number} has no test"));
    let unknown = guards.iter().filter(|(number, _)| !rows.iter().any(|(known, _)| known == *number));
    let unknown = unknown.map(|(number, names)| format!("{} carries {number}, which {PAGE} does not know", names[0]));
    unguarded.chain(unknown).collect()
}

fn guards(root: &Path) -> Result<Guards> {
    let mut guards = Guards::new();
    for folder in SOURCES {
        collect(&root.join(folder), &mut guards)?;
    }
    guards.values_mut().for_each(|names| names.sort());
    Ok(guards)
}

fn collect(folder: &Path, guards: &mut Guards) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, guards)?;
            continue;
        }
        let names: fn(&str) -> Found = match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => rust_test,
            Some("ts") => browser_test,
            _ => continue,
        };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for (numbers, name) in text.lines().filter_map(names) {
            for number in numbers {
                guards.entry(number).or_default().push(name.clone());
            }
        }
    }
    Ok(())
}

/// `fn d3_v1_late_files_are_kept(…` gives D3, V1 and the name.
fn rust_test(line: &str) -> Found {
    let rest = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let numbers: Vec<String> =
        name.split('_').map(str::to_ascii_uppercase).take_while(|word| is_number(word)).collect();
    let lower_case = !name.starts_with(|c: char| c.is_ascii_uppercase());
    (!numbers.is_empty() && lower_case).then(|| (numbers, format!("`{name}`")))
}

/// `test("D3 a late file …", …` gives D3 and the title.
fn browser_test(line: &str) -> Found {
    let (title, _) = line.trim_start().strip_prefix("test(\"")?.split_once('"')?;
    let numbers: Vec<String> = title.split(' ').map(str::to_owned).take_while(|word| is_number(word)).collect();
    (!numbers.is_empty()).then(|| (numbers, format!("end2end: {title}")))
}

/// `D1` to `S99`.
fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(['D', 'V', 'S']);
    word.len() == digits.len() + 1
        && !digits.is_empty()
        && digits.len() < 3
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_their_numbers() {
        let of =
            |numbers: &[&str], name: &str| Some((numbers.iter().map(|n| (*n).to_owned()).collect(), name.to_owned()));
        assert_eq!(rust_test("    async fn d3_s12_kept() {"), of(&["D3", "S12"], "`d3_s12_kept`"));
        assert_eq!(rust_test("fn s_rename() {"), None);
        assert_eq!(rust_test("fn double_d3() {"), None);
        assert_eq!(
            browser_test("  test(\"S4 V1 a foreign file\", async () => {"),
            of(&["S4", "V1"], "end2end: S4 V1 a foreign file")
        );
        assert_eq!(browser_test("test(\"a dialog\", async () => {"), None);
    }

    #[test]
    fn rows_and_tests_are_held_against_each_other() {
        let page = "| # | seen | ours |\n|---|---|---|\n| D1 | a | b |\n| D2 | c | d |\n";
        let guards = |numbers: &[&str]| {
            numbers.iter().map(|number| ((*number).to_owned(), vec!["`x`".to_owned()])).collect::<Guards>()
        };
        assert_eq!(mistakes(page, &guards(&["D1", "D2"])), [""; 0]);
        assert_eq!(mistakes(page, &guards(&["D1", "D99"])).len(), 2);
    }

    #[test]
    fn every_hazard_has_a_test_and_every_number_a_hazard() {
        let page = fs::read_to_string(machine::root().join(PAGE)).unwrap();
        assert!(rows(&page).len() > 60, "the page is read");
        assert_eq!(mistakes(&page, &guards(machine::root()).unwrap()), [""; 0]);
    }
}
