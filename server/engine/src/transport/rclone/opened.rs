//! The opened root: what rclone can do in small steps, a call for each.

use super::classify;
use super::hashes::{hash_batch, read_whole};
use super::look::{self, Kind};
use super::moves::move_files;
use super::names::is_odd;
use super::private_folder::PrivateFolder;
use super::session::Session;
use crate::transport::rules::layout::{MARKER, TEMPORARY, temporary_of_record};
use crate::transport::rules::marker::BYTES_AT_MOST;
use crate::transport::wire::{SizedFile, Take, Wire};
use crate::transport::{CallContext, Hashed, RecordFile, TransportError};
use async_trait::async_trait;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RECORD_FOLDER, RunPath};
use std::ffi::OsString;

/// The root of one call.
pub(super) struct RcloneWire {
    pub session: Session,
    pub context: CallContext,
}

#[async_trait]
impl Wire for RcloneWire {
    fn destination(&self) -> String {
        self.session.place.describe()
    }

    fn marker(&self) -> &[u8] {
        &self.session.marker
    }

    async fn put_marker(&self, marker: &[u8], replace: bool) -> Result<(), TransportError> {
        let (session, context) = (&self.session, &self.context);
        let temporary = format!("{TEMPORARY}/identity-{}", uuid::Uuid::new_v4().simple());
        let what = format!("writing the marker of {}", session.place.describe());
        let temporary = session.at(temporary.as_bytes());
        session.write("rcat", what.as_str()).operands([temporary.clone()]).input(marker.to_vec()).ask(context).await?;
        let how = if replace { "--ignore-times" } else { "--ignore-existing" };
        let places = [temporary.clone(), session.at(MARKER.as_bytes())];
        let moved = session.write("moveto", what.as_str()).arg(how).operands(places).collect(context).await;
        // Where it was not moved, since another was quicker, it is in nobody's way.
        let tidied = session.call("deletefile", "tidying").operands([temporary]).collect(context).await;
        let (ended, _) = moved?;
        tidied?;
        if ended.success() { Ok(()) } else { Err(classify::rclone(&ended, &what)) }
    }

    async fn take_marker_back(&self, marker: &[u8]) -> Result<(), TransportError> {
        if self.read_own(MARKER, BYTES_AT_MOST).await?.as_deref() != Some(marker) {
            return Ok(());
        }
        let call = self.session.call("deletefile", "taking the marker back");
        call.operands([self.session.at(MARKER.as_bytes())]).ask(&self.context).await.map(drop)
    }

    async fn names_in(&self, run: &RunPath, folder: &str) -> Result<Vec<Vec<u8>>, TransportError> {
        look::names_in(&self.session, &self.session.in_run(run, folder.as_bytes()), &self.context).await
    }

    async fn standing(&self, run: &RunPath, files: &[FilePath]) -> Result<Vec<SizedFile>, TransportError> {
        let folder = self.session.in_run(run, b"");
        let Some(there) = look::everything(&self.session, &folder, &self.context).await? else {
            return Ok(Vec::new());
        };
        let mut standing = Vec::new();
        for file in files {
            let seen = look::one(&self.session, &folder, file.as_bytes(), &there, &self.context).await?;
            standing.extend(seen.filter(|seen| seen.kind != Kind::Folder).map(|seen| (file.clone(), seen.size)));
        }
        Ok(standing)
    }

    async fn move_files(
        &self,
        run: &RunPath,
        files: &[SizedFile],
        folder: &str,
    ) -> Result<Option<FilePath>, TransportError> {
        let (from, to) = (self.session.in_run(run, b""), self.session.in_run(run, folder.as_bytes()));
        let names: Vec<&[u8]> = files.iter().map(|(file, _)| file.as_bytes()).collect();
        let largest = files.iter().map(|(_, size)| *size).max().unwrap_or(0);
        let unmoved =
            move_files(&self.session, &from, &to, &names, largest, "moving files aside", &self.context).await?;
        Ok(files.iter().map(|(file, _)| file).find(|file| unmoved.contains(file.as_bytes())).cloned())
    }

    async fn move_contents(&self, run: &RunPath, from: &str, except: &[&str], to: &str) -> Result<(), TransportError> {
        let (session, context) = (&self.session, &self.context);
        let (folder, target) = (session.in_run(run, from.as_bytes()), session.in_run(run, to.as_bytes()));
        let is_kept = |name: &[u8]| {
            let (first, _) = name.split_at(name.iter().position(|byte| *byte == b'/').unwrap_or(name.len()));
            except.iter().any(|kept| kept.as_bytes() == first)
        };
        let mut files: Vec<Vec<u8>> = Vec::new();
        let mut note = |name: &[u8]| files.extend((!is_kept(name)).then(|| name.to_vec()));
        look::everything_below(session, &folder, from, &mut note, context).await?;
        let names: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let what = format!("keeping the record of an earlier life of {run}");
        match move_files(session, &folder, &target, &names, 0, &what, context).await?.first() {
            None => Ok(()),
            Some(first) => {
                let message = format!("{what}: {} is in the way", domain::path::escape_bytes(first));
                Err(TransportError::new(FailureClass::Conflict, Side::Destination, message))
            }
        }
    }

    async fn rename_folder(&self, run: &RunPath, from: &str, to: &str) -> Result<(), TransportError> {
        let places = [from, to].map(|name| self.session.at(&self.session.in_run(run, name.as_bytes())));
        let call = self.session.write("move", format!("renaming {from}")).arg("--ignore-existing");
        call.operands(places).ask(&self.context).await.map(drop)
    }

    async fn remove_empty_folders(&self, run: &RunPath, folders: &[FilePath]) -> Result<(), TransportError> {
        let session = &self.session;
        let run_folder = session.in_run(run, b"");
        let there = look::everything(session, &run_folder, &self.context).await?.unwrap_or_default();
        for folder in folders {
            if there.plain(folder.as_bytes())?.is_some_and(|seen| seen.kind != Kind::Folder) {
                continue;
            }
            let what = format!("removing the empty folder {folder}");
            let place = session.at(&session.in_run(run, folder.as_bytes()));
            let call = session.write("rmdirs", what.as_str()).operands([place]);
            let ended = call.run(&mut |_| (), &mut |_| (), &self.context).await?;
            let gone = ended.not_there() || ended.telling().contains("no such file or directory");
            if !ended.success() && !gone {
                return Err(classify::rclone(&ended, &what));
            }
        }
        Ok(())
    }

    async fn read_own(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, TransportError> {
        let call = self.session.call("cat", "reading what is ours").arg(format!("--head={most}"));
        let (ended, bytes) = call.operands([self.session.at(name.as_bytes())]).collect(&self.context).await?;
        match ended.success() {
            true => Ok(Some(bytes)),
            false if ended.not_there() => Ok(None),
            false => Err(classify::rclone(&ended, "reading what is ours")),
        }
    }

    async fn write_own(&self, _run: &RunPath, name: &str, bytes: Vec<u8>) -> Result<(), TransportError> {
        let call = self.session.write("rcat", "writing what is ours");
        call.operands([self.session.at(name.as_bytes())]).input(bytes).ask(&self.context).await.map(drop)
    }

    /// All files are brought to our temporary folder with one call, then to their names with another.
    async fn replace(&self, run: &RunPath, files: &[&RecordFile]) -> Result<(), TransportError> {
        let (session, context) = (&self.session, &self.context);
        let temporary = temporary_of_record(run).into_bytes();
        let what = format!("writing the record of {run}");
        let mut here = PrivateFolder::make()?;
        for file in files {
            here.file(file.path.as_bytes(), &mut file.bytes.reader())?;
        }
        // `--ignore-times`: another one of the same size and second is replaced all the same.
        let options = ["--ignore-times", "--no-traverse"];
        let call = session.write("copy", what.as_str()).args(options).args(session.backend.copy_options());
        let call = call.operands([OsString::from("."), session.at(&temporary)]);
        call.in_folder(here.path().to_owned()).ask(context).await?;
        let call = session
            .write("move", what.as_str())
            .args(options)
            .operands([session.at(&temporary), session.at(&session.in_run(run, b""))]);
        // What an earlier try left there under other names stays behind, and goes with the folder.
        let call = if files.iter().any(|file| is_odd(file.path.as_bytes())) {
            call
        } else {
            call.only(files.iter().map(|file| file.path.as_bytes()))
        };
        let (ended, _) = call.collect(context).await?;
        if !ended.success() {
            return Err(classify::rclone(&ended, &what));
        }
        session.purge(&temporary, context).await
    }

    async fn hash_record(&self, run: &RunPath, files: &[SizedFile]) -> Result<Vec<Hashed>, TransportError> {
        let (session, context) = (&self.session, &self.context);
        let record = session.in_run(run, RECORD_FOLDER.as_bytes());
        let there = look::everything_below(session, &record, RECORD_FOLDER, &mut |_| (), context).await?;
        let paths = files.iter().map(|(file, _)| file.clone()).collect();
        hash_batch(session, run, &there.unwrap_or_default(), paths, context).await
    }

    async fn read(&self, run: &RunPath, file: &FilePath, take: &mut Take<'_>) -> Result<bool, TransportError> {
        read_whole(&self.session, run, file, take, &self.context).await.map(|why_not| why_not.is_none())
    }

    /// rclone has no call for it.
    async fn sync(&self) -> Result<(), TransportError> {
        Ok(())
    }
}
