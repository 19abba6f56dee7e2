//! Reading one file back: whole, or until it differs from the run's.

use super::Place;
use super::session::Session;
use crate::files::source::RunFolder;
use crate::transport::comparing::Comparing;
use crate::transport::{CallContext, TransportError};
use domain::path::{FilePath, RunPath};
use domain::proof::FirstDifference;
use std::sync::Arc;

/// For messages: where the destination's bytes begin to differ.
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
    let whole = read_whole(&session, run, file, &mut |there| comparing.take(there), &own)
        .await
        .is_ok_and(|said| said.is_none());
    comparing.finish(whole)
}

/// Reads a file of the run; `None` when all of it came, else why not.
pub(super) async fn read_whole(
    session: &Session,
    run: &RunPath,
    file: &FilePath,
    output: &mut (dyn FnMut(&[u8]) + Send),
    context: &CallContext,
) -> Result<Option<String>, TransportError> {
    // Without the option rclone looks for the name in a listing, and says nothing when that shows the name in another
    // way.
    let call = session
        .call("cat", format!("reading {file} back"))
        .arg("--no-traverse")
        .operands([session.at(&session.in_run(run, file.as_bytes()))]);
    let ended = call.run(output, &mut |_| (), context).await?;
    Ok((!ended.success()).then(|| ended.telling().chars().take(300).collect()))
}
