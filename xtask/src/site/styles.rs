//! `style/*.css` to one `panel.css`.
//!
//! `style/panel.css` is the index: each `@import "name.css";` in it is replaced by the file, wrapped in `@layer` where
//! the import names one. Without an index, all files in order of their names. Nothing is rewritten inside them:
//! browsers read them as they are.

use super::write_if_changed;
use crate::machine;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// Fills `package` with `panel.css`.
pub fn build(package: &Path) -> Result<()> {
    let folder = machine::root().join("style");
    let text = if folder.is_dir() { bundle(&folder)? } else { String::new() };
    write_if_changed(&package.join("panel.css"), text.as_bytes())
}

fn bundle(folder: &Path) -> Result<String> {
    let index = folder.join("panel.css");
    if index.is_file() {
        return inline(&index);
    }
    let mut text = String::new();
    for file in
        super::files_of(folder)?.iter().filter(|file| file.extension().is_some_and(|extension| extension == "css"))
    {
        text.push_str(&inline(file)?);
    }
    Ok(text)
}

fn inline(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        match Import::parse(line) {
            Some(import) => {
                let named = file.with_file_name(import.name.trim_start_matches("./"));
                if !named.is_file() {
                    bail!("{}:{}: there is no {}", file.display(), number + 1, named.display());
                }
                let inner = inline(&named)?;
                match import.layer {
                    Some(layer) => out.push_str(&format!("@layer {layer} {{\n{inner}}}\n")),
                    None => out.push_str(&inner),
                }
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    Ok(out)
}

/// `@import "name.css" layer(base);`, alone on its line, with or without `url()`.
struct Import<'a> {
    name: &'a str,
    layer: Option<&'a str>,
}

impl<'a> Import<'a> {
    fn parse(line: &'a str) -> Option<Import<'a>> {
        let rest = line.trim().strip_prefix("@import")?.trim().trim_start_matches("url(");
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (name, rest) = rest[1..].split_once(quote)?;
        let layer = rest.split_once("layer(").and_then(|(_, rest)| rest.split_once(')')).map(|(layer, _)| layer.trim());
        Some(Import { name, layer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_gives_the_order_and_the_layers() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "panel.css",
            "@layer tokens, table;\n@import \"tokens.css\" layer(tokens);\n@import url('./table.css');\nbody { margin: 0 }\n",
        );
        write("tokens.css", ":root { --gap: 4px }\n");
        write("table.css", "td { padding: var(--gap) }\n");
        let expected = "@layer tokens, table;\n@layer tokens {\n:root { --gap: 4px }\n}\ntd { padding: var(--gap) }\nbody { margin: 0 }\n";
        assert_eq!(bundle(folder.path()).unwrap(), expected);
    }

    #[test]
    fn without_an_index_names_give_the_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("2.css"), "b {}\n").unwrap();
        fs::write(folder.path().join("1.css"), "a {}\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "no style").unwrap();
        assert_eq!(bundle(folder.path()).unwrap(), "a {}\nb {}\n");
    }

    #[test]
    fn a_missing_import_names_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("panel.css"), "/* first */\n@import \"gone.css\";\n").unwrap();
        let error = bundle(folder.path()).unwrap_err().to_string();
        assert!(error.contains("panel.css:2") && error.contains("gone.css"), "{error}");
    }
}
