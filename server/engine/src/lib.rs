//! The outside world of ExLab Orchestrator: everything that touches files, the database, a child process or the clock.
//!
//! Folders are the rooms of a run's way: [`observe`] looks at it and records what it sees, [`judge`] admits it to the queue in [`database`],
//! [`send`] seals and sends it over a [`transport`], [`mod@prove`] and [`mod@verify`] hold the destination against the seal, [`clear`] lets go of what
//! is proven. [`keep`] holds records and seals, [`tell`] what everyone looks at meanwhile, [`core`] what the rooms share; [`files`] and
//! [`machine`] are what all of them stand on. [`Engine`] is what the server holds, and [`doctor`] tries everything on request.
//!
//! No room knows one above it: `cargo xtask test` holds that, and draws the map in ARCHITECTURE.

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
