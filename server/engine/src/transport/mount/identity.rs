//! Reading and writing the marker.

use super::super::rules::layout::{MARKER, OWN_FOLDER};
use super::super::{Marker, TransportError};
use super::MountTransport;
use super::copy::naming;
use super::root::{Root, look};
use super::same_tree;
use crate::files::beneath;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;

impl MountTransport {
    pub(super) fn read_marker(&self) -> Result<Marker, TransportError> {
        let (root, bytes) = Root::open_marked(self)?;
        Marker::read(&bytes, &root.path.display().to_string())
    }

    pub(super) fn write_marker(&self, marker: &Marker, replace: bool) -> Result<(), TransportError> {
        let root = Root::open(self)?;
        same_tree::refuse(&root, &self.staging)?;
        let shown = root.path.display().to_string();
        let found = root.marker()?.unwrap_or_default();
        if !marker.must_be_written(&found, replace, &shown)? {
            return Ok(());
        }
        root.put_marker(marker, replace)?;
        // A server may export this computer's own staging tree: only now could that be seen.
        same_tree::refuse(&root, &self.staging)?;
        marker.stands(&root.marker()?.unwrap_or_default(), &shown)
    }
}

impl Root {
    /// Puts the marker under its name: replacing only when asked to, for another may be quicker.
    fn put_marker(&self, marker: &Marker, replace: bool) -> Result<(), TransportError> {
        let what = || format!("writing the marker {}", self.shown(MARKER.as_bytes()));
        let failed = |error| TransportError::destination(error, what());
        let (own, _) = beneath::make_folders(&self.folder, OWN_FOLDER.as_bytes()).map_err(failed)?;
        let (_, name) = beneath::split(MARKER.as_bytes());
        let temporary = b"identity.json.tmp";
        if look(&own, temporary).map_err(failed)?.is_some() {
            rustix::fs::unlinkat(&own, temporary.as_slice(), AtFlags::empty()).map_err(failed)?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let fd = beneath::open(&own, temporary, flags, Mode::from_raw_mode(0o666)).map_err(failed)?;
        let mut file = File::from(fd);
        let written = file.write_all(&marker.text()).and_then(|()| file.sync_all());
        written.map_err(|error| TransportError::destination(error, what()))?;
        let named = match replace {
            true => rustix::fs::renameat(&own, temporary.as_slice(), &own, name),
            false => beneath::rename_new(&own, temporary, &own, name),
        };
        match named {
            // Another was quicker: whose it is is looked at next.
            Err(Errno::EXIST) => rustix::fs::unlinkat(&own, temporary.as_slice(), AtFlags::empty()).map_err(failed)?,
            named => {
                named.map_err(|error| TransportError::destination(error, naming(&"the marker", &self.path, error)))?
            }
        }
        self.sync()
    }
}
