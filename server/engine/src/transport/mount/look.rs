//! Looking at files without reading them.

use super::super::TransportError;
use super::MountTransport;
use super::root::{Root, look as look_at};
use crate::files::beneath;
use domain::path::{FilePath, RunPath};
use domain::proof::FileStat;
use rustix::fd::OwnedFd;
use rustix::fs::FileType;
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

/// What is told of each; nothing of what cannot be looked at, which is then for whoever reads it to say.
pub(super) fn look(
    transport: &MountTransport,
    run: &RunPath,
    files: &[FilePath],
    stop: &CancellationToken,
) -> Result<Vec<Option<FileStat>>, TransportError> {
    let (root, _) = Root::open_marked(transport)?;
    let Some(run) = root.run(run)? else { return Ok(vec![None; files.len()]) };
    // Files come sorted: the folder of the last one is most often that of the next.
    let mut parent: Option<(&[u8], Result<OwnedFd, Errno>)> = None;
    let mut seen = Vec::with_capacity(files.len());
    for path in files {
        if stop.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        let (folder, name) = beneath::split(path.as_bytes());
        if parent.as_ref().is_none_or(|(known, _)| *known != folder) {
            parent = Some((folder, beneath::open_folder(&run, folder)));
        }
        let stat = match &parent {
            Some((_, Ok(folder))) => look_at(folder, name).ok().flatten(),
            _ => None,
        };
        let regular = stat.filter(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
        seen.push(regular.as_ref().map(beneath::file_stat));
    }
    Ok(seen)
}
