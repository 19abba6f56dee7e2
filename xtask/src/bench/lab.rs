//! The binary at work on folders of its own: one equipment, a mounted NAS, everything removed at the end.

use crate::process::{Call, Running};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The only equipment.
pub const EQUIPMENT: &str = "BENCH_01";

/// Its completeness signal.
pub const SENTINEL: &str = "acquisition_complete.flag";

/// Folders, config, and the running program.
pub struct Lab {
    // Dropped in this order: the program ends before its folder goes.
    server: Running,
    folder: TempDir,
    port: u16,
}

impl Lab {
    /// A staging tree filled by `fill`, then the program on it, ready.
    pub fn open(binary: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Lab> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(super::lab_home()?).context("cannot make a folder")?;
        let at = |name: &str| folder.path().join(name);
        for name in ["staging", "nas", "state"] {
            fs::create_dir(at(name))?;
        }
        fill(&at("staging"))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = format!(
            "orchestrator: {{label: Bench, staging_root: '{}'}}\nserver: {{listen: '127.0.0.1:{port}'}}\nlogging: {{level: warn}}\n\
             equipment:\n  - id: {EQUIPMENT}\n    label: Bench\n    completeness_signal: sentinel_file\n    sentinel_filename: {SENTINEL}\n    \
             settle_seconds: 1\n    transport: {{type: mount, path: '{}'}}\n",
            at("staging").display(),
            at("nas").display()
        );
        fs::write(at("config.yaml"), config)?;
        let call = |args: &[&str]| Call::new(binary).args(args).arg("--config").arg(at("config.yaml")).env("XDG_STATE_HOME", at("state"));
        call(&["nas", "init", EQUIPMENT]).read()?;
        let server = call(&["serve"]).start(File::create(at("serve.log"))?)?;
        let mut lab = Lab { server, folder, port };
        lab.until("the program is ready", Duration::from_secs(120), |lab| Ok(super::http::status(&lab.url("/readyz")) == Some(200)))?;
        Ok(lab)
    }

    /// Address of a route.
    pub fn url(&self, route: &str) -> String {
        format!("http://127.0.0.1:{}{route}", self.port)
    }

    /// Process id of the program.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// The staging tree.
    pub fn staging(&self) -> PathBuf {
        self.folder.path().join("staging")
    }

    /// The whole folder, e.g. for a peer's copy on the same disk.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for a condition; an error when the program ends, when it takes too long, or when somebody presses Ctrl-C.
    pub fn until(&mut self, what: &str, limit: Duration, mut condition: impl FnMut(&Lab) -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !condition(self)? {
            if let Some(status) = self.server.ended()? {
                let words = fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default();
                bail!("the program ended with {status} before {what}: {}", words.lines().last().unwrap_or_default());
            }
            if begun.elapsed() > limit || crate::stop::requests().was_asked() {
                bail!("given up waiting until {what}");
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    }
}
