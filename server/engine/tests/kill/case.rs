//! One case: a child that is killed at a step, a second one that is not, and the end.

use super::child::FULL;
use super::end;
use crate::support::{Lab, Mounted, SENTINEL, run};
use domain::path::RunPath;
use engine::machine::checkpoint::Checkpoint;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Where the one disk is mounted, in the laboratory's folder.
pub const DISK: &str = "disk";

/// What a case came to: how long it took, or what was wrong.
pub type Outcome = Result<Duration, String>;

/// Where the first child dies.
#[derive(Clone, Copy)]
pub struct Case {
    pub step: Checkpoint,
    /// The first, second... time that the step is reached.
    pub nth: usize,
    /// Staging and state share one disk, which is filled to its last byte when the clear is asked for, and stays so.
    pub full: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            1 => write!(f, "{:?}", self.step)?,
            nth => write!(f, "{:?} number {nth}", self.step)?,
        }
        if self.full { write!(f, " on a full disk") } else { Ok(()) }
    }
}

/// One line of the report.
pub fn line(case: Case, outcome: &Outcome) -> String {
    match outcome {
        Ok(time) => format!("ok      killed at {case}, started again: the same end ({} ms)", time.as_millis()),
        Err(why) => format!("FAILED  killed at {case}: {why}"),
    }
}

/// The run of every case: nested, empty, hidden, oddly named, and a record folder deep inside, which is data (D7).
pub fn the_run() -> RunPath {
    run("Run_2026-04-17T14-32")
}

pub const DATA: [(&str, &[u8]); 8] = [
    ("raw/deep/frame_1.tif", &[7; 300_000]),
    ("raw/deep/frame_2.tif", &[8; 1_000]),
    (" odd 'näme' $(x) -rf.txt", b"as planned"),
    ("empty.dat", b""),
    (".hidden", b"seen all the same"),
    ("cam/.exlab-wizard/nested.raw", b"deep inside"),
    ("raw/frame_3.tif", &[9; 4_097]),
    (SENTINEL, b""),
];

/// Tries one case in a laboratory of its own.
pub fn try_case(case: Case) -> Outcome {
    let begun = Instant::now();
    let lab = Lab::new();
    let _disk = case.full.then(|| one_disk(&lab));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(lab.mark());
    let creation = include_bytes!("../../../../app/domain/tests/fixtures/creation/experimental.json");
    lab.push(&the_run(), &[(".exlab-wizard/creation.json", creation)]);
    lab.push(&the_run(), &DATA);
    std::fs::create_dir_all(lab.staging(the_run().as_str()).join("raw/nothing yet"))
        .map_err(|error| error.to_string())?;

    let (status, said) = child(&lab, case, true)?;
    if status.signal() != Some(rustix::process::Signal::KILL.as_raw()) {
        return Err(format!("the step was never reached, the child ended with {status}: {said}"));
    }
    let (status, said) = child(&lab, case, false)?;
    if !status.success() {
        return Err(format!("started again it ended with {status}: {said}"));
    }
    runtime.block_on(end::check(&lab))?;
    Ok(begun.elapsed())
}

/// Staging and state on one small disk.
fn one_disk(lab: &Lab) -> Mounted {
    let disk = lab.path(DISK);
    std::fs::create_dir(&disk).unwrap();
    let mounted = Mounted::tmpfs(&disk, "24m");
    for name in ["staging", "state"] {
        std::fs::create_dir(disk.join(name)).unwrap();
        std::fs::remove_dir(lab.path(name)).unwrap();
        std::os::unix::fs::symlink(disk.join(name), lab.path(name)).unwrap();
    }
    mounted
}

#[allow(clippy::disallowed_methods, reason = "the child to be killed is this very program")]
fn child(lab: &Lab, case: Case, dies: bool) -> Result<(ExitStatus, String), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = std::process::Command::new(program);
    command.arg("child").arg(lab.folder.path()).stdin(Stdio::null());
    command.arg(if case.full { FULL } else { "roomy" });
    if dies {
        command.arg(format!("{:?}", case.step)).arg(case.nth.to_string());
    }
    let output = command.output().map_err(|error| error.to_string())?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status, said))
}
