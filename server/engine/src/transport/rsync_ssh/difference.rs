//! For messages: where the destination's bytes begin to differ.

use super::Place;
use super::session::Session;
use crate::hash::read_some;
use crate::source::RunFolder;
use crate::transport::CallContext;
use domain::path::{FilePath, RunPath};
use std::sync::Arc;

/// Reads both and compares.
pub(super) async fn find(place: &Arc<Place>, run: &RunPath, file: &FilePath, source: &RunFolder, context: &CallContext) -> Option<u64> {
    let session = Session::open_marked(place, context).await.ok()?;
    let (mut here, stat) = source.open_file(file).ok()?;
    let stop = context.cancel.child_token();
    let own = CallContext { cancel: stop.clone(), ..context.clone() };
    let (mut at, mut first, mut space) = (0_u64, None, Vec::new());
    let mut compare = |there: &[u8]| {
        if first.is_some() {
            return;
        }
        space.resize(there.len(), 0);
        let mut filled = 0;
        while filled < space.len() {
            match read_some(&mut here, &mut space[filled..]) {
                Ok(n) if n > 0 => filled += n,
                _ => break,
            }
        }
        let same = there.iter().zip(&space[..filled]).take_while(|(a, b)| a == b).count();
        if same < there.len() {
            first = Some(at + same as u64);
            stop.cancel();
        }
        at += there.len() as u64;
    };
    let ended = read_whole(&session, run, file, &mut compare, &own).await;
    match (first, ended) {
        (Some(first), _) => Some(first),
        // One of them is shorter, or they are equal by now.
        (None, true) if at != stat.size => Some(at),
        (None, _) => None,
    }
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
