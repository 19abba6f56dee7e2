//! Acts: each runs as a task of its own, so that a caller that hangs up changes nothing (S14).

use super::Engine;
use super::answers::store_problem;
use crate::clear;
use crate::database::LedgerKind;
use crate::machine::blocking::blocking;
use crate::machine::progress::ProgressSink;
use crate::observe::evaluate_run;
use crate::prove::only_copy;
use crate::prove::{Proof, count_pass, prove, record_broken};
use crate::verify::sentence;
use domain::api::{
    ActKind, ActResult, ActView, CallOffAnswer, ClearAnswer, FileDifference, ForceSyncAnswer, ForceSyncRequest,
    KnownRequest, OverrideRequest, ProblemFinding, ProofView, RetryAnswer, RevokeRequest, VerifyAnswer,
};
use domain::job::{FailureClass, JobState};
use domain::overrides::OverrideEntry;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use domain::timestamp::Timestamp;
use domain::units;
use serde::Serialize;
use std::future::Future;

/// Most runs one act may name; more than any staging tree holds.
const MOST_RUNS: usize = 100_000;

/// Runs an act to its end whatever becomes of the caller.
async fn detached<T: Send + 'static>(
    act: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(act).await {
        Ok(answer) => answer,
        Err(error) => Err(Problem::new(
            ErrorCode::Internal,
            format!("a fault in this program ended the act: {error}; nothing unproven was removed"),
        )),
    }
}

impl Engine {
    /// Queues a run now; answers when it is queued or blocked.
    pub async fn force_sync(&self, run: &str, request: ForceSyncRequest) -> Result<ForceSyncAnswer, Problem> {
        let (engine, run) = (self.clone(), self.parse(run)?);
        detached(async move { engine.force_sync_run(&run, &request).await }).await
    }

    /// Proves the destination and frees the local copy; answers when it is gone.
    pub async fn clear(&self, run: &str) -> Result<ClearAnswer, Problem> {
        let (engine, run) = (self.clone(), self.parse(run)?);
        detached(async move {
            if engine.core.index.look(&run, |_| ()).is_none() {
                // It may have come after the last scan; what cannot be read says so on its row, and is refused below.
                let _ = evaluate_run(&engine.core, &run).await;
            }
            Ok(clear::clear(&engine.core, &run).await?)
        })
        .await
    }

    /// Proves the destination; the state does not advance, the pass counts. Also for runs that are cleared and gone.
    pub async fn verify(&self, run: &str) -> Result<VerifyAnswer, Problem> {
        let (engine, run) = (self.clone(), self.parse(run)?);
        detached(async move { engine.verify_run(&run).await }).await
    }

    /// Re-arms a failed job, or makes a waiting one due.
    pub async fn retry(&self, run: &str) -> Result<RetryAnswer, Problem> {
        let (engine, run) = (self.clone(), self.parse(run)?);
        detached(async move { engine.retry_run(&run).await }).await
    }

    /// Gives up a clear that waits; answers when the run, or what is left of it, stands where it stood.
    pub async fn call_off(&self, run: &str) -> Result<CallOffAnswer, Problem> {
        let (engine, run) = (self.clone(), self.parse(run)?);
        detached(async move { Ok(clear::call_off(&engine.core, &run).await?) }).await
    }

    /// Lets a class of findings of a run through; answers the entry when it is written and the run judged.
    pub async fn override_findings(&self, run: &str, request: OverrideRequest) -> Result<OverrideEntry, Problem> {
        let (engine, run) = (self.clone(), self.parse(run)?);
        detached(async move { engine.override_run(&run, &request).await }).await
    }

    /// Ends an override; answers the tombstone when it is written and the run judged.
    pub async fn revoke_override(&self, run: &str, request: RevokeRequest) -> Result<OverrideEntry, Problem> {
        let (engine, run) = (self.clone(), self.parse(run)?);
        detached(async move { engine.revoke_run(&run, &request).await }).await
    }

    /// Marks a finding known here, or takes the mark away; answers the finding.
    pub async fn mark_known(&self, path: &str, request: KnownRequest, known: bool) -> Result<ProblemFinding, Problem> {
        let (engine, path) = (self.clone(), path.to_owned());
        detached(async move { engine.mark(&path, &request, known).await }).await
    }

    async fn verify_run(&self, run: &RunPath) -> Result<VerifyAnswer, Problem> {
        let core = &self.core;
        let life = match core.index.look(run, |facts| facts.life) {
            Some(life) => life,
            None => {
                let ended = core.store.last_ended_life(run).await.map_err(store_problem)?;
                ended
                    .map(|life| life.life)
                    .ok_or_else(|| Problem::new(ErrorCode::NotFound, format!("{run} was never known")))?
            }
        };
        let job = core.store.latest_job(run, life).await.map_err(store_problem)?.filter(|job| job.seal.is_some());
        let not_sealed = || {
            Problem::new(ErrorCode::StagingNotProven, format!("{run} has not been sealed and sent yet"))
                .with("files", Vec::<String>::new())
        };
        let job = job.ok_or_else(not_sealed)?;
        if job.state.is_in_work() {
            return Err(Problem::new(
                ErrorCode::RunBusy,
                format!("{run} is being synced: its proof comes at the end of that"),
            ));
        }
        let progress = ProgressSink::new();
        let context = core.site.call_context(run.equipment(), &core.site.stop, &progress);
        // What stands at the path of a cleared run now is not what was sealed.
        let cleared = job.state == JobState::Cleaned;
        let shown =
            core.index.look(run, |facts| facts.life == life).unwrap_or(false).then(|| core.show_beside(run, &progress));
        let folder = {
            let (core, run) = (core.clone(), run.clone());
            blocking(move || core.staging.run(&run).ok().filter(|_| !cleared)).await
        };
        let proof = prove(core, &job, folder.as_ref(), &context).await;
        drop(shown);
        core.desk.look_at(run);
        let run_path = run.as_str().to_owned();
        match proof {
            Ok(Proof::Holds(manifest)) => {
                let now = core.site.clock.now();
                let counted = count_pass(core, &job, &manifest).await.map_err(store_problem)?;
                let at = |ms: i64| Timestamp::from_unix_seconds(ms.div_euclid(1000));
                let basis = counted.as_ref().unwrap_or(&job);
                let view = ProofView {
                    level: counted.as_ref().and_then(|job| job.proof_level).unwrap_or(manifest.level()),
                    method: manifest.method().to_owned(),
                    at: now,
                    first_at: basis.first_proof_ms.map_or(now, at),
                    passes: basis.verify_passes,
                    files: manifest.totals().files,
                    bytes: manifest.totals().bytes,
                };
                core.ledger(
                    run,
                    life,
                    LedgerKind::VerifiedByOperator,
                    format!("{} at level {}", units::counted(view.files, "file"), view.level),
                )
                .await;
                Ok(VerifyAnswer {
                    run_path,
                    proven: true,
                    proof: Some(view),
                    differences: Vec::new(),
                    differences_total: 0,
                })
            }
            Ok(Proof::Broken(differences)) => {
                record_broken(core, &job, &differences).await.map_err(store_problem)?;
                let named = |d: &domain::proof::Difference| FileDifference {
                    path: d.path.to_string(),
                    what: sentence(&d.kind),
                };
                let listed = differences.first.iter().map(named).collect();
                Ok(VerifyAnswer {
                    run_path,
                    proven: false,
                    proof: None,
                    differences: listed,
                    differences_total: differences.total,
                })
            }
            Err(failure) if failure.class == FailureClass::Interrupted => {
                Err(Problem::new(ErrorCode::Stopping, "the program is stopping"))
            }
            Err(failure) => {
                if cleared {
                    only_copy::no_answer(core, &job, &failure).await.map_err(store_problem)?;
                }
                let problem = Problem::new(
                    ErrorCode::DestinationNotProven,
                    format!("{run} cannot be proven on the NAS now: {}", failure.message),
                );
                Err(problem.with("files", Vec::<String>::new()).with("class", failure.class))
            }
        }
    }

    /// Starts an act over one or many runs, and answers at once. Runs are taken one after the other.
    pub fn start_act(&self, kind: ActKind, runs: Vec<String>, request: ForceSyncRequest) -> Result<ActView, Problem> {
        if runs.is_empty() || runs.len() > MOST_RUNS {
            return Err(Problem::new(
                ErrorCode::Unprocessable,
                format!("An act names 1 to {MOST_RUNS} runs; this one names {}.", runs.len()),
            ));
        }
        for run in &runs {
            self.parse(run)?;
        }
        let act = self.core.tell.acts.begin(kind, runs.len());
        let (engine, id) = (self.clone(), act.id.clone());
        tokio::spawn(async move {
            for run in runs {
                let result = engine.act_on(kind, &run, request.clone()).await;
                engine.core.tell.acts.ended(&id, result);
            }
        });
        Ok(act)
    }

    /// A started act.
    pub fn act(&self, id: &str) -> Option<ActView> {
        self.core.tell.acts.get(id)
    }

    async fn act_on(&self, kind: ActKind, run: &str, request: ForceSyncRequest) -> ActResult {
        match kind {
            ActKind::ForceSync => {
                result(run, self.force_sync(run, request).await, |answer| match answer.state.as_str() {
                    "blocked" => format!("held back by {} findings", answer.blocking_findings.len()),
                    "unchanged" => "nothing to queue: the NAS is proven to hold it as it is".into(),
                    _ => "queued".into(),
                })
            }
            ActKind::Clear => result(run, self.clear(run).await, |answer| {
                if let Some(clearing) = &answer.clearing {
                    let why = clearing.waiting.as_deref().unwrap_or("no reason is known");
                    return format!("the clear goes on by itself: {why}");
                }
                let bytes = i64::try_from(answer.bytes_freed).unwrap_or(i64::MAX);
                format!("cleared: {}, {} freed", units::counted(answer.files_freed, "file"), units::bytes(bytes))
            }),
            ActKind::Verify => result(run, self.verify(run).await, |answer| match &answer.proof {
                Some(proof) => format!("proven at level {}: {}", proof.level, units::counted(proof.files, "file")),
                None => {
                    format!("not proven: {}", units::plural(answer.differences_total, "file differs", "files differ"))
                }
            }),
            ActKind::Retry => result(run, self.retry(run).await, |_| "queued again".into()),
            ActKind::CallOff => result(run, self.call_off(run).await, |answer| match answer.files_freed {
                0 => "the clear was called off: the run is as it was before".into(),
                freed => format!(
                    "the clear was called off: {} had been removed before, the rest is kept",
                    units::counted(freed, "proven file")
                ),
            }),
        }
    }
}

fn result<T: Serialize>(run: &str, answer: Result<T, Problem>, say: impl FnOnce(&T) -> String) -> ActResult {
    let run_path = run.to_owned();
    match answer {
        Ok(answer) => {
            ActResult { run_path, sentence: say(&answer), answer: serde_json::to_value(&answer).ok(), problem: None }
        }
        Err(problem) => ActResult { run_path, sentence: problem.message.clone(), answer: None, problem: Some(problem) },
    }
}
