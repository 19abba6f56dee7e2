//! The child: runs the engine, clears the run as an operator would, and dies at the step it was told.

use super::case::{DISK, the_run};
use crate::support::{Lab, fill, settings};
use domain::lifecycle::RunState;
use engine::Engine;
use engine::machine::checkpoint::{Checkpoint, Checkpoints};
use rustix::process::{Signal, getpid, kill_process};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long the run's whole life may take before the child says that it is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// The word for a disk that is filled when the clear is asked for.
pub const FULL: &str = "full";

pub struct Child {
    folder: PathBuf,
    full: bool,
    kill_at: Option<(Checkpoint, usize)>,
}

impl Child {
    /// `child FOLDER full|roomy [STEP NTH]`
    pub fn from_arguments(arguments: &[String]) -> Option<Child> {
        let [word, folder, disk, at @ ..] = arguments else { return None };
        if word != "child" {
            return None;
        }
        let kill_at = match at {
            [step, nth] => {
                let step = Checkpoint::ALL.into_iter().find(|known| format!("{known:?}") == *step)?;
                Some((step, nth.parse().ok()?))
            }
            _ => None,
        };
        Some(Child { folder: folder.into(), full: disk == FULL, kill_at })
    }

    pub fn live(self) -> ExitCode {
        let runtime = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return said(&error.to_string()),
        };
        match runtime.block_on(self.engine()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => said(&why),
        }
    }

    async fn engine(self) -> Result<(), String> {
        let mut options = Lab::options_in(&self.folder);
        options.poll_interval = Duration::from_millis(100);
        options.checkpoints = killing(self.kill_at);
        let engine = Engine::start(settings(&self.folder), options).await.map_err(|error| error.to_string())?;
        let disk = self.full.then(|| self.folder.join(DISK));
        let outcome = tokio::time::timeout(PATIENCE, to_the_end(&engine, disk.as_deref())).await;
        let row = engine.core().index.row(&the_run());
        match outcome {
            Ok(outcome) => outcome?,
            Err(_) => return Err(format!("stuck: {row:#?}, intents {:?}", engine.core().store.open_intents().await)),
        }
        engine.stop().await;
        Ok(())
    }
}

fn said(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn killing(at: Option<(Checkpoint, usize)>) -> Checkpoints {
    let Some((step, nth)) = at else { return Checkpoints::default() };
    let reached = AtomicUsize::new(0);
    Checkpoints::listening(move |taken| {
        if taken == step && reached.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            // Nothing after this call runs.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    })
}

/// Brings the run to its end as an operator would: clears it once it is verified and its record sent. A clear that was
/// begun before has to end by itself.
async fn to_the_end(engine: &Engine, full: Option<&Path>) -> Result<(), String> {
    let (core, run) = (engine.core(), the_run());
    loop {
        let open = !core.store.open_intents().await.map_err(|error| error.to_string())?.is_empty();
        let ended = core.store.last_ended_life(&run).await.map_err(|error| error.to_string())?.is_some();
        if ended && !open {
            break;
        }
        let clearable = core.index.look(&run, |facts| {
            facts.state() == Some(RunState::SyncVerified) && facts.job.as_ref().is_some_and(|job| job.record_sent)
        });
        if clearable == Some(true) && !open {
            full.into_iter().for_each(fill);
            engine.clear(run.as_str()).await.map_err(|problem| format!("clear: {problem:?}"))?;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let again = engine.clear(run.as_str()).await.map_err(|problem| format!("cleared once more: {problem:?}"))?;
    match (again.files_freed, again.bytes_freed) {
        (0, 0) => Ok(()),
        freed => Err(format!("cleared once more it freed {freed:?}")),
    }
}
