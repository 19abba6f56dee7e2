//! What everyone looks at meanwhile: rows, events, acts, what moved.

pub mod acts;
pub mod events;
pub mod index;
pub mod only_copies;
pub mod tally;
