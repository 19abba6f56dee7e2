//! `exlab-orchestrator`

use clap::Parser;
use server::cli::{self, Arguments};
use server::environment::Environment;
use std::process::ExitCode;

fn main() -> ExitCode {
    server::memory::keep_one_arena();
    cli::run(Arguments::parse(), &Environment::read())
}
