//! Where content may stand: the staging tree, what is aside while it is cleared, and the NAS, also while the campaign
//! keeps it away.

use super::books::{Account, Digest, digest_at};
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of the staging root in which runs stand while they are cleared.
const ASIDE: &str = ".exlab-clearing";

/// Folders of one site.
#[derive(Clone, Debug)]
pub struct Places {
    /// The staging root.
    pub staging: PathBuf,
    /// The folder that holds every equipment's folder on the NAS, and where it stands while the NAS is away.
    pub nas: [PathBuf; 2],
}

impl Places {
    /// A run here.
    pub fn here(&self, name: &str) -> PathBuf {
        self.staging.join(name)
    }

    /// A run on the NAS.
    pub fn there(&self, name: &str) -> PathBuf {
        let there = |nas: &PathBuf| nas.join(name);
        self.nas.iter().map(there).find(|path| path.exists()).unwrap_or_else(|| self.nas[0].join(name))
    }

    /// What is owed and stands nowhere. Looked at again before it is said, since what is moved meanwhile may be missed
    /// once.
    pub fn lost(&self, account: &Account) -> Vec<(Digest, String)> {
        let mut missing: Vec<(Digest, String)> = account
            .owed
            .iter()
            .filter(|(digest, path)| !self.stands_where_it_belongs(account, path, digest))
            .map(|(digest, path)| (*digest, path.clone()))
            .collect();
        for _ in 0..4 {
            if missing.is_empty() {
                break;
            }
            let found = self.contents(account);
            missing.retain(|(digest, _)| !found.contains(digest));
        }
        missing
    }

    /// Files beside the staging tree that are not what they were.
    pub fn touched(account: &Account) -> Vec<PathBuf> {
        account
            .precious
            .iter()
            .filter(|(path, digest)| digest_at(path).as_ref() != Some(digest))
            .map(|(path, _)| path.clone())
            .collect()
    }

    fn stands_where_it_belongs(&self, account: &Account, path: &str, digest: &Digest) -> bool {
        account.names.iter().rev().any(|name| {
            digest_at(&self.here(name).join(path)).as_ref() == Some(digest)
                || self.nas.iter().any(|nas| digest_at(&nas.join(name).join(path)).as_ref() == Some(digest))
        })
    }

    /// True where the content stands on this machine.
    pub fn stands_here(&self, account: &Account, digest: &Digest) -> bool {
        let folders = account.names.iter().map(|name| self.here(name)).chain([self.staging.join(ASIDE)]);
        folders.map(|folder| contents_below(&folder)).any(|found| found.contains(digest))
    }

    /// Of everything that may hold the run: here before there before here, so that what moves on is met at least once.
    fn contents(&self, account: &Account) -> Vec<Digest> {
        let here = || account.names.iter().map(|name| self.here(name)).chain([self.staging.join(ASIDE)]);
        let there = self.nas.iter().flat_map(|nas| account.names.iter().map(|name| nas.join(name)));
        here().chain(there).chain(here()).flat_map(|folder| contents_below(&folder)).collect()
    }
}

/// Digests of all files below a folder; what goes meanwhile is left out.
pub fn contents_below(folder: &Path) -> Vec<Digest> {
    files_below(folder).iter().filter_map(|path| digest_at(path)).collect()
}

/// All regular files below a folder, links not followed.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}
