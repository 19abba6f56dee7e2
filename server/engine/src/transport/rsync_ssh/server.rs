//! How a server is reached, as ssh and rsync want to be told.

use domain::settings::HostKeyPolicy;
use std::path::PathBuf;
use std::time::Duration;

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Server {
    /// `user@host`; never begins with `-`.
    pub target: String,
    /// Port.
    pub port: u16,
    /// Private key file.
    pub key: PathBuf,
    /// Where the keys of hosts are kept.
    pub known_hosts: PathBuf,
    /// What is done with an unknown one.
    pub host_keys: HostKeyPolicy,
    /// The ssh program.
    pub ssh: String,
    /// The rsync program.
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
        let (user, host) = self.target.rsplit_once('@').map_or((None, self.target.as_str()), |(user, host)| (Some(user), host));
        (user, host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host))
    }
}
