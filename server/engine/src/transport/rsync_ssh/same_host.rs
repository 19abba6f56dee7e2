//! The server may be this very computer, or share its disks (D12): then every hash would agree, and clearing would take the only copy.
//!
//! Two looks. If the path that the server names shows the same marker here too, it is the same place, and is compared like a
//! mounted one. And no equipment, project or `Runs` folder of the staging tree may show the marker.

use super::Place;
use super::session::MARKER;
use crate::transport::TransportError;
use crate::transport::mount::{MountTransport, marker_is_visible};
use domain::job::{FailureClass, Side};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Refuses a destination that is, holds, or lies in the staging tree. Blocks.
pub(super) fn refuse(place: &Place, root: &[u8], marker: &[u8]) -> Result<(), TransportError> {
    let local = Path::new(OsStr::from_bytes(root));
    if std::fs::read(local.join(MARKER)).is_ok_and(|bytes| bytes == marker) {
        MountTransport::new(local.to_owned(), place.staging.clone()).refuse_staging()?;
    }
    if marker_is_visible(&place.staging, marker)? {
        let message = format!(
            "{} is not another place than the staging tree {}: its marker is visible in it",
            place.describe(),
            place.staging.display()
        );
        return Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message));
    }
    Ok(())
}
