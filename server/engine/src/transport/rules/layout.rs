//! What stands where at a destination, below the equipment's root.

use super::super::TransportError;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
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

/// The number of a new folder in [`SUPERSEDED`], after the highest one there is.
pub fn next_superseded<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let number = |name: &[u8]| std::str::from_utf8(name).ok()?.trim().parse::<u64>().ok();
    names.filter_map(number).max().unwrap_or(0).saturating_add(1)
}

/// Where the record of an earlier life goes, below the run, and where it is gathered before, so that a crash in between
/// cannot mix the two.
pub fn earlier_life(life: u64) -> (String, String) {
    let done = format!("{}/lives/{life}", domain::path::RECORD_FOLDER);
    let moving = format!("{done}.moving");
    (done, moving)
}

/// The record grows by [`super::record`] and is never moved aside as data is.
pub fn refuse_record(files: &[FilePath]) -> Result<(), TransportError> {
    match files.iter().find(|file| file.is_record()) {
        None => Ok(()),
        Some(record) => {
            let message = format!("{record} belongs to the record and is not moved aside");
            Err(TransportError::new(FailureClass::Unknown, Side::Here, message))
        }
    }
}

/// What was taken aside could not be.
pub fn not_taken_aside(file: &[u8], destination: &str) -> TransportError {
    let message = format!("{} cannot be moved aside in {destination}", domain::path::escape_bytes(file));
    TransportError::new(FailureClass::Conflict, Side::Destination, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_superseded_goes_after_the_highest_number() {
        let next = |names: &[&str]| next_superseded(names.iter().map(|name| name.as_bytes()));
        assert_eq!((next(&[]), next(&["1", "12", "3", "notes", "-7", "."])), (1, 13));
        assert_eq!(next(&["18446744073709551615"]), u64::MAX, "it may be taken, and then nothing moves");
    }

    #[test]
    fn places_of_a_run_are_the_same_for_every_attempt() {
        let run = RunPath::parse("EQ_1/P/Runs/Run_1").unwrap();
        assert_eq!(temporary_of(&run), ".exlab-orchestrator/tmp/3ce241221b7bf392be7d2618");
        assert_eq!(list_name(&run).len(), 64);
        assert_eq!(earlier_life(2), (".exlab-wizard/lives/2".to_owned(), ".exlab-wizard/lives/2.moving".to_owned()));
    }
}
