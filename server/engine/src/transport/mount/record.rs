//! The record at the destination: sent after the data, replaced by rename as it grows, proven by reading it back.
//!
//! Only a file that we put there ourselves is replaced: the digests of what was put last are kept at the root, in a folder of
//! our own. Any other file under a name of the record moves aside first.
//!
//! An earlier life's record is kept: before the first record of a later life is put, it moves to `.exlab-wizard/lives/<n>/`,
//! `n` being that earlier life. It moves by way of `<n>.moving`, so that a crash in between cannot mix the two.

use super::super::throttle::Throttle;
use super::super::{Hashed, RecordFile, TransportError};
use super::MountTransport;
use super::aside::Aside;
use super::copy::{Copying, Temporary};
use super::ours::Ours;
use super::read_back::read_back;
use super::root::{Root, look};
use crate::beneath;
use crate::hash::{CHUNK, Hasher, read_some, wall_clock_ns};
use crate::progress::ProgressSink;
use domain::job::{FailureClass, Side};
use domain::path::{RECORD_FOLDER, RunPath};
use domain::proof::Digest;
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, Mode};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Folders of the record's folder that are not one life's.
const KEPT: [&[u8]; 3] = [b"lives", b"superseded", b"versions"];

impl MountTransport {
    pub(super) fn write_record(
        &self,
        run: &RunPath,
        life: u64,
        files: &[RecordFile],
        cancel: &CancellationToken,
    ) -> Result<Vec<Hashed>, TransportError> {
        if let Some(stray) = files.iter().find(|file| !file.path.is_record()) {
            let message = format!("{} does not belong to the record", stray.path);
            return Err(TransportError::new(FailureClass::Unknown, Side::Here, message));
        }
        let (root, _) = Root::open_marked(self)?;
        let temporary = root.temporary()?;
        let (folder, _) = root.make_run(run)?;
        let failed = |error: Errno| TransportError::destination(error, format!("writing the record of {run} to {}", root.path.display()));
        beneath::make_folders(&folder, RECORD_FOLDER.as_bytes()).map_err(failed)?;
        if life > 1 {
            keep_earlier_life(&folder, life - 1).map_err(failed)?;
        }
        let (progress, throttle) = (ProgressSink::new(), Throttle::new(Arc::new(|| None)));
        let copying = Copying::new(&root, &temporary, &throttle, &progress, cancel);
        let aside = Aside::new(&root, &folder);
        let (mut ours, mut replaced, mut equal) = (Ours::read(&root, run)?, Vec::new(), HashSet::new());
        for file in files {
            let there = digest_there(&folder, file, cancel)?;
            if there == Some(file.bytes.digest()) {
                equal.insert(&file.path);
            }
            match there {
                Some(digest) if ours.contains(&file.path, &digest) => replaced.push((file.path.clone(), digest)),
                Some(digest) if digest != file.bytes.digest() => aside.take(&file.path)?,
                _ => {}
            }
        }
        // Both the old and the new ones count as ours while one takes the place of the other.
        let replaces = replaced.iter().any(|(path, _)| !equal.contains(path));
        ours.entries.retain(|(path, _)| !files.iter().any(|file| file.path == *path));
        ours.entries.extend(replaced);
        ours.entries.extend(files.iter().map(|file| (file.path.clone(), file.bytes.digest())));
        match ours.write(&copying) {
            // Where nothing may be replaced, this list neither: what has a name of its own may stand all the same.
            Err(error) if error.class == FailureClass::Authentication && !replaces => {}
            written => written?,
        }
        // What is equal is not written: where nothing may be replaced, it need not be.
        for file in files.iter().filter(|file| !equal.contains(&file.path)) {
            put(&copying, &folder, file)?;
        }
        root.sync()?;
        let mut hasher = Hasher::new();
        let mut hashed = Vec::with_capacity(files.len());
        for file in files {
            let outcome = match read_back(&mut hasher, &folder, file.path.as_bytes(), None, cancel, &|_| ()) {
                Some((outcome, way)) => {
                    self.weaker_way(way);
                    outcome
                }
                None => return Err(TransportError::interrupted()),
            };
            hashed.push(Hashed { path: file.path.clone(), outcome });
        }
        Ok(hashed)
    }
}

/// What stands under a name of the record; not a regular file is a conflict.
fn digest_there(run: &OwnedFd, file: &RecordFile, cancel: &CancellationToken) -> Result<Option<Digest>, TransportError> {
    let path = &file.path;
    let failed = |error: std::io::Error| TransportError::destination(error, format!("reading {path} at the destination")).naming(path);
    let (mut opened, stat) = match beneath::open_regular(run, path.as_bytes()) {
        Ok(Some((fd, stat))) => (File::from(fd), stat),
        Err(Errno::NOENT) => return Ok(None),
        Ok(None) => {
            let message = format!("{path} is no regular file at the destination");
            return Err(TransportError::new(FailureClass::Conflict, Side::Destination, message).naming(path));
        }
        Err(error) => return Err(failed(error.into())),
    };
    let mut fill = |space: &mut [u8]| match cancel.is_cancelled() {
        true => Err(TransportError::interrupted()),
        false => read_some(&mut opened, space).map_err(failed),
    };
    Hasher::new().stream(beneath::file_stat(&stat).size, &mut fill).map(|(digest, _)| Some(digest))
}

/// Puts one file of the record, replacing its earlier version.
fn put(copying: &Copying<'_>, run: &OwnedFd, file: &RecordFile) -> Result<(), TransportError> {
    let failed = |error: Errno| {
        TransportError::destination(error, format!("writing {} to {}", file.path, copying.root.path.display())).naming(&file.path)
    };
    let (parent, name) = beneath::split(file.path.as_bytes());
    let (folder, _) = beneath::make_folders(run, parent).map_err(failed)?;
    let mut temporary = Temporary::create(copying, Mode::from_raw_mode(0o666))?;
    let (mut reader, mut space) = (file.bytes.reader(), vec![0; CHUNK]);
    loop {
        match read_some(&mut reader, &mut space).map_err(|error| file.unreadable(&error))? {
            0 => break,
            n => temporary.write(&space[..n], &file.path)?,
        }
    }
    temporary.replace(&folder, name, wall_clock_ns(), &file.path)
}

/// Moves everything of the earlier life's record to `lives/<n>/`, once.
fn keep_earlier_life(run: &OwnedFd, earlier: u64) -> Result<(), Errno> {
    let record = beneath::open_folder(run, RECORD_FOLDER.as_bytes())?;
    let (lives, _) = beneath::make_folders(&record, b"lives")?;
    let (done, moving) = (earlier.to_string(), format!("{earlier}.moving"));
    if look(&lives, done.as_bytes())?.is_some() {
        return Ok(());
    }
    let (target, _) = beneath::make_folders(&lives, moving.as_bytes())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&record)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." && !KEPT.contains(&name.as_slice()) {
            names.push(name);
        }
    }
    for name in names {
        beneath::rename_new(&record, &name, &target, &name)?;
    }
    beneath::rename_new(&lives, moving.as_bytes(), &lives, done.as_bytes())
}
