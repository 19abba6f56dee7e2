//! `/problems`: what the Pre-Sync Gate found, over all runs, and what operators do about it.

mod act;
mod dialog;
mod filters;
pub mod page;
pub mod query;
mod revoke;
mod table;
mod words;
