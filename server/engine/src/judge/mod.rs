//! The gate: what holds a run back from the queue, and the only way into it.

pub mod gatekeeper;
