//! `bench`: measures the engine's own parts where they are; hidden, for `cargo xtask bench`. The last line is a JSON object.

use super::{CommandError, print};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Jobs that go through the queue.
const JOBS: u32 = 5_000;

/// What is measured.
#[derive(Subcommand, Debug)]
pub enum BenchCommand {
    /// Hash one file as a run's files are hashed
    Hash {
        /// The file
        file: PathBuf,
    },
    /// Enqueue, claim and settle tiny jobs in a database of its own below the state folder
    Queue,
}

/// Measures and prints.
pub fn bench(command: &BenchCommand, state_folder: &Path) -> Result<(), CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::Failed(error.to_string());
    match command {
        BenchCommand::Hash { file } => {
            let (bytes, taken) = engine::measure::hash(file).map_err(|error| failed(&error))?;
            say(&serde_json::json!({"bytes": bytes, "seconds": taken.as_secs_f64()}));
        }
        BenchCommand::Queue => {
            let folder = state_folder.join("bench-queue");
            std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
            let runtime = tokio::runtime::Runtime::new().map_err(|error| failed(&error))?;
            let taken: Duration = runtime.block_on(engine::measure::queue(&folder, JOBS)).map_err(|error| failed(&error))?;
            say(&serde_json::json!({"jobs": JOBS, "seconds": taken.as_secs_f64()}));
        }
    }
    Ok(())
}

fn say(answer: &serde_json::Value) {
    print(&answer.to_string());
}
