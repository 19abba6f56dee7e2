//! Calling rclone: the options that every call has, and ending one that makes no progress.
//!
//! The operator's own rclone.conf and environment count, since remotes and secrets are defined there; what this program
//! relies on is said in every call, where neither can change it. Nothing secret is ever an argument.

use super::classify;
use super::control::Control;
use super::output::{CallOutput, Stats};
use crate::machine::child::{ChildError, Input, Tool, run_listening};
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call that shows no progress for so long is ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// A destination that works by itself, on a copy or a hash of one file, says nothing meanwhile; none is thought to be
/// slower than this.
const SLOWEST_BYTES_PER_SECOND: u64 = 10 << 20;
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// In every call. Its own retries are off: failures are classified and retried here.
const ALWAYS: &[&str] = &[
    "--use-json-log",
    "--stats=1s",
    "--stats-log-level=NOTICE",
    // With any of these set otherwise it would say nothing of its progress, or say it elsewhere.
    "--log-level=NOTICE",
    "--quiet=false",
    "--verbose=0",
    "--progress=false",
    "--syslog=false",
    "--log-systemd=false",
    "--log-file=",
    "--retries=1",
    "--low-level-retries=3",
    "--contimeout=15s",
    "--ask-password=false",
    "--no-unicode-normalization",
    "--copy-links=false",
    "--dry-run=false",
    "--interactive=false",
];

/// The program as configured.
#[derive(Clone, Debug)]
pub(super) struct Rclone {
    pub program: String,
    config: Option<PathBuf>,
    /// How long a call may show no progress.
    patience: Duration,
}

/// One call in the making.
#[derive(Clone)]
pub(super) struct Call {
    tool: Tool,
    operands: Vec<OsString>,
    input: Vec<u8>,
    patience: Duration,
    what: String,
    control: Option<Arc<Control>>,
}

impl Rclone {
    pub fn new(program: String, config: Option<PathBuf>, patience: Duration) -> Rclone {
        Rclone { program, config, patience }
    }

    /// The same with less patience.
    pub fn impatient(&self, patience: Duration) -> Rclone {
        Rclone { patience, ..self.clone() }
    }

    /// `what`: what it is for, in messages.
    pub fn call(&self, command: &str, what: impl Into<String>) -> Call {
        let mut tool = Tool::new(&self.program).arg(command).args(ALWAYS);
        if let Some(config) = &self.config {
            tool = tool.arg("--config").arg(config);
        }
        Call {
            tool,
            operands: Vec::new(),
            input: Vec::new(),
            patience: self.patience,
            what: what.into(),
            control: None,
        }
    }
}

impl Call {
    /// Adds an option.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Call {
        self.tool = self.tool.arg(argument);
        self
    }

    /// Adds options.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Call {
        self.tool = self.tool.args(arguments);
        self
    }

    /// Adds places; they begin with the remote's name or a path, and stand behind `--` all the same.
    pub fn operands(mut self, operands: impl IntoIterator<Item = OsString>) -> Call {
        self.operands = operands.into_iter().collect();
        self
    }

    /// Only these names; relative to the place.
    pub fn only<'a>(mut self, names: impl IntoIterator<Item = &'a [u8]>) -> Call {
        self.tool = self.tool.args(["--files-from-raw", "-"]);
        self.input = super::names::list(names);
        self
    }

    /// Feeds it.
    pub fn input(mut self, bytes: Vec<u8>) -> Call {
        self.input = bytes;
        self
    }

    /// Runs in this folder.
    pub fn in_folder(mut self, folder: PathBuf) -> Call {
        self.tool = self.tool.in_folder(folder);
        self
    }

    /// Waits longer for a sign of progress: the destination may work on a file of so many bytes by itself.
    pub fn patient(mut self, largest: u64) -> Call {
        self.patience += Duration::from_secs(largest / SLOWEST_BYTES_PER_SECOND);
        self
    }

    /// Sets a variable, which may be secret.
    pub fn variable(mut self, name: &'static str, value: String) -> Call {
        self.tool = self.tool.variable(name, value);
        self
    }

    /// Can be told another limit while it runs.
    pub fn controlled(self, control: &Arc<Control>) -> Call {
        Call { control: Some(control.clone()), ..control.over(self) }
    }

    /// What it is for.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Runs it to its end, whatever that is. `stats` is told what rclone counts, about once a second.
    pub async fn run(
        self,
        output: &mut (dyn FnMut(&[u8]) + Send),
        stats: &mut (dyn FnMut(&Stats) + Send),
        context: &CallContext,
    ) -> Result<CallOutput, TransportError> {
        let mut tool = self.tool.arg(format!("--timeout={}s", self.patience.as_secs()));
        if !self.operands.is_empty() {
            tool = tool.arg("--").args(&self.operands);
        }
        let alive = Mutex::new(Instant::now());
        let sign = || *alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let (mut lines, mut last) = (super::output::Lines::default(), Stats::default());
        let mut take = |bytes: &[u8]| {
            sign();
            output(bytes);
        };
        let mut listen = |bytes: &[u8]| {
            let mut count = |found: &Stats| {
                if *found != last {
                    sign();
                    last = found.clone();
                }
                stats(found);
            };
            lines.take(bytes, &mut count, &|message| {
                if let Some(control) = &self.control {
                    control.hear(message);
                }
            });
        };
        let stop = context.cancel.child_token();
        let silence = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let quiet = alive.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                if quiet >= self.patience {
                    return;
                }
            }
        };
        let ended = {
            let running = run_listening(&tool, Input::Whole(&self.input), &mut take, &mut listen, &stop);
            tokio::pin!(running);
            tokio::select! {
                biased;
                ended = &mut running => Some(ended),
                () = silence => {
                    stop.cancel();
                    let _ = running.await;
                    None
                }
            }
        };
        match ended {
            Some(Ok(ended)) => Ok(CallOutput::new(ended)),
            Some(Err(error)) => Err(child(error)),
            None => {
                let message =
                    format!("{}: rclone made no progress for {} s and was ended", self.what, self.patience.as_secs());
                Err(TransportError::new(FailureClass::Network, Side::Destination, message))
            }
        }
    }

    /// Runs it and keeps what it says.
    pub async fn collect(self, context: &CallContext) -> Result<(CallOutput, Vec<u8>), TransportError> {
        let mut said = Vec::new();
        let ended = self.run(&mut |bytes: &[u8]| said.extend_from_slice(bytes), &mut |_| (), context).await?;
        Ok((ended, said))
    }

    /// The same; anything but success is a failure.
    pub async fn ask(self, context: &CallContext) -> Result<Vec<u8>, TransportError> {
        let what = self.what.clone();
        let (ended, said) = self.collect(context).await?;
        if ended.success() { Ok(said) } else { Err(classify::rclone(&ended, &what)) }
    }
}

fn child(failed: ChildError) -> TransportError {
    match failed {
        ChildError::Interrupted => TransportError::interrupted(),
        ChildError::NotFound { .. } | ChildError::Start { .. } => {
            let message = format!("{failed}: install rclone, or set sync.binaries.rclone");
            TransportError::new(FailureClass::Configuration, Side::Here, message)
        }
        ChildError::Talk { .. } => TransportError::new(FailureClass::Unknown, Side::Here, failed.to_string()),
    }
}
