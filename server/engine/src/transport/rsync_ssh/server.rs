//! How a server is reached, as ssh and rsync want to be told.

use super::quote::ssh_path;
use domain::settings::HostKeyPolicy;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one attempt to connect may take, seconds.
const CONNECT_SECONDS: u32 = 15;
/// How often a silent server is asked whether it lives, seconds; four silences end the connection.
const ALIVE_SECONDS: u32 = 15;

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Server {
    /// `user@host`; never begins with `-`.
    pub target: String,
    pub port: u16,
    pub key: PathBuf,
    /// Where the keys of hosts are kept.
    pub known_hosts: PathBuf,
    /// What is done with an unknown one.
    pub host_keys: HostKeyPolicy,
    pub ssh: String,
    pub rsync: String,
    /// The connection ends after this long without use.
    pub idle: Duration,
}

impl Server {
    /// As ssh wants it: an IPv6 address without brackets.
    pub(super) fn for_ssh(&self) -> String {
        match self.parts() {
            (Some(user), host) => format!("{user}@{host}"),
            (None, host) => host.to_owned(),
        }
    }

    /// As rsync wants it, which takes what stands behind a colon for a path: an IPv6 address in brackets.
    pub(super) fn for_rsync(&self) -> String {
        match self.parts() {
            (Some(user), host) if host.contains(':') => format!("{user}@[{host}]"),
            (None, host) if host.contains(':') => format!("[{host}]"),
            _ => self.target.clone(),
        }
    }

    /// The account, where one is named, and the host without brackets.
    pub(super) fn parts(&self) -> (Option<&str>, &str) {
        let (user, host) =
            self.target.rsplit_once('@').map_or((None, self.target.as_str()), |(user, host)| (Some(user), host));
        (user, host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
    }

    /// Everything but what to run. Where several say something, the first one counts, so this goes before the user's
    /// own file.
    pub(super) fn options(&self, socket: &Path) -> Vec<String> {
        let Server { port, key, known_hosts, .. } = self;
        vec![
            "-S".to_owned(),
            socket.display().to_string(),
            "-oControlMaster=no".to_owned(),
            "-oControlPersist=no".to_owned(),
            "-i".to_owned(),
            key.display().to_string(),
            "-p".to_owned(),
            port.to_string(),
            "-oIdentitiesOnly=yes".to_owned(),
            "-oBatchMode=yes".to_owned(),
            "-oPreferredAuthentications=publickey".to_owned(),
            // Whatever the policy is: a key that is new was written down when the connection was made.
            "-oStrictHostKeyChecking=yes".to_owned(),
            format!("-oUserKnownHostsFile={}", ssh_path(&known_hosts.display().to_string())),
            format!("-oConnectTimeout={CONNECT_SECONDS}"),
            format!("-oServerAliveInterval={ALIVE_SECONDS}"),
            "-oServerAliveCountMax=4".to_owned(),
            "-oClearAllForwardings=yes".to_owned(),
            "-oForwardAgent=no".to_owned(),
            "-oForwardX11=no".to_owned(),
            "-oPermitLocalCommand=no".to_owned(),
            "-oRequestTTY=no".to_owned(),
            // Another command in the account's own file would refuse ours.
            "-oRemoteCommand=none".to_owned(),
            "-oEscapeChar=none".to_owned(),
            "-oLogLevel=ERROR".to_owned(),
        ]
    }
}
