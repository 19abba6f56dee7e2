//! What failures of rclone mean: the exit code first, its words second, and whose side it was.
//!
//! Exit codes: 0 success, 1 anything, 2 usage, 3 no such folder, 4 no such file, 5 temporary, 6 less serious, 7 fatal,
//! 8 a limit of bytes, 9 nothing to do, 10 a limit of time. The backends' own words come through as they are, so that
//! they decide where the code says only that something failed.

use super::output::CallOutput;
use crate::transport::TransportError;
use domain::job::FailureClass::{
    self, Authentication, Configuration, DestinationFull, DestinationUnreachable, LocalRead, Network, Unknown,
};
use domain::job::Side;

/// Words that mean the same wherever they come from; the first that is found counts. All in lower case.
const WORDS: &[(&str, FailureClass, Side)] = &[
    ("didn't find section in config file", Configuration, Side::Here),
    ("didn't find backend called", Configuration, Side::Here),
    ("unknown flag", Configuration, Side::Here),
    ("unknown command", Configuration, Side::Here),
    ("unknown shorthand flag", Configuration, Side::Here),
    ("invalid argument \"", Configuration, Side::Here),
    ("couldn't decrypt configuration", Configuration, Side::Here),
    ("unable to decrypt configuration", Configuration, Side::Here),
    ("using rclone_config_pass env password returned", Configuration, Side::Here),
    ("failed to load config file", Configuration, Side::Here),
    ("failed to configure", Configuration, Side::Here),
    ("ssh agent requested but", Configuration, Side::Here),
    ("failed to read private key", Configuration, Side::Here),
    ("failed to parse private key", Configuration, Side::Here),
    ("couldn't read known_hosts", Configuration, Side::Here),
    ("knownhosts:", Authentication, Side::Destination),
    ("key mismatch", Authentication, Side::Destination),
    ("unable to authenticate", Authentication, Side::Destination),
    ("logon is invalid", Authentication, Side::Destination),
    ("logon failure", Authentication, Side::Destination),
    ("invalid_grant", Authentication, Side::Destination),
    ("invalidaccesskeyid", Authentication, Side::Destination),
    ("signaturedoesnotmatch", Authentication, Side::Destination),
    ("401 unauthorized", Authentication, Side::Destination),
    ("403 forbidden", Authentication, Side::Destination),
    ("no space left on device", DestinationFull, Side::Destination),
    ("disk quota exceeded", DestinationFull, Side::Destination),
    ("quota exceeded", DestinationFull, Side::Destination),
    ("quotaexceeded", DestinationFull, Side::Destination),
    ("507 insufficient storage", DestinationFull, Side::Destination),
    ("insufficient storage", DestinationFull, Side::Destination),
    ("disk full", DestinationFull, Side::Destination),
    ("disk was full", DestinationFull, Side::Destination),
    ("not enough space", DestinationFull, Side::Destination),
    ("storage limit exceeded", DestinationFull, Side::Destination),
    ("insufficient disk space", DestinationFull, Side::Destination),
    ("too big for remaining disk space", DestinationFull, Side::Destination),
    ("read-only file system", DestinationUnreachable, Side::Destination),
    ("read only file system", DestinationUnreachable, Side::Destination),
    ("write protected", DestinationUnreachable, Side::Destination),
    ("write-protected", DestinationUnreachable, Side::Destination),
    ("file name too long", Configuration, Side::Destination),
    ("name too long", Configuration, Side::Destination),
    ("file too large", Configuration, Side::Destination),
    ("object name is invalid", Configuration, Side::Destination),
    ("object name invalid", Configuration, Side::Destination),
    ("invalid or incomplete multibyte", Configuration, Side::Destination),
    ("bad network name", Configuration, Side::Destination),
    ("share name cannot be found", Configuration, Side::Destination),
    ("network name cannot be found", Configuration, Side::Destination),
    ("nosuchbucket", Configuration, Side::Destination),
    ("can't move object", Configuration, Side::Destination),
    ("connection refused", Network, Side::Destination),
    ("no such host", Network, Side::Destination),
    ("server misbehaving", Network, Side::Destination),
    ("no route to host", Network, Side::Destination),
    ("network is unreachable", Network, Side::Destination),
    ("connection reset", Network, Side::Destination),
    ("connection lost", Network, Side::Destination),
    ("connection aborted", Network, Side::Destination),
    ("broken pipe", Network, Side::Destination),
    ("i/o timeout", Network, Side::Destination),
    ("timed out", Network, Side::Destination),
    ("timeout", Network, Side::Destination),
    ("deadline exceeded", Network, Side::Destination),
    ("handshake failed", Network, Side::Destination),
    ("closed network connection", Network, Side::Destination),
    ("unexpected eof", Network, Side::Destination),
    (": eof", Network, Side::Destination),
    ("input/output error", Network, Side::Destination),
    ("stale file handle", Network, Side::Destination),
    ("transport endpoint is not connected", Network, Side::Destination),
    ("host is down", Network, Side::Destination),
    ("502 bad gateway", Network, Side::Destination),
    ("503 service unavailable", Network, Side::Destination),
    ("504 gateway timeout", Network, Side::Destination),
    ("429 too many requests", Network, Side::Destination),
    ("permission denied", Authentication, Side::Destination),
    ("operation not permitted", Authentication, Side::Destination),
    ("access is denied", Authentication, Side::Destination),
    ("access denied", Authentication, Side::Destination),
];

/// rclone says this of files and folders that it could not read here; the rest of such a line is the system's.
const OF_SOURCE: [&str; 5] = [
    "failed to open source object",
    "source file is being updated",
    "couldn't read source",
    "error reading source root directory",
    "error reading source directory",
];
/// The newer versions say this of a name that they were given, on whichever side they look for it.
const OF_A_NAME: &str = "--files-from failed to read file";

/// SFTP has no word for a full disk, a read-only one, a quota.
const SFTP_SAYS_NOTHING: &str = "(SSH_FX_FAILURE)";
/// Nor has WebDAV, whose servers answer one of these then to what writes.
const WEBDAV_SAYS_NOTHING: [&str; 4] =
    ["404 Not Found", "405 Method Not Allowed", "409 Conflict", "500 Internal Server Error"];

/// Words of an account were read as the length of SFTP's first packet.
const TEXT_BEFORE_SFTP: [&str; 2] = ["couldn't initialise SFTP", "packet too long"];

/// A call that ended with a failure.
pub(super) fn rclone(said: &CallOutput, what: &str) -> TransportError {
    judge(said, what, &OF_SOURCE)
}

/// One that carries files from here.
pub(super) fn sending(said: &CallOutput, what: &str) -> TransportError {
    let of_source: Vec<&str> = OF_SOURCE.iter().copied().chain([OF_A_NAME]).collect();
    judge(said, what, &of_source)
}

/// A WebDAV server refused something and did not say why: its disk may be full.
pub(super) fn may_be_full(said: &CallOutput) -> bool {
    said.complaints.iter().any(|line| WEBDAV_SAYS_NOTHING.iter().any(|words| line.contains(words)))
}

const HINT_OF_SFTP: &str = "; an SFTP server gives no reason: its disk may be read-only, or a quota used up";

fn judge(said: &CallOutput, what: &str, words_of_source: &[&str]) -> TransportError {
    let is_of_source = |line: &str| words_of_source.iter().any(|words| line.contains(words));
    // The very last words only repeat what an earlier line said of something.
    let repeats = |line: &str| {
        let last = line.rsplit_once("last error was: ").or_else(|| line.split_once(": ")).map(|(_, last)| last);
        let earlier = |last: &str| said.complaints.iter().any(|other| is_of_source(other) && other.ends_with(last));
        line.starts_with("Failed to ") && last.is_some_and(earlier)
    };
    let of_source = |line: &&String| is_of_source(line) || repeats(line);
    if said.code.is_none() {
        return error(Network, Side::Here, what, "rclone was ended by a signal");
    }
    if let Some(line) = said.complaints.iter().find(|line| TEXT_BEFORE_SFTP.iter().all(|words| line.contains(words))) {
        let words = format!(
            "the account prints text before the answer, which SFTP cannot take; take it out of the account's \
             ~/.bashrc, ~/.profile or ForceCommand for \
             logins without a terminal, or print it on standard error: {line}"
        );
        return error(Configuration, Side::Destination, what, &words);
    }
    let told = WORDS.iter().find_map(|(words, class, side)| {
        let line = said.complaints.iter().find(|line| !of_source(line) && line.to_lowercase().contains(words))?;
        Some((line, *class, *side))
    });
    if let Some((line, class, side)) = told {
        return error(class, side, what, line);
    }
    if let Some(line) = said.complaints.iter().find(|line| is_of_source(line)) {
        let class = if line.contains("being updated") {
            FailureClass::LocalFileChanged
        } else if line.contains("not found") || line.contains("no such file") {
            FailureClass::LocalFileVanished
        } else {
            LocalRead
        };
        return error(class, Side::Source, what, line);
    }
    let mut words = format!("{} (exit code {})", said.telling(), said.code.unwrap_or_default());
    if said.complaints.iter().any(|line| line.contains(SFTP_SAYS_NOTHING)) {
        words.push_str(HINT_OF_SFTP);
    }
    match said.code {
        Some(2) => error(Configuration, Side::Here, what, &words),
        Some(3 | 4) => error(Network, Side::Destination, what, &words),
        Some(5) => error(Network, Side::Destination, what, &words),
        Some(8 | 10) => error(Configuration, Side::Here, what, &words),
        _ => error(Unknown, Side::Destination, what, &words),
    }
}

/// The same while nothing has been done over the connection yet: what does not answer is unreachable.
pub(super) fn connecting(said: &CallOutput, what: &str) -> TransportError {
    let mut failed = rclone(said, what);
    if failed.class == Network {
        failed.class = DestinationUnreachable;
    }
    failed
}

fn error(class: FailureClass, side: Side, what: &str, words: &str) -> TransportError {
    /// Longer words tell no more.
    const WORDS: usize = 500;
    let words: String = words.chars().take(WORDS).collect();
    let refused = if class == Authentication && is_about_renaming(&words) {
        "the account may write there but not rename or remove, which a whole file's name needs; allow it: "
    } else {
        ""
    };
    TransportError::new(class, side, format!("{what}: {refused}{words}"))
}

/// In rclone's words, and in those of a folder of this computer.
fn is_about_renaming(words: &str) -> bool {
    ["Couldn't move", "Rename failed", "rename "].iter().any(|word| words.contains(word))
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
