//! inotify as a nudge: it makes the watcher look sooner and decides nothing. Network mounts have no events, queues
//! overflow, watches run out: then the periodic scan does all the work.

use super::folders::{Folders, Heard};
use crate::core::Core;
use crate::tell::index::Facts;
use domain::lifecycle::RunState;
use domain::path::{RECORD_FOLDER, RunPath};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Watches of runs that can still change, and of the folders new runs appear in.
pub struct Nudges {
    /// `None` where the system has no inotify left.
    folders: Option<Folders>,
    watched: Mutex<BTreeSet<PathBuf>>,
}

/// A run has many folders and a workstation few watches: beyond this many runs only the scan looks.
const MOST_RUNS: usize = 500;

impl Nudges {
    /// Starts listening; where the system has no inotify left, says so once and stays silent.
    pub fn start(core: Arc<Core>) -> Nudges {
        let root = PathBuf::from(core.staging.root());
        let weak: Weak<Core> = Arc::downgrade(&core);
        let folders = Folders::start(move |heard| {
            let Some(core) = weak.upgrade() else { return };
            let Heard::Changed(path) = heard else { return core.desk.scan_soon() };
            match belongs(&root, path) {
                Belongs::Run(run) => core.desk.touched(&run),
                Belongs::Parents => core.desk.scan_soon(),
                Belongs::Nothing => {}
            }
        });
        let folders = folders
            .inspect_err(|error| tracing::warn!(%error, "no inotify: new files are seen by the periodic scan only"))
            .ok();
        Nudges { folders, watched: Mutex::default() }
    }

    /// Follows the tree: called after every scan.
    pub fn watch(&self, core: &Core, parents: &[PathBuf]) {
        let Some(folders) = &self.folders else { return };
        let root = Path::new(core.staging.root());
        let wanted: BTreeSet<PathBuf> = parents.iter().cloned().collect();
        let mut hot = core.index.fold(Vec::new(), |mut hot, facts: &Facts| {
            // What can still change goes first; then sealed runs, newest first, whose late files should show soon.
            let sealed = !matches!(facts.state(), None | Some(RunState::Staging));
            hot.push((sealed, std::cmp::Reverse(facts.last_activity()), facts.run.clone()));
            hot
        });
        hot.sort();
        hot.truncate(MOST_RUNS);
        let of = |run: &RunPath| root.join(run.as_str());
        let runs: BTreeSet<PathBuf> = hot.iter().map(|(_, _, run)| of(run)).collect();
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let all: BTreeSet<PathBuf> = wanted.union(&runs).cloned().collect();
        for gone in watched.difference(&all) {
            folders.unwatch(gone);
        }
        let mut is_new_parent = false;
        for new in all.difference(&watched) {
            match folders.watch(new, runs.contains(new)) {
                Ok(()) => is_new_parent |= !runs.contains(new),
                Err(error) => tracing::debug!(path = %new.display(), %error, "not watched; the periodic scan sees it"),
            }
        }
        // Nothing was heard of what came after the scan and before the folder was listened to.
        if is_new_parent {
            core.desk.scan_soon();
        }
        for (_, _, run) in hot.iter().filter(|(sealed, _, run)| !sealed && !watched.contains(&of(run))) {
            core.desk.touched(run);
        }
        *watched = all;
    }
}

/// What a changed path says.
#[derive(PartialEq, Eq, Debug)]
enum Belongs {
    /// Something in this run changed.
    Run(RunPath),
    /// Above all runs: new runs or folders may stand there.
    Parents,
    /// Hidden, elsewhere, or our own record.
    Nothing,
}

fn belongs(root: &Path, path: &Path) -> Belongs {
    let Ok(below) = path.strip_prefix(root) else { return Belongs::Nothing };
    let segments: Vec<&str> = below.components().map_while(|part| part.as_os_str().to_str()).collect();
    for depth in [3, 4] {
        let Some(head) = segments.get(..depth) else { continue };
        if let Ok(run) = RunPath::parse(&head.join("/")) {
            return if segments.get(depth) == Some(&RECORD_FOLDER) { Belongs::Nothing } else { Belongs::Run(run) };
        }
    }
    let hidden = segments.iter().any(|segment| segment.starts_with('.'));
    if hidden || segments.len() > 4 { Belongs::Nothing } else { Belongs::Parents }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_its_run_and_our_own_writes_do_not_wake_us() {
        let of = |path: &str| belongs(Path::new("/s"), Path::new(path));
        let run = |path: &str| Belongs::Run(RunPath::parse(path).unwrap());
        assert_eq!(of("/s/E/P/Runs/Run_1/raw/a.tif"), run("E/P/Runs/Run_1"));
        assert_eq!(of("/s/E/P/Run_1"), run("E/P/Run_1"));
        assert_eq!(of("/s/E/P/Runs/Run_1/.exlab-wizard/ingest.json"), Belongs::Nothing);
        assert_eq!(of("/s/E/P/Runs"), Belongs::Parents);
        assert_eq!(of("/s/E"), Belongs::Parents);
        assert_eq!(of("/s/.exlab-clearing/x"), Belongs::Nothing);
        assert_eq!(of("/elsewhere/E/P/Runs/Run_1"), Belongs::Nothing);
    }
}
