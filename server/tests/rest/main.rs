//! The HTTP face against a backend that only records: what is asked of it, and what its answers become on the wire.

mod acts;
mod answers;
mod events;
mod faces;
mod fake;
mod guard;
mod limits;
mod panel;
mod paths;
mod problems;
mod wire;
