//! A destination that a tool reaches may be this very computer, or share its disks (D12): then every hash would agree,
//! and clearing would take the only copy.
//!
//! Two looks. If the path that the tool names shows the same marker here too, it is the same place, and is compared
//! like a mounted one. And no equipment, project or `Runs` folder of the staging tree may show the marker.

use super::TransportError;
use super::mount::{MountTransport, marker_is_visible};
use super::rules::layout::MARKER;
use domain::job::{FailureClass, Side};
use std::path::Path;

/// Refuses a destination that is, holds, or lies in the staging tree. `shown`: as the operator knows it; `root`: its
/// path there, when it has one. Blocks.
pub(super) fn refuse(shown: &str, root: Option<&Path>, staging: &Path, marker: &[u8]) -> Result<(), TransportError> {
    if let Some(root) = root
        && std::fs::read(root.join(MARKER)).is_ok_and(|bytes| bytes == marker)
    {
        refuse_folder(root, staging)?;
    }
    if marker_is_visible(staging, marker)? {
        let message = format!(
            "{shown} is not another place than the staging tree {}: its marker is visible in it",
            staging.display()
        );
        return Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message));
    }
    Ok(())
}

/// Refuses a folder of this computer that is, holds, or lies in the staging tree, or would when it were made. Blocks.
pub(super) fn refuse_folder(folder: &Path, staging: &Path) -> Result<(), TransportError> {
    if folder.is_dir() {
        return MountTransport::new(folder.to_owned(), staging.to_owned()).refuse_staging();
    }
    let above = folder.ancestors().find_map(|above| above.canonicalize().ok());
    match (above, staging.canonicalize()) {
        (Some(above), Ok(staging)) if above.starts_with(&staging) => {
            let message = format!("{} lies in the staging tree {}", folder.display(), staging.display());
            Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message))
        }
        _ => Ok(()),
    }
}
