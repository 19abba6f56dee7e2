//! The staging table: what is here, what it is doing, what is wrong, and what may be done.

pub mod bulk;
pub mod filters;
pub mod page;
pub mod row;
pub mod row_menu;
pub mod table;
pub mod view;
pub mod window;
