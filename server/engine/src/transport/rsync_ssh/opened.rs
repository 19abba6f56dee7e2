//! The opened root: what the server's shell can do in small steps, a script for each.

use super::hashes::hash_batch;
use super::look::{self, Kind, word_here};
use super::moves::{self, moving};
use super::quote::shell_word;
use super::session::Session;
use super::upload::upload;
use crate::transport::rules::layout::{MARKER, OWN_FOLDER, temporary_of_record};
use crate::transport::wire::{SizedFile, Take, Wire};
use crate::transport::{CallContext, Hashed, RecordFile, TransportError};
use async_trait::async_trait;
use domain::path::{FilePath, RunPath};
use std::collections::BTreeSet;

/// Folders of a run that are ours alone: where one is a link, nothing is written through it. Goes after the run was
/// entered.
const OURS_ARE_PLAIN: &str = r#"
for e in .exlab-wizard .exlab-wizard/lives .exlab-wizard/superseded; do
if [ -L "$e" ] || { [ -e "$e" ] && [ ! -d "$e" ]; }; then exit 62; fi
done
"#;

/// Says every name in the current folder.
const NAMES: &str = r#"
[ -r . ] || { echo 'Permission denied' >&2; exit 1; }
for e in ./* ./.[!.]* ./..?*; do
if [ -e "$e" ] || [ -L "$e" ]; then printf '%s\0' "$e"; fi
done
"#;

/// Moves what is in `$from` to `$to` but for some names; the current folder is the run's.
const MOVE_CONTENTS: &str = r#"
mkdir -p "$from" "$to" || exit 1
to=$PWD/$to
cd -- "$from" || exit 1
[ -r . ] || { echo 'Permission denied' >&2; exit 1; }
for e in ./* ./.[!.]* ./..?*; do
[ -e "$e" ] || [ -L "$e" ] || continue
case "$e" in EXCEPT) continue;; esac
if [ -e "$to/$e" ] || [ -L "$to/$e" ]; then echo "$e is in the way" >&2; exit 62; fi
mv "$e" "$to/" || exit 1
done
"#;

/// Removes `$1` where it holds no file; a loop's variable is everybody's, the argument each call's own.
const REMOVE_EMPTY: &str = r#"
empty() {
for e in "$1"/* "$1"/.[!.]* "$1"/..?*; do
if [ -d "$e" ] && [ ! -L "$e" ]; then empty "$e"; fi
done
rmdir "$1" 2>/dev/null || :
}
"#;

/// The root of one call.
pub(super) struct SshWire {
    pub session: Session,
    pub context: CallContext,
}

impl SshWire {
    /// A script's beginning: in the run's folder, of which nothing that is ours is a link.
    fn enter(&self, run: &RunPath) -> Vec<u8> {
        [self.session.enter_run(run), OURS_ARE_PLAIN.as_bytes().to_vec()].concat()
    }

    async fn ask(&self, script: &[Vec<u8>], what: &str) -> Result<Vec<u8>, TransportError> {
        self.session.ask(&script.concat(), what, &self.context).await
    }
}

#[async_trait]
impl Wire for SshWire {
    fn destination(&self) -> String {
        self.session.place.describe()
    }

    fn marker(&self) -> &[u8] {
        &self.session.marker
    }

    async fn put_marker(&self, marker: &[u8], replace: bool) -> Result<(), TransportError> {
        let own = self.session.word(OWN_FOLDER.as_bytes());
        let place = if replace {
            "mv -f identity.json.tmp identity.json"
        } else {
            "ln identity.json.tmp identity.json; rm -f identity.json.tmp"
        };
        let script = [
            [b"mkdir -p ", own.as_slice(), b" && cd -- ", &own, b" || exit 1\nprintf '%s' "].concat(),
            shell_word(marker),
            format!(" >identity.json.tmp || exit 1\n{place} || exit 1\n(sync -f . 2>/dev/null || sync)").into_bytes(),
        ];
        self.ask(&script, "writing the marker").await.map(drop)
    }

    async fn take_marker_back(&self, marker: &[u8]) -> Result<(), TransportError> {
        let (place, text) = (self.session.word(MARKER.as_bytes()), shell_word(marker.trim_ascii_end()));
        let is_ours = [b"if [ \"$(cat ", place.as_slice(), b")\" = ", &text, b" ]; then "].concat();
        let script = [is_ours, [b"rm -f ", place.as_slice(), b"; fi"].concat()];
        self.ask(&script, "taking the marker back").await.map(drop)
    }

    async fn names_in(&self, run: &RunPath, folder: &str) -> Result<Vec<Vec<u8>>, TransportError> {
        let word = word_here(folder.as_bytes());
        let script = [
            self.enter(run),
            [b"if [ -d ", word.as_slice(), b" ]; then cd -- ", &word, b" || exit 1\n", NAMES.as_bytes()].concat(),
            b"fi\nprintf '.'".to_vec(),
        ];
        let said = self.ask(&script, &format!("looking at {folder}")).await?;
        if said == b"missing" {
            return Ok(Vec::new());
        }
        let names = said.strip_suffix(b".").ok_or_else(|| look::garbled("looking at a folder there"))?;
        Ok(names.split(|byte| *byte == 0).filter_map(|name| name.strip_prefix(b"./")).map(<[u8]>::to_vec).collect())
    }

    async fn standing(&self, run: &RunPath, files: &[FilePath]) -> Result<Vec<SizedFile>, TransportError> {
        let names = files.iter().map(FilePath::as_bytes);
        let there = look::in_run(&self.session, run, names, &self.context).await?.unwrap_or_default();
        let size = |file: &FilePath| {
            let seen = there.get(file.as_bytes()).filter(|seen| seen.kind != Kind::Folder)?;
            Some((file.clone(), seen.size))
        };
        Ok(files.iter().filter_map(size).collect())
    }

    async fn move_files(
        &self,
        run: &RunPath,
        files: &[SizedFile],
        folder: &str,
    ) -> Result<Option<FilePath>, TransportError> {
        let from = self.session.run(run);
        let to = [from.as_slice(), b"/", folder.as_bytes()].concat();
        let names: Vec<&[u8]> = files.iter().map(|(file, _)| file.as_bytes()).collect();
        let script = [
            self.enter(run),
            self.session.make(&[&to]),
            moving(&shell_word(&from), &shell_word(&to), &BTreeSet::new(), &names),
        ];
        let said = self.ask(&script, "moving files aside").await?;
        if said == b"missing" {
            return Ok(None);
        }
        let unmoved = moves::read(&said).ok_or_else(|| look::garbled("moving files aside"))?;
        Ok(files.iter().map(|(file, _)| file).find(|file| unmoved.has(file.as_bytes(), None)).cloned())
    }

    async fn move_contents(&self, run: &RunPath, from: &str, except: &[&str], to: &str) -> Result<(), TransportError> {
        let except: Vec<String> = except.iter().map(|name| format!("./{name}")).collect();
        let (from, to) = (word_here(from.as_bytes()), shell_word(to.as_bytes()));
        let script = [
            self.enter(run),
            [b"from=", from.as_slice(), b"\nto=", &to, b"\n"].concat(),
            MOVE_CONTENTS.replace("EXCEPT", &except.join("|")).into_bytes(),
        ];
        self.ask(&script, "keeping the record of an earlier life").await.map(drop)
    }

    async fn rename_folder(&self, run: &RunPath, from: &str, to: &str) -> Result<(), TransportError> {
        let (old, new) = (word_here(from.as_bytes()), word_here(to.as_bytes()));
        let script = [
            self.enter(run),
            // Over another it would become a folder within it.
            [b"if [ -e ", new.as_slice(), b" ]; then exit 62; fi\nmv ", &old, b" ", &new].concat(),
        ];
        self.ask(&script, &format!("renaming {from}")).await.map(drop)
    }

    async fn remove_empty_folders(&self, run: &RunPath, folders: &[FilePath]) -> Result<(), TransportError> {
        let mut script = vec![self.enter(run), REMOVE_EMPTY.as_bytes().to_vec()];
        for folder in folders {
            let word = word_here(folder.as_bytes());
            let call = [b"if [ -d ", word.as_slice(), b" ] && [ ! -L ", &word, b" ]; then empty ", &word, b"; fi\n"];
            script.push(call.concat());
        }
        self.ask(&script, "removing empty folders").await.map(drop)
    }

    async fn read_own(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, TransportError> {
        let word = self.session.word(name.as_bytes());
        let head = format!(" ]; then printf '.'; head -c {most} ").into_bytes();
        let script = [b"if [ -f ".to_vec(), word.clone(), head, word, b" || exit 1; fi".to_vec()];
        let said = self.ask(&script, "reading what is ours").await?;
        Ok(said.strip_prefix(b".").map(<[u8]>::to_vec))
    }

    /// On its way it lies where the record does, which is taken away in the end.
    async fn write_own(&self, run: &RunPath, name: &str, bytes: Vec<u8>) -> Result<(), TransportError> {
        let (folder, _) = crate::files::beneath::split(name.as_bytes());
        let folders = [self.session.path(folder), self.session.path(temporary_of_record(run).as_bytes())];
        self.ask(&[self.session.make(&[&folders[0], &folders[1]])], "making a folder of our own").await?;
        let temporary = shell_word(&[folders[1].as_slice(), b"/own"].concat());
        upload(&self.session, &temporary, &bytes.into(), &self.context).await?;
        let place = self.session.word(name.as_bytes());
        let ended = [b" || code=1\nrm -rf ".as_slice(), &shell_word(&folders[1]), b"\nexit ${code:-0}"].concat();
        let script = [[b"mv -f ", temporary.as_slice(), b" ", &place].concat(), ended];
        self.ask(&script, "writing what is ours").await.map(drop)
    }

    /// All files are brought to our temporary folder, then all of them are renamed.
    async fn replace(&self, run: &RunPath, files: &[&RecordFile]) -> Result<(), TransportError> {
        let (session, what) = (&self.session, format!("writing the record of {run}"));
        let temporary = session.path(temporary_of_record(run).as_bytes());
        self.ask(&[session.make(&[&temporary]), session.make_run(run).await], "making a folder for the record").await?;
        for (n, file) in files.iter().enumerate() {
            let place = shell_word(&[temporary.as_slice(), format!("/{n}").as_bytes()].concat());
            upload(session, &place, &file.bytes, &self.context).await?;
        }
        let mut script = [self.enter(run), b"from=".to_vec(), shell_word(&temporary), b"\n".to_vec()].concat();
        look::call(&mut script, "mkdir -p", files.iter().flat_map(|file| look::folders_above(&file.path)));
        for (n, file) in files.iter().enumerate() {
            let word = word_here(file.path.as_bytes());
            let mv = format!(" ]; then exit 62; fi\nmv -f \"$from/{n}\" ").into_bytes();
            script.extend([b"if [ -d ".to_vec(), word.clone(), mv, word, b" || exit 1\n".to_vec()].concat());
        }
        self.ask(&[script, b"rm -rf \"$from\"".to_vec()], &what).await.map(drop)
    }

    async fn hash_record(&self, run: &RunPath, files: &[SizedFile]) -> Result<Vec<Hashed>, TransportError> {
        self.session.place.note_tool(self.session.can.hash_tool);
        let bytes = files.iter().map(|(_, bytes)| bytes).sum();
        let paths = files.iter().map(|(file, _)| file.clone()).collect();
        hash_batch(&self.session, run, paths, bytes, &self.context).await
    }

    async fn read(&self, run: &RunPath, file: &FilePath, take: &mut Take<'_>) -> Result<bool, TransportError> {
        Ok(super::hashes::read_whole(&self.session, run, file, take, &self.context).await)
    }

    async fn sync(&self) -> Result<(), TransportError> {
        self.session.sync(&self.context).await
    }
}
