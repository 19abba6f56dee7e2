//! A run's own page: what happened, what goes on, why it can or cannot be cleared.

pub mod files;
pub mod findings;
pub mod head;
pub mod job;
pub mod log;
pub mod page;
pub mod records;
pub mod timeline;
pub mod view;
