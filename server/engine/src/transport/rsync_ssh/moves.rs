//! Giving files their names at the server: from our temporary folder to where they belong, or aside. Never over another
//! file.
//!
//! A second name is made, which never replaces; then the first one is taken away. Many files of one folder take one
//! command. Where there are no second names, a look and a move that does not replace.

use super::look::{self, word_here};
use super::session::{self, Session};
use crate::machine::child::Ended;
use crate::transport::TransportError;
use domain::job::{FailureClass, Side};
use domain::path::RunPath;
use std::collections::{BTreeMap, BTreeSet};

/// Files of one `place` at most, and the bytes of their names.
const FILES: usize = 250;
const NAME_BYTES: usize = 60_000;

/// `like FOLDER...` makes folders below `$to` that are no more open to others than those of that name here.
/// `place FOLDER FILE...` moves files into an existing folder; those it cannot move are said, `T` for a taken name, `F`
/// for a failure whose reason stands on standard error. A folder of that name is none of the files. `whole FOLDER
/// FOLDER...` moves folders that are not there yet into an existing one, `D` where it cannot: the system never puts a
/// folder in the place of a file or of a folder that holds anything.
const PLACE: &str = r#"
like() { for d; do [ -d "$to/$d" ] || made_like "$d" || [ -d "$to/$d" ] || exit 1; done; }
made_like() { case "$(ls -ld -- "$1")" in d???------*) m=077;; d??????---*) m=007;; d*) m=0;; *) m=077;; esac
( umask "$(printf %o "$((0$(umask) | 0$m))")"; mkdir "$to/$1" ); }
place() { d=$1; shift
if ln "$@" "$d/" 2>/dev/null </dev/null; then rm -f "$@"; return; fi
for f; do b=$d/${f##*/}
if [ -d "$f" ] && [ ! -L "$f" ]; then :
elif [ ! -L "$b" ] && [ "$f" -ef "$b" ]; then rm -f "$f"
elif [ -e "$b" ] || [ -L "$b" ]; then printf 'T%s\0' "$f"
elif ln "$f" "$b" 2>/dev/null </dev/null; then rm -f "$f"
else mv -n "$f" "$b" </dev/null; if [ -e "$f" ]; then printf 'F%s\0' "$f"; fi; fi
done; }
whole() { d=$1; shift
mv "$@" "$d/" 2>/dev/null </dev/null && return
for f; do if [ -e "$f" ] || [ -L "$f" ]; then printf 'D%s\0' "$f"; fi; done; }
"#;

/// What `place` could not move.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Unmoved {
    /// Something stands under the name.
    pub taken: BTreeSet<Vec<u8>>,
    pub failed: BTreeSet<Vec<u8>>,
    /// Folders that could not move as they are: their files must, one by one.
    pub folders: BTreeSet<Vec<u8>>,
}

impl Unmoved {
    /// Whether a file, alone or with the folder that it was to move with, has not moved.
    pub fn has(&self, file: &[u8], folder: Option<&[u8]>) -> bool {
        self.taken.contains(file)
            || self.failed.contains(file)
            || folder.is_some_and(|folder| self.folders.contains(folder))
    }
}

/// Moves files from below one folder to below another, making the folders they need. Names are relative to both.
/// The script's current folder must be `from`, an absolute path as a word.
pub(super) fn moving(from: &[u8], to: &[u8], folders: &BTreeSet<&[u8]>, files: &[&[u8]]) -> Vec<u8> {
    let (folders, files) = (by_folder(folders.iter().copied()), by_folder(files.iter().copied()));
    let mut script = b"cd -- ".to_vec();
    script.extend_from_slice(from);
    script.extend_from_slice(b" || exit 1\nto=");
    script.extend_from_slice(to);
    script.extend_from_slice(PLACE.as_bytes());
    let above = |folder: &[u8]| -> Vec<Vec<u8>> {
        let ends = folder.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        ends.chain([folder.len()]).map(|end| folder[..end].to_vec()).collect()
    };
    let needed: BTreeSet<Vec<u8>> = files.keys().filter(|folder| !folder.is_empty()).flat_map(|f| above(f)).collect();
    look::call(&mut script, "like", needed.iter().map(Vec::as_slice));
    call_into(&mut script, "whole", &folders);
    call_into(&mut script, "place", &files);
    script.extend_from_slice(b"printf '.'");
    script
}

/// Calls `function` for the names of each folder, some hundred at a time, after the folder below `$to`.
fn call_into(script: &mut Vec<u8>, function: &str, by_folder: &BTreeMap<&[u8], Vec<&[u8]>>) {
    for (folder, names) in by_folder {
        let folder = if folder.is_empty() { Vec::new() } else { super::quote::shell_word(&[b"/", *folder].concat()) };
        let mut bytes = 0;
        for (n, name) in names.iter().enumerate() {
            if n % FILES == 0 || bytes >= NAME_BYTES {
                script.extend([b"\n", function.as_bytes(), b" \"$to\"", &folder].concat());
                bytes = 0;
            }
            script.push(b' ');
            script.extend(word_here(name));
            bytes += name.len();
        }
        script.push(b'\n');
    }
}

/// Names by the folder they are in.
pub(super) fn by_folder<'a>(names: impl Iterator<Item = &'a [u8]>) -> BTreeMap<&'a [u8], Vec<&'a [u8]>> {
    let mut by_folder: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for name in names {
        by_folder.entry(folder_of(name)).or_default().push(name);
    }
    by_folder
}

fn folder_of(file: &[u8]) -> &[u8] {
    file.iter().rposition(|byte| *byte == b'/').map_or(b"", |at| &file[..at])
}

/// What `place` and `whole` said, when their last word is there too.
pub(super) fn read(said: &[u8]) -> Option<Unmoved> {
    let mut unmoved = Unmoved::default();
    for line in said.strip_suffix(b".")?.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let name = line.get(3..)?.to_vec();
        match line.first()? {
            b'T' => unmoved.taken.insert(name),
            b'F' => unmoved.failed.insert(name),
            b'D' => unmoved.folders.insert(name),
            _ => return None,
        };
    }
    Some(unmoved)
}

/// A script that places folders and files of our temporary folder `from` (absolute) under their names in the run, which
/// the part `make_run` makes.
pub(super) fn placing(
    session: &Session,
    run: &RunPath,
    make_run: &[u8],
    from: &[u8],
    folders: &BTreeSet<&[u8]>,
    files: &[&[u8]],
) -> Vec<u8> {
    let mut script = [make_run.to_vec(), session.enter_run(run)].concat();
    let target = super::quote::shell_word(&session.run(run));
    script.extend(moving(&super::quote::shell_word(from), &target, folders, files));
    script
}

/// What it said.
pub(super) fn placed(session: &Session, run: &RunPath, ended: &Ended, said: &[u8]) -> Result<Unmoved, TransportError> {
    let what = format!("placing files in {}", session.place.describe());
    match ended.code {
        Some(session::NOT_PLAIN) => {
            let message = format!("{}/{} is not a plain folder", session.place.describe(), run.below_equipment());
            Err(TransportError::new(FailureClass::Conflict, Side::Destination, message))
        }
        Some(0) => {
            let unmoved = read(said).ok_or_else(|| look::garbled(&what))?;
            if unmoved.failed.is_empty() { Ok(unmoved) } else { Err(super::classify::script(ended, &what)) }
        }
        _ => Err(super::classify::script(ended, &what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::child::{Tool, run};
    use std::path::Path;
    use tokio_util::sync::CancellationToken;

    async fn moved(from: &Path, to: &Path, folders: &[&[u8]], files: &[&[u8]]) -> Unmoved {
        let word = |path: &Path| super::super::quote::shell_word(path.as_os_str().as_encoded_bytes());
        let script = moving(&word(from), &word(to), &folders.iter().copied().collect(), files);
        let mut said = Vec::new();
        let mut take = |bytes: &[u8]| said.extend_from_slice(bytes);
        let ended = run(&Tool::new("sh").arg("-s"), &script, &mut take, &CancellationToken::new()).await.unwrap();
        assert!(ended.success(), "{ended:?}");
        read(&said).unwrap()
    }

    #[tokio::test]
    async fn v1_what_stands_under_a_name_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("it's from"), dir.path().join("$(to)"));
        for folder in [from.join("sub"), to.join("sub"), to.join("folder")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        for name in ["a", "sub/b", "sub/new\nline", "taken", "folder", "link", "-n"] {
            std::fs::write(from.join(name), name).unwrap();
        }
        std::fs::write(to.join("taken"), "theirs").unwrap();
        std::os::unix::fs::symlink(from.join("link"), to.join("link")).unwrap();
        let names: Vec<&[u8]> = vec![b"a", b"sub/b", b"sub/new\nline", b"taken", b"folder", b"link", b"-n"];
        let unmoved = moved(&from, &to, &[], &names).await;
        assert_eq!(unmoved.taken, [b"taken".to_vec(), b"folder".to_vec(), b"link".to_vec()].into());
        assert_eq!(unmoved.failed, BTreeSet::new());
        for name in ["a", "sub/b", "sub/new\nline", "-n"] {
            assert_eq!(std::fs::read_to_string(to.join(name)).unwrap(), name);
            assert!(!from.join(name).exists());
        }
        assert_eq!(std::fs::read_to_string(to.join("taken")).unwrap(), "theirs");
        assert_eq!(std::fs::read_to_string(from.join("taken")).unwrap(), "taken");
    }
    #[tokio::test]
    async fn v1_a_folder_takes_the_place_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for name in ["new/deep/x", "old/in $(it)/x", "full/x", "file/x"] {
            let path = from.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        for folder in ["old", "full"] {
            std::fs::create_dir_all(to.join(folder)).unwrap();
        }
        std::fs::write(to.join("full/theirs"), "theirs").unwrap();
        std::fs::write(to.join("file"), "theirs").unwrap();
        let unmoved = moved(&from, &to, &[b"new", b"old/in $(it)", b"full", b"file"], &[]).await;
        assert_eq!(unmoved.folders, [b"full".to_vec(), b"file".to_vec()].into());
        for name in ["new/deep/x", "old/in $(it)/x"] {
            assert_eq!(std::fs::read_to_string(to.join(name)).unwrap(), name);
        }
        assert_eq!(std::fs::read_dir(to.join("full")).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(to.join("file")).unwrap(), "theirs");
    }
}
