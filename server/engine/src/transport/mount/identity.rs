//! Reading and writing the marker.

use super::super::{Marker, TransportError};
use super::MountTransport;
use super::copy::naming;
use super::root::{MARKER, OWN_FOLDER, Root, look};
use super::same_tree;
use crate::beneath;
use domain::job::{FailureClass, Side};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::fs::File;
use std::io::Write;

impl MountTransport {
    pub(super) fn read_marker(&self) -> Result<Marker, TransportError> {
        let (root, bytes) = Root::open_marked(self)?;
        parse(&root, &bytes)
    }

    pub(super) fn write_marker(&self, marker: &Marker, replace: bool) -> Result<(), TransportError> {
        let root = Root::open(self)?;
        same_tree::refuse(&root, &self.staging)?;
        if let Some(bytes) = root.marker()?
            && !replace
        {
            let found = parse(&root, &bytes)?;
            if (&found.installation, &found.equipment) == (&marker.installation, &marker.equipment) {
                return Ok(());
            }
            let message = format!(
                "{} belongs to equipment {} of installation {} on {}",
                root.path.display(),
                found.equipment,
                found.installation,
                found.host
            );
            return Err(TransportError::new(FailureClass::DestinationForeign, Side::Destination, message));
        }
        root.put_marker(marker)?;
        // A server may export this computer's own staging tree: only now could that be seen.
        same_tree::refuse(&root, &self.staging)
    }
}

impl Root {
    fn put_marker(&self, marker: &Marker) -> Result<(), TransportError> {
        let failed = |error| TransportError::destination(error, format!("writing the marker {}", self.shown(MARKER)));
        let (own, _) = beneath::make_folders(&self.folder, OWN_FOLDER).map_err(failed)?;
        let (_, name) = beneath::split(MARKER);
        let temporary = b"identity.json.tmp";
        if look(&own, temporary).map_err(failed)?.is_some() {
            rustix::fs::unlinkat(&own, temporary.as_slice(), AtFlags::empty()).map_err(failed)?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let fd = beneath::open(&own, temporary, flags, Mode::from_raw_mode(0o666)).map_err(failed)?;
        let text = serde_json::to_vec_pretty(marker).unwrap_or_default();
        let mut file = File::from(fd);
        let written = file.write_all(&text).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
        written.map_err(|error| TransportError::destination(error, format!("writing the marker {}", self.shown(MARKER))))?;
        let named = rustix::fs::renameat(&own, temporary.as_slice(), &own, name);
        named.map_err(|error| TransportError::destination(error, naming(&"the marker", &self.path, error)))?;
        self.sync()
    }
}

fn parse(root: &Root, bytes: &[u8]) -> Result<Marker, TransportError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("the marker {} is none: {error}", root.shown(MARKER));
        TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message)
    })
}
