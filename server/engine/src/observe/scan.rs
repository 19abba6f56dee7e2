//! Finding runs in the staging tree (docs/format.md): names only, no file of a run is touched.

use domain::path::{RunPath, escape_bytes};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// What stands in the staging tree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    /// Runs, in walk order.
    pub runs: Vec<RunPath>,
    /// Folders at run depth that are not runs, as shown paths below the root.
    pub unrecognised: Vec<String>,
    /// Links to folders where equipment, projects or shelves would stand, and what they lead to, as shown.
    pub linked: Vec<(String, String)>,
    /// Folders in which runs and their parents appear: the root, equipment, projects, shelves.
    pub parents: Vec<PathBuf>,
    /// Folders that could not be read: shown path below the root, and why. Runs known below them are not gone.
    pub unreadable: Vec<(String, String)>,
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
                if !gone {
                    scan.unreadable.push((path, error.to_string()));
                }
                continue;
            }
        };
        let folder = entry.file_type().is_dir();
        let hidden = entry.file_name().as_bytes().starts_with(b".");
        let shelf = entry.depth() == 3 && matches!(entry.file_name().to_str(), Some("Runs" | "TestRuns"));
        // A link at run depth is no run, as the existing system has it; above, whole trees would be missed.
        if !hidden && (entry.depth() < 3 || shelf) && entry.path_is_symlink() && leads_to_a_folder(entry.path()) {
            let target = std::fs::read_link(entry.path()).map(|target| escape_bytes(target.as_os_str().as_bytes()));
            scan.linked.push((below(root, entry.path()), target.unwrap_or_default()));
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

/// No run can be missed behind a link to a file.
fn leads_to_a_folder(link: &Path) -> bool {
    std::fs::metadata(link).is_ok_and(|target| target.is_dir())
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
        for (name, target) in
            [("F", elsewhere.path().to_owned()), ("E/Q", elsewhere.path().join("P")), ("E/broken", "/nowhere".into())]
        {
            std::os::unix::fs::symlink(target, root.path().join(name)).unwrap();
        }
        create_dir_all(root.path().join("E/P/Runs").join(OsStr::from_bytes(b"Run_\xff"))).unwrap();
        let scan = scan(root.path()).unwrap();
        let runs: Vec<_> = scan.runs.iter().map(RunPath::as_str).collect();
        assert_eq!(runs, ["E/P/Run_legacy", "E/P/Runs/Run_1", "E/P/TestRuns/TestRun_1"]);
        let linked: Vec<_> = scan.linked.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(linked, ["E/Q", "F"], "each is named once, and nothing behind it is walked");
        assert_eq!(scan.unrecognised, ["E/P/Runs/Other", "E/P/Runs/Run_\\xff", "E/P/Stray"]);
    }

    #[test]
    fn a_missing_root_is_an_error_not_an_empty_tree() {
        let root = tempfile::tempdir().unwrap();
        assert!(scan(&root.path().join("nowhere")).is_err());
    }
}
