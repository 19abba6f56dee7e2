//! Where a remote's bytes come to lie in the end: remotes of rclone may wrap others.
//!
//! Read from `rclone config dump`, which may hold secrets: it lives in memory while it is looked through, and nowhere
//! else.

use serde_json::{Map, Value};
use std::path::PathBuf;

/// Remotes wrap remotes; more than this is a loop.
const DEPTH: u32 = 10;

/// What lies at the ends of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Ends {
    /// Folders of this computer, where they are written down; a plain `local` remote names none.
    pub folders: Vec<PathBuf>,
    /// Some bytes lie on this computer.
    pub local: bool,
    /// Some bytes lie where this program cannot tell.
    pub unknown: bool,
    /// Somewhere on the way is a `hasher`, which answers with hashes that it remembers.
    pub remembers: bool,
}

impl Ends {
    /// All of it lies at the other side of a network.
    pub fn all_remote(&self) -> bool {
        !self.local && !self.unknown
    }
}

/// Follows a remote to its ends.
pub(super) fn ends(config: &Map<String, Value>, remote: &str) -> Ends {
    let mut found = Ends::default();
    follow(config, remote, DEPTH, &mut found);
    found
}

fn follow(config: &Map<String, Value>, remote: &str, depth: u32, found: &mut Ends) {
    let section = config.get(remote).filter(|_| depth > 0);
    let text = |key: &str| section.and_then(|section| section.get(key)).and_then(Value::as_str);
    match text("type") {
        Some("local") => found.local = true,
        Some(
            kind @ ("alias" | "crypt" | "chunker" | "compress" | "cache" | "hasher" | "union" | "combine" | "archive"),
        ) => {
            found.remembers |= kind == "hasher";
            let targets: Vec<&str> = match text("upstreams") {
                Some(upstreams) => upstreams.split_whitespace().collect(),
                None => text("remote").into_iter().collect(),
            };
            found.unknown |= targets.is_empty();
            for target in targets {
                let target = target.trim_matches('"');
                let target = if kind == "combine" {
                    target.split_once('=').map_or(target, |(_, target)| target)
                } else {
                    target
                };
                target_of(config, target, depth, found);
            }
        }
        // Not kept at all.
        Some("memory") | None => found.unknown = true,
        Some(_) => {}
    }
}

/// `remote:path`, a path, or a connection string.
fn target_of(config: &Map<String, Value>, target: &str, depth: u32, found: &mut Ends) {
    let name_of = |text: &str| text.split([',', ':']).next().unwrap_or_default().to_owned();
    match target.strip_prefix(':') {
        Some(inline) => match name_of(inline).as_str() {
            "local" => found.local = true,
            "sftp" | "smb" | "webdav" | "s3" | "ftp" => {}
            _ => found.unknown = true,
        },
        None if target.starts_with(['/', '.', '~']) || !target.contains(':') => {
            found.local = true;
            found.folders.push(PathBuf::from(target));
        }
        None => {
            let before = found.local;
            found.local = false;
            follow(config, &name_of(target), depth - 1, found);
            let path = target.split_once(':').map_or("", |(_, path)| path);
            if found.local && path.starts_with('/') {
                found.folders.push(PathBuf::from(path));
            }
            found.local |= before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn remotes_are_followed_to_their_ends() {
        let config = json!({
            "disk": {"type": "local"}, "nas": {"type": "sftp"}, "ram": {"type": "memory"},
            "c1": {"type": "crypt", "remote": "disk:/data/c"}, "c2": {"type": "crypt", "remote": "nas:c"},
            "c3": {"type": "crypt", "remote": "/plain/c"}, "u": {"type": "union", "upstreams": "nas:a c1:x:ro"},
            "m": {"type": "combine", "upstreams": "a=nas:a b=nas:b"}, "h": {"type": "hasher", "remote": "nas:x"},
            "loop": {"type": "alias", "remote": "loop:x"}, "inline": {"type": "alias", "remote": ":sftp,host=x:y"}
        });
        let of = |remote: &str| ends(config.as_object().unwrap(), remote);
        assert!(of("nas").all_remote() && of("c2").all_remote() && of("m").all_remote() && of("inline").all_remote());
        assert!(of("disk").local && of("disk").folders.is_empty());
        assert_eq!(of("c1").folders, [PathBuf::from("/data/c")]);
        assert_eq!(of("c3").folders, [PathBuf::from("/plain/c")]);
        assert!(of("u").local && !of("u").all_remote());
        assert!(of("h").remembers && of("h").all_remote());
        assert!(of("ram").unknown && of("none").unknown && of("loop").unknown);
    }
}
