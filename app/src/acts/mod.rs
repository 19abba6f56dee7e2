//! What an act will do, before it does it. Of a clear: what would be freed, what it rests on, what stays and why.

pub mod conditions;
pub mod dialog;
pub mod force;
pub mod many;
pub mod one;
pub mod working;
