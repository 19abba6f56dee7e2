//! force-sync by state (docs/rest.md): judged now, queued now.

use super::Engine;
use super::answers::store_problem;
use super::unreadable::{evaluate_problem, gate_problem, record_problem, source_problem};
use crate::database::{Job, LedgerKind};
use crate::judge::gatekeeper::{Gated, ask, generation_to_queue, record_event};
use crate::keep::ingest_store::fields;
use crate::machine::blocking::blocking;
use crate::observe::{evaluate_run, record_queued, signal_lacks};
use crate::prove::still_as_sealed;
use crate::tell::index::Facts;
use domain::api::{ForceSyncAnswer, ForceSyncRequest, RetryAnswer};
use domain::job::{JobEvent, JobState};
use domain::lifecycle::{RunEvent, RunState};
use domain::log_line::Level;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use domain::units;
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

fn not_complete(run: &RunPath, facts: &Facts) -> Problem {
    let lacks = facts.waiting_for.clone().unwrap_or_else(|| "its completeness signal".into());
    Problem::new(ErrorCode::StagingNotComplete, format!("{run} is not complete: {lacks}")).with("lacks", lacks)
}

/// What a name says that is still arriving is not sent.
fn arriving(run: &RunPath) -> Problem {
    let token = run.arriving().unwrap_or_default();
    let lacks = format!("its final name; the {token} in this one says that it is still arriving: rename its folder");
    Problem::new(ErrorCode::StagingNotComplete, format!("{run} is not complete: {lacks}")).with("lacks", lacks)
}

impl Engine {
    /// Queues a run now; answers when it is queued or blocked.
    pub(super) async fn force_sync_run(
        &self,
        run: &RunPath,
        request: &ForceSyncRequest,
    ) -> Result<ForceSyncAnswer, Problem> {
        let core = &self.core;
        // Judged as it stands now, not as the last scan saw it.
        let evaluated = evaluate_run(core, run).await;
        let held = core.turns.runs.hold(run, "force-sync", PATIENCE).await;
        let _guard = held.map_err(|holder| {
            Problem::new(ErrorCode::RunBusy, format!("{run} is busy ({holder}): try again when that has ended"))
        })?;
        self.may_act_on(run)?;
        let Some(facts) = core.index.get(run).filter(|_| !self.is_gone(run, &evaluated)) else {
            return Err(self.gone_problem(run).await?);
        };
        if let Err(problem) = &facts.ingest {
            if let Err(error) = evaluated {
                return Err(evaluate_problem(run, error));
            }
            let code = if problem.code == "schema_major_mismatch" {
                ErrorCode::SchemaMajorMismatch
            } else {
                ErrorCode::DocumentUnreadable
            };
            return Err(Problem::new(code, problem.message.clone()));
        }
        if let Err(error) = evaluated {
            return Err(evaluate_problem(run, error));
        }
        if run.arriving().is_some() {
            return Err(arriving(run));
        }
        match facts.state() {
            None if matches!(facts.ingest, Ok(Some(_))) => Err(Problem::new(
                ErrorCode::DocumentUnreadable,
                format!("the state of {run} was written by a newer version and is not known here"),
            )),
            None | Some(RunState::Staging) if request.assume_complete => {
                self.assume_complete(run, &facts, request).await?;
                self.queue(run, generation_to_queue(core, facts.job.as_ref()).await).await
            }
            None | Some(RunState::Staging) => Err(not_complete(run, &facts)),
            Some(RunState::Complete) => self.queue(run, generation_to_queue(core, facts.job.as_ref()).await).await,
            Some(RunState::SyncQueued) => self.hurry(run, facts.job).await,
            Some(RunState::SyncVerified) => self.sync_again(run, &facts, request).await,
            Some(RunState::Cleared) => Err(Problem::new(ErrorCode::RunCleared, format!("{run} is already cleared"))),
        }
    }

    fn is_gone(
        &self,
        run: &RunPath,
        evaluated: &Result<crate::observe::Evaluated, crate::observe::EvaluateError>,
    ) -> bool {
        matches!(evaluated, Ok(evaluated) if evaluated.state.is_none())
            && matches!(self.core.staging.run(run), Err(crate::files::source::SourceError::RunGone { .. }))
    }

    /// In a tree of another installation nothing is done. The caller holds the run, so a clear of it that is open is not at work: it waits, and no other act begins before
    /// it has ended. What stands aside meanwhile was proven, and is not gone.
    pub(super) fn may_act_on(&self, run: &RunPath) -> Result<(), Problem> {
        if let Err(why) = self.core.staging.owner.known() {
            let sentence = format!("{run}: nothing is done in {}: {why}", self.core.staging.root());
            return Err(Problem::new(ErrorCode::StagingUnavailable, sentence));
        }
        let Some(clearing) = self.core.clears.of(run) else { return Ok(()) };
        let why = clearing.waiting.unwrap_or_else(|| "its next try".to_owned());
        let sentence =
            format!("{run}: its clear waits: {why}. Nothing else is done with it until that has ended; or call it off");
        Err(Problem::new(ErrorCode::RunBusy, sentence))
    }

    pub(super) async fn gone_problem(&self, run: &RunPath) -> Result<Problem, Problem> {
        let ended = self.core.store.last_ended_life(run).await.map_err(store_problem)?;
        Ok(match ended {
            _ if self.core.index.look(run, |_| ()).is_some() => Problem::new(
                ErrorCode::NotFound,
                format!("{run} is gone from staging before it was proven: put it back first"),
            ),
            Some(_) => Problem::new(ErrorCode::RunCleared, format!("{run} is already cleared")),
            None => Problem::new(ErrorCode::NotFound, format!("{run} is not in staging and was never known")),
        })
    }

    /// An operator says that the instrument has finished although its signal is missing; recorded with name and reason.
    async fn assume_complete(&self, run: &RunPath, facts: &Facts, request: &ForceSyncRequest) -> Result<(), Problem> {
        let (operator, reason) = who_and_why(request)?;
        let folder = self.open(run).await?;
        let extra = fields(json!({
            "files_received": facts.totals.files,
            "bytes_received": facts.totals.bytes,
            "assumed_complete_by": operator,
            "reason": reason,
        }));
        let recorded = record_event(&self.core, run, &folder, RunEvent::Completed, extra).await;
        recorded.map_err(|error| record_problem(run, error))?;
        self.core.ledger(run, facts.life, LedgerKind::AssumedComplete, format!("{operator}: {reason}")).await;
        self.core.log(
            Some(&folder),
            run,
            Level::Warn,
            &format!("taken as complete without its signal by {operator}: {reason}"),
        );
        Ok(())
    }

    async fn open(&self, run: &RunPath) -> Result<crate::files::source::RunFolder, Problem> {
        let (core, at) = (self.core.clone(), run.clone());
        blocking(move || core.staging.run(&at)).await.map_err(|error| source_problem(run, &error))
    }

    /// Through the gate, as this generation.
    async fn queue(&self, run: &RunPath, generation: u64) -> Result<ForceSyncAnswer, Problem> {
        let core = &self.core;
        if run.arriving().is_some() {
            return Err(arriving(run));
        }
        match ask(core, run, generation).await.map_err(|error| gate_problem(run, error))? {
            Gated::Blocked(blocking_findings) => Ok(ForceSyncAnswer {
                run_path: run.as_str().to_owned(),
                state: "blocked".into(),
                job_id: None,
                blocking_findings,
            }),
            Gated::Queued(job) => {
                let folder = self.open(run).await?;
                let recorded = record_queued(core, run, &folder).await;
                recorded.map_err(|error| evaluate_problem(run, error.into()))?;
                self.due_now(run, *job).await
            }
        }
    }

    /// Already queued: due now; failed: re-armed, if the gate still lets it through.
    async fn hurry(&self, run: &RunPath, job: Option<Job>) -> Result<ForceSyncAnswer, Problem> {
        match job {
            Some(job) if job.state.is_in_work() => Ok(standing(run, &job)),
            Some(job) => self.queue(run, job.generation).await,
            None => self.queue(run, 1).await,
        }
    }

    /// A verified run: sealed and sent again when it changed, or when the proof is not ours.
    async fn sync_again(
        &self,
        run: &RunPath,
        facts: &Facts,
        request: &ForceSyncRequest,
    ) -> Result<ForceSyncAnswer, Problem> {
        let Some(job) = &facts.job else { return self.queue(run, 1).await };
        if job.state.is_in_work() {
            return Ok(standing(run, job));
        }
        if !job.state.is_proven() {
            return self.queue(run, job.generation).await;
        }
        let unchanged = still_as_sealed(&self.core, job).await;
        if unchanged && facts.proof_recorded() {
            // Equal bytes under another stat: the row is to say so too.
            self.core.index.sweep_soon(run);
            self.core.desk.look_at(run);
            return Ok(standing(run, job));
        }
        if !unchanged {
            self.complete_again(run, facts, request).await?;
        }
        self.queue(run, job.generation + 1).await
    }

    /// A run whose files changed after its proof is sealed anew when its signal says that it is complete, as before the
    /// first time; or when an operator says so.
    async fn complete_again(&self, run: &RunPath, facts: &Facts, request: &ForceSyncRequest) -> Result<(), Problem> {
        let folder = self.open(run).await?;
        let (core, mut known, handle) = (self.core.clone(), facts.clone(), folder.clone());
        let Some(lacks) = blocking(move || signal_lacks(&core, &mut known, &handle)).await else { return Ok(()) };
        if !request.assume_complete {
            let sentence = format!("{run} changed after its proof and is not complete: {lacks}");
            return Err(Problem::new(ErrorCode::StagingNotComplete, sentence).with("lacks", lacks));
        }
        let (operator, reason) = who_and_why(request)?;
        self.core.ledger(run, facts.life, LedgerKind::AssumedComplete, format!("{operator}: {reason}")).await;
        self.core.log(
            Some(&folder),
            run,
            Level::Warn,
            &format!("taken as complete again without its signal by {operator}: {reason}"),
        );
        Ok(())
    }

    /// Makes a queued job due, re-arms a failed one, and asks its destination at once.
    async fn due_now(&self, run: &RunPath, job: Job) -> Result<ForceSyncAnswer, Problem> {
        let core = &self.core;
        match job.state {
            JobState::Failed => {
                core.store.advance(&job, JobEvent::Rearmed, None).await.map_err(store_problem)?;
                core.ledger(run, job.life, LedgerKind::Rearmed, "by an operator".into()).await;
            }
            JobState::Queued => core.store.make_due(&job.id).await.map_err(store_problem)?,
            _ => {}
        }
        if let Some(destination) = core.destinations.get(run.equipment()) {
            destination.probe_now();
        }
        let job = core.reload_job(run, job.life).await.map_err(store_problem)?.unwrap_or(job);
        core.destinations.work_now(run.equipment());
        Ok(standing(run, &job))
    }

    /// Re-arms a failed job, or makes one that waits due now.
    pub(super) async fn retry_run(&self, run: &RunPath) -> Result<RetryAnswer, Problem> {
        let core = &self.core;
        let held = core.turns.runs.hold(run, "retry", PATIENCE).await;
        let _guard = held.map_err(|holder| {
            Problem::new(ErrorCode::RunBusy, format!("{run} is busy ({holder}): try again when that has ended"))
        })?;
        self.may_act_on(run)?;
        let Some(facts) = core.index.get(run) else { return Err(self.gone_problem(run).await?) };
        let nothing = |why: &str| Problem::new(ErrorCode::NothingToRetry, format!("{run}: {why}"));
        let job = facts.job.ok_or_else(|| nothing("it has no job yet"))?;
        if !matches!(job.state, JobState::Failed | JobState::Queued) {
            return Err(nothing(&format!("its job has not failed, it is {}", job.state)));
        }
        let answer = self.queue(run, job.generation).await?;
        if !answer.blocking_findings.is_empty() {
            let sentence = format!(
                "{run} is held back by {}: fix or override first",
                units::counted(answer.blocking_findings.len() as u64, "finding")
            );
            return Err(nothing(&sentence).with("blocking_findings", answer.blocking_findings));
        }
        let job = core.index.look(run, |facts| facts.job.clone()).flatten().unwrap_or(job);
        Ok(RetryAnswer { run_path: run.as_str().to_owned(), job: crate::tell::index::job_view(&job, None) })
    }
}

/// Who says that a run is complete, and why: both are recorded.
fn who_and_why(request: &ForceSyncRequest) -> Result<(&str, &str), Problem> {
    let operator = request.operator.as_deref().map(str::trim).filter(|operator| !operator.is_empty());
    let reason = request.reason.as_deref().map(str::trim).filter(|reason| (10..=500).contains(&reason.chars().count()));
    let needs = "assume_complete needs an operator and a reason of 10 to 500 characters: both are recorded";
    operator.zip(reason).ok_or_else(|| Problem::new(ErrorCode::Unprocessable, needs))
}

/// What was asked for, as it stands: queued, or nothing to queue because the NAS is proven to hold the run as it is.
fn standing(run: &RunPath, job: &Job) -> ForceSyncAnswer {
    let state = if job.state == JobState::Queued || job.state.is_in_work() { "queued" } else { "unchanged" };
    ForceSyncAnswer {
        run_path: run.as_str().to_owned(),
        state: state.into(),
        job_id: Some(job.id.clone()),
        blocking_findings: Vec::new(),
    }
}
