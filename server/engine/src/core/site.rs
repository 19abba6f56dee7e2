//! What the program was started with. Nothing of it changes while it runs.

use crate::machine::checkpoint::Checkpoints;
use crate::machine::clock::Clock;
use crate::machine::local_time::local_time;
use crate::machine::progress::ProgressSink;
use crate::transport::CallContext;
use domain::path::RunPath;
use domain::settings::Settings;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// This installation, as it was started.
pub struct Site {
    pub settings: Settings,
    /// `orchestrator.label`
    pub label: String,
    /// This host, as written into documents and logs.
    pub host: String,
    /// Identity of this installation, as in the markers of its destinations.
    pub installation: String,
    /// Where database, seals and identity live.
    pub state_folder: PathBuf,
    pub clock: Clock,
    /// For tests that kill the program.
    pub checkpoints: Checkpoints,
    /// Fires when the program stops.
    pub stop: CancellationToken,
}

impl Site {
    /// What calls of an equipment's transport are given for one piece of work.
    pub fn call_context(&self, equipment: &str, cancel: &CancellationToken, progress: &ProgressSink) -> CallContext {
        let transport = self.settings.equipment(equipment).and_then(|equipment| equipment.transport.as_ref());
        let (bandwidth, clock) =
            (transport.map(|transport| transport.bandwidth.clone()).unwrap_or_default(), self.clock.clone());
        let limit = Arc::new(move || bandwidth.kib_per_second(local_time(clock.now())));
        CallContext { cancel: cancel.clone(), progress: progress.clone(), limit }
    }

    /// Where seals and placed-lists of a run's life are kept.
    pub fn work_folder(&self, run: &RunPath, life: u64) -> PathBuf {
        let name = hex::encode(&Sha256::digest(run.as_str().as_bytes())[..12]);
        self.state_folder.join("runs").join(format!("{name}-{life}"))
    }

    /// `wizard.<hostname>.log`
    pub fn log_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '_' };
        format!("wizard.{}.log", self.host.chars().map(plain).collect::<String>())
    }

    /// Why nothing can be recorded now, as one sentence; `None` when it can.
    pub fn state_error(&self) -> Option<String> {
        /// Less is no room for a page of the database and its log.
        const LEAST: u64 = 64 << 10;
        let disk = rustix::fs::statvfs(&self.state_folder).ok()?;
        let full = disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST;
        full.then(|| format!("{}: make room, everything goes on by itself", self.state_folder.display()))
    }
}
