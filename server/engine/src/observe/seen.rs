//! Observing: what stands at a run's path and in its documents goes into the facts of the index, and from those comes
//! the observation that a step is decided on. Nothing is written but what a crash left behind.

use super::cleared::settle_life;
use super::evaluate::EvaluateError;
use super::look::{Look, look};
use super::rest;
use crate::core::Core;
use crate::database::StoreError;
use crate::files::source::{RunFolder, SourceError};
use crate::keep::record::RecordFolder;
use crate::machine::blocking::blocking;
use crate::tell::index::{Facts, Trouble};
use domain::cleanup::{automatic_clear_due, conditions};
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::proof::Totals;
use domain::step::Observation;
use std::sync::Arc;

/// A run that stands at its path, as it was looked at.
pub struct Observed {
    pub folder: RunFolder,
    /// What the look found beyond the facts.
    pub looked: Look,
}

/// Looks at a run and brings its facts in the index up to date; `None` when it is gone, or has a name that says that it
/// is still arriving.
pub async fn observe(core: &Arc<Core>, run: &RunPath) -> Result<Option<Observed>, EvaluateError> {
    let (facts, first) = match core.index.get(run).filter(|facts| !facts.watch.is_blank) {
        Some(facts) => (facts, false),
        None => (first_facts(core, run).await?, true),
    };
    let (looked, mut facts) = {
        let (core, mut facts) = (core.clone(), facts);
        blocking(move || {
            if first {
                remove_leftovers(&core, &facts.run);
            }
            let looked = look(&core, &mut facts);
            (looked, facts)
        })
        .await
    };
    let looked = match looked {
        Ok(looked) => looked,
        Err(error) => {
            // Where the whole tree is away, or another's, nothing is told of one run.
            if first && !matches!(error, SourceError::Root { .. }) {
                show_unreadable(core, facts).await?;
            }
            return Err(error.into());
        }
    };
    let Some(folder) = looked.folder.clone() else { return Ok(None) };
    facts.troubles.remove(&Trouble::Vanished);
    // What was proven or is being cleared under this very name came to it before that was refused.
    let settled = facts.clearing.is_some() || facts.job.as_ref().is_some_and(|job| job.state.is_proven());
    if let Some(token) = run.arriving().filter(|_| !settled) {
        facts.waiting_for = Some(format!("its final name; the {token} in this one says that it is still arriving"));
        core.merge(facts, |_, _| ());
        return Ok(None);
    }
    settle_life(&mut facts);
    rest::settle(&mut facts);
    take_in(core, facts);
    if first {
        // A job of a run that was away may have changed before its row was there.
        let life = core.index.look(run, |facts| facts.life).unwrap_or(1);
        core.reload_job(run, life).await?;
    }
    Ok(Some(Observed { folder, looked }))
}

/// A run that cannot be read when a start of the program first sees it: what could be read of it, and what the database
/// knows, is shown beside the failure. Files that could not be counted are those that were sealed.
async fn show_unreadable(core: &Core, mut facts: Facts) -> Result<(), StoreError> {
    settle_life(&mut facts);
    if let Some(job) = facts.job.as_ref().filter(|job| job.seal.is_some() && facts.totals == Totals::default()) {
        facts.totals = job.totals;
    }
    let (run, life) = (facts.run.clone(), facts.life);
    take_in(core, facts);
    core.reload_job(&run, life).await.map(drop)
}

/// Workers and clears may have changed their part of the facts while the files were looked at.
fn take_in(core: &Core, facts: Facts) {
    let sealed = matches!(facts.state(), Some(RunState::SyncQueued | RunState::SyncVerified));
    core.merge(facts, |facts, known| {
        facts.clearing = core.clears.of(&facts.run);
        let Some(known) = known.filter(|known| !known.watch.is_blank) else { return };
        facts.job.clone_from(&known.job);
        facts.progress.clone_from(&known.progress);
        facts.sending.clone_from(&known.sending);
        if sealed {
            facts.findings = known.findings.clone();
            facts.watch.judged = known.watch.judged;
        }
    });
}

async fn first_facts(core: &Core, run: &RunPath) -> Result<Facts, StoreError> {
    let life = core.store.current_life(run).await?;
    let mut facts = Facts::new(run.clone(), life);
    facts.job = core.store.latest_job(run, life).await?;
    if let Some(rest) = rest::Rest::before(core, run, life).await? {
        facts.troubles.insert(Trouble::Rest, rest.problem());
    }
    Ok(facts)
}

/// What a crash left in the record goes when a start of the program first sees the run (docs/format.md). Blocking.
fn remove_leftovers(core: &Core, run: &RunPath) {
    let removed = core
        .staging
        .run(run)
        .ok()
        .and_then(|folder| RecordFolder::open(folder.dir()).ok().flatten().map(|r| r.remove_leftovers()));
    if let Some(Err(error)) = removed {
        tracing::warn!(run = %run, %error, "what a crash left in the record could not be removed");
    }
}

/// What a step is decided on.
pub fn observation(core: &Core, run: &RunPath, looked: &Look) -> Observation {
    let seen = core.index.look(run, |facts| {
        let late_names = facts.late_names();
        let context = core.row_context(run.equipment());
        let conditions = conditions(&facts.clear_facts(&context, &late_names));
        let job = facts.job.as_ref().map(|job| job.state);
        let readable = facts.ingest.as_ref().ok().map(|_| facts.state());
        let unknown_state = matches!(&facts.ingest, Ok(Some(ingest)) if ingest.current_state().known().is_none());
        (
            readable.filter(|_| !unknown_state),
            job,
            facts.proof_recorded(),
            facts.clearing.is_some(),
            automatic_clear_due(&conditions),
        )
    });
    let (readable, job, proof_recorded, intent_pending, clear_due) = seen.unwrap_or_default();
    Observation {
        state: readable.flatten(),
        folder: looked.standing,
        signal_present: looked.signal_present,
        settled: looked.settled,
        job,
        proof_recorded,
        // An unreadable document bars every step, as a pending intent does.
        intent_pending: intent_pending || readable.is_none(),
        clear_due,
    }
}
