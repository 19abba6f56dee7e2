//! Pure rules of ExLab Orchestrator: what could be wrong without touching disk, network or clock.
//!
//! Compiled natively for the engine and to WASM for the panel. Holds no clock, file, runtime, or process.
//!
//! | module | decides |
//! |---|---|
//! | [`path`] | what names a run, and what names a file in it |
//! | [`lifecycle`], [`step`] | which state follows, and what to do next with a run |
//! | [`document`] | how the documents of a run's record are read and rewritten |
//! | [`completeness`] | whether the instrument has finished |
//! | [`gate`], [`finding`], [`overrides`] | whether a run may be queued |
//! | [`job`], [`retry`], [`bandwidth`] | how a job goes on |
//! | [`proof`], [`checksums`] | what is sealed and what counts as proven |
//! | [`cleanup`] | what may be cleared |
//! | [`api`], [`problem`], [`units`] | what people and scripts are shown |
//! | [`settings`], [`log_line`], [`timestamp`], [`address`] | configuration, log lines, times, text in addresses |

pub mod address;
pub mod api;
pub mod bandwidth;
pub mod checksums;
pub mod cleanup;
pub mod completeness;
pub mod document;
pub mod finding;
pub mod gate;
pub mod job;
pub mod lifecycle;
pub mod log_line;
pub mod overrides;
pub mod path;
pub mod problem;
pub mod proof;
pub mod reread;
pub mod retry;
pub mod settings;
pub mod step;
pub mod timestamp;
pub mod units;
