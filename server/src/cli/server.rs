//! `serve`, and what works without a server: `nas init` and `import-queue`. Each gets a runtime of its own.

use super::terminal::print;
use super::{CommandError, ServeArguments};
use crate::config::{self, place};
use crate::environment::Environment;
use crate::{backend, logging, serve};
use domain::settings::Settings;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long threads that a hung NAS holds may keep the program from ending.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// `serve`
pub fn serve(
    mut settings: Settings,
    state_folder: &Path,
    arguments: &ServeArguments,
    environment: &Environment,
) -> Result<(), CommandError> {
    if let Some(listen) = &arguments.listen {
        let address =
            place::listen_address(listen).map_err(|what| CommandError::Failed(format!("--listen: {what}")))?;
        settings.listen = address.to_string();
    }
    let log = logging::start(&settings.logging, arguments.log_format, state_folder, environment)
        .map_err(|error| CommandError::Failed(error.to_string()))?;
    print(&format!("{}\nlog           {}", config::summary(&settings), log.display()));
    let served = block_on(serve::serve(settings, state_folder, &environment.hostname))?;
    served.map_err(|error| CommandError::Failed(error.to_string()))
}

/// `nas init EQUIPMENT`
pub fn nas_init(
    settings: &Settings,
    state_folder: &Path,
    environment: &Environment,
    equipment: &str,
    adopt: bool,
) -> Result<(), CommandError> {
    print(&block_on(backend::nas_init(settings, state_folder, &environment.hostname, equipment, adopt))??);
    Ok(())
}

/// `staging adopt`
pub fn staging_adopt(
    settings: &Settings,
    state_folder: &Path,
    environment: &Environment,
    force: bool,
) -> Result<(), CommandError> {
    print(&backend::staging_adopt(settings, state_folder, &environment.hostname, force)?);
    Ok(())
}

/// `import-queue FILE`
pub fn import_queue(settings: &Settings, state_folder: &Path, file: &Path) -> Result<(), CommandError> {
    print(&block_on(backend::import_queue(settings, state_folder, file))??);
    Ok(())
}

/// The named state folder, or the usual one; it need not be there yet.
pub fn state_folder(named: Option<&PathBuf>, environment: &Environment) -> Result<PathBuf, CommandError> {
    match named {
        Some(folder) => {
            std::path::absolute(folder).map_err(|error| CommandError::Failed(format!("{}: {error}", folder.display())))
        }
        None => Ok(environment.default_state()?),
    }
}

/// Runs to its end on a runtime of its own.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| CommandError::Failed(format!("The program could not start its threads: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_PATIENCE);
    Ok(done)
}
