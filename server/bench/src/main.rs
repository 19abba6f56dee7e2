//! `engine-bench`: measures the engine's own parts where they are. Its output is one JSON object, for `cargo xtask
//! bench`.

mod measure;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

/// What is measured.
#[derive(Parser, Debug)]
#[command(name = "engine-bench")]
enum Arguments {
    /// Hash one file as a run's files are hashed
    Hash {
        /// The file
        file: PathBuf,
    },
    /// Enqueue, claim and settle tiny jobs in a database of its own
    Queue {
        /// An empty folder for it
        folder: PathBuf,
        /// How many
        #[arg(long, default_value_t = 5_000)]
        jobs: u32,
    },
}

fn main() -> Result<()> {
    let answer = match Arguments::parse() {
        Arguments::Hash { file } => {
            let (bytes, taken) = measure::hash(&file)?;
            serde_json::json!({"bytes": bytes, "seconds": taken.as_secs_f64()})
        }
        Arguments::Queue { folder, jobs } => {
            let taken = tokio::runtime::Runtime::new()?.block_on(measure::queue(&folder, jobs))?;
            serde_json::json!({"jobs": jobs, "seconds": taken.as_secs_f64()})
        }
    };
    println!("{answer}");
    Ok(())
}
