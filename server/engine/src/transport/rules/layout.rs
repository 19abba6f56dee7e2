//! What stands where at a destination, below the equipment's root.

use domain::path::RunPath;
use sha2::{Digest as _, Sha256};

/// Our own folder.
pub const OWN_FOLDER: &str = ".exlab-orchestrator";
/// The marker: names the installation and the equipment.
pub const MARKER: &str = ".exlab-orchestrator/identity.json";
/// What is on its way has its name here.
pub const TEMPORARY: &str = ".exlab-orchestrator/tmp";
/// Lists of what is ours of runs' records.
pub const RECORDS: &str = ".exlab-orchestrator/records";
/// Where files of ours go that another generation replaces, below the run: one numbered folder for every time.
pub const SUPERSEDED: &str = ".exlab-wizard/superseded";
/// Folders of a record's folder that are not one life's, by their names in it.
pub const NOT_OF_ONE_LIFE: [&str; 3] = ["lives", "superseded", "versions"];

/// The folder for data of this run on its way; the same for every attempt, so that what has arrived is found again.
pub fn temporary_of(run: &RunPath) -> String {
    format!("{TEMPORARY}/{}", short_name(run))
}

/// The folder for files of this run's record on their way.
pub fn temporary_of_record(run: &RunPath) -> String {
    format!("{TEMPORARY}/record-{}", short_name(run))
}

/// The name, in [`RECORDS`], of the list of what is ours of this run's record.
pub fn list_name(run: &RunPath) -> String {
    hex::encode(Sha256::digest(run.as_str().as_bytes()))
}

fn short_name(run: &RunPath) -> String {
    hex::encode(&Sha256::digest(run.as_str().as_bytes())[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_run_are_the_same_for_every_attempt() {
        let run = RunPath::parse("EQ_1/P/Runs/Run_1").unwrap();
        assert_eq!(temporary_of(&run), ".exlab-orchestrator/tmp/3ce241221b7bf392be7d2618");
        assert_eq!(list_name(&run).len(), 64);
    }
}
