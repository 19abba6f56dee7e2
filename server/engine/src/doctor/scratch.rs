//! A folder for the made-up runs, their listings and seals, below the state folder; gone when the visit ends.

use domain::timestamp::Timestamp;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Made with a fresh name, for this account only; removed when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    /// Names the runs of this visit: `20261125T032110.123Z`.
    pub stamp: String,
    /// Makes the content of this visit's files another one than that of any earlier visit.
    pub seed: u64,
}

impl Scratch {
    /// Makes it. `now_ms`: milliseconds since 1970.
    pub fn make(state_folder: &Path, now_ms: i64) -> std::io::Result<Scratch> {
        let folder = state_folder.join(format!("doctor-{}", uuid::Uuid::new_v4().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let scratch = Scratch { folder, stamp: stamp(now_ms), seed: now_ms.unsigned_abs() };
        std::fs::create_dir(scratch.staging())?;
        Ok(scratch)
    }

    /// Stands for a staging root.
    pub fn staging(&self) -> PathBuf {
        self.folder.join("staging")
    }

    /// For a listing or a seal.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is small, and harms nobody.
        #[allow(
            clippy::disallowed_methods,
            reason = "made by ourselves with a fresh name, and nobody else's: no data of a run is in it"
        )]
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn stamp(now_ms: i64) -> String {
    let seconds = Timestamp::from_unix_seconds(now_ms.div_euclid(1000)).to_string();
    let plain: String = seconds.trim_end_matches('Z').chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{plain}.{:03}Z", now_ms.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_goes_with_everything_in_it() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(state.path(), 1_764_041_592_007).unwrap();
        assert_eq!(scratch.stamp, "20251125T033312.007Z");
        std::fs::write(scratch.staging().join("x"), "x").unwrap();
        assert_eq!(std::fs::metadata(&scratch.folder).unwrap().permissions().mode() & 0o777, 0o700);
        drop(scratch);
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
    }
}
