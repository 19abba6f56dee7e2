//! Listening to folders of the staging tree by inotify. What is only read says nothing: hashing a run opens each of its
//! files, and a queue that those fill up drops what instruments do meanwhile.

use futures::StreamExt;
use inotify::{EventMask, EventOwned, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// Room for some thousands of events at once.
const BUFFER: usize = 256 << 10;

/// What is listened to.
#[derive(Debug)]
pub(super) struct Folders {
    shared: Arc<Shared>,
    listening: AbortHandle,
}

/// What was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard<'a> {
    /// Something was written, made, renamed, removed, or got another attribute here.
    Changed(&'a Path),
    /// The system dropped events: anything may have changed.
    Lost,
}

#[derive(Debug)]
struct Shared(Mutex<Watched>);

#[derive(Debug)]
struct Watched {
    watches: Watches,
    by_path: BTreeMap<PathBuf, WatchDescriptor>,
    by_descriptor: HashMap<WatchDescriptor, Folder>,
}

#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    /// Also what is below it, whenever it comes.
    with_all_below: bool,
}

impl Folders {
    /// Listens, in a task of its own, until this is dropped. Within a tokio runtime.
    pub fn start(heard: impl Fn(Heard<'_>) + Send + 'static) -> io::Result<Folders> {
        let inotify = Inotify::init()?;
        let watched = Watched { watches: inotify.watches(), by_path: BTreeMap::new(), by_descriptor: HashMap::new() };
        let shared = Arc::new(Shared(Mutex::new(watched)));
        let mut events = inotify.into_event_stream(vec![0; BUFFER])?;
        let listener = shared.clone();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) if event.mask.contains(EventMask::Q_OVERFLOW) => heard(Heard::Lost),
                    Ok(event) => {
                        let path = listener.lock().note(&event);
                        if let Some(path) = path {
                            heard(Heard::Changed(&path));
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "inotify says nothing any more: new files are seen by the periodic scan only");
                        return;
                    }
                }
            }
        });
        Ok(Folders { shared, listening: task.abort_handle() })
    }

    /// Listens to a folder, and to everything below it when asked to.
    pub fn watch(&self, folder: &Path, with_all_below: bool) -> io::Result<()> {
        self.shared.lock().add(folder, with_all_below)
    }

    /// Stops listening to a folder, and to everything below it where that was asked for.
    pub fn unwatch(&self, folder: &Path) {
        self.shared.lock().remove(folder);
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn add(&mut self, folder: &Path, with_all_below: bool) -> io::Result<()> {
        let depth = if with_all_below { usize::MAX } else { 0 };
        for entry in walkdir::WalkDir::new(folder).max_depth(depth) {
            // What went away meanwhile, or cannot be read, is the scan's to see.
            let Ok(entry) = entry else { continue };
            if entry.file_type().is_dir() {
                self.add_one(entry.into_path(), with_all_below)?;
            }
        }
        Ok(())
    }

    fn add_one(&mut self, path: PathBuf, with_all_below: bool) -> io::Result<()> {
        let what = WatchMask::CREATE
            | WatchMask::MODIFY
            | WatchMask::CLOSE_WRITE
            | WatchMask::ATTRIB
            | WatchMask::DELETE
            | WatchMask::MOVE;
        let how = WatchMask::ONLYDIR | WatchMask::DONT_FOLLOW | WatchMask::EXCL_UNLINK;
        let descriptor = match self.watches.add(&path, what | how) {
            Ok(descriptor) => descriptor,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.by_path.insert(path.clone(), descriptor.clone());
        // A folder has one descriptor, also under a new name.
        let before = self.by_descriptor.insert(descriptor, Folder { path: path.clone(), with_all_below });
        if let Some(before) = before.filter(|before| before.path != path) {
            self.by_path.remove(&before.path);
        }
        Ok(())
    }

    fn remove(&mut self, folder: &Path) {
        let with_all_below = self
            .by_path
            .get(folder)
            .and_then(|at| self.by_descriptor.get(at))
            .is_none_or(|folder| folder.with_all_below);
        let from = self.by_path.range(folder.to_owned()..).map(|(path, _)| path);
        let listened: Vec<PathBuf> = from
            .take_while(|path| if with_all_below { path.starts_with(folder) } else { *path == folder })
            .cloned()
            .collect();
        for path in listened {
            if let Some(descriptor) = self.by_path.remove(&path) {
                self.by_descriptor.remove(&descriptor);
                // One that is gone is what was wanted.
                let _ = self.watches.remove(descriptor);
            }
        }
    }

    /// Follows what an event says of folders; the path it is about.
    fn note(&mut self, event: &EventOwned) -> Option<PathBuf> {
        if event.mask.contains(EventMask::IGNORED) {
            let folder = self.by_descriptor.remove(&event.wd)?;
            if self.by_path.get(&folder.path) == Some(&event.wd) {
                self.by_path.remove(&folder.path);
            }
            return None;
        }
        let folder = self.by_descriptor.get(&event.wd)?.clone();
        let path = event.name.as_ref().map_or_else(|| folder.path.clone(), |name| folder.path.join(name));
        if event.mask.contains(EventMask::ISDIR) && folder.with_all_below {
            if event.mask.contains(EventMask::MOVED_FROM) {
                self.remove(&path);
            }
            if event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO)
                && let Err(error) = self.add(&path, true)
            {
                tracing::debug!(path = %path.display(), %error, "not watched; the periodic scan sees it");
            }
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn listening() -> (Folders, UnboundedReceiver<PathBuf>) {
        let (said, heard) = unbounded_channel();
        let folders = Folders::start(move |what| {
            if let Heard::Changed(path) = what {
                let _ = said.send(path.to_owned());
            }
        });
        (folders.unwrap(), heard)
    }

    async fn until(heard: &mut UnboundedReceiver<PathBuf>, path: &Path) -> Vec<PathBuf> {
        let mut all = Vec::new();
        while all.last().map(PathBuf::as_path) != Some(path) {
            let next = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await;
            all.push(next.unwrap_or_else(|_| panic!("{} was not heard of, only {all:?}", path.display())).unwrap());
        }
        all
    }

    #[tokio::test]
    async fn folders_that_come_later_are_heard_too_and_renamed_ones_under_their_new_names() {
        let dir = tempfile::tempdir().unwrap();
        let (run, outside) = (dir.path().join("run"), dir.path().join("outside"));
        fs::create_dir_all(run.join("old")).unwrap();
        fs::create_dir_all(outside.join("deep")).unwrap();
        let (folders, mut heard) = listening();
        folders.watch(&run, true).unwrap();
        fs::create_dir_all(run.join("new")).unwrap();
        until(&mut heard, &run.join("new")).await;
        fs::write(run.join("new/a"), "1").unwrap();
        until(&mut heard, &run.join("new/a")).await;
        fs::rename(run.join("old"), run.join("renamed")).unwrap();
        until(&mut heard, &run.join("renamed")).await;
        fs::write(run.join("renamed/b"), "1").unwrap();
        until(&mut heard, &run.join("renamed/b")).await;
        fs::rename(&outside, run.join("inside")).unwrap();
        until(&mut heard, &run.join("inside")).await;
        fs::write(run.join("inside/deep/c"), "1").unwrap();
        until(&mut heard, &run.join("inside/deep/c")).await;
        fs::rename(run.join("new"), dir.path().join("away")).unwrap();
        until(&mut heard, &run.join("new")).await;
        assert!(folders.shared.lock().by_path.keys().all(|path| !path.starts_with(run.join("new"))));
    }

    #[tokio::test]
    async fn what_is_only_read_says_nothing_and_what_is_not_listened_to_neither() {
        let dir = tempfile::tempdir().unwrap();
        let (run, parent) = (dir.path().join("run"), dir.path().join("parent"));
        fs::create_dir_all(run.join("raw")).unwrap();
        fs::create_dir_all(parent.join("below")).unwrap();
        fs::write(run.join("raw/a"), "1").unwrap();
        let (folders, mut heard) = listening();
        folders.watch(&run, true).unwrap();
        folders.watch(&parent, false).unwrap();
        fs::read(run.join("raw/a")).unwrap();
        fs::write(parent.join("below/x"), "1").unwrap();
        fs::write(run.join("raw/b"), "1").unwrap();
        let all = until(&mut heard, &run.join("raw/b")).await;
        assert!(all.iter().all(|path| *path == run.join("raw/b")), "{all:?}");
        folders.unwatch(&run);
        fs::write(run.join("raw/c"), "1").unwrap();
        fs::write(parent.join("d"), "1").unwrap();
        let all = until(&mut heard, &parent.join("d")).await;
        assert!(all.iter().all(|path| !path.starts_with(run.join("raw/c"))), "{all:?}");
    }
}
