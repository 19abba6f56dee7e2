//! What stands around every page: header, strip of gauges, outcomes of acts.

pub mod gauge;
pub mod header;
pub mod outcomes;
pub mod strip;
pub mod theme;
