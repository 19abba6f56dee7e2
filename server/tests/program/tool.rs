//! Runs the program to its end, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};

pub struct Ended {
    pub code: i32,
    pub out: String,
    pub errors: String,
}

/// A config and a state folder.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new(config: &str) -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        std::fs::write(place.config(), config).unwrap();
        place
    }

    /// On a disk, beside what cargo builds: what lies in memory cannot be read past the page cache.
    pub fn on_disk() -> Place {
        Place { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    #[allow(clippy::disallowed_methods, reason = "the program under test")]
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_exlab-orchestrator"));
        command.args(words).arg("--config").arg(self.config()).env("XDG_STATE_HOME", self.folder.path().join("state"));
        command.env_remove("RUST_LOG").env("HTTP_PROXY", "http://127.0.0.1:9").env("http_proxy", "http://127.0.0.1:9");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub async fn run(&self, words: &[&str]) -> Ended {
        ended(self.command(words).spawn().unwrap()).await
    }

    pub fn spawn(&self, words: &[&str]) -> Child {
        self.command(words).spawn().unwrap()
    }
}

pub async fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), errors: text(output.stderr) }
}
