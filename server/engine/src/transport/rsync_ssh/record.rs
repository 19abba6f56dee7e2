//! The record at the server: replaced by rename as it grows, hashed there. An earlier life's record moves to
//! `.exlab-wizard/lives/<n>/` first.

use super::hashes::hash_batch;
use super::look::word_here;
use super::moves::Aside;
use super::quote::shell_word;
use super::session::Session;
use super::{Place, classify, look};
use crate::files::hash::{CHUNK, read_some};
use crate::keep::record_bytes::RecordBytes;
use crate::transport::rules::layout::{NOT_OF_ONE_LIFE, RECORDS, list_name, temporary_of_record};
use crate::transport::rules::record::{LIST_BYTES_AT_MOST, Plan, entries_of, list_of, refuse_stray};
use crate::transport::{CallContext, Hashed, RecordFile, TransportError};
use domain::job::{FailureClass, Side};
use domain::path::{FilePath, RunPath};
use domain::proof::Digest;
use std::sync::Arc;

/// Read ahead of the connection.
const PIECES_WAITING: usize = 2;

/// Keeps the record of life `$earlier`; the current folder is the record's. What is not of one life stays.
const KEEP_EARLIER: &str = r#"
if [ ! -e "lives/$earlier" ] && [ ! -L "lives/$earlier" ]; then
mkdir -p "lives/$earlier.moving" || exit 1
for e in ./* ./.[!.]* ./..?*; do
[ -e "$e" ] || [ -L "$e" ] || continue
case "$e" in NOT_OF_ONE_LIFE) continue;; esac
if [ -e "lives/$earlier.moving/$e" ]; then echo "$e is in the way" >&2; exit 1; fi
mv "$e" "lives/$earlier.moving/" || exit 1
done
mv "lives/$earlier.moving" "lives/$earlier" || exit 1
fi
"#;

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
    place.note_tool(session.can.hash_tool);
    begin(&session, run, life, context).await?;
    let ours = ours(&session, run, context).await?;
    let plan = Plan::of(files, &ours, hash_record(&session, run, files, context).await?)?;
    let names: Vec<&[u8]> = plan.strangers.iter().map(FilePath::as_bytes).collect();
    Aside::default().take(&session, run, &names, context).await?;
    if !plan.to_write.is_empty() {
        write(&session, run, &plan, context).await?;
    }
    session.sync(context).await?;
    hash_record(&session, run, files, context).await
}

/// Makes the folder of the record, and keeps an earlier life's.
async fn begin(session: &Session, run: &RunPath, life: u64, context: &CallContext) -> Result<(), TransportError> {
    let mut script = [session.make(&[&session.run(run)]), session.enter_run(run)].concat();
    script.extend_from_slice(b"mkdir -p .exlab-wizard && [ ! -L .exlab-wizard ] && cd .exlab-wizard || exit 62\n");
    if life > 1 {
        script.extend_from_slice(format!("earlier={}", life - 1).as_bytes());
        let kept = NOT_OF_ONE_LIFE.map(|name| format!("./{name}")).join("|");
        script.extend_from_slice(KEEP_EARLIER.replace("NOT_OF_ONE_LIFE", &kept).as_bytes());
    }
    session.ask(&script, &format!("writing the record of {run}"), context).await.map(drop)
}

async fn hash_record(
    session: &Session,
    run: &RunPath,
    files: &[RecordFile],
    context: &CallContext,
) -> Result<Vec<Hashed>, TransportError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let quiet = CallContext { progress: crate::machine::progress::ProgressSink::new(), ..context.clone() };
    let bytes = files.iter().map(|file| file.bytes.size()).sum();
    hash_batch(session, run, files.iter().map(|file| file.path.clone()).collect(), bytes, &quiet).await
}

/// Brings the files to our temporary folder, then renames all of them, the list of what is ours first.
async fn write(session: &Session, run: &RunPath, plan: &Plan<'_>, context: &CallContext) -> Result<(), TransportError> {
    let [temporary, records] = [temporary_of_record(run).as_str(), RECORDS].map(|name| session.path(name.as_bytes()));
    session.ask(&session.make(&[&temporary, &records]), "making a folder for the record", context).await?;
    let [temporary, records] = [temporary, records].map(|path| super::quote::shell_word(&path));
    upload(session, &temporary, "ours", &list_of(&plan.ours).into_bytes().into(), context).await?;
    for (n, file) in plan.to_write.iter().enumerate() {
        upload(session, &temporary, &n.to_string(), &file.bytes, context).await?;
    }
    let mut script = session.enter_run(run);
    script.extend([b"from=".to_vec(), temporary, b"\nmv -f \"$from/ours\" ".to_vec(), records, b"/".to_vec()].concat());
    // As `list_may_stay` has it.
    let otherwise = if plan.replaces { "exit 1" } else { ":" };
    script.extend_from_slice(format!("{} || {otherwise}\n", list_name(run)).as_bytes());
    let folders = plan.to_write.iter().flat_map(|file| look::folders_above(&file.path));
    look::call(&mut script, "mkdir -p", folders);
    for (n, file) in plan.to_write.iter().enumerate() {
        let word = word_here(file.path.as_bytes());
        script.extend(
            [
                b"if [ -d ".to_vec(),
                word.clone(),
                format!(" ]; then exit 62; fi\nmv -f \"$from/{n}\" ").into_bytes(),
                word,
            ]
            .concat(),
        );
        script.extend_from_slice(b" || exit 1\n");
    }
    script.extend_from_slice(b"rm -rf \"$from\"");
    session.ask(&script, &format!("writing the record of {run}"), context).await.map(drop)
}

/// Writes one file into our temporary folder; `temporary` is a word. One that changes here meanwhile arrives otherwise
/// than it was hashed.
async fn upload(
    session: &Session,
    temporary: &[u8],
    name: &str,
    bytes: &RecordBytes,
    context: &CallContext,
) -> Result<(), TransportError> {
    let inner = [b"cat >".to_vec(), temporary.to_vec(), format!("/{name}").into_bytes()].concat();
    let command = [b"sh -c ".to_vec(), shell_word(&inner)].concat();
    let command = String::from_utf8(command).map_err(|_| {
        let message = format!("the path {} is not text", session.place.describe());
        TransportError::new(FailureClass::Configuration, Side::Destination, message)
    })?;
    let (give, mut pieces) = tokio::sync::mpsc::channel(PIECES_WAITING);
    let mut reader = bytes.reader();
    let reading = tokio::task::spawn_blocking(move || {
        let mut space = vec![0; CHUNK];
        while let Ok(read @ 1..) = read_some(&mut reader, &mut space) {
            if give.blocking_send(space[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    let ended = session.place.connection.command_taking(&command, &mut pieces, context).await;
    drop(pieces);
    // Ends by itself: nobody takes any more, or everything was read.
    let _ = reading.await;
    let ended = ended?;
    if ended.success() { Ok(()) } else { Err(classify::script(&ended, "writing the record")) }
}

/// The record files of one run that are ours, with their digests; unreadable lines are nothing known.
async fn ours(
    session: &Session,
    run: &RunPath,
    context: &CallContext,
) -> Result<Vec<(FilePath, Digest)>, TransportError> {
    let word = session.word(format!("{RECORDS}/{}", list_name(run)).as_bytes());
    let head = format!(" ]; then head -c {LIST_BYTES_AT_MOST} ").into_bytes();
    let script = [b"if [ -f ".to_vec(), word.clone(), head, word, b" || exit 1; fi".to_vec()].concat();
    let text = session.ask(&script, "reading what is ours", context).await?;
    Ok(entries_of(&String::from_utf8_lossy(&text)))
}
