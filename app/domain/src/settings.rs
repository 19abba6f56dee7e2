//! The configuration after it was checked (docs/configuration.md): typed, with every default filled in.
//!
//! Not the file: reading YAML, positions and messages are the server's matter.

use crate::bandwidth::Bandwidth;
use crate::completeness::Signal;
use crate::proof::ProofLevel;
use serde::{Deserialize, Serialize};

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `None`: the orchestrator is off.
    pub orchestrator: Option<Orchestrator>,
    /// Configured equipment, in the file's order.
    pub equipment: Vec<Equipment>,
    /// Interlocks of automatic clearing.
    pub nas_cleanup: NasCleanup,
    /// `sync.*`
    pub sync: Sync,
    /// `verify.*`
    pub verify: Verify,
    /// `validator.*` and `readme.defaults`.
    pub validator: Validator,
    /// `logging.*`
    pub logging: Logging,
    /// `server.listen`, default `127.0.0.1:8080`.
    pub listen: String,
}

/// What `orchestrator.*` says when it is on.
#[derive(Clone, Debug)]
pub struct Orchestrator {
    /// Shown in the panel.
    pub label: String,
    /// Absolute path of the staging tree, without a trailing slash.
    pub staging_root: String,
    /// When verified runs are cleared.
    pub staging_cleanup: StagingCleanup,
}

/// `orchestrator.staging_cleanup`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum StagingCleanup {
    /// Only an operator clears.
    #[default]
    Manual,
    /// Cleared by itself once verified for this long.
    Scheduled {
        /// At least 1.
        retain_hours: u32,
    },
}

/// `nas_cleanup`: interlocks of automatic clearing.
#[derive(Clone, Copy, Debug)]
pub struct NasCleanup {
    /// False: no automatic clearing at all.
    pub enabled: bool,
    /// Proofs needed, default 2.
    pub min_verify_passes: u32,
    /// Hours since the first proof of this generation, default 24.
    pub min_age_hours: u32,
    /// Keep `<run>/.exlab-wizard/` when clearing; only when set explicitly.
    pub retain_cache: bool,
}

/// `sync.*`
#[derive(Clone, Debug)]
pub struct Sync {
    /// False: the queue is paused, and shown so.
    pub enabled: bool,
    /// Caps the number of network-class retries.
    pub retry_attempts: Option<u32>,
    /// Equipments served at once, default 4.
    pub workers: usize,
    /// Names or absolute paths of the tools.
    pub binaries: Binaries,
}

/// `sync.binaries`
#[derive(Clone, Debug)]
pub struct Binaries {
    /// Default `rclone`.
    pub rclone: String,
    /// Default `rsync`.
    pub rsync: String,
    /// Default `ssh`.
    pub ssh: String,
}

/// `verify.*`
#[derive(Clone, Copy, Debug)]
pub struct Verify {
    /// Bound of reading back per file over rclone and ssh.
    pub max_stream_bytes: Option<u64>,
    /// How old the proof of the hashes may be at clear, default 0 seconds.
    pub max_proof_age_seconds: u64,
    /// The level clearing needs, default L2.
    pub clear_needs: ProofLevel,
    /// After how long a repeated proof counts as L4, default 24 h.
    pub reverify_seconds: u64,
    /// How old the proof of a cleared run may become before its copy on the NAS is read again, default 30 days; `None`:
    /// never.
    pub reverify_cleared_seconds: Option<u64>,
    /// Budget of background re-verification, default 50 MiB/s.
    pub bytes_per_second: u64,
}

/// What the gate needs from the config.
#[derive(Clone, Debug)]
pub struct Validator {
    /// Largest file whose content is scanned, in MiB.
    pub content_scan_max_mib: u64,
    /// Extensions with their dot, lower case.
    pub content_scan_extensions: Vec<String>,
    /// `readme.defaults[].id` where `required`.
    pub required_readme_fields: Vec<String>,
}

/// `logging.*`
#[derive(Clone, Debug)]
pub struct Logging {
    /// `error`, `warn`, `info`, `debug`.
    pub level: String,
    /// Size of the program log before it is rotated, in MB.
    pub central_log_max_mb: u64,
    /// Rotated files kept.
    pub central_log_keep: u32,
}

/// Quiet time before a signal counts.
pub const SETTLE_SECONDS: u64 = 10;
/// The same where staging is a share of another computer (NFS, SMB): who still writes there cannot be told.
pub const SETTLE_SECONDS_SHARED: u64 = 60;

/// One configured equipment.
#[derive(Clone, Debug)]
pub struct Equipment {
    /// Folder name in the staging tree and name in the marker.
    pub id: String,
    /// Shown in the panel.
    pub label: String,
    /// Completeness signal; `None` when the pushed creation.json must say it.
    pub signal: Option<Signal>,
    /// Quiet time before a signal counts; by default [`SETTLE_SECONDS`], or [`SETTLE_SECONDS_SHARED`] where staging
    /// lies on another computer.
    pub settle_seconds: Option<u64>,
    /// How long a run that is complete otherwise waits for a program that still has one of its files open for writing.
    pub open_files_wait_seconds: u64,
    /// False for `sync_mode: stage`: not synced from here.
    pub synced_here: bool,
    /// Where its runs go; `None` only when not synced from here.
    pub transport: Option<Transport>,
    /// `orchestrator_staging_transport.type`, default `smb_mount`.
    pub staging_transport: String,
}

/// `equipment[].transport`, checked.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Where to and how.
    pub target: Target,
    /// Limits.
    pub bandwidth: Bandwidth,
}

/// Where an equipment's runs go: its root on the NAS (docs/proof.md).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A folder on a mounted NAS.
    Mount {
        /// Absolute path.
        path: String,
    },
    /// `<remote>:<path>`
    Rclone {
        /// Name in rclone.conf.
        remote: String,
        /// Path at the remote.
        path: String,
        /// `--config`, when set.
        config: Option<String>,
    },
    /// `<ssh_target>:<path>`
    RsyncSsh {
        /// `user@host`
        ssh_target: String,
        /// Path at the server.
        path: String,
        /// Default 22.
        port: u16,
        /// Private key file, `~` resolved by the server.
        key_path: String,
        /// Own `known_hosts` file.
        known_hosts: Option<String>,
        /// `accept-new` or `strict`.
        host_keys: HostKeyPolicy,
    },
}

/// `host_key_policy`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostKeyPolicy {
    /// A new host's key is kept, a changed one refused.
    AcceptNew,
    /// Only known keys.
    Strict,
}

impl Target {
    /// For rows and messages: what the operator wrote.
    pub fn describe(&self) -> String {
        match self {
            Target::Mount { path } => path.clone(),
            Target::Rclone { remote, path, .. } => format!("{remote}:{path}"),
            Target::RsyncSsh { ssh_target, path, .. } => format!("{ssh_target}:{path}"),
        }
    }

    /// `mount`, `rclone` or `rsync_ssh`.
    pub fn kind(&self) -> &'static str {
        match self {
            Target::Mount { .. } => "mount",
            Target::Rclone { .. } => "rclone",
            Target::RsyncSsh { .. } => "rsync_ssh",
        }
    }
}

impl Default for NasCleanup {
    fn default() -> Self {
        NasCleanup { enabled: true, min_verify_passes: 2, min_age_hours: 24, retain_cache: false }
    }
}

impl Default for Sync {
    fn default() -> Self {
        let binaries = Binaries { rclone: "rclone".into(), rsync: "rsync".into(), ssh: "ssh".into() };
        Sync { enabled: true, retry_attempts: None, workers: 4, binaries }
    }
}

impl Default for Verify {
    fn default() -> Self {
        Verify {
            max_stream_bytes: None,
            max_proof_age_seconds: 0,
            clear_needs: ProofLevel::L2,
            reverify_seconds: 24 * 3_600,
            reverify_cleared_seconds: Some(30 * 24 * 3_600),
            bytes_per_second: 50 << 20,
        }
    }
}

impl Default for Validator {
    fn default() -> Self {
        let extensions = ".txt .md .csv .tsv .json .yaml .yml .toml .ini .cfg .conf .xml .sh .py";
        Validator {
            content_scan_max_mib: 5,
            content_scan_extensions: extensions.split(' ').map(str::to_owned).collect(),
            required_readme_fields: Vec::new(),
        }
    }
}

impl Default for Logging {
    fn default() -> Self {
        Logging { level: "info".into(), central_log_max_mb: 10, central_log_keep: 5 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            orchestrator: None,
            equipment: Vec::new(),
            nas_cleanup: NasCleanup::default(),
            sync: Sync::default(),
            verify: Verify::default(),
            validator: Validator::default(),
            logging: Logging::default(),
            listen: "127.0.0.1:8080".into(),
        }
    }
}

impl Settings {
    /// The configured equipment of this id.
    pub fn equipment(&self, id: &str) -> Option<&Equipment> {
        self.equipment.iter().find(|equipment| equipment.id == id)
    }
}
