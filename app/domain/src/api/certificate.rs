//! The certificate of custody: everything that shows what became of a run's data, on one page.

use super::{ClearedRun, JobError, RunDetail};
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/runs/{run_path}/certificate`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Certificate {
    /// When it was made out.
    pub issued_at: Timestamp,
    /// Identity of the installation that vouches for it, as in its destinations' markers.
    pub installation: String,
    /// Its label.
    pub label: String,
    /// Its host.
    pub host: String,
    /// Its program version.
    pub version: String,
    /// The equipment's label; empty when it is no longer in the config.
    pub equipment_label: String,
    /// How this life ended, when its local copy is gone.
    pub cleared: Option<ClearedRun>,
    /// The run: history, seal, proofs, ledger.
    pub run: RunDetail,
}

impl Certificate {
    /// What speaks against the copy of a cleared run on the NAS.
    pub fn damage(&self) -> Option<&JobError> {
        self.cleared.as_ref()?.damage.as_ref()
    }

    /// True when every sealed byte was proven and nothing has spoken against it since.
    pub fn is_proven(&self) -> bool {
        let (Some(seal), Some(proof)) = (&self.run.seal, &self.run.row.proof) else { return false };
        if self.damage().is_some() {
            return false;
        }
        self.run.row.late_files == 0 && (seal.files, seal.bytes) == (proof.files, proof.bytes)
    }
}
