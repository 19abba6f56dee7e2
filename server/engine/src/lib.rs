//! The outside world of ExLab Orchestrator: everything that touches files, the database, a child process or the clock.
//!
//! Folders are the rooms of a run's way: [`observe`] looks at it and records what it sees, [`judge`] admits it to the
//! queue in [`database`], [`send`] seals and sends it over a [`transport`], [`mod@prove`] and [`mod@verify`] hold the
//! destination against the seal, [`clear`] lets go of what is proven. [`keep`] holds records and seals, [`tell`] what
//! everyone looks at meanwhile, [`core`] what the rooms share; [`files`] and [`machine`] are what all of them stand on.
//! [`Engine`] is what the server holds, and [`doctor`] tries everything on request.
//!
//! The whole way of a run, on a folder that lasts as long as the example:
//!
//! ```
//! use domain::completeness::Signal;
//! use domain::settings::{Equipment, Orchestrator, Settings, StagingCleanup, Target, Transport};
//! use engine::{Engine, Options, mark_destination};
//! use futures::StreamExt;
//! use std::fs;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let lab = tempfile::tempdir()?;
//! let folder = |name: &str| lab.path().join(name).display().to_string();
//! let settings = Settings {
//!     orchestrator: Some(Orchestrator {
//!         label: "Bench 1".into(),
//!         staging_root: folder("staging"),
//!         staging_cleanup: StagingCleanup::Manual,
//!     }),
//!     equipment: vec![Equipment {
//!         id: "SCOPE_01".into(),
//!         label: "Microscope".into(),
//!         signal: Some(Signal::sentinel("done.flag")?),
//!         settle_seconds: Some(0),
//!         open_files_wait_seconds: 60,
//!         synced_here: true,
//!         transport: Some(Transport { target: Target::Mount { path: folder("nas") }, bandwidth: Default::default() }),
//!         staging_transport: "smb_mount".into(),
//!     }],
//!     ..Settings::default()
//! };
//! let run = "SCOPE_01/Cortex/Runs/Run_2026-04-17T14-32";
//! let (here, there) = (lab.path().join("staging").join(run), lab.path().join("nas/Cortex/Runs/Run_2026-04-17T14-32"));
//! fs::create_dir_all(here.join(".exlab-wizard"))?;
//! fs::create_dir_all(folder("nas"))?;
//!
//! // A destination is marked once, by hand: what bears no marker gets nothing.
//! mark_destination(&settings, "SCOPE_01", &lab.path().join("state"), "lab-pc", false).await?;
//! let engine = Engine::start(settings, Options::new(lab.path().join("state"), "lab-pc".into())).await?;
//! let mut events = Box::pin(engine.subscribe(None));
//!
//! // The instrument pushes a run, and its signal last.
//! # let creation = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../app/domain/tests/fixtures/creation/experimental.json"));
//! fs::write(here.join(".exlab-wizard/creation.json"), creation)?;
//! fs::write(here.join("frame_1.tif"), b"pixels")?;
//! fs::write(here.join("done.flag"), b"")?;
//!
//! while let Some(event) = events.next().await {
//!     if matches!(event, domain::api::Event::Row { row, .. } if row.summary.current_state == "sync_verified") {
//!         break;
//!     }
//! }
//! assert_eq!(fs::read(there.join("frame_1.tif"))?, b"pixels");
//! let cleared = engine.clear(run).await?;
//! assert!(cleared.files_freed > 0 && !here.exists());
//! engine.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No room knows one above it: `cargo xtask test` holds that, and draws the map in ARCHITECTURE.

// `cargo xtask test` demands docs of types and functions; fields with a telling name need none.
#![allow(missing_docs)]

mod api;
pub mod clear;
pub mod core;
pub mod database;
pub mod doctor;
pub mod files;
pub mod judge;
pub mod keep;
pub mod machine;
pub mod observe;
pub mod prove;
pub mod send;
pub mod tell;
pub mod transport;
pub mod verify;

pub use api::{Engine, LogFile, MarkError, Options, StartError, freed_bytes_and_count, import_queue, mark_destination};
pub use transport::transport_of;
