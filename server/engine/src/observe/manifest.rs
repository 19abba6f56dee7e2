//! What a completeness manifest promises and the run does not hold yet.
//!
//! Windows programs write `raw\a.bin` for `raw/a.bin` and `A.bin` for `a.bin`. A path that is not there as it is
//! written is taken as meant where exactly one file of the run can be meant by it, and by no other entry.

use super::near;
use crate::files::source::RunFolder;
use domain::completeness::Manifest;
use domain::path::FilePath;
use std::collections::{HashMap, HashSet};

/// Reads a manifest; the error is a sentence for a finding.
pub fn read(folder: &RunFolder, path: &FilePath) -> Result<Manifest, String> {
    use std::io::Read;
    const LIMIT: u64 = 256 << 20;
    let (file, _) = folder.open_file(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!("it is larger than {} MiB", LIMIT >> 20));
    }
    Manifest::parse(&bytes)
}

/// What is missing, as a sentence; `None` when everything is there with its size. Blocking.
pub fn lacks(folder: &RunFolder, manifest: &Manifest) -> Option<String> {
    let mut missing = 0_u64;
    let mut first = None;
    // Made when the first file is not there as it is written.
    let mut alike = None;
    for (path, size) in &manifest.files {
        let found = match folder.open_file(path) {
            Ok((_, stat)) => Ok(stat.size),
            Err(_) => alike.get_or_insert_with(|| Alike::of(folder, manifest)).meant(folder, path),
        };
        let there = match found {
            Ok(found) if found == *size => continue,
            Ok(found) => format!("{path} has {found} of {size} bytes"),
            Err(sentence) => sentence,
        };
        missing += 1;
        first.get_or_insert(there);
    }
    let first = first?;
    Some(if missing == 1 { first } else { format!("{first}, and {} more", missing - 1) })
}

/// The run's files by how they are written when slashes and case are left out of account. One file is meant by one
/// entry: what an entry names exactly is meant by no other, and what was taken as meant once is not taken again.
struct Alike<'a> {
    files: HashMap<String, Vec<FilePath>>,
    /// What the manifest names as it is written.
    named: HashSet<&'a FilePath>,
    /// Those beyond ASCII by how people see their names; made when one is asked for.
    by_form: Option<HashMap<String, FilePath>>,
    /// What was taken as meant, and by which entry.
    taken: HashMap<FilePath, &'a FilePath>,
}

impl<'a> Alike<'a> {
    fn of(folder: &RunFolder, manifest: &'a Manifest) -> Alike<'a> {
        let mut files: HashMap<String, Vec<FilePath>> = HashMap::new();
        for entry in folder.walk().into_iter().flatten().filter_map(Result::ok).filter(|entry| entry.is_data_file()) {
            files.entry(key(&entry.path)).or_default().push(entry.path);
        }
        Alike {
            files,
            named: manifest.files.iter().map(|(path, _)| path).collect(),
            by_form: None,
            taken: HashMap::new(),
        }
    }

    /// The size of the one file that can be meant by `path`; the error is a sentence.
    fn meant(&mut self, folder: &RunFolder, path: &'a FilePath) -> Result<u64, String> {
        let alike = self.files.get(&key(path)).map_or(&[][..], Vec::as_slice);
        let (of_others, free): (Vec<&FilePath>, Vec<&FilePath>) = alike.iter().partition(|file| self.is_of_other(file));
        match free[..] {
            [one] => {
                let (_, stat) = folder.open_file(one).map_err(|error| error.to_string())?;
                self.taken.insert(one.clone(), path);
                Ok(stat.size)
            }
            [] => Err(match of_others.first() {
                Some(other) => {
                    let entry = self.taken.get(*other).copied().unwrap_or(other);
                    format!("{path} is not there yet: {other} is, but it belongs to the manifest's entry {entry}")
                }
                None => match self.looking_alike(path) {
                    Some(other) => format!(
                        "{path} is not there yet; a file stands there whose name looks the same in another Unicode \
                         form ({}): is it meant?",
                        beyond_ascii(other)
                    ),
                    None => format!("{path} is not there yet"),
                },
            }),
            _ => {
                let names: Vec<String> = free.iter().map(ToString::to_string).collect();
                Err(format!(
                    "{path} is not there as it is written, and may mean {}: write the one that is meant",
                    names.join(" or ")
                ))
            }
        }
    }

    /// Only names beyond ASCII have another form.
    fn looking_alike(&mut self, path: &FilePath) -> Option<&FilePath> {
        if path.as_bytes().is_ascii() {
            return None;
        }
        let Alike { files, by_form, .. } = self;
        let by_form = by_form.get_or_insert_with(|| {
            let beyond = files.iter().filter(|(key, _)| !key.is_ascii());
            beyond.filter_map(|(key, paths)| Some((near::seen(key), paths.first()?.clone()))).collect()
        });
        by_form.get(&near::seen(&key(path)))
    }

    fn is_of_other(&self, file: &FilePath) -> bool {
        self.named.contains(file) || self.taken.contains_key(file)
    }
}

/// Tells apart what looks the same.
fn beyond_ascii(path: &FilePath) -> String {
    let escape = |c: char| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() };
    path.to_string().chars().map(escape).collect()
}

/// `.\raw\\a.bin\` is `raw/a.bin`, as Windows means it.
fn key(path: &FilePath) -> String {
    let text = String::from_utf8_lossy(path.as_bytes()).to_lowercase();
    let segments: Vec<&str> = text.split(['/', '\\']).filter(|segment| !matches!(*segment, "" | ".")).collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::source::StagingRoot;
    use domain::path::RunPath;
    use rstest::rstest;

    #[test]
    fn s24_what_windows_writes_is_taken_as_meant_where_only_one_meaning_is_possible() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("E/P/Runs/Run_1");
        std::fs::create_dir_all(run.join("raw")).unwrap();
        for (name, bytes) in [("raw/a.bin", "1234"), ("raw/B.bin", "12"), ("raw/b.bin", "12"), ("c.bin", "123")] {
            std::fs::write(run.join(name), bytes).unwrap();
        }
        let folder = StagingRoot::open(root.path()).unwrap().run(&RunPath::parse("E/P/Runs/Run_1").unwrap()).unwrap();
        let lacks = |files: &[(&str, u64)]| {
            let files = files.iter().map(|(path, size)| (FilePath::new(*path).unwrap(), *size)).collect();
            super::lacks(&folder, &Manifest { files })
        };
        assert_eq!(lacks(&[("raw\\A.BIN", 4), ("raw/b.bin", 2), ("C.bin", 3)]), None);
        for path in [".\\raw\\a.bin", "\\raw\\a.bin", "raw\\\\a.bin", "raw\\a.bin\\", ".\\RAW\\.\\a.bin"] {
            assert_eq!(lacks(&[(path, 4)]), None, "{path}");
        }
        assert_eq!(lacks(&[("RAW/a.bin", 5)]).unwrap(), "RAW/a.bin has 4 of 5 bytes");
        assert_eq!(lacks(&[("raw/d.bin", 1)]).unwrap(), "raw/d.bin is not there yet");
        let several = lacks(&[("raw\\b.BIN", 2)]).unwrap();
        assert!(several.contains("raw/B.bin or raw/b.bin"), "{several}");
    }

    #[rstest]
    #[case(&["raw/a.bin"], &["raw/a.bin", "raw/A.bin"], Some("raw/A.bin is not there yet: raw/a.bin is"))]
    #[case(&["raw/a.bin"], &["raw/A.bin", "raw/a.bin"], Some("raw/A.bin is not there yet: raw/a.bin is"))]
    #[case(&["raw/a.bin"], &["raw/a.bin", "raw\\a.bin"], Some("raw\\a.bin is not there yet"))]
    #[case(&["raw/a.bin"], &["Raw/a.bin", "RAW/a.bin"], Some("it belongs to the manifest's entry Raw/a.bin"))]
    #[case(&["raw/a.bin", "raw/A.bin"], &["raw/a.bin", "raw/A.bin"], None)]
    // One of two is named as it is written, so that the other entry can mean only the other one.
    #[case(&["raw/a.bin", "raw/A.bin"], &["raw/a.bin", "raw\\A.bin"], None)]
    #[case(&["raw/a.bin"], &["raw\\A.bin"], None)]
    #[case(&["raw/\u{fc}.bin"], &["raw/u\u{308}.bin"], Some("(raw/\\u{fc}.bin): is it meant?"))]
    fn a_file_is_meant_by_one_entry_alone(#[case] stand: &[&str], #[case] listed: &[&str], #[case] says: Option<&str>) {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("E/P/Runs/Run_1");
        std::fs::create_dir_all(run.join("raw")).unwrap();
        stand.iter().for_each(|name| std::fs::write(run.join(name), "1234").unwrap());
        let folder = StagingRoot::open(root.path()).unwrap().run(&RunPath::parse("E/P/Runs/Run_1").unwrap()).unwrap();
        let files = listed.iter().map(|path| (FilePath::new(*path).unwrap(), 4)).collect();
        let lacks = super::lacks(&folder, &Manifest { files });
        match says {
            None => assert_eq!(lacks, None),
            Some(says) => assert!(lacks.as_ref().is_some_and(|lacks| lacks.contains(says)), "{lacks:?}"),
        }
    }
}
