//! Texts that become paths, remotes, hosts and program names: what may be written there, and why not everything.
//!
//! All of them end in an argument list or in a file system call, so nothing may begin with `-` (V11) and nothing may
//! mean another place than it says.

use crate::environment::Environment;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An absolute path here, `~` resolved, no trailing slash, no `.`, `..` or empty segment.
pub fn local_path(text: &str, environment: &Environment) -> Result<String, String> {
    no_dash(text)?;
    let path = environment.expand(text).map_err(|error| error.to_string())?;
    if !path.starts_with('/') {
        return Err(format!("{text:?} is not absolute; write the whole path, beginning with / or ~/"));
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(format!("{text:?} holds an empty, `.` or `..` segment; write the path without it"));
    }
    Ok(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
}

/// A path at a remote: absolute, or relative to the remote's own starting folder.
pub fn remote_path(text: &str) -> Result<String, String> {
    no_dash(text)?;
    if text.starts_with('~') {
        return Err(
            "`~` is not resolved at the other side; write an absolute path, or one relative to the account's home"
                .into(),
        );
    }
    let trimmed = if text.len() > 1 { text.trim_end_matches('/') } else { text };
    let body = trimmed.strip_prefix('/').unwrap_or(trimmed);
    if body.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(format!("{text:?} names no folder of its own: empty, `.` and `..` segments are refused"));
    }
    Ok(trimmed.to_owned())
}

/// The name of a remote in rclone.conf; connection strings are refused, because they carry options and secrets.
pub fn rclone_remote(text: &str) -> Result<String, String> {
    no_dash(text)?;
    if text.starts_with(':') {
        return Err(format!(
            "{text:?} is a connection string; define a remote with `rclone config` and write its name"
        ));
    }
    if text.contains([',', '=']) {
        return Err(format!(
            "{text:?} carries options; set them with `rclone config` and write only the remote's name"
        ));
    }
    if text.contains(':') {
        return Err(format!(
            "{text:?} contains `:`; write the remote's name alone, and the path under rclone_remote_path"
        ));
    }
    if !text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '@' | ' ')) {
        return Err(format!(
            "{text:?} is not the name of an rclone remote: letters, digits, _ - . + @ and blanks only"
        ));
    }
    Ok(text.to_owned())
}

/// `host` or `user@host`; a host may be an IPv6 address, in brackets or not, with a zone or not.
pub fn ssh_target(text: &str) -> Result<String, String> {
    no_dash(text)?;
    let (user, host) = text.rsplit_once('@').unwrap_or(("user", text));
    if user.is_empty() || user.starts_with('-') || user.contains(['/', ':', '@']) {
        return Err(format!("{text:?} has no usable user name; write user@host"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if is_ipv6(host) {
        return Ok(text.to_owned());
    }
    if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) || text.contains(char::is_whitespace) {
        return Err(format!(
            "{text:?} is not an ssh target; write user@host (port under ssh_port, path under remote_path)"
        ));
    }
    Ok(text.to_owned())
}

/// `::1`, `[::1]`, `fe80::1%eth0`, `[fe80::1%eth0]`
fn is_ipv6(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let (address, zone) = bare.split_once('%').unwrap_or((bare, "0"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    address.parse::<std::net::Ipv6Addr>().is_ok() && !zone.is_empty() && zone.chars().all(plain)
}

/// A program: a bare name looked up in PATH, or an absolute path.
pub fn program(text: &str, environment: &Environment) -> Result<String, String> {
    no_dash(text)?;
    if text.contains('/') || text.starts_with('~') { local_path(text, environment) } else { Ok(text.to_owned()) }
}

/// An address to listen on. Only this machine's own: whoever can reach the port can clear runs.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let named = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = match named {
        Some(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        None => text
            .parse::<SocketAddr>()
            .map_err(|_| format!("{text:?} is not an address; write HOST:PORT, e.g. 127.0.0.1:8080 or [::1]:8080"))?,
    };
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "{text:?} can be reached from other machines, and there is no authentication yet: anyone who reaches it could clear runs. \
         Write a loopback address such as 127.0.0.1:8080; from elsewhere use `ssh -L 8080:127.0.0.1:8080`"
    ))
}

fn no_dash(text: &str) -> Result<(), String> {
    match text.starts_with('-') {
        true => Err(format!("{text:?} begins with `-`: a tool would take it for an option; write it another way")),
        false => Ok(()),
    }
}

/// True when one absolute path lies inside the other, or they are equal. By name only; links are the engine's matter.
pub fn overlap(a: &str, b: &str) -> bool {
    let inside = |outer: &str, inner: &str| {
        outer == "/" || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    inside(a, b) || inside(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn alex() -> Environment {
        Environment { home: Some("/home/alex".into()), ..Environment::default() }
    }

    #[rstest]
    #[case("/staging", Some("/staging"))]
    #[case("/staging/", Some("/staging"))]
    #[case("~/staging", Some("/home/alex/staging"))]
    #[case("/", Some("/"))]
    #[case("staging", None)]
    #[case("-o", None)]
    #[case("/a/../b", None)]
    #[case("/a//b", None)]
    fn local_paths(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(local_path(text, &alex()).ok().as_deref(), expected);
    }

    #[rstest]
    #[case("lab/CONFOCAL_01", Some("lab/CONFOCAL_01"))]
    #[case("/srv/lab/", Some("/srv/lab"))]
    #[case("Kim's data", Some("Kim's data"))]
    #[case("~/lab", None)]
    #[case("-rf", None)]
    #[case("..", None)]
    #[case("a/../b", None)]
    #[case("/", None)]
    fn remote_paths(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(remote_path(text).ok().as_deref(), expected);
    }

    #[rstest]
    #[case("lab-nas", true)]
    #[case("lab nas.2", true)]
    #[case(":sftp,host=nas:", false)]
    #[case(":local", false)]
    #[case("lab-nas,shell_type=none", false)]
    #[case("lab-nas:", false)]
    #[case("-v", false)]
    fn v11_rclone_remotes(#[case] text: &str, #[case] accepted: bool) {
        assert_eq!(rclone_remote(text).is_ok(), accepted);
    }

    #[rstest]
    #[case("labuser@nas01.lab.example", true)]
    #[case("nas01", true)]
    #[case("-oProxyCommand=touch x", false)]
    #[case("user@-oProxyCommand=x", false)]
    #[case("-l@host", false)]
    #[case("ssh://nas01", false)]
    #[case("nas01:/srv", false)]
    #[case("nas 01", false)]
    #[case("@nas", false)]
    #[case("user@fe80::1%eth0", true)]
    #[case("user@[::1]", true)]
    #[case("::1", true)]
    #[case("user@[fe80::1%en-0]", true)]
    #[case("user@[::1", false)]
    #[case("user@::1%", false)]
    #[case("user@::1%a;b", false)]
    #[case("user@[::1]:/srv", false)]
    fn v11_ssh_targets(#[case] text: &str, #[case] accepted: bool) {
        assert_eq!(ssh_target(text).is_ok(), accepted);
    }

    #[rstest]
    #[case("rclone", true)]
    #[case("/usr/bin/rclone", true)]
    #[case("bin/rclone", false)]
    #[case("-c", false)]
    fn v11_programs(#[case] text: &str, #[case] accepted: bool) {
        assert_eq!(program(text, &alex()).is_ok(), accepted);
    }

    #[rstest]
    #[case("127.0.0.1:8080", Some("127.0.0.1:8080"))]
    #[case("localhost:0", Some("127.0.0.1:0"))]
    #[case("[::1]:8080", Some("[::1]:8080"))]
    #[case("0.0.0.0:8080", None)]
    #[case("192.168.1.5:8080", None)]
    #[case("8080", None)]
    #[case("localhost", None)]
    fn s12_only_loopback(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(listen_address(text).ok().map(|address| address.to_string()).as_deref(), expected);
    }

    #[rstest]
    #[case("/staging", "/staging", true)]
    #[case("/staging", "/staging/nas", true)]
    #[case("/mnt/nas", "/mnt", true)]
    #[case("/mnt", "/mnt2", false)]
    #[case("/", "/mnt", true)]
    fn d12_overlaps(#[case] a: &str, #[case] b: &str, #[case] expected: bool) {
        assert_eq!(overlap(a, b), expected);
    }
}
