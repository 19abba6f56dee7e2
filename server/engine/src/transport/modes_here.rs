//! How open to others a run's folder and those above it are here: at a destination they are made no more open.

use domain::path::RunPath;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The permissions of a folder of the staging tree, by its path below the equipment; those of a folder that cannot be
/// looked at allow nobody else anything. Blocking.
pub(super) fn mode_here(staging: &Path, run: &RunPath, below: &str) -> u32 {
    let folder = staging.join(run.equipment()).join(below);
    std::fs::symlink_metadata(folder).ok().filter(|found| found.is_dir()).map_or(0, |found| found.mode() & 0o777)
}

/// Every folder of a run's path below the equipment, the uppermost first, with its permissions here. Blocking.
pub(super) fn modes_here(staging: &Path, run: &RunPath) -> Vec<(String, u32)> {
    let path = run.below_equipment();
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.map(|end| (path[..end].to_owned(), mode_here(staging, run, &path[..end]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_folder_has_its_own_and_one_that_is_not_there_allows_nothing() {
        let staging = tempfile::tempdir().unwrap();
        let run = RunPath::parse("EQ_1/P/Runs/Run_1").unwrap();
        let project = staging.path().join("EQ_1/P");
        std::fs::create_dir_all(project.join("Runs")).unwrap();
        std::fs::set_permissions(&project, std::fs::Permissions::from_mode(0o750)).unwrap();
        std::fs::set_permissions(project.join("Runs"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let modes = [("P".to_owned(), 0o750), ("P/Runs".to_owned(), 0o755), ("P/Runs/Run_1".to_owned(), 0)];
        assert_eq!(modes_here(staging.path(), &run), modes);
    }
}
