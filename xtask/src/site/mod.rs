//! Builds the panel and the one binary that holds it.
//!
//! The panel is compiled in a cargo call of its own: together with the server, cargo would unify `ssr` and `hydrate`.
//!
//! ```text
//! frontend --cargo--> wasm --split--> main --wasm-bindgen--> js + wasm --wasm-opt--> wasm ┐
//!                                └--> parts ------------------------------wasm-opt--> wasm ┤
//! style/*.css ---------------------------------------------------------------> panel.css ──┼─> target/site ──embedded by──> server
//!                                                                       .br and .gz of all ┘
//! ```

mod compress;
mod split;
mod stamp;
mod styles;
mod wasm;

pub use wasm::add_target;

use crate::machine;
use crate::process;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the files in `/pkg`, as the page asks for them.
pub const OUTPUT_NAME: &str = "exlab-orchestrator";

/// What rustc compiles the panel for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The folder the server embeds.
pub fn folder() -> PathBuf {
    machine::root().join("target/site")
}

/// Builds panel and server; gives the binary.
pub fn build() -> Result<PathBuf> {
    let package = folder().join("pkg");
    fs::create_dir_all(&package).with_context(|| format!("cannot make {}", package.display()))?;
    wasm::build(&package)?;
    styles::build(&package)?;
    compress::build(&package)?;
    let binary = server()?;
    report(&package, &binary)?;
    Ok(binary)
}

/// The server, with what now stands in [`folder`] inside.
fn server() -> Result<PathBuf> {
    let step = Step::begin("server: compiling (release)");
    step.run(process::cargo().args(["build", "--release", "-p", "server", "--bin", OUTPUT_NAME]))?;
    let binary = machine::release_binary()?;
    if !binary.is_file() {
        bail!("cargo left no {}", binary.display());
    }
    step.end("");
    Ok(binary)
}

/// Sizes, as they travel and as they lie on disk.
fn report(package: &Path, binary: &Path) -> Result<()> {
    println!();
    println!("{:<44} {:>12} {:>12} {:>12}", "", "plain", "gzip", "brotli");
    for file in files_of(package)? {
        if matches!(file.extension().and_then(|e| e.to_str()), Some("br" | "gz")) {
            continue;
        }
        let name = file.strip_prefix(folder()).unwrap_or(&file).display().to_string();
        let packed = |suffix: &str| {
            fs::metadata(with_suffix(&file, suffix)).map_or_else(|_| "-".to_owned(), |m| kilobytes(m.len()))
        };
        println!("{name:<44} {:>12} {:>12} {:>12}", kilobytes(fs::metadata(&file)?.len()), packed("gz"), packed("br"));
    }
    println!(
        "{:<44} {:>12}",
        binary.strip_prefix(machine::root()).unwrap_or(binary).display(),
        kilobytes(fs::metadata(binary)?.len())
    );
    Ok(())
}

fn kilobytes(bytes: u64) -> String {
    if bytes < 10_000_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

/// All files below a folder, sorted.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_of(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `panel.css` and `br` give `panel.css.br`.
fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes only what differs, so that what did not change keeps its time and cargo does not embed it again.
fn write_if_changed(file: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
