//! What ssh says when it cannot connect, told as what is wrong, where, and the command that mends it.
//!
//! ssh's own warnings are framed in lines of decoration, and the line that says where comes last; no line of theirs is
//! shown whole here but the one that names the fault.

use super::classify;
use super::server::Server;
use crate::machine::child::Ended;
use crate::transport::TransportError;
use domain::job::FailureClass::{Authentication, Configuration, DestinationUnreachable};
use domain::job::{FailureClass, Side};

/// ssh ended before anything could be done over it, or the connection broke later.
pub(super) fn failure(ended: &Ended, connecting: bool, server: &Server) -> TransportError {
    match explained(&ended.stderr, server) {
        Some((class, side, message)) => TransportError::new(class, side, format!("ssh: {message}")),
        None => classify::ssh(ended, connecting),
    }
}

/// The first row that fits: what ssh says later only follows from it.
fn explained(said: &str, server: &Server) -> Option<(FailureClass, Side, String)> {
    let line = |words: &str| said.lines().map(str::trim).find(|line| line.contains(words));
    let (target, host, port) = (server.for_ssh(), server.parts().1.to_owned(), server.port);
    let (key, known_hosts) = (server.key.display(), server.known_hosts.display());
    let named = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
    let there = |class, message: String| Some((class, Side::Destination, message));
    let here = |message: String| Some((Configuration, Side::Here, message));
    if said.contains("REMOTE HOST IDENTIFICATION HAS CHANGED")
        || line("Host key for ").is_some_and(|line| line.contains("has changed"))
    {
        let place = line("Offending ").and_then(|line| line.split_once(" key in ")).map(|(_, place)| place.to_owned());
        // The one that ssh names: it may be the system's.
        let file = place.as_deref().map_or_else(|| known_hosts.to_string(), |place| file_of(place).to_owned());
        let place = place.map_or_else(|| known_hosts.to_string(), |place| with_line(&place));
        let print =
            line("SHA256:").map(|line| format!(" (it shows {})", line.trim_end_matches('.'))).unwrap_or_default();
        let message = format!(
            "the host key of {named} is not the one in {place}{print}; ask who runs the server whether it was changed, and only then run \
             `ssh-keygen -f '{file}' -R '{named}'`"
        );
        return there(Authentication, message);
    }
    if is_unknown_key(said) {
        let shown = line("Server host key: ")
            .and_then(|line| line.split_once("key: "))
            .map(|(_, key)| format!("; it shows {key}"));
        let message = format!(
            "the host key of {named} is not in {known_hosts}, and `host_key_policy: strict` takes no unknown one{}; compare it with what the \
             server's owner says, and only then run `ssh-keyscan -p {port} {host} >>'{known_hosts}'`",
            shown.unwrap_or_default()
        );
        return there(Authentication, message);
    }
    if line("are too open").is_some() || line("bad permissions").is_some() {
        return here(format!("the key {key} can be read by others, so ssh does not use it; run `chmod 600 '{key}'`"));
    }
    if let Some(words) = line("Load key ") {
        return here(format!("the key {key} cannot be used ({words}); look at it with `ssh-keygen -y -f '{key}'`"));
    }
    if said.contains("Too many authentication failures") {
        let message = format!("{target} ended the connection after too many refused keys; {}", authorise(server));
        return there(Authentication, message);
    }
    if let Some(words) = line("account has expired").or_else(|| line("assword has expired")) {
        return there(
            Authentication,
            format!("the account {target} has expired ({words}); the server's administrator can renew it"),
        );
    }
    if line("Permission denied (").is_some() {
        let message = format!(
            "{target} refused the key {key}: it is not in the account's authorized_keys or has expired there, or the account has expired or may \
             not log in; {}",
            authorise(server)
        );
        return there(Authentication, message);
    }
    if let Some(words) = line("Unable to negotiate with") {
        let offer = words.split_once(": ").map_or(words, |(_, offer)| offer);
        let message =
            format!("{named} and this computer share no algorithm: {offer}; compare with `ssh -G -p {port} {target}`");
        return there(Configuration, message);
    }
    if line("Connection refused").is_some() {
        let message = format!(
            "nothing listens on port {port} of {host}: ssh is off there, or `ssh_port` is another; try `ssh -p {port} {target}`"
        );
        return there(DestinationUnreachable, message);
    }
    if line("Could not resolve hostname").is_some() {
        return there(
            DestinationUnreachable,
            format!("no host is called {host}; check `ssh_target`, or try `getent hosts {host}`"),
        );
    }
    if let Some(words) = line("kex_exchange_identification").or_else(|| line("banner exchange")) {
        let message = format!(
            "{named} ended the connection before it said anything ({words}): it takes no more connections now (MaxStartups), or keeps this \
             computer out; it is tried again. `ssh -v -p {port} {target}` shows more"
        );
        return there(DestinationUnreachable, message);
    }
    None
}

/// The server's key is in no file of known ones, and is not taken unseen.
pub(super) fn is_unknown_key(said: &str) -> bool {
    said.contains("host key is known for")
}

/// The command that lets our key in.
fn authorise(server: &Server) -> String {
    format!("run `ssh-copy-id -i '{}.pub' -p {} {}`", server.key.display(), server.port, server.for_ssh())
}

/// `FILE:LINE` as words.
fn with_line(place: &str) -> String {
    match place.strip_prefix(file_of(place)).and_then(|rest| rest.strip_prefix(':')) {
        Some(line) => format!("{}, line {line}", file_of(place)),
        None => place.to_owned(),
    }
}

/// The file of `FILE:LINE`.
fn file_of(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((file, line)) if line.parse::<u64>().is_ok() => file,
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::settings::HostKeyPolicy;

    /// What a test cannot have: an account of the system that has expired.
    #[test]
    fn s17_an_account_that_has_expired_is_named() {
        let server = Server {
            target: "kim@nas".to_owned(),
            port: 22,
            key: "/k".into(),
            known_hosts: "/h".into(),
            host_keys: HostKeyPolicy::Strict,
            idle: std::time::Duration::from_secs(60),
            ssh: "ssh".to_owned(),
            rsync: "rsync".to_owned(),
        };
        let stderr =
            "Your account has expired; please contact your system administrator.\nConnection closed by 10.0.0.1 port 22".to_owned();
        let error = failure(&Ended { code: Some(255), signal: None, stderr }, true, &server);
        assert_eq!(error.class, Authentication);
        assert!(error.message.contains("the account kim@nas has expired"), "{error}");
    }
}
