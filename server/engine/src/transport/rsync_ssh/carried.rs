//! How rsync is told what to carry: a folder at a time where exactly what is to be sent lies in it, else file by file.
//!
//! rsync reads a list of names byte by byte and looks at each of them several times over: ten thousand small files in a list take it nearly
//! twice as long as the same in folders. What appears in such a folder at the last moment comes along, and is taken away again before
//! anything gets its name ([`super::settle`]).

use super::arrange::by_folder;
use crate::source::RunFolder;
use domain::path::FilePath;
use std::collections::HashSet;

/// Fewer files of a folder are named one by one: that takes no time.
const FEWEST: usize = 32;

/// The list for `--files-from`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Carried {
    /// Names, each ended by NUL; those of folders end with `/`.
    pub names: Vec<u8>,
    /// `--recursive` carries what is in the folders and no more, and begins while they are still read.
    pub recursive: bool,
}

impl Carried {
    /// Each by its name.
    pub fn one_by_one<'a>(files: impl IntoIterator<Item = &'a FilePath>) -> Carried {
        let mut carried = Carried::default();
        files.into_iter().for_each(|file| carried.add(file.as_bytes()));
        carried
    }

    /// By folders where that is the same. Blocking.
    pub fn by_folders(source: &RunFolder, files: &[FilePath]) -> Carried {
        let mut carried = Carried { recursive: true, ..Carried::default() };
        for (folder, files) in by_folder(files.iter().map(FilePath::as_bytes)) {
            match (files.len() >= FEWEST).then(|| holds_just(source, folder, &files)).flatten() {
                Some(holds_folders) => {
                    carried.add(&if folder.is_empty() { Vec::new() } else { [folder, b"/"].concat() });
                    carried.recursive &= !holds_folders;
                }
                None => files.iter().for_each(|file| carried.add(file)),
            }
        }
        carried
    }

    fn add(&mut self, name: &[u8]) {
        // rsync takes a line that begins with `#` or `;` for a comment, NUL-separated or not.
        self.names.extend([b"./", name, b"\0"].concat());
    }
}

/// Whether a folder holds these files and no other, and then whether it holds folders beside them.
fn holds_just(source: &RunFolder, folder: &[u8], files: &[&[u8]]) -> Option<bool> {
    let below = if folder.is_empty() { 0 } else { folder.len() + 1 };
    let mut expected: HashSet<&[u8]> = files.iter().map(|file| &file[below..]).collect();
    let (mut others, mut folders) = (false, false);
    let visit = &mut |name: &[u8], is_folder: bool| {
        folders |= is_folder;
        others |= !is_folder && !expected.remove(name);
    };
    // What cannot be read is for rsync to say, name by name.
    source.names_in(folder, visit).ok()?;
    (!others && expected.is_empty()).then_some(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::StagingRoot;
    use domain::path::RunPath;

    /// A run that holds these, and what is told for them.
    fn told(there: &[&str], sent: &[&str]) -> (Vec<String>, bool) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunPath::parse("EQ_1/P/Runs/Run_1").unwrap();
        for name in there {
            let path = dir.path().join(run.as_str()).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let source = StagingRoot::open(dir.path()).unwrap().run(&run).unwrap();
        let files: Vec<FilePath> = sent.iter().map(|name| FilePath::new(*name).unwrap()).collect();
        let Carried { names, recursive } = Carried::by_folders(&source, &files);
        let names = names.split(|byte| *byte == 0).map(|name| String::from_utf8(name.to_vec()).unwrap());
        (names.filter(|name| !name.is_empty()).collect(), recursive)
    }

    #[test]
    fn a_folder_stands_for_its_files_only_when_it_holds_just_them() {
        let many: Vec<String> = (0..40).map(|n| format!("a/b/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let with = |more: &[&'static str]| [many.as_slice(), more].concat();
        assert_eq!(told(&with(&["x", "a/y"]), &with(&["a/y", "x"])), (vec!["./x".into(), "./a/y".into(), "./a/b/".into()], true));
        let (names, recursive) = told(&with(&["a/b/late"]), &many);
        assert_eq!((names.len(), names[0].as_str(), recursive), (40, "./a/b/0", true), "another file lies there");
        let (names, _) = told(&many, &many[1..]);
        assert_eq!(names.len(), 39, "one was sent before");
        let (names, _) = told(&many[1..], &many);
        assert_eq!(names.len(), 40, "one is gone");
        assert_eq!(told(&with(&["a/b/c/d"]), &many), (vec!["./a/b/".into()], false), "what is below is not to be sent");
        assert_eq!(told(&many[..5], &many[..5]).0.len(), 5, "few");
    }

    #[test]
    fn the_runs_own_folder_never_brings_its_record() {
        let files: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let there = [files.as_slice(), &[".exlab-wizard/ingest.json"]].concat();
        assert_eq!(told(&there, &files), (vec!["./".into()], false));
    }
}
