//! What this machine and this checkout offer: folders, tools on the path, rights. The one place of xtask that reads the
//! environment.
//!
//! Not for spawning: that is [`crate::process`].
#![allow(clippy::disallowed_methods, reason = "the one place of xtask that reads the environment")]

use anyhow::{Context, Result};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The workspace's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds: `target`, unless the developer's own settings say otherwise.
pub fn target_folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let json = crate::process::cargo().args(["metadata", "--no-deps", "--format-version", "1"]).read()?;
    let metadata: serde_json::Value = serde_json::from_str(&json).context("cargo metadata is no JSON")?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(FOLDER.get_or_init(|| PathBuf::from(folder)))
}

/// The program as `cargo xtask build` leaves it.
pub fn release_binary() -> Result<PathBuf> {
    Ok(target_folder()?.join("release/exlab-orchestrator"))
}

/// Cargo, as the one that runs us.
pub fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Where a tool stands: on `PATH`, or in the folders that only an administrator's `PATH` holds.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(administrators).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What a developer may set for the tests in the browser: another Chromium.
pub fn chosen_chromium() -> Option<PathBuf> {
    std::env::var_os("CHROMIUM").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// True on hosted CI.
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// True when somebody watches: spinners and colours are welcome.
pub fn is_watched() -> bool {
    !is_ci() && std::io::stderr().is_terminal() && std::io::stdout().is_terminal()
}

/// True when packages can be installed without asking anybody.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
