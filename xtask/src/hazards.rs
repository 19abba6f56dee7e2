//! `cargo xtask hazards`: fills in the tests of the hazard table in ARCHITECTURE.md.
//!
//! A test that guards against a hazard carries its number: `fn d3_…` in Rust, `test("D3 …")` in Playwright; several numbers in a row are
//! fine. The table's last column is made from these names, so it cannot promise a test that is not there.

use crate::machine;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PAGE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- hazards -->\n";
const END: &str = "<!-- /hazards -->";
const SOURCES: [&str; 4] = ["app", "server", "xtask/src", "end2end/tests"];

/// Tests by the number they carry.
type Guards = BTreeMap<String, Vec<String>>;

/// The numbers a test carries, and its name.
type Found = Option<(Vec<String>, String)>;

/// Rewrites the table.
pub fn write() -> Result<()> {
    let file = machine::root().join(PAGE);
    let page = fs::read_to_string(&file).context(PAGE)?;
    let filled = fill(&page, &guards(machine::root())?)?;
    if filled != page {
        fs::write(&file, filled).context(PAGE)?;
        println!("{PAGE} was brought up to date");
    }
    Ok(())
}

/// The page with the last column filled in.
fn fill(page: &str, guards: &Guards) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the table's beginning is not marked")?;
    let (table, after) = rest.split_once(END).context("the table's end is not marked")?;
    let mut lines = Vec::new();
    let mut known = Vec::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        match cells.as_slice() {
            [number, seen, ours, ..] if is_number(number) => {
                known.push((*number).to_owned());
                let tests = guards.get(*number).map_or_else(|| "none yet".to_owned(), |names| names.join("<br>"));
                lines.push(format!("| {number} | {seen} | {ours} | {tests} |"));
            }
            _ => lines.push(line.to_owned()),
        }
    }
    if let Some((number, names)) = guards.iter().find(|(number, _)| !known.contains(number)) {
        bail!("{} carries {number}, which the table does not know", names[0]);
    }
    Ok(format!("{before}{BEGIN}{}\n{END}{after}", lines.join("\n")))
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
    let numbers: Vec<String> = name.split('_').map(str::to_ascii_uppercase).take_while(|word| is_number(word)).collect();
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
    word.len() == digits.len() + 1 && !digits.is_empty() && digits.len() < 3 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_their_numbers() {
        let of = |numbers: &[&str], name: &str| Some((numbers.iter().map(|n| (*n).to_owned()).collect(), name.to_owned()));
        assert_eq!(rust_test("    async fn d3_s12_kept() {"), of(&["D3", "S12"], "`d3_s12_kept`"));
        assert_eq!(rust_test("fn s_rename() {"), None);
        assert_eq!(rust_test("fn double_d3() {"), None);
        assert_eq!(browser_test("  test(\"S4 V1 a foreign file\", async () => {"), of(&["S4", "V1"], "end2end: S4 V1 a foreign file"));
        assert_eq!(browser_test("test(\"a dialog\", async () => {"), None);
    }

    #[test]
    fn a_number_the_table_does_not_know_is_an_error() {
        let page = format!("{BEGIN}| # | seen | ours | tests |\n|---|---|---|---|\n| D1 | a | b | old |\n{END}");
        let mut guards = Guards::from([("D1".to_owned(), vec!["`d1_x`".to_owned()])]);
        assert!(fill(&page, &guards).unwrap().contains("| D1 | a | b | `d1_x` |"));
        guards.insert("D99".to_owned(), vec!["`d99_x`".to_owned()]);
        assert!(fill(&page, &guards).is_err());
    }

    #[test]
    fn the_table_in_the_page_is_up_to_date() {
        let page = fs::read_to_string(machine::root().join(PAGE)).unwrap();
        let filled = fill(&page, &guards(machine::root()).unwrap()).unwrap();
        assert!(page == filled, "run `cargo xtask hazards`: tests were added, renamed or removed");
    }
}
