//! The opened root: what a mounted NAS can do in small steps, each on a thread, all through the handle of the root.

use super::super::rules::layout::{MARKER, OWN_FOLDER};
use super::super::throttle::Throttle;
use super::super::wire::{SizedFile, Take, Wire};
use super::super::{CallContext, Hashed, RecordFile, TransportError};
use super::MountTransport;
use super::aside::{move_below, names_in, not_moved, remove_empty};
use super::copy::{Copying, Temporary, naming, no_more_open_than};
use super::read_back::{Way, read_back, unreadable};
use super::root::{Root, look};
use super::thread::Outbox;
use crate::files::beneath;
use crate::files::hash::{CHUNK, Hasher, read_some, wall_clock_ns};
use crate::machine::progress::ProgressSink;
use async_trait::async_trait;
use domain::job::FailureClass;
use domain::path::{FilePath, RunPath};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The root of one call.
pub(super) struct MountWire {
    pub transport: MountTransport,
    pub root: Arc<Root>,
    /// Empty where there is none.
    pub marker: Vec<u8>,
    pub context: CallContext,
}

impl MountWire {
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Root, &CancellationToken) -> Result<T, TransportError> + Send + 'static,
    ) -> Result<T, TransportError> {
        let root = self.root.clone();
        self.transport.call(&self.context).run(move |cancel| work(&root, cancel)).await
    }

    /// Runs `work` in the run's folder; where it is not there nothing is done.
    async fn in_run<T: Default + Send + 'static>(
        &self,
        run: &RunPath,
        what: impl Fn() -> String + Send + 'static,
        work: impl FnOnce(&OwnedFd, &CancellationToken) -> Result<T, Errno> + Send + 'static,
    ) -> Result<T, TransportError> {
        let run = run.clone();
        self.on_thread(move |root, cancel| match root.run(&run)? {
            None => Ok(T::default()),
            Some(folder) => work(&folder, cancel).map_err(|errno| {
                let what = format!("{} in {}", what(), root.path.display());
                in_the_way(TransportError::destination(errno, what), errno)
            }),
        })
        .await
    }
}

#[async_trait]
impl Wire for MountWire {
    fn destination(&self) -> String {
        self.root.path.display().to_string()
    }

    fn marker(&self) -> &[u8] {
        &self.marker
    }

    async fn put_marker(&self, marker: &[u8], replace: bool) -> Result<(), TransportError> {
        let marker = marker.to_vec();
        self.on_thread(move |root, _| put_marker(root, &marker, replace)).await
    }

    async fn take_marker_back(&self, marker: &[u8]) -> Result<(), TransportError> {
        let marker = marker.to_vec();
        self.on_thread(move |root, _| {
            if root.marker()?.as_ref() != Some(&marker) {
                return Ok(());
            }
            let (own, name) = beneath::split(MARKER.as_bytes());
            let removed = beneath::open_folder(&root.folder, own)
                .and_then(|own| rustix::fs::unlinkat(&own, name, AtFlags::empty()));
            removed.map_err(|error| {
                TransportError::destination(error, format!("taking back {}", root.shown(MARKER.as_bytes())))
            })
        })
        .await
    }

    async fn names_in(&self, run: &RunPath, folder: &str) -> Result<Vec<Vec<u8>>, TransportError> {
        let (folder, shown) = (folder.as_bytes().to_vec(), folder.to_owned());
        self.in_run(run, move || format!("looking at {shown}"), move |run, _| names_in(run, &folder)).await
    }

    async fn standing(&self, run: &RunPath, files: &[FilePath]) -> Result<Vec<SizedFile>, TransportError> {
        let files = files.to_vec();
        let standing = move |run: &OwnedFd, cancel: &CancellationToken| {
            let mut standing = Vec::new();
            for file in files {
                if cancel.is_cancelled() {
                    return Err(Errno::CANCELED);
                }
                let (parent, name) = beneath::split(file.as_bytes());
                let stat = match beneath::open_folder(run, parent).and_then(|parent| look(&parent, name)) {
                    Err(Errno::NOENT | Errno::NOTDIR) => None,
                    looked => looked?,
                };
                if let Some(stat) = stat.filter(|stat| !FileType::from_raw_mode(stat.st_mode).is_dir()) {
                    standing.push((file, beneath::file_stat(&stat).size));
                }
            }
            Ok(standing)
        };
        self.in_run(run, || "looking at files".to_owned(), standing).await
    }

    async fn move_files(
        &self,
        run: &RunPath,
        files: &[SizedFile],
        folder: &str,
    ) -> Result<Option<FilePath>, TransportError> {
        let (run, files, folder) = (run.clone(), files.to_vec(), folder.to_owned());
        self.on_thread(move |root, cancel| {
            let Some(run) = root.run(&run)? else { return Ok(None) };
            for (file, _) in files {
                unless(cancel)?;
                match move_below(&run, &file, &folder) {
                    Err(Errno::EXIST) => return Ok(Some(file)),
                    moved => moved.map_err(|error| not_moved(error, &file, root))?,
                }
            }
            Ok(None)
        })
        .await
    }

    async fn move_contents(&self, run: &RunPath, from: &str, except: &[&str], to: &str) -> Result<(), TransportError> {
        let (from, to) = (from.as_bytes().to_vec(), to.as_bytes().to_vec());
        let except: Vec<Vec<u8>> = except.iter().map(|name| name.as_bytes().to_vec()).collect();
        let moving = move |run: &OwnedFd, cancel: &CancellationToken| {
            let names = names_in(run, &from)?;
            let (from, _) = beneath::make_folders(run, &from)?;
            let (to, _) = beneath::make_folders(run, &to)?;
            for name in names.iter().filter(|name| !except.contains(name)) {
                // What is begun is gone on with by the next one.
                if cancel.is_cancelled() {
                    return Err(Errno::CANCELED);
                }
                beneath::rename_new(&from, name, &to, name)?;
            }
            Ok(())
        };
        self.in_run(run, || "keeping the record of an earlier life".to_owned(), moving).await
    }

    async fn rename_folder(&self, run: &RunPath, from: &str, to: &str) -> Result<(), TransportError> {
        let (from, to, shown) = (from.as_bytes().to_vec(), to.as_bytes().to_vec(), from.to_owned());
        let rename = move |run: &OwnedFd, _: &CancellationToken| {
            let ((from, old), (to, new)) = (beneath::split(&from), beneath::split(&to));
            beneath::rename_new(&beneath::open_folder(run, from)?, old, &beneath::open_folder(run, to)?, new)
        };
        self.in_run(run, move || format!("renaming {shown}"), rename).await
    }

    async fn remove_empty_folders(&self, run: &RunPath, folders: &[FilePath]) -> Result<(), TransportError> {
        let (run, folders) = (run.clone(), folders.to_vec());
        self.on_thread(move |root, cancel| {
            let Some(run) = root.run(&run)? else { return Ok(()) };
            for folder in &folders {
                unless(cancel)?;
                remove_empty(&run, folder).map_err(|error| {
                    TransportError::destination(error, format!("removing the empty folder {folder}")).naming(folder)
                })?;
            }
            Ok(())
        })
        .await
    }

    async fn read_own(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, TransportError> {
        let name = name.as_bytes().to_vec();
        self.on_thread(move |root, _| {
            let failed =
                |error: std::io::Error| TransportError::destination(error, format!("reading {}", root.shown(&name)));
            let file = match beneath::open_regular(&root.folder, &name) {
                Ok(Some((fd, _))) => File::from(fd),
                Ok(None) | Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(failed(error.into())),
            };
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes).map_err(failed)?;
            Ok(Some(bytes))
        })
        .await
    }

    async fn write_own(&self, _run: &RunPath, name: &str, bytes: Vec<u8>) -> Result<(), TransportError> {
        let name = name.to_owned();
        self.on_thread(move |root, cancel| {
            // Fails where the folder of the marker is gone, which must not be made anew.
            root.temporary()?;
            let (folder, name) = beneath::split(name.as_bytes());
            let making = |error: Errno| TransportError::destination(error, format!("making {}", root.shown(folder)));
            let (folder, _) = beneath::make_folders(&root.folder, folder).map_err(making)?;
            let path =
                FilePath::new(name).map_err(|error| TransportError::destination(Errno::INVAL, error.to_string()))?;
            put(root, cancel, (&folder, name), (&path, 0o666), &mut |write| write(&bytes))
        })
        .await
    }

    async fn replace(&self, run: &RunPath, files: &[&RecordFile]) -> Result<(), TransportError> {
        let (run, files): (_, Vec<RecordFile>) = (run.clone(), files.iter().map(|file| (*file).clone()).collect());
        self.on_thread(move |root, cancel| {
            root.temporary()?;
            let (run, _) = root.make_run(&run)?;
            for file in &files {
                let failed = |error: Errno| {
                    let what = format!("writing {} to {}", file.path, root.path.display());
                    TransportError::destination(error, what).naming(&file.path)
                };
                let (parent, name) = beneath::split(file.path.as_bytes());
                let (folder, _) = beneath::make_folders(&run, parent).map_err(failed)?;
                let (mut reader, mut space) = (file.bytes.reader(), vec![0; CHUNK]);
                let mut all = |write: &mut dyn FnMut(&[u8]) -> Result<(), TransportError>| loop {
                    match read_some(&mut reader, &mut space).map_err(|error| file.unreadable(&error))? {
                        0 => return Ok(()),
                        n => write(&space[..n])?,
                    }
                };
                put(root, cancel, (&folder, name), (&file.path, file.bytes.mode()), &mut all)?;
            }
            Ok(())
        })
        .await
    }

    async fn hash_record(&self, run: &RunPath, files: &[SizedFile]) -> Result<Vec<Hashed>, TransportError> {
        let (run, files, transport) = (run.clone(), files.to_vec(), self.transport.clone());
        self.on_thread(move |root, cancel| {
            let folder = root.run(&run)?;
            let (mut hasher, at_best) = (Hasher::new(), root.at_best());
            let mut hashed = Vec::with_capacity(files.len());
            for (path, _) in files {
                let Some(folder) = &folder else {
                    hashed.push(Hashed { path, outcome: super::HashOutcome::Missing });
                    continue;
                };
                let read = read_back(&mut hasher, folder, path.as_bytes(), None, at_best, cancel, &|_| ());
                let read = read.or_else(|error| match error {
                    // Nothing that could be read stands there.
                    Errno::LOOP | Errno::NOTDIR => Ok(Some((unreadable(error), Way::Direct))),
                    error => {
                        let what = format!("reading {path} at the destination");
                        Err(TransportError::destination(error, what).naming(&path))
                    }
                })?;
                let (outcome, way) = read.ok_or_else(TransportError::interrupted)?;
                transport.weaker_way(way);
                hashed.push(Hashed { path, outcome });
            }
            Ok(hashed)
        })
        .await
    }

    async fn read(&self, run: &RunPath, file: &FilePath, take: &mut Take<'_>) -> Result<bool, TransportError> {
        let (root, run, file) = (self.root.clone(), run.clone(), file.clone());
        let call = self.transport.call(&self.context);
        let cancel = call.context().cancel.clone();
        let reading = move |outbox: &Outbox<Vec<u8>>| {
            let Some(folder) = root.run(&run)? else { return Ok(false) };
            let Ok(Some((fd, _))) = beneath::open_regular(&folder, file.as_bytes()) else { return Ok(false) };
            let (mut there, mut space) = (File::from(fd), vec![0; CHUNK]);
            loop {
                unless(&cancel)?;
                match read_some(&mut there, &mut space) {
                    Ok(0) => return Ok(true),
                    Ok(n) => outbox.send(space[..n].to_vec())?,
                    Err(_) => return Ok(false),
                }
            }
        };
        call.run_with(reading, |bytes: Vec<u8>| take(&bytes)).await
    }

    async fn sync(&self) -> Result<(), TransportError> {
        self.on_thread(|root, _| root.sync()).await
    }
}

/// What else stands under a name, or in the place of a folder, is a conflict; and what was cancelled did not fail.
fn in_the_way(error: TransportError, errno: Errno) -> TransportError {
    match errno {
        Errno::CANCELED => TransportError::interrupted(),
        Errno::LOOP | Errno::NOTDIR | Errno::EXIST | Errno::NOTEMPTY => {
            TransportError { class: FailureClass::Conflict, ..error }
        }
        _ => error,
    }
}

fn unless(cancel: &CancellationToken) -> Result<(), TransportError> {
    if cancel.is_cancelled() { Err(TransportError::interrupted()) } else { Ok(()) }
}

/// What gives the bytes of a file to whoever writes them.
type Give<'a> = dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<(), TransportError>) -> Result<(), TransportError> + 'a;

/// Writes a file under a temporary name, and then in the place of its earlier version, no more open to others than
/// `mode`.
fn put(
    root: &Root,
    cancel: &CancellationToken,
    (folder, name): (&OwnedFd, &[u8]),
    (path, mode): (&FilePath, u32),
    give: &mut Give<'_>,
) -> Result<(), TransportError> {
    let (temporary, throttle, progress) = (root.temporary()?, Throttle::new(Arc::new(|| None)), ProgressSink::new());
    let copying = Copying::new(root, &temporary, &throttle, &progress, cancel);
    let mut file = Temporary::create(&copying, no_more_open_than(mode, 0o666))?;
    give(&mut |bytes| file.write(bytes, path))?;
    file.replace(folder, name, wall_clock_ns(), path)
}

/// Puts the marker under its name: replacing only when asked to, for another may be quicker.
fn put_marker(root: &Root, marker: &[u8], replace: bool) -> Result<(), TransportError> {
    let what = || format!("writing the marker {}", root.shown(MARKER.as_bytes()));
    let failed = |error| TransportError::destination(error, what());
    let (own, _) = beneath::make_folders(&root.folder, OWN_FOLDER.as_bytes()).map_err(failed)?;
    let (_, name) = beneath::split(MARKER.as_bytes());
    let temporary = b"identity.json.tmp";
    if look(&own, temporary).map_err(failed)?.is_some() {
        rustix::fs::unlinkat(&own, temporary.as_slice(), AtFlags::empty()).map_err(failed)?;
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let fd = beneath::open(&own, temporary, flags, Mode::from_raw_mode(0o666)).map_err(failed)?;
    let mut file = File::from(fd);
    let written = file.write_all(marker).and_then(|()| file.sync_all());
    written.map_err(|error| TransportError::destination(error, what()))?;
    let named = match replace {
        true => rustix::fs::renameat(&own, temporary.as_slice(), &own, name),
        false => beneath::rename_new(&own, temporary, &own, name),
    };
    match named {
        // Another was quicker: whose it is is looked at next.
        Err(Errno::EXIST) => rustix::fs::unlinkat(&own, temporary.as_slice(), AtFlags::empty()).map_err(failed)?,
        named => named.map_err(|error| TransportError::destination(error, naming(&"the marker", &root.path, error)))?,
    }
    root.sync()
}
