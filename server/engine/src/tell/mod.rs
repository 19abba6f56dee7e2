//! What panel, REST and events show: rows, events, acts, bytes moved.

pub mod acts;
pub mod events;
pub mod index;
pub mod only_copies;
pub mod tally;
