//! config.yaml (docs/configuration.md): read, checked, and turned into [`Settings`] with every default filled in.
//!
//! Reading (`node`) and checking (`section` and the readers) are apart, so that every mistake of a file is shown at
//! once with its line and column. What a setting means is decided by who uses it, not here.

mod equipment;
mod node;
pub mod place;
pub mod quantity;
mod section;
mod sections;
mod summary;
mod transport;

pub use node::Position;
pub use section::Mistake;
pub use summary::summary;

use crate::environment::Environment;
use domain::settings::Settings;
use section::{Report, Section};
use std::fmt;
use std::path::{Path, PathBuf};

/// A config that cannot be used: at least one mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The file as it was named.
    pub file: PathBuf,
    /// In the file's order.
    pub mistakes: Vec<Mistake>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    /// One line per mistake: `file:line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { at, message }) in self.mistakes.iter().enumerate() {
            let end = if index + 1 == self.mistakes.len() { "" } else { "\n" };
            write!(f, "{}:{}:{}: {message}{end}", self.file.display(), at.line, at.column)?;
        }
        Ok(())
    }
}

/// A file that can be used.
#[derive(Debug)]
pub struct Checked {
    /// What it says.
    pub settings: Settings,
    /// Keys in it that have no effect, in the file's order.
    pub warnings: Vec<Mistake>,
}

/// Reads and checks a file.
pub fn load(file: &Path, environment: &Environment) -> Result<Settings, ConfigError> {
    examine(file, environment).map(|checked| checked.settings)
}

/// The same, with the keys that have no effect.
pub fn examine(file: &Path, environment: &Environment) -> Result<Checked, ConfigError> {
    let failed = |at, message: String| ConfigError { file: file.to_owned(), mistakes: vec![Mistake { at, message }] };
    let bytes = std::fs::read(file).map_err(|error| failed(Position::START, format!("cannot be read: {error}")))?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = position_after(&bytes[..error.valid_up_to()]);
            return Err(failed(at, "is not UTF-8 from here on; save the file as UTF-8".into()));
        }
    };
    check(text, environment).map_err(|mistakes| ConfigError { file: file.to_owned(), mistakes })
}

/// Checks a config's text.
pub fn check(text: &str, environment: &Environment) -> Result<Checked, Vec<Mistake>> {
    let root = node::parse(text)
        .map_err(|error| vec![Mistake { at: error.at, message: format!("is not YAML: {}", error.message) }])?;
    let report = Report::default();
    let mut file = Section::new("", Position::START, &root, &report);
    let orchestrator = sections::orchestrator(file.section("orchestrator"), environment);
    let settings = Settings {
        equipment: equipment::read_all(&mut file, orchestrator.staging_root.as_deref(), environment),
        orchestrator: orchestrator.on,
        nas_cleanup: sections::nas_cleanup(file.section("nas_cleanup")),
        sync: sections::sync(file.section("sync"), environment),
        verify: sections::verify(file.section("verify")),
        validator: domain::settings::Validator {
            required_readme_fields: sections::required_readme_fields(file.section("readme")),
            ..sections::validator(file.section("validator"))
        },
        logging: sections::logging(file.section("logging")),
        listen: sections::listen(file.section("server")),
    };
    // Sections of the Python system's other duties.
    file.ignore(&["paths", "lims", "plugins", "operators"]);
    file.finish();
    let (mistakes, warnings) = report.into_found();
    if mistakes.is_empty() { Ok(Checked { settings, warnings }) } else { Err(mistakes) }
}

fn position_after(valid: &[u8]) -> Position {
    let text = String::from_utf8_lossy(valid);
    let line = text.matches('\n').count() as u64 + 1;
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u64 + 1;
    Position { line, column }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
