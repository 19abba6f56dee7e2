//! Child processes: the one place in the engine that starts them, and ends and reaps them.
//!
//! Every child leads a process group of its own, so that what it starts ends with it: `TERM` to the group, a wait,
//! `KILL`, and the reaping. Its words are in English whatever the computer's language is, since they are read by this
//! program. Arguments never hold secrets: they are visible to every account of the computer.

use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessGroup};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// How long a child may take to end itself.
const GRACE: Duration = Duration::from_secs(3);
/// Of what a child says on standard error, this much is kept: the end of it.
const STDERR_KEPT: usize = 64 << 10;
/// One read.
const PIECE: usize = 64 << 10;
/// What a pipe that carries much holds.
const PIPE: usize = 1 << 20;

/// What to run.
#[derive(Clone)]
pub(crate) struct Tool {
    program: OsString,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    variables: Vec<(&'static str, String)>,
}

impl Tool {
    /// A name to be found on the path, or an absolute path.
    pub fn new(program: impl AsRef<OsStr>) -> Tool {
        Tool { program: program.as_ref().to_owned(), arguments: Vec::new(), folder: None, variables: Vec::new() }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Tool {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Tool {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Runs in this folder.
    pub fn in_folder(mut self, folder: PathBuf) -> Tool {
        self.folder = Some(folder);
        self
    }

    /// Sets a variable of its environment, which only this account can read: the one way to give it a secret.
    pub fn variable(mut self, name: &'static str, value: String) -> Tool {
        self.variables.push((name, value));
        self
    }

    /// As the operator knows it.
    pub fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

impl std::fmt::Debug for Tool {
    // Variables may be secret.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?} {:?} in {:?}", self.program, self.arguments, self.folder)
    }
}

/// What a child is given on its standard input.
pub(crate) enum Input<'a> {
    Whole(&'a [u8]),
    /// This, and then pieces as they come, until nobody sends any more. When the child takes no more, the receiver is
    /// closed.
    Pieces(&'a [u8], &'a mut Receiver<Vec<u8>>),
}

/// How a child ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The end of what it said on standard error.
    pub stderr: String,
}

impl Ended {
    /// Exit code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    fn new(status: ExitStatus, stderr: &[u8]) -> Ended {
        Ended { code: status.code(), signal: status.signal(), stderr: String::from_utf8_lossy(stderr).into_owned() }
    }
}

/// Why a child gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    #[error("{program} is not installed here")]
    NotFound { program: String },
    /// It could not be started.
    #[error("{program} cannot be started: {error}")]
    Start {
        program: String,
        /// The system's own words.
        error: std::io::Error,
    },
    /// It ran, but could not be talked with.
    #[error("{program} could not be listened to: {error}")]
    Talk {
        program: String,
        /// The system's own words.
        error: std::io::Error,
    },
    /// The cancellation fired; the child and all it started are ended and reaped.
    #[error("interrupted")]
    Interrupted,
}

/// A running child; ended with its group when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Box<dyn ChildWrapper>,
    program: String,
    group: Option<Pid>,
    reaped: bool,
}

impl Running {
    /// Starts it, with its three streams as pipes.
    pub fn start(tool: &Tool) -> Result<Running, ChildError> {
        let mut command = CommandWrap::with_new(&tool.program, |command| {
            command.args(&tool.arguments).env("LC_ALL", "C").env_remove("LANGUAGE");
            command.envs(tool.variables.iter().map(|(name, value)| (name, value)));
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            if let Some(folder) = &tool.folder {
                command.current_dir(folder);
            }
        });
        let program = tool.name();
        match command.wrap(ProcessGroup::leader()).spawn() {
            Ok(child) => {
                let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
                Ok(Running { child, program, group, reaped: false })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ChildError::NotFound { program }),
            Err(error) => Err(ChildError::Start { program, error }),
        }
    }

    /// Gives it its input, gives what it writes to `output` and `complaint` (standard error) as it comes, and waits for
    /// its end.
    pub async fn converse(
        &mut self,
        input: Input<'_>,
        output: &mut (dyn FnMut(&[u8]) + Send),
        complaint: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Ended, ChildError> {
        let (mut stdin, mut stdout, mut stderr) =
            (self.child.stdin().take(), self.child.stdout().take(), self.child.stderr().take());
        let feed = async {
            if let Some(mut stdin) = stdin.take() {
                // A child that ends without having read everything says why with its exit code.
                let _ = give(input, &mut stdin).await;
                let _ = stdin.shutdown().await;
            }
        };
        let listen = async {
            let mut space = vec![0; PIECE];
            while let Some(stdout) = &mut stdout {
                match stdout.read(&mut space).await? {
                    0 => break,
                    n => output(&space[..n]),
                }
            }
            Ok(())
        };
        let complaints = async {
            let (mut space, mut kept) = (vec![0; PIECE], Vec::new());
            while let Some(stderr) = &mut stderr {
                match stderr.read(&mut space).await? {
                    0 => break,
                    n => {
                        complaint(&space[..n]);
                        keep_end(&mut kept, &space[..n]);
                    }
                }
            }
            Ok(kept)
        };
        let ((), heard, complained): ((), std::io::Result<()>, std::io::Result<Vec<u8>>) =
            tokio::join!(feed, listen, complaints);
        let talk = |error| ChildError::Talk { program: self.program.clone(), error };
        heard.map_err(talk)?;
        let complained = complained.map_err(talk)?;
        let status =
            self.child.wait().await.map_err(|error| ChildError::Talk { program: self.program.clone(), error })?;
        self.reaped = true;
        Ok(Ended::new(status, &complained))
    }

    /// The same, or ends it when `cancel` fires.
    pub async fn converse_until(
        &mut self,
        input: Input<'_>,
        output: &mut (dyn FnMut(&[u8]) + Send),
        complaint: &mut (dyn FnMut(&[u8]) + Send),
        cancel: &CancellationToken,
    ) -> Result<Ended, ChildError> {
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            outcome = self.converse(input, output, complaint) => Some(outcome),
        };
        match outcome {
            Some(outcome) => outcome,
            None => {
                self.end().await;
                Err(ChildError::Interrupted)
            }
        }
    }

    /// What a child that has ended said on standard error, and how it ended.
    pub async fn last_words(&mut self) -> Result<Ended, ChildError> {
        self.converse(Input::Whole(&[]), &mut |_| (), &mut |_| ()).await
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        !self.reaped && matches!(self.child.try_wait(), Ok(None))
    }

    /// `TERM` to the group, a wait, `KILL`, and the reaping.
    pub async fn end(&mut self) {
        if self.reaped {
            return;
        }
        self.signal(Signal::TERM);
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            let _ = self.child.wait().await;
        }
        // Whatever is left of the group by now ignored the first signal.
        self.signal(Signal::KILL);
        self.reaped = true;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that is gone is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
        }
    }
}

async fn give(input: Input<'_>, stdin: &mut ChildStdin) -> std::io::Result<()> {
    match input {
        Input::Whole(bytes) => stdin.write_all(bytes).await,
        Input::Pieces(first, pieces) => {
            // A child that gets more at once is woken less often; a system that grants no more loses nothing.
            let _ = rustix::pipe::fcntl_setpipe_size(&*stdin, PIPE);
            let mut given = stdin.write_all(first).await;
            while given.is_ok()
                && let Some(piece) = pieces.recv().await
            {
                given = stdin.write_all(&piece).await;
            }
            pieces.close();
            given
        }
    }
}

/// Runs a tool to its end, or ends it when `cancel` fires.
pub(crate) async fn run(
    tool: &Tool,
    input: &[u8],
    output: &mut (dyn FnMut(&[u8]) + Send),
    cancel: &CancellationToken,
) -> Result<Ended, ChildError> {
    run_listening(tool, Input::Whole(input), output, &mut |_| (), cancel).await
}

/// The same, for a tool that is given its input piece by piece, or tells on standard error how far it is.
pub(crate) async fn run_listening(
    tool: &Tool,
    input: Input<'_>,
    output: &mut (dyn FnMut(&[u8]) + Send),
    complaint: &mut (dyn FnMut(&[u8]) + Send),
    cancel: &CancellationToken,
) -> Result<Ended, ChildError> {
    if cancel.is_cancelled() {
        return Err(ChildError::Interrupted);
    }
    Running::start(tool)?.converse_until(input, output, complaint, cancel).await
}

fn keep_end(kept: &mut Vec<u8>, more: &[u8]) {
    kept.extend_from_slice(more);
    if kept.len() > 2 * STDERR_KEPT {
        kept.drain(..kept.len() - STDERR_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Tool {
        Tool::new("sh").args(["-c", script])
    }

    fn is_alive(pid: i32) -> bool {
        Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }

    #[tokio::test]
    async fn input_goes_in_and_everything_comes_out() {
        let input: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
        let mut out = Vec::new();
        let mut take = |bytes: &[u8]| out.extend_from_slice(bytes);
        let tool = shell("cat; echo said >&2; echo \"$LC_ALL\" >&2; exit 7");
        let ended = run(&tool, &input, &mut take, &CancellationToken::new()).await.unwrap();
        assert_eq!((ended.code, ended.signal, ended.stderr.as_str()), (Some(7), None, "said\nC\n"));
        assert!(out == input);
    }

    #[tokio::test]
    async fn a_missing_program_is_said() {
        let error = run(&Tool::new("/no/such/program"), &[], &mut |_| (), &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(error, ChildError::NotFound { .. }), "{error}");
    }

    #[tokio::test]
    async fn s6_a_cancelled_child_ends_with_all_it_started() {
        // One that ends when asked, and one that does not listen; both with a grandchild.
        for script in ["sleep 600 & echo $!; wait", "trap '' TERM; sleep 600 & echo $!; while :; do wait; done"] {
            let cancel = CancellationToken::new();
            let (mut said, stop) = (Vec::new(), cancel.clone());
            let mut take = |bytes: &[u8]| {
                said.extend_from_slice(bytes);
                stop.cancel();
            };
            let error = run(&shell(script), &[], &mut take, &cancel).await.unwrap_err();
            assert!(matches!(error, ChildError::Interrupted));
            let grandchild: i32 = String::from_utf8(said).unwrap().trim().parse().unwrap();
            for _ in 0..500 {
                if !is_alive(grandchild) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // Its parent is gone, so whoever adopts orphans here reaps it; a zombie is no longer at work.
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            assert!(!is_alive(grandchild) || state.contains(") Z "), "{script}: {state}");
        }
    }
}
