//! What a destination is and what may be done to it, decided once. The transports look and carry; none of them decides
//! whose a file is, what counts as sent, how a record grows, or when a marker may be written.

pub mod aside;
pub mod difference;
pub mod fate;
pub mod layout;
pub mod marker;
pub mod record;
