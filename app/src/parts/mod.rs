//! Small pieces that every page uses.

pub mod act_button;
pub mod focus;
pub mod icon;
pub mod link;
pub mod list_form;
pub mod modal;
pub mod progress;
pub mod story;
pub mod when;

pub use act_button::ActButton;
pub use focus::FocusKeeper;
pub use icon::{Icon, WordTag};
pub use link::Go;
pub use list_form::{Choice, ListForm};
pub use modal::Modal;
pub use when::{Ago, When};
