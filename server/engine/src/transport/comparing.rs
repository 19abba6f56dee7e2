//! For messages: where the destination's bytes begin to differ from the run's, as they are read back.

use super::CallContext;
use crate::files::hash::read_some;
use crate::files::source::RunFolder;
use domain::path::FilePath;
use domain::proof::FirstDifference;
use std::fs::File;
use tokio_util::sync::CancellationToken;

/// Holds what is read back against the run's file; ends the reading at the first difference.
pub(super) struct Comparing<'a> {
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
    pub fn new(source: &RunFolder, file: &FilePath, context: &'a CallContext) -> Option<Comparing<'a>> {
        let (here, stat) = source.open_file(file).ok()?;
        let stop = context.cancel.child_token();
        Some(Comparing { context, here, size: stat.size, at: 0, first: None, space: Vec::new(), stop })
    }

    /// What the reading is to be called with.
    pub fn context(&self) -> CallContext {
        CallContext { cancel: self.stop.clone(), ..self.context.clone() }
    }

    /// Some more of what is there.
    pub fn take(&mut self, there: &[u8]) {
        if self.first.is_some() {
            return;
        }
        self.space.resize(there.len(), 0);
        let mut filled = 0;
        while filled < self.space.len() {
            match read_some(&mut self.here, &mut self.space[filled..]) {
                Ok(n) if n > 0 => filled += n,
                _ => break,
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
    pub fn finish(self, whole: bool) -> Option<FirstDifference> {
        match self.first {
            Some(first) => Some(first),
            // One of them is shorter, or they are equal by now.
            None if whole && self.at != self.size => Some(FirstDifference::new(self.at, &[])),
            None => None,
        }
    }
}
