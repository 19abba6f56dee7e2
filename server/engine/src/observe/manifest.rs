//! What a completeness manifest promises and the run does not hold yet.
//!
//! Windows programs write `raw\a.bin` for `raw/a.bin` and `A.bin` for `a.bin`. A path that is not there as it is
//! written is taken as meant where exactly one file of the run can be meant by it.

use crate::files::source::RunFolder;
use domain::completeness::Manifest;
use domain::path::FilePath;
use std::collections::HashMap;

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
            Err(_) => meant(folder, alike.get_or_insert_with(|| Alike::of(folder)), path),
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

fn meant(folder: &RunFolder, alike: &Alike, path: &FilePath) -> Result<u64, String> {
    match alike.to(path) {
        [one] => folder.open_file(one).map(|(_, stat)| stat.size).map_err(|error| error.to_string()),
        [] => Err(format!("{path} is not there yet")),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(format!(
                "{path} is not there as it is written, and may mean {}: write the one that is meant",
                names.join(" or ")
            ))
        }
    }
}

/// The run's files by how they are written when slashes and case are left out of account.
struct Alike(HashMap<String, Vec<FilePath>>);

impl Alike {
    fn of(folder: &RunFolder) -> Alike {
        let mut alike: HashMap<String, Vec<FilePath>> = HashMap::new();
        for entry in folder.walk().into_iter().flatten().filter_map(Result::ok).filter(|entry| entry.is_data_file()) {
            alike.entry(key(&entry.path)).or_default().push(entry.path);
        }
        Alike(alike)
    }

    fn to(&self, path: &FilePath) -> &[FilePath] {
        self.0.get(&key(path)).map_or(&[], Vec::as_slice)
    }
}

fn key(path: &FilePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).replace('\\', "/").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::source::StagingRoot;
    use domain::path::RunPath;

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
        assert_eq!(lacks(&[("RAW/a.bin", 5)]).unwrap(), "RAW/a.bin has 4 of 5 bytes");
        assert_eq!(lacks(&[("raw/d.bin", 1)]).unwrap(), "raw/d.bin is not there yet");
        let several = lacks(&[("raw\\b.BIN", 2)]).unwrap();
        assert!(several.contains("raw/B.bin or raw/b.bin"), "{several}");
    }
}
