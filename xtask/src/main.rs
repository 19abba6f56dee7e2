//! `cargo xtask run / test / build / bench / campaign / ci`: everything a developer or a CI machine does with this
//! checkout.

mod bench;
mod campaign;
mod ci;
#[cfg(test)]
mod citations;
mod counts;
mod demo;
#[cfg(test)]
mod deny;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod documented;
mod hazards;
#[cfg(test)]
mod laws;
mod machine;
mod packages;
mod process;
mod rooms;
mod run;
mod site;
mod sshd;
mod step;
mod stop;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, runs and tests ExLab Orchestrator")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the panel and the server: one file, target/release/exlab-orchestrator.
    Build,
    /// Build, then run a throw-away demo at http://127.0.0.1:8080, or a real config.
    Run(run::Options),
    /// Run every check and every test, in the browser too.
    Test(test::Choice),
    /// Measure the release binary, beside what does the same work elsewhere.
    Bench(bench::Choice),
    /// Let faults loose on the release binary, and look by content for anything that was lost.
    Campaign(campaign::Options),
    /// Print the tests that guard against hazards of docs/hazards.md.
    Hazards {
        /// Such as D3; without one, all
        numbers: Vec<String>,
    },
    /// Print which folder of engine and panel stands upon which.
    Rooms,
    /// What a CI machine runs: every stage of `test`.
    Ci,
}

fn main() -> ExitCode {
    match stop::listen().and_then(|()| act()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act() -> Result<()> {
    match Arguments::parse().task {
        Task::Build => site::build().map(drop),
        Task::Run(options) => run::run(&options),
        Task::Test(choice) => test::run(&choice),
        Task::Bench(choice) => bench::run(&choice),
        Task::Campaign(options) => campaign::run(&options),
        Task::Hazards { numbers } => hazards::print(&numbers),
        Task::Rooms => rooms::print(),
        Task::Ci => ci::run(),
    }
}
