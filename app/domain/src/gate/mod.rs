//! The Pre-Sync Gate (docs/operation.md): pure and deterministic to the byte. The only way into the queue is
//! [`Admitted`].
//!
//! | file | judges |
//! |---|---|
//! | `judge` | a run, entry by entry, with the rules below |
//! | `names`, `tokens` | one name; leftovers of templates in any bytes |
//! | `content`, `front_matter` | texts that a template wrote |
//! | `mode`, `project` | the run's place and kind; the project's name |
//! | `collected` | how many findings are kept |
//! | `elsewhere` | findings that others make |
//!
//! It reads no files: the engine walks the run and hands over what [`Judge`] asks for. Folders that are not runs never
//! come here; the watcher shows them with [`unrecognised_folder`].
//!
//! ```
//! use domain::finding::Rule;
//! use domain::gate::{Circumstances, EntryKind, EquipmentStanding, Judge};
//! use domain::path::{FilePath, RunPath};
//! use domain::settings::Validator;
//! use domain::timestamp::Timestamp;
//!
//! let run = RunPath::parse("CONFOCAL_01/Cortex Q3 Pilot/Runs/Run_2026-04-17T14-32")?;
//! let validator = Validator::default();
//! let mut judge = Judge::new(Circumstances {
//!     run: &run,
//!     creation: None, // nobody said where it comes from: shown, and no reason to hold it
//!     equipment: EquipmentStanding::SyncedHere,
//!     validator: &validator,
//!     now: Timestamp::from_unix_seconds(1_776_436_320),
//!     already_verified: false,
//! });
//! judge.entry(&FilePath::new("raw/<sample>.tif")?, EntryKind::File { size: 70_000 });
//! let verdict = judge.finish();
//! let rules: Vec<Rule> = verdict.findings().iter().map(|finding| finding.rule).collect();
//! assert_eq!(rules, [Rule::UnresolvedPlaceholderToken, Rule::Orphan]);
//! assert!(verdict.admit().is_err(), "only what is admitted can be queued");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod collected;
mod content;
mod elsewhere;
mod front_matter;
mod judge;
mod mode;
mod names;
mod project;
mod tokens;
mod verdict;

pub use collected::MAX_FINDINGS;
pub use elsewhere::{
    Leads, OTHER_DISK, linked_folder, metadata_not_carried, unreadable_folder, unrecognised_folder, unusable_manifest,
    verify_skipped_oversize,
};
pub use judge::Judge;
pub use project::{ProjectNameFault, project_name_faults};
pub use verdict::{Admitted, Verdict};

use crate::document::creation::Creation;
use crate::path::RunPath;
use crate::settings::Validator;
use crate::timestamp::Timestamp;

/// How the config sees the first segment of a run's path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EquipmentStanding {
    /// Configured and synced from here.
    SyncedHere,
    /// Configured with `sync_mode: stage`.
    NotSyncedHere,
    /// Not in the config.
    Unconfigured,
}

/// What an entry of the run's folder is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// Regular file.
    File {
        /// Bytes.
        size: u64,
    },
    /// Folder.
    Folder,
    /// Symbolic link.
    Link,
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
    /// Block or character device.
    Device,
}

/// What the gate knows besides the run's entries.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The run.
    pub run: &'a RunPath,
    /// Its creation.json: `None` is an orphan; an unreadable one holds the run elsewhere.
    pub creation: Option<&'a Creation>,
    /// From the config.
    pub equipment: EquipmentStanding,
    /// From the config.
    pub validator: &'a Validator,
    /// For expiry of overrides.
    pub now: Timestamp,
    /// The run is verified already: findings are `synced_under_prior_policy`.
    pub already_verified: bool,
}

#[cfg(test)]
mod golden_tests;

#[cfg(test)]
mod judge_tests;
