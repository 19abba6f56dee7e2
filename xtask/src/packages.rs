//! What the tests need of the machine, and how it comes there: rustup components, npm packages, Debian packages.
//!
//! Where something cannot be installed, the answer names exactly what is missing: a test is never skipped for it.

use crate::machine;
use crate::process::Call;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

/// A tool the tests call, and the Debian package that brings it.
struct Needed {
    tool: &'static str,
    package: &'static str,
}

const NEEDED: &[Needed] = &[
    Needed { tool: "chromium", package: "chromium" },
    Needed { tool: "rsync", package: "rsync" },
    Needed { tool: "rclone", package: "rclone" },
    Needed { tool: "ssh", package: "openssh-client" },
    Needed { tool: "sshd", package: "openssh-server" },
    Needed { tool: "openssl", package: "openssl" },
    Needed { tool: "node", package: "nodejs" },
    Needed { tool: "npm", package: "npm" },
];

/// Installs what lacks, or says what lacks.
pub fn ensure() -> Result<()> {
    components()?;
    debian()?;
    node_modules()
}

/// The browser of the tests.
pub fn chromium() -> Result<PathBuf> {
    machine::chosen_chromium()
        .or_else(|| machine::find_tool("chromium"))
        .context("there is no chromium (set CHROMIUM to another one's path)")
}

fn components() -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if crate::process::cargo().args([subcommand, "--version"]).succeeds() {
            continue;
        }
        let step = Step::begin(format!("rustup: adding {component}"));
        step.run(Call::new("rustup").args(["component", "add", component]).cwd(machine::root()))
            .with_context(|| format!("missing: `cargo {subcommand}`, which rustup brings by `rustup component add {component}`"))?;
        step.end("added");
    }
    Ok(())
}

fn debian() -> Result<()> {
    let missing: Vec<&Needed> = NEEDED.iter().filter(|needed| !is_here(needed)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|needed| needed.package).collect();
    let tools: Vec<&str> = missing.iter().map(|needed| needed.tool).collect();
    let by_hand =
        format!("missing: {}. Install: {} (Debian: apt-get install {})", tools.join(", "), packages.join(", "), packages.join(" "));
    let Some(apt) = machine::find_tool("apt-get") else { bail!("{by_hand}") };
    let as_root = |arguments: &[&str]| -> Call {
        let call = if machine::is_root() { Call::new(&apt) } else { Call::new("sudo").arg("-n").arg(&apt) };
        call.args(arguments).env("DEBIAN_FRONTEND", "noninteractive")
    };
    if !machine::is_root() && !Call::new("sudo").args(["-n", "true"]).succeeds() {
        bail!("{by_hand}; this account may not (it is not root, and sudo asks for a password)");
    }
    let step = Step::begin(format!("apt-get: installing {}", packages.join(" ")));
    step.run(as_root(&["update", "-q"])).context(by_hand.clone())?;
    step.run(as_root(&["install", "-q", "-y", "--no-install-recommends"]).args(&packages)).context(by_hand.clone())?;
    if let Some(still) = missing.iter().find(|needed| !is_here(needed)) {
        bail!("{} was installed, but there is still no {}", still.package, still.tool);
    }
    step.end("installed");
    Ok(())
}

fn is_here(needed: &Needed) -> bool {
    (needed.tool == "chromium" && machine::chosen_chromium().is_some()) || machine::find_tool(needed.tool).is_some()
}

/// `npm ci` in end2end/, unless what stands there came from the same lock file.
pub fn node_modules() -> Result<()> {
    let folder = machine::root().join("end2end");
    let lock = fs::read(folder.join("package-lock.json")).context("end2end/package-lock.json cannot be read")?;
    let digest: String = Sha256::digest(&lock).iter().map(|byte| format!("{byte:02x}")).collect();
    let stamp = folder.join("node_modules/.installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|old| old == digest) {
        return Ok(());
    }
    let step = Step::begin("npm: installing what end2end/ needs");
    step.run(Call::new("npm").arg("ci").cwd(&folder).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))
        .context("npm could not install Playwright and its companions")?;
    fs::write(&stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))?;
    step.end("installed");
    Ok(())
}
