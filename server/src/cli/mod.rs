//! The command line: what may be asked, and which part answers. Everything that acts on runs goes through the running
//! server, so that there is one program with its hands on a run.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed; the reason is on standard error |
//! | 2 | wrong usage |
//! | 3 | no server answers |

mod acting;
mod client;
mod doctor;
mod follow;
mod list;
mod plan;
mod server;
mod status;
mod terminal;

pub use terminal::print;

use crate::config;
use crate::environment::Environment;
use crate::simulate;
use clap::{Args, Parser, Subcommand};
use domain::api::{ActKind, ForceSyncRequest};
use domain::problem::Problem;
use domain::settings::Settings;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Refused or failed.
const FAILED: u8 = 1;

/// No server answers.
const NO_SERVER: u8 = 3;

/// Watches a staging tree, syncs runs to the NAS, proves them by SHA-256, then lets the local copy go.
#[derive(Parser, Debug)]
#[command(name = "exlab-orchestrator", version)]
pub struct Arguments {
    /// Config file [default: $XDG_CONFIG_HOME/exlab-wizard/config.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// State folder [default: $XDG_STATE_HOME/exlab-orchestrator]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the orchestrator and its panel until Ctrl-C or SIGTERM
    Serve(ServeArguments),
    /// Check a config: every mistake with file, line and column
    CheckConfig {
        /// The file
        file: PathBuf,
        /// Report keys that have no effect as mistakes, too
        #[arg(long)]
        strict: bool,
    },
    /// List the staged runs
    List {
        /// As JSON, as `GET /api/v1/staging` answers it
        #[arg(long)]
        json: bool,
    },
    /// Queue a run now
    ForceSync {
        /// Path of the run: absolute, or relative to the staging root
        run: String,
        /// Take it as complete although its signal is missing; needs --operator and --reason
        #[arg(long, requires = "operator", requires = "reason")]
        assume_complete: bool,
        /// Who says so
        #[arg(long)]
        operator: Option<String>,
        /// Why, 10-500 characters
        #[arg(long)]
        reason: Option<String>,
    },
    /// Prove the NAS copy of a run, then free the local one
    Clear {
        /// Path of the run: absolute, or relative to the staging root
        run: String,
        /// Only say what would be deleted, and why it can or cannot be
        #[arg(long)]
        dry_run: bool,
    },
    /// Prove the NAS copy of a run again
    Verify {
        /// Path of the run: absolute, or relative to the staging root
        run: String,
    },
    /// Re-arm the failed job of a run
    Retry {
        /// Path of the run: absolute, or relative to the staging root
        run: String,
    },
    /// Give up a clear that waits: the run, or what is left of it, is put back where it was
    CallOff {
        /// Path of the run: absolute, or relative to the staging root
        run: String,
    },
    /// Show the orchestrator, its disk and its destinations
    Status,
    /// Say why a run can or cannot be cleared: every condition with its value
    Why {
        /// Path of the run: absolute, or relative to the staging root
        run: String,
    },
    /// Look at everything that syncing needs, then show the NAS damaged runs that it must notice; works without the
    /// server
    Doctor {
        /// Equipment id; without it, all equipment that is synced from here
        equipment: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Prepare the NAS
    #[command(subcommand)]
    Nas(NasCommand),
    /// The staging tree
    #[command(subcommand)]
    Staging(StagingCommand),
    /// Take over the queue of the Python system (its sync_queue.db); stop the server first
    ImportQueue {
        /// The file
        file: PathBuf,
    },
    /// Push made-up runs into a staging tree, for demos and tests
    Simulate(simulate::Options),
}

/// How to serve.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Loopback address to listen on, instead of the config's server.listen
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    pub log_format: crate::logging::Format,
}

#[derive(Subcommand, Debug)]
enum NasCommand {
    /// Write the identity marker at the root of an equipment's folder; works without the server
    Init {
        /// Equipment id
        equipment: String,
        /// Take over a folder that another installation or equipment has marked
        #[arg(long)]
        adopt: bool,
    },
}

#[derive(Subcommand, Debug)]
enum StagingCommand {
    /// Take over a staging tree that another installation works on; works without the server
    Adopt {
        /// Even from one that was at work a moment ago
        #[arg(long)]
        force: bool,
    },
}

/// Why a command failed, for standard error and the exit code.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The config cannot be used.
    #[error("{0}")]
    Config(#[from] config::ConfigError),
    /// No usual place for a file.
    #[error("{0}")]
    Place(#[from] crate::environment::HomeError),
    /// Nobody listens.
    #[error("{0}")]
    NoServer(String),
    /// The server, or the engine, refused.
    #[error("{}", plan::problem_text(.0))]
    Refused(Box<Problem>),
    /// Anything else, said already or in one sentence.
    #[error("{0}")]
    Failed(String),
}

impl From<Problem> for CommandError {
    fn from(problem: Problem) -> CommandError {
        CommandError::Refused(Box::new(problem))
    }
}

impl CommandError {
    fn code(&self) -> u8 {
        if matches!(self, CommandError::NoServer(_)) { NO_SERVER } else { FAILED }
    }
}

/// Carries a command out; everything it has to say is printed.
pub fn run(arguments: Arguments, environment: &Environment) -> ExitCode {
    match dispatch(arguments, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            if !text.is_empty() {
                eprintln!("{text}");
            }
            ExitCode::from(error.code())
        }
    }
}

fn dispatch(arguments: Arguments, environment: &Environment) -> Result<(), CommandError> {
    let settings = || load(arguments.config.as_ref(), environment);
    let state = || server::state_folder(arguments.state.as_ref(), environment);
    let act = |kind, run: &str, request| acting::act(&client::Client::new(&settings()?), kind, run, request);
    match &arguments.command {
        Command::Serve(options) => server::serve(settings()?, &state()?, options, environment),
        Command::CheckConfig { file, strict } => check_config(file, *strict, environment),
        Command::List { json } => list::list(&client::Client::new(&settings()?), *json),
        Command::ForceSync { run, assume_complete, operator, reason } => {
            let request = ForceSyncRequest {
                assume_complete: *assume_complete,
                operator: operator.clone(),
                reason: reason.clone(),
            };
            act(ActKind::ForceSync, run, request)
        }
        Command::Clear { run, dry_run: true } => plan::dry_run(&client::Client::new(&settings()?), run),
        Command::Clear { run, dry_run: false } => act(ActKind::Clear, run, ForceSyncRequest::default()),
        Command::Verify { run } => act(ActKind::Verify, run, ForceSyncRequest::default()),
        Command::Retry { run } => act(ActKind::Retry, run, ForceSyncRequest::default()),
        Command::CallOff { run } => act(ActKind::CallOff, run, ForceSyncRequest::default()),
        Command::Status => status::status(&client::Client::new(&settings()?)),
        Command::Why { run } => plan::why(&client::Client::new(&settings()?), run),
        Command::Doctor { equipment, json } => doctor::doctor(&settings()?, &state()?, equipment.as_deref(), *json),
        Command::Nas(NasCommand::Init { equipment, adopt }) => {
            server::nas_init(&settings()?, &state()?, environment, equipment, *adopt)
        }
        Command::Staging(StagingCommand::Adopt { force }) => {
            server::staging_adopt(&settings()?, &state()?, environment, *force)
        }
        Command::ImportQueue { file } => server::import_queue(&settings()?, &state()?, file),
        Command::Simulate(options) => simulate::run(options).map_err(|error| CommandError::Failed(error.to_string())),
    }
}

fn check_config(file: &Path, strict: bool, environment: &Environment) -> Result<(), CommandError> {
    let config::Checked { settings, warnings } = config::examine(file, environment)?;
    if strict && !warnings.is_empty() {
        return Err(config::ConfigError { file: file.to_owned(), mistakes: warnings }.into());
    }
    for config::Mistake { at, message } in warnings {
        eprintln!("{}:{}:{}: warning: {message}", file.display(), at.line, at.column);
    }
    let (file, summary) = (file.display(), config::summary(&settings));
    print(&format!("{file}: good\n{summary}\npanel         http://{}", settings.listen));
    Ok(())
}

fn load(file: Option<&PathBuf>, environment: &Environment) -> Result<Settings, CommandError> {
    match file {
        Some(file) => Ok(config::load(file, environment)?),
        None => {
            let usual = environment.default_config()?;
            if !usual.exists() {
                let usual = usual.display();
                return Err(CommandError::Failed(format!(
                    "There is no config file at the usual place {usual}; name one with --config FILE."
                )));
            }
            Ok(config::load(&usual, environment)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use rstest::rstest;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[rstest]
    #[case(&["serve", "--config", "c.yaml", "--listen", "127.0.0.1:0"], true)]
    #[case(&["--config", "c.yaml", "list", "--json"], true)]
    #[case(&["clear", "E/p/Runs/Run_1", "--dry-run", "--config", "c.yaml"], true)]
    #[case(&["nas", "init", "CONFOCAL_01", "--adopt", "--config", "c.yaml"], true)]
    #[case(&["staging", "adopt", "--force", "--config", "c.yaml"], true)]
    #[case(&["doctor", "--config", "c.yaml"], true)]
    #[case(&["doctor", "CONFOCAL_01", "--json", "--config", "c.yaml"], true)]
    #[case(&["doctor", "CONFOCAL_01", "FLOW_01"], false)]
    #[case(&["simulate", "--staging", "/s"], true)]
    #[case(&["force-sync", "E/p/Runs/Run_1", "--assume-complete"], false)]
    #[case(&["force-sync", "R", "--assume-complete", "--operator", "alex", "--reason", "the flag was lost"], true)]
    #[case(&["check-config", "c.yaml", "--strict"], true)]
    #[case(&["clear"], false)]
    #[case(&["erase", "E"], false)]
    fn commands(#[case] words: &[&str], #[case] accepted: bool) {
        let parsed = Arguments::try_parse_from(["exlab-orchestrator"].iter().chain(words));
        assert_eq!(parsed.is_ok(), accepted, "{parsed:?}");
    }
}
