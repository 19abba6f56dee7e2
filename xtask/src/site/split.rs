//! Splits the linked panel: what the first page needs, and the parts that other pages fetch when they are first shown
//! (`app/src/pages.rs`).
//!
//! Parts lie in a folder named after the whole panel's content: a browser that holds an older panel finds none there,
//! rather than parts that do not fit.

use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The script that fetches parts; the panel's own script imports it.
pub const LOADER: &str = "parts.js";

/// What a split leaves.
pub struct Split {
    /// What the first page needs, for wasm-bindgen.
    pub main: PathBuf,
    /// The script that fetches parts.
    pub loader: PathBuf,
    /// The parts, and where each belongs in the package.
    pub parts: Vec<(PathBuf, PathBuf)>,
}

/// Splits `module` into files in `into`, for a panel whose script is `script`.
pub fn split(module: &[u8], into: &Path, script: &str) -> Result<Split> {
    let main = into.join("main.wasm");
    let (link_name, main_module) = (format!("./{LOADER}"), format!("./{script}"));
    let mut options = wasm_split_cli_support::Options::new(module);
    options.output_dir = into;
    options.main_out_path = &main;
    options.link_name = &link_name;
    options.main_module = &main_module;
    let split = wasm_split_cli_support::transform(options).map_err(|error| anyhow!("wasm-split: {error:#}"))?;

    let folder: String = Sha256::digest(module)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let loader = into.join(LOADER);
    let mut text = fs::read_to_string(&loader)?;
    let mut parts = Vec::new();
    for file in split.split_modules {
        let name = file.file_name().and_then(|name| name.to_str()).context("a part without a name")?.to_owned();
        let short = shortened(&name);
        text = text.replace(&format!("\"./{name}\""), &format!("\"./{folder}/{short}\""));
        if text.contains(&name) {
            return Err(anyhow!("{LOADER} names {name} in a way that is not known here"));
        }
        parts.push((file, Path::new(&folder).join(short)));
    }
    fs::write(&loader, text)?;
    Ok(Split { main, loader, parts })
}

/// `split_overview.wasm` gives `overview.wasm`, `chunk_3.wasm` `shared-3.wasm`.
fn shortened(name: &str) -> String {
    match (name.strip_prefix("split_"), name.strip_prefix("chunk_")) {
        (Some(page), _) => page.to_owned(),
        (_, Some(number)) => format!("shared-{number}"),
        _ => name.to_owned(),
    }
}
