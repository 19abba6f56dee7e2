//! The record at the destination: sent after the data, replaced by rename as it grows, proven by reading it back.
//!
//! An earlier life's record is kept: before the first record of a later life is put, it moves to
//! `.exlab-wizard/lives/<n>/`, `n` being that earlier life.

use super::super::rules::layout::NOT_OF_ONE_LIFE;
use super::super::rules::record::{Plan, refuse_stray};
use super::super::throttle::Throttle;
use super::super::{HashOutcome, Hashed, RecordFile, TransportError};
use super::MountTransport;
use super::aside::Aside;
use super::copy::{Copying, Temporary};
use super::read_back::read_back;
use super::record_list::RecordList;
use super::root::{Root, look};
use crate::files::beneath;
use crate::files::hash::{CHUNK, Hasher, read_some, wall_clock_ns};
use crate::machine::progress::ProgressSink;
use domain::path::{RECORD_FOLDER, RunPath};
use domain::proof::ProofLevel;
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, Mode};
use rustix::io::Errno;
use std::fs::File;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

impl MountTransport {
    pub(super) fn write_record(
        &self,
        run: &RunPath,
        life: u64,
        files: &[RecordFile],
        cancel: &CancellationToken,
    ) -> Result<Vec<Hashed>, TransportError> {
        refuse_stray(files)?;
        let (root, _) = Root::open_marked(self)?;
        let temporary = root.temporary()?;
        let (folder, _) = root.make_run(run)?;
        let failed = |error: Errno| {
            TransportError::destination(error, format!("writing the record of {run} to {}", root.path.display()))
        };
        beneath::make_folders(&folder, RECORD_FOLDER.as_bytes()).map_err(failed)?;
        if life > 1 {
            keep_earlier_life(&folder, life - 1, cancel).map_err(failed)?;
        }
        if cancel.is_cancelled() {
            return Err(TransportError::interrupted());
        }
        let (progress, throttle) = (ProgressSink::new(), Throttle::new(Arc::new(|| None)));
        let copying = Copying::new(&root, &temporary, &throttle, &progress, cancel);
        let aside = Aside::new(&root, &folder);
        let ours = RecordList::read(&root, run)?;
        let there = files.iter().map(|file| hashed_there(&folder, file, cancel)).collect::<Result<Vec<_>, _>>()?;
        let plan = Plan::of(files, &ours.entries, there)?;
        plan.strangers.iter().try_for_each(|path| aside.take(path))?;
        // A list that was lost is made again although nothing else is to be written.
        if !plan.to_write.is_empty() || !plan.ours.iter().all(|entry| ours.entries.contains(entry)) {
            match ours.write(&plan.ours, &copying) {
                Err(refusal) if plan.list_may_stay(&refusal) => {}
                written => written?,
            }
        }
        plan.to_write.iter().try_for_each(|file| put(&copying, &folder, file))?;
        root.sync()?;
        let (mut hasher, at_best) = (Hasher::new(), root.at_best());
        let mut hashed = Vec::with_capacity(files.len());
        for file in files {
            let outcome = match read_back(&mut hasher, &folder, file.path.as_bytes(), None, at_best, cancel, &|_| ()) {
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

/// What stands under a name of the record.
fn hashed_there(run: &OwnedFd, file: &RecordFile, cancel: &CancellationToken) -> Result<Hashed, TransportError> {
    let path = &file.path;
    let failed = |error: std::io::Error| {
        TransportError::destination(error, format!("reading {path} at the destination")).naming(path)
    };
    let (mut opened, stat) = match beneath::open_regular(run, path.as_bytes()) {
        Ok(Some((fd, stat))) => (File::from(fd), stat),
        Err(Errno::NOENT) => return Ok(Hashed { path: path.clone(), outcome: HashOutcome::Missing }),
        Ok(None) => return Ok(super::failed(path.clone(), "not a regular file")),
        Err(error) => return Err(failed(error.into())),
    };
    let mut fill = |space: &mut [u8]| match cancel.is_cancelled() {
        true => Err(TransportError::interrupted()),
        false => read_some(&mut opened, space).map_err(failed),
    };
    let size = beneath::file_stat(&stat).size;
    let (digest, _) = Hasher::new().stream(size, &mut fill)?;
    Ok(Hashed { path: path.clone(), outcome: HashOutcome::Digest { digest, size, level: ProofLevel::L1 } })
}

/// Puts one file of the record, replacing its earlier version.
fn put(copying: &Copying<'_>, run: &OwnedFd, file: &RecordFile) -> Result<(), TransportError> {
    let failed = |error: Errno| {
        TransportError::destination(error, format!("writing {} to {}", file.path, copying.root.path.display()))
            .naming(&file.path)
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
fn keep_earlier_life(run: &OwnedFd, earlier: u64, cancel: &CancellationToken) -> Result<(), Errno> {
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
        if name != b"." && name != b".." && !NOT_OF_ONE_LIFE.iter().any(|kept| kept.as_bytes() == name) {
            names.push(name);
        }
    }
    for name in names {
        // What is begun is gone on with by the next one.
        if cancel.is_cancelled() {
            return Ok(());
        }
        beneath::rename_new(&record, &name, &target, &name)?;
    }
    beneath::rename_new(&lives, moving.as_bytes(), &lives, done.as_bytes())
}
