//! Giving files their names at the destination: from our temporary folder to where they belong, or aside. Never over
//! another file.
//!
//! The names were seen to be free just before; `--ignore-existing` leaves alone what appeared since. What then still
//! lies where it lay was not moved.

use super::look::{self, Kind};
use super::names::is_odd;
use super::session::{Session, join};
use super::there::There;
use super::{Place, classify};
use crate::transport::rules::layout::{SUPERSEDED, next_superseded, not_taken_aside, refuse_record};
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Moves files from below one folder of the root to below another; the names of those that something was in the way of.
/// `largest`: bytes of the largest of them, which some destinations copy to move it.
pub(super) async fn move_files(
    session: &Session,
    from: &[u8],
    to: &[u8],
    files: &[&[u8]],
    largest: u64,
    what: &str,
    context: &CallContext,
) -> Result<BTreeSet<Vec<u8>>, TransportError> {
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (odd, plain): (Vec<&[u8]>, Vec<&[u8]>) = files.iter().copied().partition(|name| is_odd(name));
    let mut complaint = None;
    if !plain.is_empty() {
        let call = session.write("move", what).patient(largest).args(["--no-traverse", "--ignore-existing"]);
        let call = call.operands([session.at(from), session.at(to)]).only(plain);
        let ended = call.run(&mut |_| (), &mut |_| (), context).await?;
        complaint = (!ended.success()).then_some(ended);
    }
    for name in odd {
        let call = session.write("moveto", what).patient(largest).arg("--ignore-existing");
        let call = call.operands([session.at(&join(from, name)), session.at(&join(to, name))]);
        let ended = call.run(&mut |_| (), &mut |_| (), context).await?;
        if !ended.success() {
            complaint = Some(ended);
        }
    }
    let Some(left) = look::everything(session, from, context).await? else { return Ok(BTreeSet::new()) };
    let mut unmoved = BTreeSet::new();
    for name in files {
        if look::one(session, from, name, &left, context).await?.is_some() {
            unmoved.insert(name.to_vec());
        }
    }
    if unmoved.is_empty() {
        return Ok(unmoved);
    }
    let there = look::everything(session, to, context).await?.unwrap_or_default();
    for name in &unmoved {
        let taken = is_taken(session, to, name, &there, context).await?;
        if !taken {
            return Err(match &complaint {
                Some(ended) => classify::rclone(ended, what),
                None => {
                    let message = format!(
                        "{what}: {} was not moved, and rclone did not say why",
                        domain::path::escape_bytes(name)
                    );
                    TransportError::new(FailureClass::Unknown, Side::Destination, message)
                }
            });
        }
    }
    Ok(unmoved)
}

/// Something stands under the name, or where a folder above it must be.
async fn is_taken(
    session: &Session,
    to: &[u8],
    name: &[u8],
    there: &There,
    context: &CallContext,
) -> Result<bool, TransportError> {
    for (at, _) in name.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        if there.plain(&name[..at])?.is_some_and(|seen| seen.kind != Kind::Folder) {
            return Ok(true);
        }
    }
    Ok(look::one(session, to, name, there, context).await?.is_some())
}

/// Takes files of a run aside, all of one push under the same number.
#[derive(Debug, Default)]
pub(super) struct OutOfTheWay {
    number: Option<u64>,
}

impl OutOfTheWay {
    /// Moves the files, which are there, to `.exlab-wizard/superseded/<n>/`. `there`: what the run holds.
    pub async fn take(
        &mut self,
        session: &Session,
        run: &RunPath,
        there: &There,
        files: &[&[u8]],
        context: &CallContext,
    ) -> Result<(), TransportError> {
        if files.is_empty() {
            return Ok(());
        }
        let number = self.number.unwrap_or_else(|| next_superseded(there.folders_in(SUPERSEDED)));
        self.number = Some(number);
        let from = session.in_run(run, b"");
        let to = session.in_run(run, format!("{SUPERSEDED}/{number}").as_bytes());
        let mut largest = 0;
        for file in files {
            let seen = if is_odd(file) { there.odd(file) } else { there.plain(file) };
            largest = seen?.map_or(largest, |seen| largest.max(seen.size));
        }
        let unmoved = move_files(session, &from, &to, files, largest, "moving files aside", context).await?;
        match unmoved.first() {
            None => Ok(()),
            Some(file) => Err(not_taken_aside(file, &session.place.describe())),
        }
    }
}

/// Moves our own earlier files aside; missing ones are done already.
pub(super) async fn move_files_aside(
    place: &Arc<Place>,
    run: &RunPath,
    files: &[FilePath],
    context: &CallContext,
) -> Result<(), TransportError> {
    refuse_record(files)?;
    let session = Session::open_marked(place, context).await?;
    let folder = session.in_run(run, b"");
    let Some(there) = look::everything(&session, &folder, context).await? else { return Ok(()) };
    let mut found = Vec::new();
    for file in files {
        // A folder of that name is none of the files that we put there.
        if look::one(&session, &folder, file.as_bytes(), &there, context)
            .await?
            .is_some_and(|seen| seen.kind != Kind::Folder)
        {
            found.push(file.as_bytes());
        }
    }
    OutOfTheWay::default().take(&session, run, &there, &found, context).await
}

/// Removes folders that hold no file. What holds one stays, and the push names it.
pub(super) async fn remove_empty_folders(
    place: &Arc<Place>,
    run: &RunPath,
    folders: &[FilePath],
    context: &CallContext,
) -> Result<(), TransportError> {
    let session = Session::open_marked(place, context).await?;
    let run_folder = session.in_run(run, b"");
    let there = look::everything(&session, &run_folder, context).await?.unwrap_or_default();
    for folder in folders {
        if there.plain(folder.as_bytes())?.is_some_and(|seen| seen.kind != Kind::Folder) {
            continue;
        }
        let what = format!("removing the empty folder {folder}");
        let call =
            session.write("rmdirs", what.as_str()).operands([session.at(&session.in_run(run, folder.as_bytes()))]);
        let ended = call.run(&mut |_| (), &mut |_| (), context).await?;
        let gone = ended.not_there() || ended.telling().contains("no such file or directory");
        if !ended.success() && !gone {
            return Err(classify::rclone(&ended, &what));
        }
    }
    Ok(())
}
