//! Made-up instruments: pushes runs into a staging tree as real ones do, for demos and tests.
//!
//! Files grow over time and the completeness signal comes last. Among the runs are a test run, a big one, and one to
//! which a file is added late. What happens when is planned first (`plan`, the same for the same seed), then carried
//! out (`push`). Only folders made here are written to.

mod equipment;
mod plan;
mod push;

use clap::Args;
use domain::timestamp::Timestamp;
use engine::machine::clock::Clock;
use equipment::Instrument;
use plan::Plan;
use push::Pusher;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// What to push, and how.
#[derive(Args, Debug)]
pub struct Options {
    /// The staging tree; must be there
    #[arg(long, value_name = "DIR")]
    staging: PathBuf,
    /// An instrument: ID:sentinel=NAME or ID:manifest=NAME; may be given several times [default: the three of the demo]
    #[arg(long, value_name = "ID:SIGNAL=NAME")]
    equipment: Vec<Instrument>,
    /// How many runs
    #[arg(long, default_value_t = 12)]
    runs: u32,
    /// How many times faster than real time; 0: without waiting
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = pace)]
    pace: f64,
    /// Same seed, same runs
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn pace(text: &str) -> Result<f64, String> {
    let pace: f64 = text.parse().map_err(|_| "write a number, e.g. 1, 0.5 or 10".to_owned())?;
    if pace >= 0.0 && pace.is_finite() { Ok(pace) } else { Err("write a number from 0 up".to_owned()) }
}

/// Why the simulator ended before its plan.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// No such folder.
    #[error("The staging tree {} is not a folder; make it first.", .0.display())]
    NoStaging(PathBuf),
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No runtime or signals.
    #[error("The simulator could not start: {0}")]
    Start(std::io::Error),
}

/// Pushes until everything is pushed, or Ctrl-C, or SIGTERM.
pub fn run(options: &Options) -> Result<(), SimulateError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SimulateError::Start)?;
    runtime.block_on(push_all(options, Clock::system().now()))
}

async fn push_all(options: &Options, start: Timestamp) -> Result<(), SimulateError> {
    if !options.staging.is_dir() {
        return Err(SimulateError::NoStaging(options.staging.clone()));
    }
    let instruments = if options.equipment.is_empty() { equipment::of_the_demo() } else { options.equipment.clone() };
    let plan = Plan::new(options.seed, options.runs, &instruments, start);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SimulateError::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(SimulateError::Start)?;
    let mut pusher = Pusher::new(&options.staging, &instruments, &plan);
    let begun = Instant::now();
    for step in &plan.steps {
        tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = tokio::time::sleep_until(begun + at_pace(step.at, options.pace)) => {}
        }
        if let Some(line) = pusher.carry_out(step)? {
            crate::cli::print(&line);
        }
    }
    Ok(())
}

fn at_pace(at: Duration, pace: f64) -> Duration {
    if pace == 0.0 { Duration::ZERO } else { at.div_f64(pace) }
}

#[cfg(test)]
#[path = "simulate_tests.rs"]
mod tests;
