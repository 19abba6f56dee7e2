//! This computer: its clocks, threads and children, what is mounted, and who has files open.

pub(crate) mod blocking;
pub mod checkpoint;
pub(crate) mod child;
pub mod clock;
pub(crate) mod lease;
pub(crate) mod local_time;
pub(crate) mod mounts;
pub(crate) mod ordered;
pub mod progress;
pub mod writers;
