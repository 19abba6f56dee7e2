//! Moving our own earlier files aside: nothing at a destination is overwritten or deleted.

use super::super::TransportError;
use super::super::wire::{SizedFile, Wire};
use super::layout::SUPERSEDED;
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath, escape_bytes};

/// Takes files of one run aside, to `.exlab-wizard/superseded/<n>/`: all of one push under the same number.
#[derive(Debug, Default)]
pub struct Superseded {
    number: Option<u64>,
}

impl Superseded {
    /// Files that stand there. One that went meanwhile is done.
    pub async fn take(&mut self, wire: &dyn Wire, run: &RunPath, files: &[SizedFile]) -> Result<(), TransportError> {
        if files.is_empty() {
            return Ok(());
        }
        let number = match self.number {
            Some(number) => number,
            None => next_number(wire.names_in(run, SUPERSEDED).await?.iter().map(Vec::as_slice)),
        };
        self.number = Some(number);
        match wire.move_files(run, files, &format!("{SUPERSEDED}/{number}")).await? {
            None => Ok(()),
            Some(file) => {
                let shown = escape_bytes(file.as_bytes());
                let message = format!("{shown} cannot be moved aside in {}", wire.destination());
                Err(TransportError::new(FailureClass::Conflict, Side::Destination, message))
            }
        }
    }
}

/// Moves those of the files that are there aside. A folder of such a name is none of the files that we put there.
pub async fn move_aside(wire: &dyn Wire, run: &RunPath, files: &[FilePath]) -> Result<(), TransportError> {
    if let Some(record) = files.iter().find(|file| file.is_record()) {
        // The record grows by `put_record`.
        let message = format!("{record} belongs to the record and is not moved aside");
        return Err(TransportError::new(FailureClass::Unknown, Side::Here, message));
    }
    let standing = wire.standing(run, files).await?;
    Superseded::default().take(wire, run, &standing).await?;
    wire.sync().await
}

/// Removes folders of the run that hold no file.
pub async fn remove_empty_folders(wire: &dyn Wire, run: &RunPath, folders: &[FilePath]) -> Result<(), TransportError> {
    wire.remove_empty_folders(run, folders).await?;
    wire.sync().await
}

/// The number of a new folder in [`SUPERSEDED`], after the highest one there is.
pub fn next_number<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let number = |name: &[u8]| std::str::from_utf8(name).ok()?.trim().parse::<u64>().ok();
    names.filter_map(number).max().unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::next_number;

    #[test]
    fn what_is_superseded_goes_after_the_highest_number() {
        let next = |names: &[&str]| next_number(names.iter().map(|name| name.as_bytes()));
        assert_eq!((next(&[]), next(&["1", "12", "3", "notes", "-7", "."])), (1, 13));
        assert_eq!(next(&["18446744073709551615"]), u64::MAX, "it may be taken, and then nothing moves");
    }
}
