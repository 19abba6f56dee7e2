//! The record at the destination: replaced as it grows, hashed there. An earlier life's record moves to
//! `.exlab-wizard/lives/<n>/` first.

use super::hashes::hash_batch;
use super::look;
use super::moves::{OutOfTheWay, move_files};
use super::names::is_odd;
use super::private_folder::PrivateFolder;
use super::session::Session;
use super::there::There;
use super::{Place, classify};
use crate::transport::rules::layout::{NOT_OF_ONE_LIFE, RECORDS, earlier_life, list_name, temporary_of_record};
use crate::transport::rules::record::{LIST_BYTES_AT_MOST, Plan, entries_of, list_of, refuse_stray};
use crate::transport::{CallContext, Hashed, RecordFile, TransportError};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RECORD_FOLDER, RunPath};
use domain::proof::Digest;
use std::ffi::OsString;
use std::sync::Arc;

/// Puts the record and hashes it there.
pub(super) async fn put(
    place: &Arc<Place>,
    run: &RunPath,
    life: u64,
    files: &[RecordFile],
    context: &CallContext,
) -> Result<Vec<Hashed>, TransportError> {
    refuse_stray(files)?;
    let session = Session::open_marked(place, context).await?;
    if life > 1 {
        keep_earlier_life(&session, run, life - 1, context).await?;
    }
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let ours = RecordList::read(&session, run, context).await?;
    let there = record_there(&session, run, context).await?;
    let plan = Plan::of(files, &ours.entries, hash_record(&session, run, &there, files, context).await?)?;
    let names: Vec<&[u8]> = plan.strangers.iter().map(FilePath::as_bytes).collect();
    OutOfTheWay::default().take(&session, run, &there, &names, context).await?;
    if !plan.to_write.is_empty() {
        match ours.write(&session, &plan.ours, context).await {
            Err(refusal) if plan.list_may_stay(&refusal) => {}
            written => written?,
        }
        write(&session, run, &plan.to_write, context).await?;
    }
    let there = record_there(&session, run, context).await?;
    hash_record(&session, run, &there, files, context).await
}

/// What the run holds, which names of the record are looked up in.
async fn record_there(session: &Session, run: &RunPath, context: &CallContext) -> Result<There, TransportError> {
    let folder = session.in_run(run, RECORD_FOLDER.as_bytes());
    Ok(look::everything_below(session, &folder, RECORD_FOLDER, &mut |_| (), context).await?.unwrap_or_default())
}

async fn hash_record(
    session: &Session,
    run: &RunPath,
    there: &There,
    files: &[RecordFile],
    context: &CallContext,
) -> Result<Vec<Hashed>, TransportError> {
    let quiet = CallContext { progress: crate::machine::progress::ProgressSink::new(), ..context.clone() };
    hash_batch(session, run, there, files.iter().map(|file| file.path.clone()).collect(), &quiet).await
}

/// Moves everything of the earlier life's record to `lives/<n>/`, once.
async fn keep_earlier_life(
    session: &Session,
    run: &RunPath,
    earlier: u64,
    context: &CallContext,
) -> Result<(), TransportError> {
    let record = session.in_run(run, RECORD_FOLDER.as_bytes());
    let kept = |name: &[u8]| {
        NOT_OF_ONE_LIFE.iter().any(|kept| name.split(|byte| *byte == b'/').next() == Some(kept.as_bytes()))
    };
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut note = |name: &[u8]| files.extend((!kept(name)).then(|| name.to_vec()));
    let Some(there) = look::everything_below(session, &record, RECORD_FOLDER, &mut note, context).await? else {
        return Ok(());
    };
    let lives = format!("{RECORD_FOLDER}/lives");
    if there.folders_in(&lives).any(|name| name == earlier.to_string().as_bytes()) {
        return Ok(());
    }
    let what = format!("keeping the record of an earlier life of {run}");
    let (done, moving) = earlier_life(earlier);
    let (done, moving) = (session.in_run(run, done.as_bytes()), session.in_run(run, moving.as_bytes()));
    let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    if let Some(first) = move_files(session, &record, &moving, &files, 0, &what, context).await?.first() {
        let message = format!("{what}: {} is in the way", domain::path::escape_bytes(first));
        return Err(TransportError::new(FailureClass::Conflict, Side::Destination, message));
    }
    let begun = there.folders_in(&lives).any(|name| name == format!("{earlier}.moving").as_bytes());
    if files.is_empty() && !begun {
        return Ok(());
    }
    session
        .write("move", what)
        .arg("--ignore-existing")
        .operands([session.at(&moving), session.at(&done)])
        .ask(context)
        .await?;
    Ok(())
}

/// Brings the files to our temporary folder with one call, then to their names with another.
async fn write(
    session: &Session,
    run: &RunPath,
    files: &[&RecordFile],
    context: &CallContext,
) -> Result<(), TransportError> {
    let temporary = temporary_of_record(run).into_bytes();
    let what = format!("writing the record of {run}");
    let mut here = PrivateFolder::make()?;
    for file in files {
        here.file(file.path.as_bytes(), &mut file.bytes.reader())?;
    }
    // `--ignore-times`: another one of the same size and second is replaced all the same.
    let options = ["--ignore-times", "--no-traverse"];
    let call = session.write("copy", what.as_str()).args(options).args(session.backend.copy_options());
    let call = call.operands([OsString::from("."), session.at(&temporary)]);
    call.in_folder(here.path().to_owned()).ask(context).await?;
    let call = session
        .write("move", what.as_str())
        .args(options)
        .operands([session.at(&temporary), session.at(&session.in_run(run, b""))]);
    // What an earlier try left there under other names stays behind, and goes with the folder.
    let call = if files.iter().any(|file| is_odd(file.path.as_bytes())) {
        call
    } else {
        call.only(files.iter().map(|file| file.path.as_bytes()))
    };
    let (ended, _) = call.collect(context).await?;
    if !ended.success() {
        return Err(classify::rclone(&ended, &what));
    }
    session.purge(&temporary, context).await
}

/// The record files of one run that are ours, with their digests.
struct RecordList {
    place: Vec<u8>,
    entries: Vec<(FilePath, Digest)>,
}

impl RecordList {
    /// Reads what is known; unreadable lines are nothing known.
    async fn read(session: &Session, run: &RunPath, context: &CallContext) -> Result<RecordList, TransportError> {
        let place = format!("{RECORDS}/{}", list_name(run)).into_bytes();
        let call = session
            .call("cat", "reading what is ours")
            .arg(format!("--head={LIST_BYTES_AT_MOST}"))
            .operands([session.at(&place)]);
        let (ended, text) = call.collect(context).await?;
        if !ended.success() && !ended.not_there() {
            return Err(classify::rclone(&ended, "reading what is ours"));
        }
        let text = if ended.success() { String::from_utf8_lossy(&text).into_owned() } else { String::new() };
        Ok(RecordList { place, entries: entries_of(&text) })
    }

    async fn write(
        &self,
        session: &Session,
        entries: &[(FilePath, Digest)],
        context: &CallContext,
    ) -> Result<(), TransportError> {
        let call = session
            .write("rcat", "writing what is ours")
            .operands([session.at(&self.place)])
            .input(list_of(entries).into_bytes());
        call.ask(context).await.map(drop)
    }
}
