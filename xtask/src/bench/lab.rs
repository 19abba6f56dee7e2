//! The binary at work on folders of its own: one equipment, a NAS, everything removed at the end.

use super::http::Client;
use crate::process::{Call, Running};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The only equipment.
pub const EQUIPMENT: &str = "BENCH_01";

/// How long a run may take to be verified.
const LIMIT: Duration = Duration::from_secs(900);

/// Its completeness signal.
pub const SENTINEL: &str = "acquisition_complete.flag";

/// An equipment of the config.
pub struct Equipment {
    /// Its id.
    pub id: String,
    /// The config's `transport`.
    pub transport: String,
    /// Its NAS does not answer, so it is not prepared either.
    pub is_dead: bool,
}

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
        Lab::open_on(binary, |nas| format!("{{type: mount, path: '{}'}}", nas.display()), fill)
    }

    /// The same with another way to the NAS: `transport` is given the folder that stands for it, and answers the
    /// config's `transport`.
    pub fn open_on(
        binary: &Path,
        transport: impl FnOnce(&Path) -> String,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Lab> {
        Lab::open_many(
            binary,
            |nas| vec![Equipment { id: EQUIPMENT.into(), transport: transport(nas), is_dead: false }],
            fill,
        )
    }

    /// The same with several equipments.
    pub fn open_many(
        binary: &Path,
        equipment: impl FnOnce(&Path) -> Vec<Equipment>,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Lab> {
        let folder =
            tempfile::Builder::new().prefix("bench-").tempdir_in(super::lab_home()?).context("cannot make a folder")?;
        let at = |name: &str| folder.path().join(name);
        for name in ["staging", "nas", "state"] {
            fs::create_dir(at(name))?;
        }
        fill(&at("staging"))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let equipment = equipment(&at("nas"));
        let mut config = format!(
            "orchestrator: {{label: Bench, staging_root: '{}'}}\nserver: {{listen: '127.0.0.1:{port}'}}\nlogging: {{level: warn}}\n\
             sync: {{workers: 8}}\nequipment:\n",
            at("staging").display()
        );
        for Equipment { id, transport, .. } in &equipment {
            config.push_str(&format!(
                "  - id: {id}\n    label: Bench\n    completeness_signal: sentinel_file\n    sentinel_filename: {SENTINEL}\n    \
                 settle_seconds: 1\n    transport: {transport}\n"
            ));
        }
        fs::write(at("config.yaml"), config)?;
        let call = |args: &[&str]| {
            Call::new(binary).args(args).arg("--config").arg(at("config.yaml")).env("XDG_STATE_HOME", at("state"))
        };
        for Equipment { id, .. } in equipment.iter().filter(|equipment| !equipment.is_dead) {
            call(&["nas", "init", id]).read()?;
        }
        let server = call(&["serve"]).start(File::create(at("serve.log"))?)?;
        let mut lab = Lab { server, folder, port };
        lab.until("the program is ready", Duration::from_secs(120), |lab| {
            Ok(super::http::status(&lab.url("/readyz")) == Some(200))
        })?;
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
    pub fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&Lab) -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        while !condition(self)? {
            if let Some(status) = self.server.ended()? {
                let words = fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default();
                bail!("the program ended with {status} before {what}: {}", words.lines().last().unwrap_or_default());
            }
            if begun.elapsed() > limit || crate::stop::requests().was_asked() {
                bail!("given up waiting until {what}");
            }
            // Often enough for the figures, and seldom enough not to be part of them.
            std::thread::park_timeout(Duration::from_millis(15));
        }
        Ok(())
    }

    /// Seconds between the first row that says `complete` (or more) and the first that says `sync_verified`.
    pub fn seconds_to_verified(&mut self, client: &Client, run: &Path) -> Result<f64> {
        let state = |lab: &Lab| -> Result<String> {
            let answer = client.json(&lab.url("/staging"))?;
            let rows = answer["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
            let row = rows.iter().find(|row| row["path"].as_str().map(Path::new) == Some(run));
            Ok(row.and_then(|row| row["current_state"].as_str()).unwrap_or_default().to_owned())
        };
        self.until("the run is listed", LIMIT, |lab| Ok(state(lab)? == "staging"))?;
        fs::write(run.join(SENTINEL), "")?;
        self.until("the run is complete", LIMIT, |lab| Ok(!["", "staging"].contains(&state(lab)?.as_str())))?;
        let begun = Instant::now();
        self.until("the run is verified", LIMIT, |lab| Ok(state(lab)? == "sync_verified"))?;
        Ok(begun.elapsed().as_secs_f64())
    }
}
