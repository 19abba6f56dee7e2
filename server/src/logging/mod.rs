//! The program's own log: to standard error for whoever watches, and to a rotated file in the state folder.
//!
//! Not the log of a run (`wizard.<hostname>.log`), which is part of the run's record.

mod one_line;
mod rotate;

use crate::environment::Environment;
use domain::settings::Logging;
use one_line::OneLine;
use rotate::RotatingFile;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The folder or file cannot be made.
    #[error("The log folder {folder} cannot be used: {source}. Is the state folder writable for this account?")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `RUST_LOG` says something strange.
    #[error("RUST_LOG cannot be understood: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Started twice.
    #[error("Logging was started twice: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging for the rest of the program; gives the file.
pub fn start(
    settings: &Logging,
    format: Format,
    state_folder: &Path,
    environment: &Environment,
) -> Result<PathBuf, LoggingError> {
    let folder = state_folder.join("log");
    let file = folder.join("exlab-orchestrator.log");
    let max_bytes = settings.central_log_max_mb.saturating_mul(1_000_000);
    let writer = std::fs::create_dir_all(&folder)
        .and_then(|()| RotatingFile::open(&file, max_bytes, settings.central_log_keep))
        .map_err(|source| LoggingError::Folder { folder, source })?;
    // What other crates say below a warning is not for a laboratory's log.
    let usual = format!("warn,server={level},engine={level},app={level}", level = settings.level);
    let filter = || EnvFilter::try_new(environment.log_filter.as_deref().unwrap_or(&usual));
    let console = layer(format, OneLine::new(std::io::stderr), std::io::stderr().is_terminal(), DefaultFields::new());
    let to_file = layer(format, OneLine::new(writer), false, FileFields(DefaultFields::new()));
    tracing_subscriber::registry()
        .with(vec![console.with_filter(filter()?).boxed(), to_file.with_filter(filter()?).boxed()])
        .try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = crate::http::panic_text(panic.payload());
        let backtrace = std::backtrace::Backtrace::capture();
        match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => tracing::error!(place, fault = text, %backtrace, "panicked"),
            _ => tracing::error!(place, fault = text, "panicked"),
        }
    }));
    Ok(file)
}

fn layer<W, F>(format: Format, writer: W, colours: bool, fields: F) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    F: for<'a> FormatFields<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    match format {
        Format::Text => lines.with_target(false).fmt_fields(fields).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    }
}

/// A type of its own: layers of one type share the formatted fields of a span, and the console's may hold colours.
struct FileFields(DefaultFields);

impl<'a> FormatFields<'a> for FileFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> std::fmt::Result {
        self.0.format_fields(writer, fields)
    }
}
