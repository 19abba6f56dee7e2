//! Finding runs in the staging tree (docs/format.md): names only, no file of a run is touched.

use domain::gate::Leads;
use domain::path::{RunPath, escape_bytes};
use rustix::io::Errno;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// What stands in the staging tree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    /// Runs, in walk order.
    pub runs: Vec<RunPath>,
    /// Folders at run depth that are not runs, as shown paths below the root.
    pub unrecognised: Vec<String>,
    /// Links to folders, or to nothing, where equipment, projects, shelves or runs would stand.
    pub linked: Vec<Link>,
    /// Folders in which runs and their parents appear: the root, equipment, projects, shelves.
    pub parents: Vec<PathBuf>,
    /// Folders that could not be read: shown path below the root, and why. Runs known below them are not gone.
    pub unreadable: Vec<(String, String)>,
}

/// A link that is not followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Below the root, as shown.
    pub path: String,
    /// What stands in it, as shown.
    pub target: String,
    pub leads: Leads,
}

impl Scan {
    /// True where the run stands in a folder that could not be read, so that it is not gone.
    pub fn hides(&self, run: &RunPath) -> bool {
        self.unreadable.iter().any(|(folder, _)| {
            let below = run.as_str().strip_prefix(folder.as_str());
            below.is_some_and(|below| folder.is_empty() || below.is_empty() || below.starts_with('/'))
        })
    }
}

/// Walks equipment, project and shelf folders. Hidden names are skipped; links are named and not followed. The error is
/// that of the root itself.
pub fn scan(root: &Path) -> Result<Scan, std::io::Error> {
    let mut scan = Scan { parents: vec![root.to_owned()], ..Scan::default() };
    let mut walk = WalkDir::new(root).min_depth(1).max_depth(4).follow_links(false).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => return Err(error.into()),
            Err(error) => {
                let path = error.path().map(|path| below(root, path)).unwrap_or_default();
                let gone = error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound);
                if !gone && !error.path().is_some_and(|path| is_of_the_file_system(root, path)) {
                    let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    scan.unreadable.push((path, why));
                }
                continue;
            }
        };
        let folder = entry.file_type().is_dir();
        let hidden = entry.file_name().as_bytes().starts_with(b".");
        let shelf = entry.depth() == 3 && matches!(entry.file_name().to_str(), Some("Runs" | "TestRuns"));
        // A link at run depth is no run, as the existing system has it, and is named where it is called like one.
        let run_path = || entry.path().strip_prefix(root).ok().and_then(Path::to_str).map(RunPath::parse);
        let named = || entry.depth() < 3 || shelf || matches!(run_path(), Some(Ok(_)));
        if !hidden && entry.path_is_symlink() && named() {
            scan.linked.extend(link(root, entry.path()));
        }
        if hidden || !folder {
            if folder {
                walk.skip_current_dir();
            }
            continue;
        }
        if entry.depth() < 3 || shelf {
            scan.parents.push(entry.into_path());
            continue;
        }
        walk.skip_current_dir();
        let text = entry.path().strip_prefix(root).ok().and_then(Path::to_str);
        match text.map(RunPath::parse) {
            Some(Ok(run)) => scan.runs.push(run),
            _ => scan.unrecognised.push(below(root, entry.path())),
        }
    }
    Ok(scan)
}

/// A link behind which runs can be missed: `None` where it leads to a file.
fn link(root: &Path, path: &Path) -> Option<Link> {
    let leads = match std::fs::metadata(path) {
        Ok(target) if target.is_dir() => Leads::ToAFolder,
        Ok(_) => return None,
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Leads::Around,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Leads::Unseen,
        Err(_) => Leads::Nowhere,
    };
    let target = std::fs::read_link(path).map(|target| escape_bytes(target.as_os_str().as_bytes()));
    Some(Link { path: below(root, path), target: target.unwrap_or_default(), leads })
}

/// The folder that file systems of their own make at their top, for the system's owner alone: no run is missed in it.
fn is_of_the_file_system(root: &Path, path: &Path) -> bool {
    path == root.join("lost+found") && std::fs::symlink_metadata(path).is_ok_and(|folder| folder.uid() == 0)
}

fn below(root: &Path, path: &Path) -> String {
    escape_bytes(path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs::{create_dir_all, write};

    #[test]
    fn only_these_depths_are_runs_and_nothing_is_invisible() {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "E/P/Runs/Run_1/raw/Run_9",
            "E/P/TestRuns/TestRun_1",
            "E/P/Run_legacy",
            "E/P/Runs/Other",
            "E/P/Stray",
            "E/P/Runs/.Run_hidden",
            ".trash/P/Runs/Run_1",
            "E/Run_too_high",
        ] {
            create_dir_all(root.path().join(folder)).unwrap();
        }
        write(root.path().join("E/P/Runs/Run_file"), "").unwrap();
        std::os::unix::fs::symlink(root.path().join("E/P/Runs/Run_1"), root.path().join("E/P/Runs/Run_link")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        create_dir_all(elsewhere.path().join("P/Runs/Run_1")).unwrap();
        let file = root.path().join("E/P/Runs/Run_file");
        for (name, target) in [
            ("F", elsewhere.path().to_owned()),
            ("E/Q", elsewhere.path().join("P")),
            ("E/P/TestRuns/TestRun_away", "/nowhere/TestRun_away".into()),
            ("E/P/TestRuns/other", "/nowhere".into()),
            ("E/R/Runs", "../R/Runs".into()),
            ("G", "/nowhere".into()),
            ("E/file", file),
        ] {
            create_dir_all(root.path().join(name).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, root.path().join(name)).unwrap();
        }
        create_dir_all(root.path().join("E/P/Runs").join(OsStr::from_bytes(b"Run_\xff"))).unwrap();
        let scan = scan(root.path()).unwrap();
        let runs: Vec<_> = scan.runs.iter().map(RunPath::as_str).collect();
        assert_eq!(runs, ["E/P/Run_legacy", "E/P/Runs/Run_1", "E/P/TestRuns/TestRun_1"]);
        let linked: Vec<_> = scan.linked.iter().map(|link| (link.path.as_str(), link.leads)).collect();
        let named = [
            ("E/P/Runs/Run_link", Leads::ToAFolder),
            ("E/P/TestRuns/TestRun_away", Leads::Nowhere),
            ("E/Q", Leads::ToAFolder),
            ("E/R/Runs", Leads::Around),
            ("F", Leads::ToAFolder),
            ("G", Leads::Nowhere),
        ];
        assert_eq!(linked, named, "each is named once, and nothing behind it is walked");
        assert_eq!(scan.unrecognised, ["E/P/Runs/Other", "E/P/Runs/Run_\\xff", "E/P/Stray"]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_hides_what_is_below_it_and_no_other() {
        let scan = Scan { unreadable: vec![("A/Pc".into(), "Permission denied".into())], ..Scan::default() };
        let hides = |run: &str| scan.hides(&RunPath::parse(run).unwrap());
        assert!(hides("A/Pc/Runs/Run_1") && hides("A/Pc/Run_1"));
        assert!(!hides("A/Pc2/Runs/Run_1") && !hides("A/P/Runs/Run_1"));
    }

    #[test]
    fn a_missing_root_is_an_error_not_an_empty_tree() {
        let root = tempfile::tempdir().unwrap();
        assert!(scan(&root.path().join("nowhere")).is_err());
    }
}
