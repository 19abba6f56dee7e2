//! `/problems`: what the gate found, and what operators do about it.

mod act;
mod dialog;
mod filters;
pub mod page;
mod revoke;
mod table;
mod words;
