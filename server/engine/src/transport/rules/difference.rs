//! For messages: where the destination's bytes begin to differ from the run's, as they are read back.

use super::super::{CallContext, Transport};
use crate::files::hash::read_some;
use crate::files::source::RunFolder;
use domain::path::{FilePath, RunPath};
use domain::proof::FirstDifference;
use std::fs::File;
use tokio_util::sync::CancellationToken;

/// Where the destination's bytes of a file begin to differ from the run's; `None` where they do not, or where one of
/// them cannot be read.
pub async fn first_difference(
    transport: &(impl Transport + ?Sized),
    run: &RunPath,
    file: &FilePath,
    source: &RunFolder,
    context: &CallContext,
) -> Option<FirstDifference> {
    let mut comparing = Comparing::new(source, file, context)?;
    let wire = transport.open(&comparing.context()).await.ok()?;
    let whole = wire.read(run, file, &mut |there| comparing.take(there)).await.unwrap_or(false);
    comparing.finish(whole)
}

/// Holds what is read back against the run's file; ends the reading at the first difference.
struct Comparing<'a> {
    context: &'a CallContext,
    here: File,
    size: u64,
    at: u64,
    first: Option<FirstDifference>,
    space: Vec<u8>,
    stop: CancellationToken,
}

impl<'a> Comparing<'a> {
    /// `None` when the run's file cannot be read.
    fn new(source: &RunFolder, file: &FilePath, context: &'a CallContext) -> Option<Comparing<'a>> {
        let (here, stat) = source.open_file(file).ok()?;
        let stop = context.cancel.child_token();
        Some(Comparing { context, here, size: stat.size, at: 0, first: None, space: Vec::new(), stop })
    }

    /// What the reading is to be called with.
    fn context(&self) -> CallContext {
        CallContext { cancel: self.stop.clone(), ..self.context.clone() }
    }

    /// Some more of what is there.
    fn take(&mut self, there: &[u8]) {
        if self.first.is_some() {
            return;
        }
        self.space.resize(there.len(), 0);
        let mut filled = 0;
        while filled < self.space.len() {
            match read_some(&mut self.here, &mut self.space[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                // Nothing can be said of what cannot be read here.
                Err(_) => return self.stop.cancel(),
            }
        }
        let same = there.iter().zip(&self.space[..filled]).take_while(|(a, b)| a == b).count();
        if same < there.len() {
            self.first = Some(FirstDifference::new(self.at + same as u64, &there[same..]));
            self.stop.cancel();
        }
        self.at += there.len() as u64;
    }

    /// `whole`: everything there was read.
    fn finish(self, whole: bool) -> Option<FirstDifference> {
        match self.first {
            Some(first) => Some(first),
            // One of them is shorter, or they are equal by now.
            None if whole && self.at != self.size => Some(FirstDifference::new(self.at, &[])),
            None => None,
        }
    }
}
