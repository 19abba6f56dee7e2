//! The whole installation at a glance.
//!
//! What needs someone, each equipment, the staging disk, and what moved in the last day.

mod attention;
mod charts;
mod disk;
mod equipment;
pub mod page;
