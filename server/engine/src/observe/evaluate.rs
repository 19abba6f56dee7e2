//! Evaluating one run (docs/lifecycle.md): observe, decide, apply. The domain decides; here its answer is asked for,
//! once for every look.

use super::again;
use super::apply::apply;
use super::cleared::{ClearedBy, cleared_by};
use super::renamed::{Followed, follow, renamed_from};
use super::seen::{Observed, observation, observe};
use crate::core::Core;
use crate::database::StoreError;
use crate::files::source::SourceError;
use crate::judge::gatekeeper::GateError;
use crate::keep::record::RecordError;
use crate::tell::index::{Facts, Trouble};
use domain::job::{JobEvent, JobState};
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::step::{Step, next_step};
use std::sync::Arc;
use std::time::Duration;

/// Why a run could not be evaluated. One run's failure never stops the others.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Its folder or files.
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Judging or queueing it.
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("a fault in this program stopped the look at it: {0}")]
    Fault(String),
}

/// When a run that somebody else holds is looked at again.
const BUSY_FOR: Duration = Duration::from_millis(500);

/// What evaluating a run led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Evaluated {
    /// State after it; `None` for a run that is gone or cannot be read.
    pub state: Option<RunState>,
    /// A step was taken: look again at once.
    pub stepped: bool,
    /// Everything that clearing by itself waits for holds: it is due.
    pub clear_due: bool,
    /// Look again then (monotonic), for settling.
    pub look_again_at: Option<Duration>,
}

/// Evaluates one run: at most one step, idempotent. A run that somebody else holds is left alone.
pub async fn evaluate_run(core: &Arc<Core>, run: &RunPath) -> Result<Evaluated, EvaluateError> {
    let Ok(_guard) = core.turns.runs.try_hold(run, "evaluating") else {
        return Ok(Evaluated { state: state_of(core, run), ..busy(core) });
    };
    let looking = core.staging.looking_at(run.as_str());
    let Some(seen) = observe(core, run).await? else { return Ok(Evaluated::default()) };
    drop(looking);
    if let Some(settled) = settle_what_came_before(core, run, &seen).await? {
        return Ok(settled);
    }
    follow_interlocks(core, run).await?;
    let step = next_step(&observation(core, run, &seen.looked));
    if step != Step::Clear {
        core.change(run, |facts| drop(facts.troubles.remove(&Trouble::Clearing)));
    }
    let stepped = apply(core, run, step, &seen.folder).await?;
    if seen.looked.touched {
        again::hash_touched(core, run);
    }
    let look_again_at = seen.looked.look_again_at;
    Ok(Evaluated { state: state_of(core, run), stepped, clear_due: step == Step::Clear, look_again_at })
}

/// First brings to an end a clear that the record tells of, or a rename of the run. Answers what came of it; `None`
/// when there was neither.
async fn settle_what_came_before(
    core: &Arc<Core>,
    run: &RunPath,
    seen: &Observed,
) -> Result<Option<Evaluated>, EvaluateError> {
    let stepped_to = |state| Evaluated { state: Some(state), stepped: true, ..Evaluated::default() };
    match cleared_by(core, run, &seen.folder).await? {
        ClearedBy::UnderWay => return Ok(Some(busy(core))),
        ClearedBy::TakenBack => return Ok(Some(stepped_to(RunState::SyncVerified))),
        ClearedBy::Ended => {}
    }
    let Some(facts) = core.index.get(run) else { return Ok(None) };
    let Some(before) = renamed_from(core, &facts).await else { return Ok(None) };
    Ok(Some(match follow(core, run, &before, &seen.folder).await? {
        Followed::Done => stepped_to(RunState::Staging),
        Followed::Stopping => busy(core),
    }))
}

fn state_of(core: &Core, run: &RunPath) -> Option<RunState> {
    core.index.look(run, Facts::state).flatten()
}

fn busy(core: &Core) -> Evaluated {
    Evaluated { look_again_at: Some(core.site.clock.monotonic() + BUSY_FOR), ..Evaluated::default() }
}

/// Keeps `cleanup_eligible` true to its meaning: every automatic-clear interlock holds.
async fn follow_interlocks(core: &Arc<Core>, run: &RunPath) -> Result<(), StoreError> {
    let Some(facts) = core.index.get(run) else { return Ok(()) };
    let Some(job) = &facts.job else { return Ok(()) };
    if !matches!(job.state, JobState::Verified | JobState::CleanupEligible) || facts.clearing.is_some() {
        return Ok(());
    }
    let holds = super::changed_since::eligible(core, &facts);
    let event = match (job.state, holds) {
        (JobState::Verified, true) => JobEvent::BecameEligible,
        (JobState::CleanupEligible, false) => JobEvent::LostEligibility,
        _ => return Ok(()),
    };
    if let Some(job) = core.store.advance(job, event, None).await? {
        core.job_changed(job);
    }
    Ok(())
}
