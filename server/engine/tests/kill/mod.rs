//! Parts of the kill test: the child that lives and dies, one case, and what must be true at the end.

pub mod case;
pub mod child;
pub mod end;
