//! The staging table: what is here, what it is doing, what is wrong, and what may be done.

pub mod bulk;
pub mod filters;
pub mod page;
#[cfg(feature = "ssr")]
pub mod plan;
pub mod query;
pub mod row;
pub mod row_menu;
pub mod select;
pub mod story;
pub mod table;
pub mod view;
pub mod window;
