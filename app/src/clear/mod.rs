//! Letting local copies go: what would be freed, what it rests on, what stays and why.

pub mod conditions;
pub mod dialog;
pub mod many;
pub mod one;
pub mod working;
