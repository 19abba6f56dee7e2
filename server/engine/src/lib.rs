//! The outside world of ExLab Orchestrator: everything that touches files, the database, a child process or the clock.
//!
//! Data flows one way round: the [`watcher`] observes and records, the [`gatekeeper`] admits to the queue in [`store`], a
//! [`worker`] seals ([`seal`]), sends ([`transport`]) and proves ([`verify`]), and [`clear`] lets go of what is proven.
//! [`index`] and [`events`] are what everyone looks at meanwhile; [`Engine`] is what the server holds.

pub mod acts;
mod beneath;
mod blocking;
pub mod checkpoint;
mod child;
pub mod clear;
pub mod clock;
pub mod core;
pub mod destination;
pub mod doctor;
mod engine;
pub mod events;
pub mod gatekeeper;
pub mod hash;
pub mod index;
pub mod ingest_store;
pub mod last_look;
mod lease;
mod local_time;
mod mounts;
pub mod only_copy;
mod ordered;
pub mod problems;
pub mod progress;
pub mod prove;
pub mod record;
pub mod record_bytes;
mod record_turn;
mod reserve;
pub mod run_locks;
pub mod seal;
pub mod source;
pub mod staging_owner;
pub mod state_folder;
pub mod store;
pub mod tally;
pub mod transport;
pub mod verify;
pub mod watcher;
pub mod worker;
pub mod writers;

pub use engine::{Engine, LogFile, MarkError, Options, StartError, freed_bytes_and_count, import_queue, mark_destination, transport_of};
