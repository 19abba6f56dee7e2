//! What it means that something was not written for an unknown reason. SFTP has one word for a read-only disk, one that
//! takes no more files, and a name that is too long for it; WebDAV has hardly more. A destination that takes nothing at
//! all now is waited for, and so are all its runs; one that takes a small file refuses these files alone, and no other
//! run waits for them.

use super::Place;
use super::session::{join, writing};
use crate::transport::rules::layout::TEMPORARY;
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};

/// A failed write; one of unknown cause is the destination's where it takes nothing.
pub(super) async fn explained(place: &Place, error: TransportError, context: &CallContext) -> TransportError {
    let is_unknown = (error.class, error.side) == (FailureClass::Unknown, Side::Destination);
    if !is_unknown || takes_a_file(place, context).await {
        return error;
    }
    let message = format!(
        "{}; not even a small file can be written there now: its disk may be read-only or full, or a quota used up",
        error.message
    );
    TransportError { class: FailureClass::DestinationUnreachable, message, ..error }
}

/// Whether a small file of our own can be written; true also where that was interrupted.
pub(super) async fn takes_a_file(place: &Place, context: &CallContext) -> bool {
    let name = format!("takes-{}", uuid::Uuid::new_v4().simple());
    let file = place.at(&join(TEMPORARY.as_bytes(), name.as_bytes()));
    let call = |command: &str| writing(place.rclone.call(command, "writing a small file"));
    let put = call("rcat").operands([file.clone()]).input(b"?".to_vec()).collect(context).await;
    // Left behind it is one of our temporary files.
    let _ = call("deletefile").operands([file]).collect(context).await;
    put.map_or(true, |(ended, _)| ended.success())
}
