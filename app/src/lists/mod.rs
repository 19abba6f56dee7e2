//! Which rows a list shows, what is selected of it, and what an act on that would do.

#[cfg(feature = "ssr")]
pub mod plan;
pub mod problem_query;
pub mod query;
pub mod select;
