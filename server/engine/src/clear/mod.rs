//! Clearing: the only way a byte leaves staging (docs/clearing.md). One deleter in the whole program, `delete`, and it
//! takes a `ClearPermit` that only a proof made now can give.
//!
//! An intent outside the folder makes every step resumable: prove, intend, append `cleared`, finished record to the
//! NAS, rename aside, compare and unlink, end the life. What cannot be proven is kept, named, and put back.

mod aside;
mod back;
mod call_off;
mod carry_out;
mod delete;
mod delete_record;
mod finished_record;
pub(crate) mod obstacles;
mod permit;
mod refusal;
mod resume;
mod unlink;

pub use aside::prepare;
pub use back::say_taken_back;
pub use call_off::call_off;
pub use refusal::{NotCalledOff, Refusal};
pub use resume::{mark_open, resume_loop};

use crate::core::{Core, unless_it_panics};
use crate::database::{LedgerKind, StoreError};
use crate::files::source::SourceError;
use crate::machine::blocking::blocking;
use crate::machine::progress::ProgressSink;
use crate::tell::index::{Facts, Trouble};
use domain::api::{ClearAnswer, ClearingView, RowProblem};
use domain::lifecycle::RunState;
use domain::log_line::Level;
use domain::path::RunPath;
use domain::proof::Totals;
use domain::units;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long an act waits for whoever holds the run.
const PATIENCE: Duration = Duration::from_secs(10);

/// Frees a run's local copy, as an operator asks: proves everything now, whatever was proven before. Idempotent: what
/// is known and gone gives zeros.
pub async fn clear(core: &Arc<Core>, run: &RunPath) -> Result<ClearAnswer, Refusal> {
    let held = core.turns.runs.hold(run, "clearing", PATIENCE).await;
    let _guard =
        held.map_err(|holder| Refusal::Busy(format!("{run} is busy ({holder}): try again when that has ended")))?;
    if let Some(intent) = resume::open_intent(core, run).await? {
        return answer(core, run, resume::resume(core, intent).await);
    }
    if gone(core, run).await? {
        return match known(core, run).await? {
            true => Ok(ClearAnswer::ended(run.as_str(), 0, 0)),
            false => Err(Refusal::Unknown(run.clone())),
        };
    }
    if core.index.look(run, Facts::state).flatten() == Some(RunState::Cleared) {
        return Ok(ClearAnswer::ended(run.as_str(), 0, 0));
    }
    answer(core, run, begin(core, run).await)
}

/// Clears by policy, in the background. A refusal is logged, and the run is left alone for a while: what refused it may
/// read the whole NAS to be found again, and need not change anything that is seen from here.
pub fn start_automatic(core: &Arc<Core>, run: &RunPath) {
    if core.clears.is_resting(run) {
        return;
    }
    let (core, run) = (core.clone(), run.clone());
    tokio::spawn(async move {
        let Ok(guard) = core.turns.runs.hold(&run, "clearing", PATIENCE).await else { return };
        let due = core
            .index
            .look(&run, |facts| facts.clearing.is_none() && facts.state() == Some(RunState::SyncVerified))
            .unwrap_or(false);
        if !due || core.clears.is_resting(&run) {
            return;
        }
        let began = Instant::now();
        let Err(stop) = begin(&core, &run).await else { return };
        let message = format!("not cleared by itself: {stop}");
        core.log(None, &run, Level::Warn, &message);
        // One that goes on says what it waits for.
        if matches!(stop, ClearStop::Refused(_)) {
            let problem = RowProblem { code: "not_cleared_by_itself".into(), message };
            core.change(&run, |facts| drop(facts.troubles.insert(Trouble::Clearing, problem)));
        }
        let rest = core.rest_from_clearing(&run, began.elapsed());
        drop(guard);
        tokio::select! {
            () = core.site.stop.cancelled() => {}
            () = tokio::time::sleep_until(rest) => core.desk.look_at(&run),
        }
    });
}

/// Why a clear did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ClearStop {
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The intent stands and goes on by itself.
    #[error("the clear goes on by itself: {0}")]
    Waiting(String),
    /// The intent stands, and does not go on before a person has done something.
    #[error("{why}; {remedy}")]
    ForAPerson {
        /// Why it is given up.
        why: String,
        /// What is in the way of that, and what to do.
        remedy: String,
    },
}

impl ClearStop {
    /// The reason alone, for the row.
    fn why(&self) -> String {
        match self {
            ClearStop::Refused(refusal) => refusal.to_string(),
            ClearStop::Waiting(why) => why.clone(),
            ClearStop::ForAPerson { .. } => self.to_string(),
        }
    }

    /// The intent stands, whoever it waits for.
    fn stands(&self) -> bool {
        !matches!(self, ClearStop::Refused(_))
    }

    /// From the intent on it is no refusal that the state folder cannot be written: the intent stands, and goes on when
    /// it can.
    fn once_intended(self) -> ClearStop {
        match self {
            ClearStop::Refused(refusal) if matches!(*refusal, Refusal::State(_)) => {
                ClearStop::Waiting(refusal.to_string())
            }
            other => other,
        }
    }
}

impl From<Refusal> for ClearStop {
    fn from(refusal: Refusal) -> ClearStop {
        ClearStop::Refused(Box::new(refusal))
    }
}

impl From<StoreError> for ClearStop {
    fn from(error: StoreError) -> ClearStop {
        Refusal::from(error).into()
    }
}

fn answer(core: &Core, run: &RunPath, outcome: Result<Totals, ClearStop>) -> Result<ClearAnswer, Refusal> {
    match outcome {
        Ok(freed) => Ok(ClearAnswer::ended(run.as_str(), freed.files, freed.bytes)),
        Err(ClearStop::Refused(refusal)) => Err(*refusal),
        Err(stop @ ClearStop::ForAPerson { .. }) => Err(Refusal::held(format!("the clear of {run} waits: {stop}"))),
        // Not a refusal: the intent stands, and ends without anybody's doing.
        Err(ClearStop::Waiting(why)) => {
            let known = core.clears.of(run);
            let known = known.unwrap_or(ClearingView { intent: String::new(), step: String::new(), waiting: None });
            let clearing = Some(ClearingView { waiting: Some(why), ..known });
            Ok(ClearAnswer { clearing, ..ClearAnswer::ended(run.as_str(), 0, 0) })
        }
    }
}

/// A new clear: permit, intent, and everything after.
async fn begin(core: &Arc<Core>, run: &RunPath) -> Result<Totals, ClearStop> {
    let progress = ProgressSink::new();
    let shown = core.show(run, &progress);
    core.change(run, |facts| drop(facts.troubles.remove(&Trouble::Clearing)));
    let outcome = with_room(core, unless_it_panics(begin_with(core, run, &progress))).await;
    drop(shown);
    core.desk.look_at(run);
    outcome.unwrap_or_else(|fault| {
        let sentence =
            format!("a fault in this program stopped the clear of {run}: {fault}; nothing unproven was removed");
        Err(Refusal::Fault(sentence).into())
    })
}

/// Clears in the room that is kept back for it: what little has to be written finds its place on a full disk too.
async fn with_room<T>(core: &Arc<Core>, clearing: impl Future<Output = T>) -> T {
    let room = {
        let core = core.clone();
        blocking(move || core.room_for_clearing()).await
    };
    let outcome = clearing.await;
    blocking(move || drop(room)).await;
    outcome
}

async fn begin_with(core: &Arc<Core>, run: &RunPath, progress: &ProgressSink) -> Result<Totals, ClearStop> {
    let permit = permit::permit(core, permit::PermitFor::Run(run), progress).await?;
    core.site.checkpoints.reached(crate::machine::checkpoint::Checkpoint::Permitted);
    {
        let core = core.clone();
        // The tree may have been given to another installation since it was looked at.
        let prepared = blocking(move || {
            let _known = core.staging.owner.look();
            aside::prepare(&core)
        });
        let prepared = prepared.await;
        prepared.map_err(|error| Refusal::Staging(error.to_string()))?;
    }
    let id = uuid::Uuid::new_v4().to_string();
    let job = permit.job();
    let intent = core.store.intend(&id, run, job.life, &job.id, core.site.clock.now_ms()).await?;
    core.ledger(run, job.life, LedgerKind::ClearIntended, clear_intended(job, &permit)).await;
    core.site.checkpoints.reached(crate::machine::checkpoint::Checkpoint::Intended);
    carry_out::carry_out(core, intent, permit, progress).await
}

fn clear_intended(job: &crate::database::Job, permit: &permit::ClearPermit) -> String {
    let (files, bytes) = (units::counted(job.totals.files, "file"), units::counted(job.totals.bytes, "byte"));
    format!("{files}, {bytes}, {}", permit.evidence())
}

/// Notes on the row that a clear works on the run, or no longer does.
fn note_clearing(core: &Core, run: &RunPath, view: Option<ClearingView>) {
    core.clears.note(run, view.clone());
    core.change(run, |facts| facts.clearing = view);
}

async fn gone(core: &Arc<Core>, run: &RunPath) -> Result<bool, Refusal> {
    let (core, run) = (core.clone(), run.clone());
    match blocking(move || core.staging.run(&run).map(|_| ())).await {
        Ok(()) => Ok(false),
        Err(SourceError::RunGone { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Known to this installation: in the ledger of lives, or in the queue.
async fn known(core: &Core, run: &RunPath) -> Result<bool, StoreError> {
    if core.store.last_ended_life(run).await?.is_some() {
        return Ok(true);
    }
    Ok(core.index.look(run, |_| ()).is_some() || core.store.latest_job(run, 1).await?.is_some())
}
