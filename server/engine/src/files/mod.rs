//! Files as instruments leave them: read beneath an open handle, walked, hashed. Nothing here changes one.

pub(crate) mod beneath;
pub mod hash;
pub mod source;
