//! The one place that knows every kind of transport.

use super::mount::MountTransport;
use super::rclone::{RcloneTransport, Remote};
use super::rsync_ssh::{RsyncSshTransport, Server};
use super::{MarkedFor, Transport};
use domain::settings::{Equipment, Settings, Target};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The transport of an equipment; `None` without one. `state_folder`: where the keys of hosts are kept when the config
/// names no file. `installation`: whose destination it is to be, where that is said.
pub fn transport_of(
    settings: &Settings,
    equipment: &Equipment,
    staging_root: &str,
    state_folder: &Path,
    installation: Option<&str>,
) -> Option<Arc<dyn Transport>> {
    let owner = installation
        .map(|installation| MarkedFor { installation: installation.to_owned(), equipment: equipment.id.clone() });
    let target = &equipment.transport.as_ref()?.target;
    let staging = PathBuf::from(staging_root);
    Some(match target {
        Target::Mount { path } => Arc::new(MountTransport::new(PathBuf::from(path), staging).of(owner)),
        Target::RsyncSsh { ssh_target, path, port, key_path, known_hosts, host_keys } => {
            let server = Server {
                target: ssh_target.clone(),
                port: *port,
                key: PathBuf::from(key_path),
                known_hosts: known_hosts.as_ref().map_or_else(|| state_folder.join("known_hosts"), PathBuf::from),
                host_keys: *host_keys,
                ssh: settings.sync.binaries.ssh.clone(),
                rsync: settings.sync.binaries.rsync.clone(),
                idle: Duration::from_secs(60),
            };
            Arc::new(RsyncSshTransport::new(server, path.clone(), staging, settings.verify.max_stream_bytes).of(owner))
        }
        Target::Rclone { remote, path, config } => {
            let remote = Remote {
                program: settings.sync.binaries.rclone.clone(),
                config: config.as_ref().map(PathBuf::from),
                name: remote.clone(),
                path: path.clone(),
            };
            Arc::new(RcloneTransport::new(remote, staging, settings.verify.max_stream_bytes).of(owner))
        }
    })
}
