//! One rclone: the named files of the run into our temporary folder at the destination.
//!
//! When our limit changes, rclone is told ([`Control`]) and goes on. One that does not listen is ended and started
//! anew: what it had finished stays; the files in flight, four at most, are sent again.

use super::classify;
use super::control::Control;
use super::names::is_odd;
use super::output::{CallOutput, Stats};
use super::session::{Session, join};
use crate::files::source::RunFolder;
use crate::machine::progress::ProgressSink;
use crate::transport::{CallContext, TransportError};
use domain::job::FailureClass;
use rustix::fd::AsFd;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the limit is asked for while a transfer runs.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What is to be sent.
pub(super) struct CopyCall<'a> {
    pub session: &'a Session,
    pub source: &'a RunFolder,
    /// Where files come to lie under their names; below the root.
    pub data: &'a [u8],
    /// Paths inside the run.
    pub names: &'a [&'a [u8]],
    /// Their bytes in all.
    pub bytes: u64,
    /// What lies there already does not count.
    pub again: bool,
    pub context: &'a CallContext,
}

/// Why single files were not sent; the others are there.
pub(super) struct Unsent {
    /// What rclone said.
    pub error: TransportError,
    /// The server gave no reason, and says the same of a full disk.
    pub may_be_full: bool,
}

/// Sends files.
pub(super) async fn send(sending: &CopyCall<'_>) -> Result<Option<Unsent>, TransportError> {
    let mut counted =
        Counted { progress: sending.context.progress.clone(), total: sending.bytes, this_attempt: 0, counted: 0 };
    let mut failed = None;
    let (odd, plain): (Vec<&[u8]>, Vec<&[u8]>) = sending.names.iter().copied().partition(|name| is_odd(name));
    let mut groups: Vec<Group<'_>> = odd.into_iter().map(Group::One).collect();
    if !plain.is_empty() {
        groups.insert(0, Group::Many(plain));
    }
    for group in &groups {
        let said = loop {
            let limit = (sending.context.limit)();
            match attempt(sending, group, limit, &mut counted).await? {
                Some(said) => break said,
                None => continue,
            }
        };
        if said.success() {
            continue;
        }
        let error = classify::sending(&said, "sending files");
        let may_be_full = error.class == FailureClass::Unknown && classify::may_be_full(&said);
        match error.class {
            // Of some files only: the others are placed all the same.
            FailureClass::LocalRead
            | FailureClass::LocalFileChanged
            | FailureClass::LocalFileVanished
            | FailureClass::Configuration
            | FailureClass::DestinationFull
            | FailureClass::Unknown => failed = failed.or(Some(Unsent { error, may_be_full })),
            _ => return Err(error),
        }
    }
    counted.finish();
    Ok(failed)
}

/// What one rclone is told to carry.
enum Group<'a> {
    /// Names for its list.
    Many(Vec<&'a [u8]>),
    /// A name that no list of its carries.
    One(&'a [u8]),
}

/// Runs rclone once; `None` when it was ended because the limit is another now.
async fn attempt(
    sending: &CopyCall<'_>,
    group: &Group<'_>,
    limit: Option<u64>,
    counted: &mut Counted,
) -> Result<Option<CallOutput>, TransportError> {
    let CopyCall { session, source, data, again, context, .. } = sending;
    // The handle follows the folder when it is renamed, and no link leads elsewhere.
    let folder = PathBuf::from(format!("/proc/self/fd/{}", source.dir().as_fd().as_raw_fd()));
    let call = match group {
        Group::Many(names) => {
            let call = session.write("copy", "sending files").operands([OsString::from("."), session.at(data)]);
            call.only(names.iter().copied())
        }
        Group::One(name) => {
            let here = OsStr::from_bytes(&[b"./", *name].concat()).to_owned();
            session.write("copyto", "sending files").operands([here, session.at(&join(data, name))])
        }
    };
    let control = Arc::new(Control::new());
    let call = options(call, session, *again, limit).in_folder(folder).controlled(&control);
    counted.begin_attempt();
    let stop = context.cancel.child_token();
    let own = CallContext { cancel: stop.clone(), ..(*context).clone() };
    let mut count = |stats: &Stats| counted.take(stats);
    let other_limit = async {
        let mut known = limit;
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            let limit = (context.limit)();
            if limit != known && !control.set_limit(&session.place.rclone, limit, &own).await {
                return;
            }
            known = limit;
        }
    };
    let mut nothing = |_: &[u8]| ();
    let running = call.run(&mut nothing, &mut count, &own);
    tokio::pin!(running);
    tokio::select! {
        biased;
        said = &mut running => return said.map(Some),
        () = other_limit => stop.cancel(),
    }
    let _ = running.await;
    if context.cancel.is_cancelled() { Err(TransportError::interrupted()) } else { Ok(None) }
}

fn options(call: super::tool::Call, session: &Session, again: bool, limit: Option<u64>) -> super::tool::Call {
    let mut options = vec!["--no-traverse".to_owned()];
    options.extend(session.backend.copy_options().iter().map(|option| (*option).to_owned()));
    if again {
        options.push("--ignore-times".to_owned());
    }
    if session.backend.precision_ns.is_none() {
        options.push("--size-only".to_owned());
    }
    if let Some(limit) = limit {
        options.push(format!("--bwlimit={}k", limit.max(1)));
    }
    call.args(options)
}

/// Reads rclone's own counting, for progress only.
struct Counted {
    progress: ProgressSink,
    /// Bytes of all that is to be sent.
    total: u64,
    /// Bytes of the current attempt, as rclone said last.
    this_attempt: u64,
    /// Bytes given to the progress.
    counted: u64,
}

impl Counted {
    fn begin_attempt(&mut self) {
        self.this_attempt = 0;
    }

    fn add(&mut self, bytes: u64) {
        let bytes = bytes.min(self.total - self.counted);
        self.counted += bytes;
        self.progress.add_bytes(bytes);
    }

    fn take(&mut self, stats: &Stats) {
        let more = stats.bytes.saturating_sub(self.this_attempt);
        if more > 0 {
            self.this_attempt = stats.bytes;
            self.add(more);
        }
    }

    /// What rclone did not say, since it found it there or was too quick.
    fn finish(&mut self) {
        self.add(self.total);
    }
}
