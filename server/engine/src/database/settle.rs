//! What happens to jobs: claimed, sent, proven, put back, failed. A [`Claim`] is the right to settle one; only claiming
//! makes one.

use super::jobs::{Job, side_text};
use super::proofs::{insert_proof, proof_of};
use super::{Store, StoreError, signed};
use crate::transport::Failure;
use crate::verify::VerifiedManifest;
use domain::job::{JobEvent, JobState, apply};
use domain::proof::{Digest, Totals};

/// No next try is further away than a day (a cleared run at which something was amiss), plus an hour to spare.
const LONGEST_WAIT_MS: i64 = 25 * 3_600_000;

/// The right to settle a job: made only by [`Store::claim`]. Settling spends its token, so that it settles once.
#[derive(Debug)]
pub struct Claim {
    job: Job,
    token: String,
}

impl Claim {
    /// The job as claimed.
    pub fn job(&self) -> &Job {
        &self.job
    }
}

impl Store {
    /// Takes the equipment's oldest due job; nobody else can settle it. `None` when nothing is due.
    pub async fn claim(&self, equipment_id: &str, now_ms: i64) -> Result<Option<Claim>, StoreError> {
        let token = uuid::Uuid::new_v4().to_string();
        // `+` keeps SQLite from using the index by due time, with which it would sort all due jobs.
        let job = sqlx::query_as::<_, Job>(change_jobs!(
            "state = 'running', claim = $1, waiting = 0 WHERE id = (SELECT id FROM jobs WHERE equipment_id = $2 \
             AND state = 'queued' AND +next_attempt_ms <= $3 ORDER BY enqueued_ms, id LIMIT 1) AND state = 'queued' RETURNING *"
        ))
        .bind(&token)
        .bind(equipment_id)
        .bind(now_ms)
        .fetch_all(&self.writer)
        .await?
        .pop();
        Ok(job.map(|job| Claim { job, token }))
    }

    /// Everything sealed is at the destination: `running` to `awaiting_verify`.
    pub async fn sent(
        &self,
        claim: &mut Claim,
        seal: Digest,
        sealed_ms: i64,
        totals: Totals,
        nas_path: &str,
    ) -> Result<(), StoreError> {
        let next = legal(claim.job.state, JobEvent::Sent)?;
        let job = sqlx::query_as::<_, Job>(change_jobs!(
            "state = $1, seal_digest = $2, sealed_ms = $3, files = $4, bytes = $5, nas_path = $6 \
             WHERE id = $7 AND state = $8 AND claim = $9 RETURNING *"
        ))
        .bind(next.as_str())
        .bind(seal.to_string())
        .bind(sealed_ms)
        .bind(signed(totals.files))
        .bind(signed(totals.bytes))
        .bind(nas_path)
        .bind(&claim.job.id)
        .bind(claim.job.state.as_str())
        .bind(&claim.token)
        .fetch_all(&self.writer)
        .await?
        .pop();
        claim.job = job.ok_or_else(|| lost(&claim.job))?;
        Ok(())
    }

    /// Counts a second push in its own column; the job stays in work (S9).
    pub async fn count_hash_retry(&self, claim: &mut Claim, failure: &Failure) -> Result<(), StoreError> {
        let job = sqlx::query_as::<_, Job>(change_jobs!(
            "hash_retries = hash_retries + 1, error_class = $1, error_side = $2, error_message = $3 \
             WHERE id = $4 AND claim = $5 RETURNING *"
        ))
        .bind(failure.class.as_str())
        .bind(side_text(failure.side))
        .bind(&failure.message)
        .bind(&claim.job.id)
        .bind(&claim.token)
        .fetch_all(&self.writer)
        .await?
        .pop();
        claim.job = job.ok_or_else(|| lost(&claim.job))?;
        Ok(())
    }

    /// Proven for the first time in this generation. Takes the evidence.
    pub async fn settle_verified(
        &self,
        claim: &Claim,
        proven: &VerifiedManifest,
        at_ms: i64,
    ) -> Result<Job, StoreError> {
        let next = legal(claim.job.state, JobEvent::Proven)?;
        if Some(proven.seal_digest()) != claim.job.seal || proven.run() != &claim.job.run {
            return Err(StoreError::Corrupt(format!("the proof of {} is not of its seal", claim.job.run)));
        }
        let mut transaction = self.writer.begin().await?;
        let job = sqlx::query_as::<_, Job>(change_jobs!(
            "state = $1, claim = NULL, error_class = NULL, error_side = NULL, error_message = NULL, proof_level = $2, \
             proof_method = $3, first_proof_ms = $4, last_proof_ms = $4, verify_passes = 1, next_attempt_ms = 0, record_sent = 0, record_next_ms = 0, \
             record_attempts = 0 WHERE id = $5 AND state = $6 AND claim = $7 RETURNING *"
        ))
        .bind(next.as_str())
        .bind(proven.level().as_str())
        .bind(proven.method())
        .bind(at_ms)
        .bind(&claim.job.id)
        .bind(claim.job.state.as_str())
        .bind(&claim.token)
        .fetch_all(&mut *transaction)
        .await?
        .pop()
        .ok_or_else(|| lost(&claim.job))?;
        insert_proof(&mut transaction, &job, &proof_of(proven, proven.level(), at_ms)).await?;
        transaction.commit().await?;
        Ok(job)
    }

    /// Puts a job back: due again at `due_ms`; `attempt` counts it. The failure, if any, stays visible.
    pub async fn settle_postponed(
        &self,
        claim: &Claim,
        failure: Option<&Failure>,
        due_ms: i64,
        attempt: bool,
        waiting: bool,
    ) -> Result<Job, StoreError> {
        let next = legal(claim.job.state, JobEvent::Postponed)?;
        self.settle_failure(claim, next, failure, Some(due_ms), attempt, waiting).await
    }

    /// Gives up.
    pub async fn settle_failed(&self, claim: &Claim, failure: &Failure) -> Result<Job, StoreError> {
        let next = legal(claim.job.state, JobEvent::GaveUp)?;
        self.settle_failure(claim, next, Some(failure), None, false, false).await
    }

    async fn settle_failure(
        &self,
        claim: &Claim,
        next: JobState,
        failure: Option<&Failure>,
        due_ms: Option<i64>,
        attempt: bool,
        waiting: bool,
    ) -> Result<Job, StoreError> {
        let job = sqlx::query_as::<_, Job>(change_jobs!(
            "state = $1, claim = NULL, next_attempt_ms = COALESCE($2, next_attempt_ms), attempts = attempts + $3, waiting = $4, \
             error_class = COALESCE($5, error_class), error_side = COALESCE($6, error_side), error_message = COALESCE($7, error_message) \
             WHERE id = $8 AND state = $9 AND claim = $10 RETURNING *"
        ))
        .bind(next.as_str())
        .bind(due_ms)
        .bind(i64::from(attempt))
        .bind(i64::from(waiting))
        .bind(failure.map(|f| f.class.as_str()))
        .bind(failure.map(|f| side_text(f.side)))
        .bind(failure.map(|f| f.message.clone()))
        .bind(&claim.job.id)
        .bind(claim.job.state.as_str())
        .bind(&claim.token)
        .fetch_all(&self.writer)
        .await?
        .pop();
        job.ok_or_else(|| lost(&claim.job))
    }

    /// Moves a proven job by an event that needs no claim: eligibility gained or lost, rot found, cleaned, re-armed.
    /// `None` when the job is no longer in the state the caller decided on.
    pub async fn advance(
        &self,
        job: &Job,
        event: JobEvent,
        failure: Option<&Failure>,
    ) -> Result<Option<Job>, StoreError> {
        let next = legal(job.state, event)?;
        let rearmed = i64::from(event == JobEvent::Rearmed);
        let updated = sqlx::query_as::<_, Job>(
            change_jobs!("state = $1, error_class = CASE WHEN $2 = 1 THEN NULL ELSE COALESCE($3, error_class) END, \
             error_side = CASE WHEN $2 = 1 THEN NULL ELSE COALESCE($4, error_side) END, \
             error_message = CASE WHEN $2 = 1 THEN NULL ELSE COALESCE($5, error_message) END, \
             attempts = CASE WHEN $2 = 1 THEN 0 ELSE attempts END, hash_retries = CASE WHEN $2 = 1 THEN 0 ELSE hash_retries END, \
             next_attempt_ms = CASE WHEN $2 = 1 OR $1 = 'cleaned' THEN 0 ELSE next_attempt_ms END, waiting = CASE WHEN $2 = 1 THEN 0 ELSE waiting END \
             WHERE id = $6 AND state = $7 RETURNING *"),
        )
        .bind(next.as_str())
        .bind(rearmed)
        .bind(failure.map(|f| f.class.as_str()))
        .bind(failure.map(|f| side_text(f.side)))
        .bind(failure.map(|f| f.message.clone()))
        .bind(&job.id)
        .bind(job.state.as_str())
        .fetch_all(&self.writer)
        .await?
        .pop();
        Ok(updated)
    }

    /// Retires the job of a life that was cleared although a look at its copy had failed: a proof since then has
    /// settled that failure. `None` when the job is not failed any more.
    pub async fn retire_failed(&self, job: &Job) -> Result<Option<Job>, StoreError> {
        let query = change_jobs!(
            "state = 'cleaned', next_attempt_ms = 0, waiting = 0, error_class = NULL, error_side = NULL, error_message = NULL \
                     WHERE id = $1 AND state = 'failed' AND seal_digest IS NOT NULL RETURNING *"
        );
        Ok(sqlx::query_as::<_, Job>(query).bind(&job.id).fetch_all(&self.writer).await?.pop())
    }

    /// Makes a queued job due now, whatever it waits for.
    pub async fn make_due(&self, id: &str) -> Result<(), StoreError> {
        let query = change_jobs!("next_attempt_ms = 0, waiting = 0 WHERE id = $1 AND state = 'queued'");
        sqlx::query(query).bind(id).execute(&self.writer).await?;
        Ok(())
    }

    /// Marks an equipment's queued jobs as waiting for their destination, or as no longer waiting. Answers the runs it
    /// changed.
    pub async fn set_waiting(&self, equipment_id: &str, failure: Option<&Failure>) -> Result<Vec<Job>, StoreError> {
        let query = change_jobs!(
            "waiting = $1, error_class = $2, error_side = $3, error_message = $4 \
                     WHERE equipment_id = $5 AND state = 'queued' AND (waiting <> $1 OR COALESCE(error_message, '') <> COALESCE($4, '')) \
                     AND ($1 = 1 OR waiting = 1) RETURNING *"
        );
        Ok(sqlx::query_as(query)
            .bind(i64::from(failure.is_some()))
            .bind(failure.map(|f| f.class.as_str()))
            .bind(failure.map(|f| side_text(f.side)))
            .bind(failure.map(|f| f.message.clone()))
            .bind(equipment_id)
            .fetch_all(&self.writer)
            .await?)
    }

    /// The job got on since it was claimed: what failed before counts no more, so that only tries that bring nothing
    /// are used up.
    pub async fn got_on(&self, claim: &mut Claim) -> Result<(), StoreError> {
        if claim.job.attempts == 0 {
            return Ok(());
        }
        let query = change_jobs!("attempts = 0 WHERE id = $1 AND claim = $2 RETURNING *");
        let job =
            sqlx::query_as::<_, Job>(query).bind(&claim.job.id).bind(&claim.token).fetch_all(&self.writer).await?.pop();
        claim.job = job.ok_or_else(|| lost(&claim.job))?;
        Ok(())
    }

    /// Due times were noted while the clock was ahead: what waits longer from now than anything ever does is due now.
    /// Answers how many.
    pub async fn clock_went_back(&self, now_ms: i64) -> Result<u64, StoreError> {
        let latest = now_ms.saturating_add(LONGEST_WAIT_MS);
        let next = change_jobs!("next_attempt_ms = $1 WHERE next_attempt_ms > $2");
        let next = sqlx::query(next).bind(now_ms).bind(latest).execute(&self.writer).await?.rows_affected();
        let record = change_jobs!("record_next_ms = 0 WHERE record_next_ms > $1");
        Ok(next + sqlx::query(record).bind(latest).execute(&self.writer).await?.rows_affected())
    }

    /// What was in work when the program ended goes on: `running` and `awaiting_verify` are queued, at once, nothing
    /// counted; records that have not reached the NAS are due at once.
    pub async fn recover(&self) -> Result<Vec<Job>, StoreError> {
        sqlx::query(change_jobs!("record_next_ms = 0 WHERE record_sent = 0 AND record_next_ms > 0"))
            .execute(&self.writer)
            .await?;
        let query = change_jobs!(
            "state = 'queued', claim = NULL, next_attempt_ms = 0 WHERE state IN ('running', 'awaiting_verify') RETURNING *"
        );
        Ok(sqlx::query_as(query).fetch_all(&self.writer).await?)
    }

    /// Takes a job out of the queue that nobody works on and nothing was proven of: its run is another one now. False
    /// when somebody changed it meanwhile.
    pub async fn withdraw(&self, job: &Job) -> Result<bool, StoreError> {
        let query = "DELETE FROM jobs WHERE id = $1 AND revision = $2 AND state IN ('queued', 'failed')";
        let done = sqlx::query(query).bind(&job.id).bind(job.revision).execute(&self.writer).await?;
        Ok(done.rows_affected() == 1)
    }

    /// What an equipment's worker left in work without settling it, after a fault in this program: failed, and said so
    /// (S3). Answers the jobs.
    pub async fn fail_abandoned(&self, equipment_id: &str, failure: &Failure) -> Result<Vec<Job>, StoreError> {
        let query = change_jobs!(
            "state = 'failed', claim = NULL, error_class = $1, error_side = $2, error_message = $3 \
                     WHERE equipment_id = $4 AND state IN ('running', 'awaiting_verify') RETURNING *"
        );
        Ok(sqlx::query_as(query)
            .bind(failure.class.as_str())
            .bind(side_text(failure.side))
            .bind(&failure.message)
            .bind(equipment_id)
            .fetch_all(&self.writer)
            .await?)
    }
}

pub(super) fn legal(state: JobState, event: JobEvent) -> Result<JobState, StoreError> {
    apply(state, event).ok_or_else(|| StoreError::Corrupt(format!("{event:?} cannot happen to a job in state {state}")))
}

fn lost(job: &Job) -> StoreError {
    StoreError::Corrupt(format!("job {} of {} was settled by someone else", job.id, job.run))
}
