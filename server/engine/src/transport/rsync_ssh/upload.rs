//! Bringing one small file to the server over the connection.

use super::classify;
use super::session::{Session, closing};
use crate::files::hash::{CHUNK, read_some};
use crate::keep::record_bytes::RecordBytes;
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};

/// Read ahead of the connection.
const PIECES_WAITING: usize = 2;

/// Writes a file below our own folder; `place` is a word. One that changes here meanwhile arrives otherwise than it was
/// hashed. It is no more open to others than it is here.
pub(super) async fn upload(
    session: &Session,
    place: &[u8],
    bytes: &RecordBytes,
    context: &CallContext,
) -> Result<(), TransportError> {
    let script = [format!("{}; cat >", closing(bytes.mode())).as_bytes(), place].concat();
    let script = String::from_utf8(script).map_err(|_| {
        let message = format!("the path {} is not text", session.place.describe());
        TransportError::new(FailureClass::Configuration, Side::Destination, message)
    })?;
    let (give, mut pieces) = tokio::sync::mpsc::channel(PIECES_WAITING);
    let mut reader = bytes.reader();
    let reading = tokio::task::spawn_blocking(move || {
        let mut space = vec![0; CHUNK];
        while let Ok(read @ 1..) = read_some(&mut reader, &mut space) {
            if give.blocking_send(space[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    let ended = session.place.connection.line_taking(&script, &mut pieces, context).await;
    drop(pieces);
    // Ends by itself: nobody takes any more, or everything was read.
    let _ = reading.await;
    let ended = ended?;
    if ended.success() { Ok(()) } else { Err(classify::script(&ended, "writing the record")) }
}
