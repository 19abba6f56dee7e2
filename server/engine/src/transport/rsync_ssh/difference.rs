//! For messages: where the destination's bytes begin to differ.

use super::Place;
use super::session::Session;
use crate::files::source::RunFolder;
use crate::transport::CallContext;
use crate::transport::comparing::Comparing;
use domain::path::{FilePath, RunPath};
use domain::proof::FirstDifference;
use std::sync::Arc;

/// Reads both and compares.
pub(super) async fn find(
    place: &Arc<Place>,
    run: &RunPath,
    file: &FilePath,
    source: &RunFolder,
    context: &CallContext,
) -> Option<FirstDifference> {
    let session = Session::open_marked(place, context).await.ok()?;
    let mut comparing = Comparing::new(source, file, context)?;
    let own = comparing.context();
    let whole = read_whole(&session, run, file, &mut |there| comparing.take(there), &own).await;
    comparing.finish(whole)
}

/// Reads a file of the run over the connection; true when all of it came.
pub(super) async fn read_whole(
    session: &Session,
    run: &RunPath,
    file: &FilePath,
    output: &mut (dyn FnMut(&[u8]) + Send),
    context: &CallContext,
) -> bool {
    let word = session.word(run.below_equipment().as_bytes());
    let mut script = [b"[ -e ".to_vec(), word, b" ] || exit 1\n".to_vec(), session.enter_run(run)].concat();
    script.extend_from_slice(b"exec cat ");
    script.extend(super::look::word_here(file.as_bytes()));
    script.extend_from_slice(b" </dev/null");
    session.place.connection.script(&script, output, context).await.is_ok_and(|ended| ended.success())
}
