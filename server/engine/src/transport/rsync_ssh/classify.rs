//! What failures of ssh, of rsync and of our scripts mean: the exit code first, the tool's words second, and whose side
//! it was.

use super::session::NO_MARKER;
use crate::machine::child::{ChildError, Ended};
use crate::transport::TransportError;
use domain::job::FailureClass::{
    Authentication, Configuration, DestinationFull, DestinationUnreachable, Interrupted, LocalFileVanished, LocalRead,
    Network, Unknown,
};
use domain::job::{FailureClass, Side};

/// Words of the system at the server, wherever they come from.
const AT_SERVER: &[(&str, FailureClass)] = &[
    ("No space left on device", DestinationFull),
    ("Disk quota exceeded", DestinationFull),
    ("Read-only file system", DestinationUnreachable),
    ("File name too long", Configuration),
    ("File too large", Configuration),
    ("Invalid argument", Configuration),
    ("Invalid or incomplete multibyte", Configuration),
    ("Permission denied", Authentication),
    ("Operation not permitted", Authentication),
    ("Input/output error", Network),
    ("Stale file handle", Network),
    ("Transport endpoint is not connected", Network),
    ("Connection timed out", Network),
    ("Host is down", Network),
    ("No such device", Network),
    // CallOutput by our own scripts of a tool that did not come to its end.
    ("was stopped", Network),
    // A receiver whose folder went: the disk was unmounted meanwhile.
    ("\" failed: No such file or directory", DestinationUnreachable),
];

/// Words of ssh itself, which always ends with 255.
const OF_SSH: &[(&str, FailureClass)] = &[
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Authentication),
    ("Host key verification failed", Authentication),
    ("No matching host key", Configuration),
    ("no matching host key", Configuration),
    ("no mutual signature", Configuration),
    ("Permission denied (", Authentication),
    ("Too many authentication failures", Authentication),
    ("Bad configuration option", Configuration),
    ("Bad owner or permissions", Configuration),
    ("command-line line 0", Configuration),
    ("too long for Unix domain socket", Configuration),
    ("Could not resolve hostname", DestinationUnreachable),
];

/// ssh could not connect, or the connection broke. `connecting`: nothing had been done over it yet.
pub(super) fn ssh(ended: &Ended, connecting: bool) -> TransportError {
    if let Some((line, class)) = find(OF_SSH, &ended.stderr, |_| true) {
        return error(class, Side::Destination, "ssh", line);
    }
    // Refused, timed out, reset, closed: all the same to us.
    let class = if connecting { DestinationUnreachable } else { Network };
    // Its exit code is the same for everything.
    let line = ended.stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    let words = line.map_or_else(|| last_line(ended), |line| line.trim_start_matches("ssh: ").to_owned());
    error(class, Side::Destination, "ssh", &words)
}

/// One of our scripts, or anything else that ssh ran at the server.
pub(super) fn script(ended: &Ended, what: &str) -> TransportError {
    match ended.code {
        Some(255) => ssh(ended, false),
        Some(NO_MARKER) => error(
            DestinationUnreachable,
            Side::Destination,
            what,
            "the marker is gone: the NAS's disk is not mounted any more",
        ),
        Some(126 | 127) => {
            error(Configuration, Side::Destination, &format!("{what}: the server lacks a program"), &last_line(ended))
        }
        _ => match find(AT_SERVER, &ended.stderr, |_| true) {
            Some((line, class)) => error(class, Side::Destination, what, line),
            None => error(Unknown, Side::Destination, what, &last_line(ended)),
        },
    }
}

/// rsync, which names the process that complained in brackets: the sender is here, receiver and generator are there.
pub(super) fn rsync(ended: &Ended) -> TransportError {
    let here = |line: &str| line.contains("[sender]") || line.contains("[sender=");
    // A line of another beginning is what a login prints, and nothing that the receiver met.
    let there = find(AT_SERVER, &ended.stderr, |line| !here(line) && line.trim_start().starts_with("rsync"));
    let unreadable = find(&[("Permission denied", LocalRead), ("Input/output error", LocalRead)], &ended.stderr, here);
    let last = last_line(ended);
    if ended.signal.is_some() {
        return error(Network, Side::Here, "rsync was ended by a signal", &last);
    }
    // Before anything else: what the receiver said is why the rest broke off.
    if let (Some(3 | 10 | 11 | 12 | 23), Some((line, class))) = (ended.code, there) {
        return error(class, Side::Destination, "rsync", line);
    }
    if let (Some(3 | 11 | 23), Some((line, class))) = (ended.code, unreadable) {
        return error(class, Side::Source, "rsync", line);
    }
    match ended.code {
        Some(255) => ssh(ended, false),
        Some(12 | 127 | 126) if let Some(line) = no_rsync(&ended.stderr) => {
            error(Configuration, Side::Destination, "the server has no rsync", line)
        }
        Some(1 | 2 | 4 | 6) => error(Configuration, Side::Here, "the two rsync do not understand each other", &last),
        Some(3) => error(Configuration, Side::Destination, "rsync", &last),
        Some(20) => error(Interrupted, Side::Here, "rsync", &last),
        Some(24) => {
            error(LocalFileVanished, Side::Source, "rsync", line_with(&ended.stderr, &["vanished"]).unwrap_or(&last))
        }
        Some(10 | 12 | 30 | 35) => error(Network, Side::Destination, "rsync", &last),
        _ => error(Unknown, Side::Here, "rsync", &last),
    }
}

/// What a shell at the server says when it finds no rsync.
fn no_rsync(stderr: &str) -> Option<&str> {
    let is_lacking = |line: &&str| {
        line.contains("rsync") && ["not found", "No such file or directory"].iter().any(|words| line.contains(words))
    };
    stderr.lines().find(is_lacking).map(str::trim)
}

/// rsync, when it took what the account prints before every answer for the other rsync's words.
pub(super) fn greeted(ended: &Ended, greeting: Option<&str>) -> Option<TransportError> {
    if ended.success() || !ended.stderr.contains("is your shell clean") {
        return None;
    }
    let text: String = greeting.unwrap_or("(not seen)").chars().take(300).collect();
    let message = format!(
        "the account prints text before the answer, which rsync cannot take: {text:?}; take it out of the account's ~/.bashrc, ~/.profile or \
         ForceCommand for logins without a terminal, or print it on standard error"
    );
    Some(TransportError::new(Configuration, Side::Destination, message))
}

/// A tool that could not be run here.
pub(super) fn child(failed: ChildError) -> TransportError {
    match failed {
        ChildError::Interrupted => TransportError::interrupted(),
        ChildError::NotFound { .. } | ChildError::Start { .. } => {
            TransportError::new(Configuration, Side::Here, failed.to_string())
        }
        ChildError::Talk { .. } => TransportError::new(Unknown, Side::Here, failed.to_string()),
    }
}

/// Trouble that a script met while looking at files, other than that they are not there.
pub(super) fn trouble(ended: &Ended) -> Option<TransportError> {
    let (line, class) = find(AT_SERVER, &ended.stderr, |_| true)?;
    Some(error(class, Side::Destination, "looking at files there", line))
}

fn find<'a>(
    table: &[(&str, FailureClass)],
    text: &'a str,
    concerns: impl Fn(&str) -> bool,
) -> Option<(&'a str, FailureClass)> {
    table.iter().find_map(|(words, class)| {
        let line = text.lines().find(|line| concerns(line) && line.contains(words))?;
        Some((line.trim(), *class))
    })
}

fn line_with<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    text.lines().find(|line| words.iter().any(|word| line.contains(word))).map(str::trim)
}

fn last_line(ended: &Ended) -> String {
    // rsync's own last line only repeats its exit code; one before it says why, or where one could read of it.
    let telling =
        |line: &&str| !line.trim().is_empty() && !line.starts_with("rsync error:") && !line.starts_with("(see ");
    let line = ended
        .stderr
        .lines()
        .rev()
        .find(telling)
        .or_else(|| ended.stderr.lines().rev().find(|line| !line.trim().is_empty()));
    match (line, ended.code, ended.signal) {
        (Some(line), Some(code), _) => format!("{} (exit code {code})", line.trim()),
        (None, Some(code), _) => format!("exit code {code}"),
        (line, _, Some(signal)) => format!("{} (signal {signal})", line.unwrap_or("").trim()),
        (line, None, None) => line.unwrap_or("").to_owned(),
    }
}

fn error(class: FailureClass, side: Side, what: &str, words: &str) -> TransportError {
    /// Longer words tell no more.
    const WORDS: usize = 500;
    let words: String = words.chars().take(WORDS).collect();
    if class == Authentication && side == Side::Destination && is_about_renaming(&words) {
        let message = format!(
            "{what}: the account may write there but not rename or remove, which a whole file's name needs; allow it: {words}"
        );
        return TransportError::new(class, side, message);
    }
    TransportError::new(class, side, format!("{what}: {words}"))
}

/// In the words of `mv`, of `rm` and of rsync.
fn is_about_renaming(words: &str) -> bool {
    ["mv: ", "rename ", "cannot remove"].iter().any(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn ended(code: i32, stderr: &str) -> Ended {
        Ended { code: Some(code), signal: None, stderr: stderr.to_owned() }
    }

    #[rstest]
    #[case("user@host: Permission denied (publickey).", Authentication)]
    #[case("@@@\nWARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.", Authentication)]
    #[case(
        "No ED25519 host key is known for host and you have requested strict checking.\nHost key verification failed.",
        Authentication
    )]
    #[case("command-line: line 0: Bad configuration option: nonsense", Configuration)]
    #[case("ssh: Could not resolve hostname nas: Name or service not known", DestinationUnreachable)]
    #[case("ssh: connect to host 127.0.0.1 port 1: Connection refused", DestinationUnreachable)]
    #[case("ssh: connect to host 10.0.0.1 port 22: Connection timed out", DestinationUnreachable)]
    #[case("kex_exchange_identification: read: Connection reset by peer", DestinationUnreachable)]
    fn what_ssh_says(#[case] stderr: &str, #[case] class: FailureClass) {
        let error = ssh(&ended(255, stderr), true);
        assert_eq!((error.class, error.side), (class, Side::Destination), "{error}");
        let later = ssh(&ended(255, stderr), false).class;
        let refused = stderr.contains("Connection");
        assert_eq!(later, if refused { Network } else { class });
    }

    #[rstest]
    #[case(
        11,
        "rsync: [receiver] write failed on \"/x\": No space left on device (28)\nrsync error: error in file IO (code 11)",
        DestinationFull,
        Side::Destination
    )]
    #[case(
        23,
        "rsync: [receiver] mkstemp \"/x\" failed: Disk quota exceeded (122)",
        DestinationFull,
        Side::Destination
    )]
    #[case(
        12,
        "rsync: [receiver] write failed on \"/x\": No space left on device (28)\nrsync error: code 12",
        DestinationFull,
        Side::Destination
    )]
    #[case(23, "rsync: [receiver] mkstemp \"/x\" failed: Permission denied (13)", Authentication, Side::Destination)]
    #[case(
        23,
        "rsync: [receiver] mkstemp \"/x\" failed: Read-only file system (30)",
        DestinationUnreachable,
        Side::Destination
    )]
    #[case(
        11,
        "rsync: [Receiver] mkdir \"/x/tmp/0\" failed: No such file or directory (2)",
        DestinationUnreachable,
        Side::Destination
    )]
    #[case(
        23,
        "rsync: [generator] recv_generator: mkdir \"/x\" failed: File name too long (36)",
        Configuration,
        Side::Destination
    )]
    #[case(23, "rsync: [sender] send_files failed to open \"/a\": Permission denied (13)", LocalRead, Side::Source)]
    #[case(
        24,
        "file has vanished: \"/a\"\nrsync warning: some files vanished (code 24)",
        LocalFileVanished,
        Side::Source
    )]
    #[case(127, "sh: 1: rsync: not found\nrsync: connection unexpectedly closed", Configuration, Side::Destination)]
    #[case(
        12,
        "bash: line 1: rsync: command not found\nrsync error: error in rsync protocol data stream (code 12)",
        Configuration,
        Side::Destination
    )]
    #[case(12, "rsync: connection unexpectedly closed (0 bytes received so far) [sender]", Network, Side::Destination)]
    #[case(10, "rsync: [sender] write error: Broken pipe (32)", Network, Side::Destination)]
    #[case(30, "rsync error: timeout in data send/receive (code 30)", Network, Side::Destination)]
    #[case(1, "rsync: --nonsense: unknown option", Configuration, Side::Here)]
    #[case(2, "protocol incompatibility", Configuration, Side::Here)]
    #[case(20, "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20)", Interrupted, Side::Here)]
    #[case(255, "client_loop: send disconnect: Broken pipe", Network, Side::Destination)]
    #[case(22, "out of memory", Unknown, Side::Here)]
    // What a login prints besides says nothing.
    #[case(
        12,
        "Permission denied to guests.\nPage not found.\nrsync: connection unexpectedly closed (0 bytes received so \
         far) [sender]",
        Network,
        Side::Destination
    )]
    fn what_rsync_says(#[case] code: i32, #[case] stderr: &str, #[case] class: FailureClass, #[case] side: Side) {
        let error = rsync(&ended(code, stderr));
        assert_eq!((error.class, error.side), (class, side), "{error}");
    }

    #[rstest]
    #[case(1, "mkdir: cannot create directory './x': No space left on device", DestinationFull)]
    #[case(1, "mkdir: cannot create directory './x': Read-only file system", DestinationUnreachable)]
    #[case(1, "cat: x: Input/output error", Network)]
    #[case(127, "sh: 1: find: not found", Configuration)]
    #[case(255, "mux_client_request_session: read from master failed: Broken pipe", Network)]
    #[case(1, "something new", Unknown)]
    fn what_scripts_say(#[case] code: i32, #[case] stderr: &str, #[case] class: FailureClass) {
        assert_eq!(script(&ended(code, stderr), "x").class, class);
    }

    #[test]
    fn an_account_that_may_not_rename_is_named() {
        for said in [
            "rsync: [receiver] rename \"/x/.a.Xy12\" -> \"a\" failed: Operation not permitted (1)",
            "mv: cannot move './a' to '/x/a': Permission denied",
            "rm: cannot remove './a': Operation not permitted",
        ] {
            let error = if said.starts_with("rsync") { rsync(&ended(23, said)) } else { script(&ended(1, said), "x") };
            assert_eq!((error.class, error.side), (Authentication, Side::Destination), "{error}");
            assert!(error.message.contains("may write there but not rename"), "{error}");
        }
        assert!(
            !script(&ended(1, "mkdir: cannot create directory './x': Permission denied"), "x")
                .message
                .contains("rename")
        );
    }

    #[test]
    fn a_killed_rsync_is_tried_again() {
        let killed = Ended { code: None, signal: Some(9), stderr: String::new() };
        assert_eq!(rsync(&killed).class, Network);
        assert_eq!(child(ChildError::Interrupted).class, Interrupted);
        assert_eq!(child(ChildError::NotFound { program: "rsync".to_owned() }).class, Configuration);
    }
}
