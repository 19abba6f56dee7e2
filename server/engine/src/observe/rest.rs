//! What is left of a cleared run: files that were kept because they were not proven when the rest went. They begin a
//! new life, most often without a signal, since that went with the rest; until somebody has them sent, their row says
//! what they are. The ledger knows it, so that a restart does too.

use crate::core::Core;
use crate::database::{LedgerKind, StoreError};
use crate::tell::index::{Facts, Trouble};
use domain::api::RowProblem;
use domain::lifecycle::RunState;
use domain::path::RunPath;
use serde_json::{Value, json};

/// So many are named in a record.
const NAMED: usize = 100;

/// What was kept of one life of a run, each with why.
pub struct Rest {
    life: u64,
    kept: Vec<String>,
}

impl Rest {
    /// What the ledger says was kept of the life before this one; `None` where nothing was.
    pub async fn before(core: &Core, run: &RunPath, life: u64) -> Result<Option<Rest>, StoreError> {
        let Some(life) = life.checked_sub(1).filter(|life| *life > 0) else { return Ok(None) };
        let kinds = [LedgerKind::Kept.as_str(), LedgerKind::KeptAside.as_str()];
        let entries = core.store.ledger(run).await?;
        let of_life = entries.into_iter().filter(|entry| entry.life == life && kinds.contains(&entry.kind.as_str()));
        let kept: Vec<String> = of_life.map(|entry| entry.detail).collect();
        Ok((!kept.is_empty()).then_some(Rest { life, kept }))
    }

    /// For the first entry of the record.
    pub fn to_record(&self) -> Value {
        json!({"life": self.life, "kept": self.kept[..self.kept.len().min(NAMED)], "kept_total": self.kept.len()})
    }

    /// For the row.
    pub fn problem(&self) -> RowProblem {
        let more = match self.kept.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", domain::units::count((n - 1) as u64)),
        };
        let first = self.kept.first().map(String::as_str).unwrap_or_default();
        let message = format!(
            "rest of a cleared run: {first}{more}. What stands here is the good copy: move aside on the NAS what \
             stands there under its name, if anything does, and sync it although unfinished (force-sync with \
             assume_complete, operator and reason)"
        );
        RowProblem { code: RowProblem::REST_OF_CLEARED.into(), message }
    }
}

/// Whether a row has nothing to say of a rest any more: somebody took it as complete, or nothing is left of it.
pub fn is_dealt_with(facts: &Facts) -> bool {
    !matches!(facts.state(), None | Some(RunState::Staging)) || facts.totals.files == 0
}

/// Takes what is said of a rest off a row that has nothing to say of it any more.
pub fn settle(facts: &mut Facts) {
    if is_dealt_with(facts) {
        facts.troubles.remove(&Trouble::Rest);
    }
}
