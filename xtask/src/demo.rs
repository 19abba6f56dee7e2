//! The throw-away laboratory of `cargo xtask run`: a staging tree, a folder standing for the mounted NAS, a config, and
//! a state folder, all in one temporary folder that goes when it ends.

use crate::process::Call;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What the demo pushes from: id, label, and its completeness signal as config lines.
const EQUIPMENT: [(&str, &str, &str); 3] = [
    (
        "CONFOCAL_01",
        "Confocal microscope",
        "completeness_signal: sentinel_file\n    sentinel_filename: acquisition_complete.flag",
    ),
    ("FLOW_01", "Flow cytometer", "completeness_signal: manifest\n    manifest_filename: run_manifest.json"),
    ("SEQ_01", "Sequencer", "completeness_signal: sentinel_file\n    sentinel_filename: RTAComplete.txt"),
];

/// Quiet time before a signal counts, in seconds: short, so that a visitor sees something happen.
const SETTLE_SECONDS: u32 = 2;

/// A laboratory in a temporary folder.
pub struct Demo {
    folder: TempDir,
}

impl Demo {
    /// Makes the folders and the config. `listen` is the server's address.
    pub fn new(listen: &str) -> Result<Demo> {
        // Beside the build: a /tmp in memory could not be read past the page cache, and proofs would stay weak.
        let home = crate::machine::target_folder()?.join("xtask");
        fs::create_dir_all(&home)?;
        let folder =
            tempfile::Builder::new().prefix("demo-").tempdir_in(home).context("cannot make a temporary folder")?;
        let demo = Demo { folder };
        fs::create_dir_all(demo.staging())?;
        fs::create_dir_all(demo.state_home())?;
        for (id, _, _) in EQUIPMENT {
            fs::create_dir_all(demo.nas(id))?;
        }
        fs::write(demo.config(), demo.config_text(listen)).context("cannot write the demo's config")?;
        Ok(demo)
    }

    /// The config file.
    pub fn config(&self) -> PathBuf {
        self.path("config.yaml")
    }

    /// The staging tree.
    pub fn staging(&self) -> PathBuf {
        self.path("staging")
    }

    /// What stands for the mounted NAS.
    pub fn nas(&self, equipment: &str) -> PathBuf {
        self.path("nas").join(equipment)
    }

    /// Given to the program as `XDG_STATE_HOME`.
    pub fn state_home(&self) -> PathBuf {
        self.path("state")
    }

    /// Where a program's words go.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path(name).with_extension("log")
    }

    /// Writes the identity markers, as an operator does once per equipment.
    pub fn init(&self, binary: &Path) -> Result<()> {
        for (id, _, _) in EQUIPMENT {
            let call = Call::new(binary).args(["nas", "init", id, "--config"]).arg(self.config());
            call.env("XDG_STATE_HOME", self.state_home())
                .read()
                .with_context(|| format!("the demo's NAS could not be prepared for {id}"))?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config_text(&self, listen: &str) -> String {
        let mut text = format!(
            "# A throw-away demo: everything this file names goes when it ends.\n\
             orchestrator:\n  label: Demo workstation\n  staging_root: {}\n\
             server:\n  listen: {listen}\n\
             equipment:\n",
            quoted(&self.staging())
        );
        for (id, label, signal) in EQUIPMENT {
            text.push_str(&format!(
                "  - id: {id}\n    label: {label}\n    {signal}\n    settle_seconds: {SETTLE_SECONDS}\n    transport:\n      type: mount\n      path: {}\n",
                quoted(&self.nas(id))
            ));
        }
        text
    }
}

/// As a YAML string, whatever the temporary folder is called.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_goes_when_it_ends_and_its_config_names_what_is_there() {
        let demo = Demo::new("127.0.0.1:8080").unwrap();
        let text = fs::read_to_string(demo.config()).unwrap();
        let paths: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once('\''))
            .map(|(_, rest)| rest.trim_end_matches('\''))
            .collect();
        assert_eq!(paths.len(), 1 + EQUIPMENT.len());
        assert!(paths.iter().all(|path| Path::new(path).is_dir()), "{paths:?}");
        let folder = demo.folder.path().to_owned();
        drop(demo);
        assert!(!folder.exists());
    }
}
