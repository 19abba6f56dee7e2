//! One rsync: the named files of the run into our temporary folder at the server.
//!
//! rsync's limit is fixed when it starts: when ours changes, it is ended and started anew. What it had finished stays,
//! and so does the part of the file it was at, so that hardly a byte is sent twice.

use super::classify;
use super::session::Session;
use crate::files::source::RunFolder;
use crate::machine::child::{Ended, Tool, run};
use crate::machine::progress::ProgressSink;
use crate::transport::{CallContext, TransportError};
use domain::path::FilePath;
use rustix::fd::AsFd;
use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// How often the limit is asked for while a transfer runs.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Folder that the part of a file lies in which was being sent, beside its place. By a relative name: of a part under
/// an absolute one the rsync of Debian 12 (3.2.7-1+deb12u5) does not go on, and crashes where it makes holes.
pub(super) const PARTS: &str = ".exlab-orchestrator-part";
/// rsync ends itself after so many seconds without a byte.
const SILENCE_SECONDS: u32 = 120;

/// What one rsync is told.
pub(super) struct RsyncCall<'a> {
    pub session: &'a Session,
    pub source: &'a RunFolder,
    /// Where files come to lie under their names; absolute, at the server.
    pub data: &'a [u8],
    /// Files of the run.
    pub files: &'a [&'a FilePath],
    /// Their bytes in all.
    pub bytes: u64,
    /// What lies there already does not count.
    pub again: bool,
    pub context: &'a CallContext,
}

/// Sends files. Gives the failure of single files back, with what rsync said; the others are there.
pub(super) async fn send(sending: &RsyncCall<'_>) -> Result<Option<TransportError>, TransportError> {
    let progress = sending.context.progress.clone();
    let mut counted = Counted { progress, total: sending.bytes, this_attempt: 0, counted: 0, line: Vec::new() };
    loop {
        let limit = (sending.context.limit)();
        let Some(ended) = attempt(sending, limit, &mut counted).await? else { continue };
        let connection = &sending.session.place.connection;
        let ended = connection.without_greeting(ended);
        if let Some(error) = classify::greeted(&ended, connection.greeting().as_deref()) {
            return Err(error);
        }
        let failed = match ended.code {
            Some(0) => None,
            Some(23 | 24) => Some(classify::rsync(&ended)),
            _ => return Err(classify::rsync(&ended)),
        };
        counted.finish();
        return Ok(failed);
    }
}

/// Runs rsync once; `None` when it was ended because the limit is another now.
async fn attempt(
    sending: &RsyncCall<'_>,
    limit: Option<u64>,
    counted: &mut Counted,
) -> Result<Option<Ended>, TransportError> {
    let RsyncCall { session, source, data, files, again, context, .. } = sending;
    let connection = &session.place.connection;
    let (shell, _in_call) = connection.rsync_shell(context).await?;
    // The handle follows the folder when it is renamed, and no link leads elsewhere.
    let folder = PathBuf::from(format!("/proc/self/fd/{}", source.dir().as_fd().as_raw_fd()));
    let mut tool = Tool::new(&connection.server().rsync)
        .args(["--files-from=-", "--from0", "--times", "--omit-dir-times", "--protect-args", "--no-human-readable"])
        .args(["--info=progress2", "--outbuf=L", "--chmod=a-s,Dgo-w,Du+rwx,Fgo-w,Fa-x,Fu+rw", "--sparse"])
        .args([format!("--timeout={SILENCE_SECONDS}")])
        .args([format!("--partial-dir={PARTS}")])
        .args([format!("--rsh={shell}")])
        .in_folder(folder);
    if *again {
        tool = tool.arg("--ignore-times");
    }
    if let Some(limit) = limit {
        tool = tool.arg(format!("--bwlimit={}", limit.max(1)));
    }
    let remote = [connection.server().for_rsync().as_bytes(), b":", data, b"/"].concat();
    tool = tool.args(["--", "./"]).arg(OsStr::from_bytes(&remote));
    let stop = context.cancel.child_token();
    counted.begin_attempt();
    let mut take = |bytes: &[u8]| counted.take(bytes);
    let other_limit = async {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            if (context.limit)() != limit {
                return;
            }
        }
    };
    let names = listed(files);
    let running = run(&tool, &names, &mut take, &stop);
    tokio::pin!(running);
    tokio::select! {
        biased;
        ended = &mut running => return ended.map(Some).map_err(classify::child),
        () = other_limit => stop.cancel(),
    }
    // Ended in order, so that the server keeps the part it has.
    let _ = running.await;
    if context.cancel.is_cancelled() { Err(TransportError::interrupted()) } else { Ok(None) }
}

/// For `--files-from`. rsync takes a line that begins with `#` or `;` for a comment, NUL-separated or not.
fn listed(files: &[&FilePath]) -> Vec<u8> {
    files.iter().flat_map(|file| [b"./", file.as_bytes(), b"\0"].concat()).collect()
}

/// Reads rsync's own counting, for progress only.
struct Counted {
    progress: ProgressSink,
    /// Bytes of all that is to be sent.
    total: u64,
    /// Bytes of the current attempt, as rsync said last.
    this_attempt: u64,
    /// Bytes given to the progress.
    counted: u64,
    line: Vec<u8>,
}

impl Counted {
    fn begin_attempt(&mut self) {
        self.this_attempt = 0;
        self.line.clear();
    }

    fn add(&mut self, bytes: u64) {
        let bytes = bytes.min(self.total - self.counted);
        self.counted += bytes;
        self.progress.add_bytes(bytes);
    }

    /// What rsync did not say, since it found it there or was too quick.
    fn finish(&mut self) {
        self.add(self.total);
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    if let Some(bytes) = bytes_of(&self.line) {
                        let more = bytes.saturating_sub(self.this_attempt);
                        self.this_attempt = self.this_attempt.max(bytes);
                        self.add(more);
                    }
                    self.line.clear();
                }
                other if self.line.len() < 200 => self.line.push(*other),
                _ => {}
            }
        }
    }
}

/// `      1234567  12%  100.00MB/s    0:00:01 (xfr#1, to-chk=0/3)`
fn bytes_of(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split_ascii_whitespace();
    let bytes = words.next()?.replace(',', "").parse().ok()?;
    words.next()?.strip_suffix('%')?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_however_it_is_cut() {
        let progress = ProgressSink::new();
        let mut counted =
            Counted { progress: progress.clone(), total: 2_500, this_attempt: 0, counted: 0, line: Vec::new() };
        let said = b"\r      1,000  12%  100.00MB/s    0:00:01\r   2000  24%  1MB/s  0:00:01 (xfr#1, to-chk=0/3)\nsending 5 files\n";
        for piece in said.chunks(7) {
            counted.take(piece);
        }
        assert_eq!((counted.counted, progress.snapshot().bytes_done), (2000, 2000));
        assert_eq!(bytes_of(b"12 files"), None);
        counted.begin_attempt();
        counted.take(b" 900 3% x y\n");
        assert_eq!(progress.snapshot().bytes_done, 2500, "never more than there is");
    }
}
