//! Giving files their names at the destination: from our temporary folder to where they belong, or aside. Never over
//! another file.
//!
//! The names were seen to be free just before; `--ignore-existing` leaves alone what appeared since. What then still
//! lies where it lay was not moved.

use super::classify;
use super::look::{self, Kind};
use super::names::is_odd;
use super::session::{Session, join};
use super::there::There;
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use std::collections::BTreeSet;

/// Moves files from below one folder of the root to below another; the names of those that something was in the way of.
/// `largest`: bytes of the largest of them, which some destinations copy to move it.
pub(super) async fn move_files(
    session: &Session,
    from: &[u8],
    to: &[u8],
    files: &[&[u8]],
    largest: u64,
    what: &str,
    context: &CallContext,
) -> Result<BTreeSet<Vec<u8>>, TransportError> {
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (odd, plain): (Vec<&[u8]>, Vec<&[u8]>) = files.iter().copied().partition(|name| is_odd(name));
    let mut complaint = None;
    if !plain.is_empty() {
        let call = session.write("move", what).patient(largest).args(["--no-traverse", "--ignore-existing"]);
        let call = call.operands([session.at(from), session.at(to)]).only(plain);
        let ended = call.run(&mut |_| (), &mut |_| (), context).await?;
        complaint = (!ended.success()).then_some(ended);
    }
    for name in odd {
        let call = session.write("moveto", what).patient(largest).arg("--ignore-existing");
        let call = call.operands([session.at(&join(from, name)), session.at(&join(to, name))]);
        let ended = call.run(&mut |_| (), &mut |_| (), context).await?;
        if !ended.success() {
            complaint = Some(ended);
        }
    }
    let Some(left) = look::everything(session, from, context).await? else { return Ok(BTreeSet::new()) };
    let mut unmoved = BTreeSet::new();
    for name in files {
        if look::one(session, from, name, &left, context).await?.is_some() {
            unmoved.insert(name.to_vec());
        }
    }
    if unmoved.is_empty() {
        return Ok(unmoved);
    }
    let there = look::everything(session, to, context).await?.unwrap_or_default();
    for name in &unmoved {
        let taken = is_taken(session, to, name, &there, context).await?;
        if !taken {
            return Err(match &complaint {
                Some(ended) => classify::rclone(ended, what),
                None => {
                    let message = format!(
                        "{what}: {} was not moved, and rclone did not say why",
                        domain::path::escape_bytes(name)
                    );
                    TransportError::new(FailureClass::Unknown, Side::Destination, message)
                }
            });
        }
    }
    Ok(unmoved)
}

/// Something stands under the name, or where a folder above it must be.
async fn is_taken(
    session: &Session,
    to: &[u8],
    name: &[u8],
    there: &There,
    context: &CallContext,
) -> Result<bool, TransportError> {
    for (at, _) in name.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        if there.plain(&name[..at])?.is_some_and(|seen| seen.kind != Kind::Folder) {
            return Ok(true);
        }
    }
    Ok(look::one(session, to, name, there, context).await?.is_some())
}
