//! What ssh says when it cannot connect, told as what is wrong, where, and the command that mends it.
//!
//! ssh's own warnings are framed in lines of decoration, and the line that says where comes last; no line of theirs is
//! shown whole here but the one that names the fault.

use super::classify;
use super::server::Server;
use crate::machine::child::Ended;
use crate::transport::TransportError;
use domain::job::FailureClass::{Authentication, Configuration, DestinationUnreachable, Network};
use domain::job::{FailureClass, Side};

/// ssh ended before anything could be done over it, or the connection broke later.
pub(super) fn failure(ended: &Ended, connecting: bool, server: &Server) -> TransportError {
    let broken = || if connecting { broken_off(&ended.stderr, server) } else { None };
    match explained(&ended.stderr, server).or_else(broken) {
        Some((class, side, message)) => TransportError::new(class, side, format!("ssh: {message}")),
        None => classify::ssh(ended, connecting),
    }
}

/// What a server says in the place of an answer when the account's password must be changed first.
pub(super) fn expired_password(said: &str, server: &Server) -> Option<TransportError> {
    let asks = ["assword has expired", "assword change required", "required to change your password"];
    let words = said.lines().map(str::trim).find(|line| asks.iter().any(|ask| line.contains(ask)))?;
    let target = server.for_ssh();
    let message = format!(
        "ssh: the password of {target} has expired ({words}), and until it is another the server runs nothing for it, \
         whatever the key is; change it \
         with `ssh -t -p {} {target}`, or ask the server's administrator",
        server.port
    );
    Some(TransportError::new(Authentication, Side::Destination, message))
}

/// The connection ended before it stood.
fn broken_off(said: &str, server: &Server) -> Option<(FailureClass, Side, String)> {
    const BEGINNINGS: [&str; 4] =
        ["Connection reset by ", "Connection closed by ", "ssh_dispatch_run_fatal: ", "Connection timed out during "];
    let words = said.lines().map(str::trim).find(|line| BEGINNINGS.iter().any(|begin| line.starts_with(begin)))?;
    let (target, host, port) = (server.for_ssh(), server.parts().1, server.port);
    let message = format!(
        "{host} broke the connection on port {port} off while it was being made ({words}): a firewall, a proxy or the \
         server itself ended it; it is \
         tried again. `ssh -v -p {port} {target}` shows more"
    );
    Some((DestinationUnreachable, Side::Destination, message))
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
    if is_refused_key(said) {
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
    if let Some(words) = line("connect to host ").filter(|_| line("Could not resolve hostname").is_none()) {
        let why = words.rsplit_once(": ").map_or(words, |(_, why)| why);
        let message = format!(
            "{host} is not reached on port {port}: {why}; check `ssh_target` and `ssh_port`, that it is on and in the \
             network, and what firewall stands \
             before it; it is tried again. `ssh -v -p {port} {target}` shows more"
        );
        return there(DestinationUnreachable, message);
    }
    if line("Could not resolve hostname").is_some() {
        return there(
            DestinationUnreachable,
            format!("no host is called {host}; check `ssh_target`, or try `getent hosts {host}`"),
        );
    }
    if line("Session open refused by peer").is_some() {
        let message = format!(
            "{named} lets {target} in and grants it no session: all that `MaxSessions` of its sshd_config allows are \
             taken, or it is 0; raise it, 10 is \
             usual"
        );
        return there(Network, message);
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

/// The server took none of the keys that it was shown.
pub(super) fn is_refused_key(said: &str) -> bool {
    said.contains("Permission denied (")
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
    use rstest::rstest;

    fn server() -> Server {
        Server {
            target: "kim@nas".to_owned(),
            port: 22,
            key: "/k".into(),
            known_hosts: "/h".into(),
            host_keys: HostKeyPolicy::Strict,
            idle: std::time::Duration::from_secs(60),
            ssh: "ssh".to_owned(),
            rsync: "rsync".to_owned(),
        }
    }

    fn ended(stderr: &str) -> Ended {
        Ended { code: Some(255), signal: None, stderr: stderr.to_owned() }
    }

    /// What a test cannot have: an account of the system that has expired.
    #[test]
    fn s17_an_account_that_has_expired_is_named() {
        let stderr = "Your account has expired; please contact your system administrator.\nConnection closed by 10.0.0.1 port 22";
        let error = failure(&ended(stderr), true, &server());
        assert_eq!(error.class, Authentication);
        assert!(error.message.contains("the account kim@nas has expired"), "{error}");
    }

    /// Nor a network that is not there.
    #[rstest]
    #[case("Connection reset by peer")]
    #[case("No route to host")]
    #[case("Network is unreachable")]
    #[case("Connection timed out")]
    fn s17_a_host_that_is_not_reached_is_told_with_a_way_out(#[case] why: &str) {
        let error = failure(&ended(&format!("ssh: connect to host nas port 22: {why}")), true, &server());
        assert_eq!((error.class, error.side), (DestinationUnreachable, Side::Destination), "{error}");
        let begins = format!("ssh: nas is not reached on port 22: {why}; check `ssh_target`");
        assert!(error.message.starts_with(&begins) && !error.message.contains("exit code"), "{error}");
    }

    /// Only while it is being made: later it is a matter of the network.
    #[rstest]
    #[case("Connection reset by 10.0.0.1 port 22")]
    #[case("ssh_dispatch_run_fatal: Connection to 10.0.0.1 port 22: Broken pipe")]
    fn s17_a_connection_that_breaks_off_is_told(#[case] said: &str) {
        let error = failure(&ended(said), true, &server());
        assert_eq!(error.class, DestinationUnreachable);
        assert!(error.message.contains("broke the connection") && error.message.contains("ssh -v"), "{error}");
        assert_eq!(failure(&ended(said), false, &server()).class, Network);
    }

    #[test]
    fn s17_what_nobody_knows_is_said_once_and_without_the_code_that_is_always_the_same() {
        let error = failure(&ended("ssh: something new"), true, &server());
        assert_eq!(error.message, "ssh: something new");
    }
}
