//! The one place that reads the environment: home and XDG folders, host name, log filter.
//!
//! Everything else takes an [`Environment`], so that tests need not change the process.

use std::path::{Path, PathBuf};

/// What this program takes from its surroundings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Environment {
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`
    pub state_home: Option<PathBuf>,
    /// The kernel's name of this host.
    pub hostname: String,
    /// `RUST_LOG`: overrides `logging.level` on the console.
    pub log_filter: Option<String>,
}

/// A path that cannot be made whole.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HomeError {
    /// `~` without `HOME`.
    #[error("`~` cannot be resolved because HOME is not set; write the whole path")]
    NoHome,
    /// `~name`
    #[error("`~name` is not supported; write `~/...` or the whole path")]
    OtherUser,
    /// A default place without `HOME`.
    #[error("neither {0} nor HOME is set; name the place on the command line")]
    NoPlace(&'static str),
}

impl Environment {
    /// Of this process.
    #[allow(clippy::disallowed_methods, reason = "the one reader of the environment")]
    pub fn read() -> Environment {
        // XDG: a relative path there is to be ignored.
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Environment {
            home: folder("HOME"),
            config_home: folder("XDG_CONFIG_HOME"),
            state_home: folder("XDG_STATE_HOME"),
            hostname: hostname(),
            log_filter: std::env::var("RUST_LOG").ok().filter(|filter| !filter.trim().is_empty()),
        }
    }

    /// Replaces a leading `~` by the home folder; other texts are given back as they are.
    pub fn expand(&self, text: &str) -> Result<String, HomeError> {
        match text.strip_prefix('~') {
            None => Ok(text.to_owned()),
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                let home = self.home.as_ref().and_then(|home| home.to_str()).ok_or(HomeError::NoHome)?;
                Ok(format!("{}{rest}", home.trim_end_matches('/')))
            }
            Some(_) => Err(HomeError::OtherUser),
        }
    }

    /// `$XDG_CONFIG_HOME/exlab-wizard/config.yaml`: shared with the Python system.
    pub fn default_config(&self) -> Result<PathBuf, HomeError> {
        let base = self.place(&self.config_home, ".config").ok_or(HomeError::NoPlace("XDG_CONFIG_HOME"))?;
        Ok(base.join("exlab-wizard").join("config.yaml"))
    }

    /// `$XDG_STATE_HOME/exlab-orchestrator`
    pub fn default_state(&self) -> Result<PathBuf, HomeError> {
        let base = self.place(&self.state_home, ".local/state").ok_or(HomeError::NoPlace("XDG_STATE_HOME"))?;
        Ok(base.join("exlab-orchestrator"))
    }

    fn place(&self, xdg: &Option<PathBuf>, below_home: &str) -> Option<PathBuf> {
        xdg.clone().or_else(|| self.home.as_deref().map(|home| home.join(below_home)))
    }
}

#[allow(clippy::disallowed_methods, reason = "the one reader of the environment")]
fn hostname() -> String {
    let kernel = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    // It becomes part of a file name in every run.
    let plain: String = name
        .trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
        .collect();
    if plain.trim_matches('.').is_empty() { "localhost".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alex() -> Environment {
        Environment { home: Some("/home/alex".into()), hostname: "orch-01".into(), ..Environment::default() }
    }

    #[test]
    fn a_tilde_is_home_and_nothing_else() {
        assert_eq!(alex().expand("~/.ssh/id"), Ok("/home/alex/.ssh/id".into()));
        assert_eq!(alex().expand("~"), Ok("/home/alex".into()));
        assert_eq!(alex().expand("/a/~/b"), Ok("/a/~/b".into()));
        assert_eq!(alex().expand("~root/x"), Err(HomeError::OtherUser));
        assert_eq!(Environment::default().expand("~/x"), Err(HomeError::NoHome));
    }

    #[test]
    fn default_places_follow_xdg_and_fall_back_to_home() {
        let xdg = Environment { config_home: Some("/c".into()), state_home: Some("/s".into()), ..alex() };
        assert_eq!(xdg.default_config(), Ok("/c/exlab-wizard/config.yaml".into()));
        assert_eq!(xdg.default_state(), Ok("/s/exlab-orchestrator".into()));
        assert_eq!(alex().default_config(), Ok("/home/alex/.config/exlab-wizard/config.yaml".into()));
        assert_eq!(alex().default_state(), Ok("/home/alex/.local/state/exlab-orchestrator".into()));
        assert_eq!(Environment::default().default_state(), Err(HomeError::NoPlace("XDG_STATE_HOME")));
    }

    #[test]
    fn this_host_has_a_name_fit_for_a_file() {
        let name = Environment::read().hostname;
        assert!(!name.is_empty() && !name.contains(['/', '\n', ' ']), "{name:?}");
    }
}
