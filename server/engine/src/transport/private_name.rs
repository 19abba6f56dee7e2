//! Names of our private folders on this computer: they say which process made them, so that what a killed one left is
//! known as such.

use std::path::{Path, PathBuf};

const PREFIX: &str = "exo-";

/// A new one in this folder.
pub(super) fn new_in(parent: &Path) -> PathBuf {
    let id = uuid::Uuid::new_v4().simple().to_string();
    parent.join(format!("{PREFIX}{:x}-{}", std::process::id(), &id[..8]))
}

/// The process that made a folder of this name.
fn maker_of(name: &str) -> Option<u32> {
    let (process, id) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let ours = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(process, 16).ok().filter(|_| ours)
}

/// Removes what processes left in the usual places that were killed and are gone. Best effort. Blocking.
pub fn remove_leftovers() {
    for parent in [std::env::temp_dir(), PathBuf::from("/tmp")] {
        remove_leftovers_in(&parent, |process| Path::new("/proc").join(process.to_string()).exists());
    }
}

fn remove_leftovers_in(parent: &Path, lives: impl Fn(u32) -> bool) {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok) {
        let left = entry.file_name().to_str().and_then(maker_of).is_some_and(|process| !lives(process));
        let ours = || std::fs::symlink_metadata(entry.path()).is_ok_and(|found| found.is_dir() && found.uid() == own);
        if !left || !ours() {
            continue;
        }
        for inside in walkdir::WalkDir::new(entry.path()).contents_first(true).into_iter().filter_map(Result::ok) {
            let removed = if inside.file_type().is_dir() {
                std::fs::remove_dir(inside.path())
            } else {
                std::fs::remove_file(inside.path())
            };
            if let Err(error) = removed {
                tracing::debug!(path = %inside.path().display(), %error, "left by a killed process, and stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            std::fs::create_dir_all(parent.path().join(name).join("tree")).unwrap();
            std::fs::write(parent.path().join(name).join("tree/record"), "x").unwrap();
        };
        let ours = new_in(parent.path());
        let ours = ours.file_name().unwrap().to_str().unwrap();
        for name in [ours, "exo-1-0123abcd", "exo-2-0123abcd", "exo-1-short", "exo-zz-0123abcd", "other-1-0123abcd"] {
            make(name);
        }
        std::os::unix::fs::symlink(parent.path().join("exo-1-short"), parent.path().join("exo-1-00000000")).unwrap();
        remove_leftovers_in(parent.path(), |process| process != 1);
        let mut left: Vec<_> = std::fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected =
            vec![ours, "exo-1-00000000", "exo-1-short", "exo-2-0123abcd", "exo-zz-0123abcd", "other-1-0123abcd"];
        expected.sort();
        assert_eq!(left, expected);
    }
}
