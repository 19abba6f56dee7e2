//! What this rclone and this remote can do: its version, where the bytes lie, which hashes there are, whether it can
//! move.

use super::wrapped_remotes::{self, Ends};
use super::{Place, classify};
use crate::transport::{CallContext, TransportError};
use domain::job::{FailureClass, Side};
use domain::proof::ProofLevel;
use serde::Deserialize;
use std::path::PathBuf;

/// Older ones lack options that this program relies on.
const OLDEST: (u32, u32) = (1, 60);
/// From here on rclone writes under a name of its own first, which our temporary folder makes needless.
const WRITES_PARTIAL: (u32, u32) = (1, 63);
/// The precision that says "no times at all": a hundred years, in nanoseconds.
const NO_TIMES: i64 = 3_153_600_000_000_000_000;

/// What was learnt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Backend {
    pub version: (u32, u32),
    /// The destination tells SHA-256 by itself.
    pub has_sha256: bool,
    /// It can hold empty folders.
    pub empty_folders: bool,
    /// How exactly it keeps mtimes, nanoseconds; `None` when it does not.
    pub precision_ns: Option<i64>,
    /// The root on this computer, when the remote is a plain folder of it.
    pub local_root: Option<PathBuf>,
    /// Where the bytes lie.
    pub ends: Ends,
}

impl Backend {
    /// Options of a copy that only some versions know.
    pub fn copy_options(&self) -> &'static [&'static str] {
        // Several streams would leave holes in a file that has its full size already.
        if self.version >= WRITES_PARTIAL {
            &["--inplace", "--multi-thread-streams=0"]
        } else {
            &["--multi-thread-streams=0"]
        }
    }

    /// How strong a digest is that the destination told.
    pub fn level_told(&self) -> ProofLevel {
        if self.ends.all_remote() { ProofLevel::L2 } else { ProofLevel::L1 }
    }

    /// How strong one is that was made from bytes read back.
    pub fn level_read(&self) -> ProofLevel {
        if self.ends.all_remote() { ProofLevel::L3 } else { ProofLevel::L1 }
    }

    /// For rows.
    pub fn method(&self) -> &'static str {
        match (self.has_sha256, self.ends.all_remote()) {
            (true, true) => "rclone hashsum at the destination",
            (false, true) => "read back over the network by rclone",
            (true, false) => {
                "rclone hashsum through this computer's own cache; for a folder of this computer `mount` proves more"
            }
            (false, false) => {
                "read back by rclone through this computer's own cache; for a folder of this computer `mount` proves more"
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    root: String,
    #[serde(default)]
    precision: i64,
    #[serde(default)]
    hashes: Option<Vec<String>>,
    #[serde(default)]
    features: std::collections::HashMap<String, serde_json::Value>,
}

/// Asks rclone. The remote must answer.
pub(super) async fn ask(place: &Place, context: &CallContext) -> Result<Backend, TransportError> {
    let wrong = |message: String| TransportError::new(FailureClass::Configuration, Side::Here, message);
    let program = &place.rclone.program;
    let said = place.rclone.call("version", "asking rclone for its version").ask(context).await?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let version =
        version_of(&said).ok_or_else(|| wrong(format!("{program} is not rclone: it does not tell its version")))?;
    if version < OLDEST {
        let (major, minor) = OLDEST;
        let message = format!(
            "{program} is rclone {}.{}, which is too old: {major}.{minor} or newer is needed",
            version.0, version.1
        );
        return Err(wrong(message));
    }
    let config = place.rclone.call("config", "reading rclone's configuration").arg("dump").ask(context).await?;
    let ends =
        serde_json::from_slice(&config).map(|config| wrapped_remotes::ends(&config, &place.name)).unwrap_or_default();
    drop(config);
    let call = place.rclone.call("backend", format!("connecting to {}", place.describe()));
    let what = call.what().to_owned();
    let (ended, said) = call.arg("features").operands([place.at(b"")]).collect(context).await?;
    if !ended.success() {
        return Err(classify::connecting(&ended, &what));
    }
    let answer: Answer = serde_json::from_slice(&said)
        .map_err(|error| wrong(format!("{what}: rclone's answer cannot be read: {error}")))?;
    let can = |feature: &str| answer.features.get(feature).and_then(serde_json::Value::as_bool).unwrap_or(false);
    if !can("Move") && !can("Copy") {
        let message = format!(
            "{} can neither move nor copy a file by itself, so nothing can be sent to a temporary name first; use another kind of remote",
            place.describe()
        );
        return Err(wrong(message));
    }
    let has_sha256 =
        answer.hashes.iter().flatten().any(|hash| hash == "sha256" || hash == "SHA-256") && !ends.remembers;
    let local_root = can("IsLocal").then(|| PathBuf::from(&answer.root)).filter(|root| root.is_absolute());
    let ends = Ends { local: ends.local || can("IsLocal"), ..ends };
    Ok(Backend {
        version,
        has_sha256,
        empty_folders: can("CanHaveEmptyDirectories"),
        precision_ns: (answer.precision < NO_TIMES).then_some(answer.precision.max(1)),
        local_root,
        ends,
    })
}

/// `rclone v1.60.1-DEV`
fn version_of(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("rclone v")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version_of("rclone v1.60.1-DEV\n- os/version: debian"), Some((1, 60)));
        assert_eq!(version_of("rclone v1.75.2\n"), Some((1, 75)));
        assert_eq!(version_of("rclone v2.0-beta"), Some((2, 0)));
        assert_eq!(version_of("bash: rclone"), None);
    }
}
