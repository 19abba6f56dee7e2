//! What instruments finished writing, by content: the campaign's own books, which know nothing of the program.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// SHA-256 of a file's bytes.
pub type Digest = [u8; 32];

/// Of these bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Of what stands at a path; `None` where no regular file can be read.
pub fn digest_at(path: &Path) -> Option<Digest> {
    fs::symlink_metadata(path).ok()?.is_file().then(|| fs::read(path).ok()).flatten().map(|bytes| digest(&bytes))
}

/// One run, by the paths it has had, and what is owed of it: content, and where it was written.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Below the staging root; the latest is last.
    pub names: Vec<String>,
    /// By content.
    pub owed: BTreeMap<Digest, String>,
    /// Files beside the staging tree that nothing may touch.
    pub precious: Vec<(PathBuf, Digest)>,
}

/// All accounts that are open.
#[derive(Default)]
pub struct Books(Mutex<BTreeMap<u64, Account>>);

impl Books {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of one.
    pub fn account(&self, id: u64) -> Account {
        self.all().get(&id).cloned().unwrap_or_default()
    }

    /// Copies of all.
    pub fn accounts(&self) -> Vec<(u64, Account)> {
        self.all().iter().map(|(id, account)| (*id, account.clone())).collect()
    }

    /// The run stands at this path from now on.
    pub fn named(&self, id: u64, name: &str) {
        self.all().entry(id).or_default().names.push(name.to_owned());
    }

    /// An instrument has finished writing this.
    pub fn owe(&self, id: u64, digest: Digest, path: &str) {
        self.all().entry(id).or_default().owed.insert(digest, path.to_owned());
    }

    /// Whoever owns it destroys it now, or the only copy was destroyed on the NAS.
    pub fn let_go(&self, id: u64, digest: &Digest) {
        if let Some(account) = self.all().get_mut(&id) {
            account.owed.remove(digest);
        }
    }

    /// A file outside the staging tree, for nobody to touch.
    pub fn guard(&self, id: u64, path: PathBuf, digest: Digest) {
        self.all().entry(id).or_default().precious.push((path, digest));
    }

    /// The trial is over.
    pub fn close(&self, id: u64) {
        self.all().remove(&id);
    }
}
