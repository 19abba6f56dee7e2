//! The one place of xtask that spawns processes: waits for them, reads them, or keeps them running and ends them by
//! their id.
//!
//! Children get a process group of their own, so that Ctrl-C reaches xtask alone and xtask decides in which order they
//! end.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A program about to be called.
pub struct Call {
    command: Command,
    shown: String,
}

/// Cargo, without what a surrounding cargo or cargo-leptos call would change in the build.
pub fn cargo() -> Call {
    let mut call = Call::new(crate::machine::cargo_program()).cwd(crate::machine::root());
    for name in [
        "LEPTOS_OUTPUT_NAME",
        "LEPTOS_SITE_ROOT",
        "LEPTOS_SITE_PKG_DIR",
        "RUSTFLAGS_WASM",
        "CARGO_MANIFEST_DIR",
        "CARGO_PKG_NAME",
    ] {
        call.command.env_remove(name);
    }
    call.shown = "cargo".to_owned();
    call
}

impl Call {
    /// The program, found on the path unless it is a path itself.
    #[allow(clippy::disallowed_methods, reason = "the one place of xtask that spawns")]
    pub fn new(program: impl AsRef<OsStr>) -> Call {
        let shown = Path::new(program.as_ref()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Call { command, shown }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Call {
        self.shown.push(' ');
        self.shown.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Call {
        args.into_iter().fold(self, Call::arg)
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Call {
        self.command.env(name, value);
        self
    }

    /// Its working directory.
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Call {
        self.command.current_dir(folder);
        self
    }

    /// Waits; true when it exits with 0. Its output is dropped.
    pub fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Waits, and gives what it wrote to standard output. Its errors stand in the message when it fails.
    pub fn read(mut self) -> Result<String> {
        let output = self.command.output().with_context(|| format!("cannot start `{}`", self.shown))?;
        if !output.status.success() {
            bail!("`{}` ended with {}: {}", self.shown, output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits, and gives every line of both outputs as it comes.
    pub fn stream(mut self, mut on_line: impl FnMut(&str)) -> Result<()> {
        let (sender, lines) = mpsc::channel();
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = self.command.spawn().with_context(|| format!("cannot start `{}`", self.shown))?;
        let mut running = Running { child, shown: self.shown };
        forward(running.child.stdout.take(), sender.clone());
        forward(running.child.stderr.take(), sender);
        let signals = crate::stop::requests();
        loop {
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => on_line(&line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if signals.was_asked() {
                running.stop(Duration::from_secs(60))?;
                bail!("interrupted");
            }
        }
        let status = running.child.wait().with_context(|| format!("cannot wait for `{}`", running.shown))?;
        if !status.success() {
            bail!("`{}` ended with {status}", running.shown);
        }
        Ok(())
    }

    /// Keeps it running; both outputs go to `log`.
    pub fn start(mut self, log: File) -> Result<Running> {
        let errors = log.try_clone().context("cannot share the log file")?;
        self.command.stdout(log).stderr(errors).process_group(0);
        let child = self.command.spawn().with_context(|| format!("cannot start `{}`", self.shown))?;
        Ok(Running { child, shown: self.shown })
    }
}

fn forward(pipe: Option<impl Read + Send + 'static>, sender: mpsc::Sender<String>) {
    let Some(pipe) = pipe else { return };
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            bytes.clear();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// A child that goes on by itself. Dropping it ends it.
pub struct Running {
    child: Child,
    shown: String,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot wait for `{}`", self.shown))
    }

    /// Ends it at once (SIGKILL), and waits for that.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().with_context(|| format!("cannot end `{}`", self.shown))?;
        self.child.wait().with_context(|| format!("cannot wait for `{}`", self.shown))
    }

    /// Asks it to end (SIGTERM), waits that long, then ends it (SIGKILL). Says how it ended.
    pub fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        if self.ended()?.is_none() {
            // It may have ended in between: then there is nobody to ask, and waiting below answers at once.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        while begun.elapsed() < patience {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.kill()
    }
}

/// What a process of ours can be sent.
pub use rustix::process::Signal;

/// Sends a signal to a process that we started, or that one of those did. It may have ended: then nothing happens.
pub fn signal(id: u32, signal: Signal) {
    let pid = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
}

/// Everything that a process started and that still runs, and what those started, from the outside in.
pub fn descendants(id: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|child: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
            // Behind the name, which may hold anything: the state, and the parent.
            Some((child, stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![id];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.split_off(1)
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop(Duration::from_secs(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_child_is_an_error_with_its_words() {
        let error = Call::new("sh").args(["-c", "echo broken >&2; exit 3"]).read().unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("broken"), "{error}");
    }

    #[test]
    fn lines_of_both_outputs_arrive() {
        let mut lines = Vec::new();
        Call::new("sh").args(["-c", "echo one; echo two >&2"]).stream(|line| lines.push(line.to_owned())).unwrap();
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn what_a_child_starts_is_found() {
        let mut child = Call::new("sh").args(["-c", "sleep 600 & wait"]).start(tempfile::tempfile().unwrap()).unwrap();
        let found = loop {
            let found = descendants(child.id());
            if !found.is_empty() || child.ended().unwrap().is_some() {
                break found;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        };
        assert_eq!(found.len(), 1);
        assert!(descendants(std::process::id()).contains(&found[0]));
        signal(found[0], Signal::KILL);
        child.kill().unwrap();
    }

    #[test]
    fn a_running_child_ends_by_signal_and_a_deaf_one_too() {
        let log = tempfile::tempfile().unwrap();
        let mut child = Call::new("sleep").arg("600").start(log.try_clone().unwrap()).unwrap();
        assert!(child.ended().unwrap().is_none());
        assert!(!child.stop(Duration::from_secs(10)).unwrap().success());
        let mut deaf = Call::new("sh").args(["-c", "trap '' TERM; while :; do sleep 1; done"]).start(log).unwrap();
        assert!(!deaf.stop(Duration::from_millis(200)).unwrap().success());
    }
}
