//! Jobs as they are stored: queueing and asking. What happens to them is [`super::settle`]'s matter.

use super::{Store, StoreError, signed, unsigned};
use crate::transport::Failure;
use domain::gate::Admitted;
use domain::job::{FailureClass, JobState, Side};
use domain::path::RunPath;
use domain::proof::{Digest, ProofLevel, Totals};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

/// A job as stored.
#[derive(Clone, PartialEq, Debug)]
pub struct Job {
    pub id: String,
    pub run: RunPath,
    /// How often the path was pushed and cleared before, plus one.
    pub life: u64,
    /// How often this life's content was sealed.
    pub generation: u64,
    pub state: JobState,
    pub attempts: u32,
    /// Second pushes after a hash mismatch.
    pub hash_retries: u32,
    /// Latest failure; kept while it is retried.
    pub error: Option<Failure>,
    /// When it is due, in milliseconds; 0 is at once.
    pub next_attempt_ms: i64,
    /// Its destination cannot show its identity.
    pub waiting: bool,
    /// Digest of the finished seal.
    pub seal: Option<Digest>,
    /// When the seal was closed.
    pub sealed_ms: Option<i64>,
    pub totals: Totals,
    pub proof_level: Option<ProofLevel>,
    /// How the newest proof was made.
    pub proof_method: Option<String>,
    /// First proof of this generation.
    pub first_proof_ms: Option<i64>,
    pub last_proof_ms: Option<i64>,
    /// Proofs of this generation.
    pub verify_passes: u32,
    /// Where the data is.
    pub nas_path: Option<String>,
    /// The record reached the NAS after the data.
    pub record_sent: bool,
    /// Counts every change of the job, so that an older answer never takes the place of a newer one.
    pub revision: i64,
}

/// Which job: a run's life and generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobKey<'a> {
    pub run: &'a RunPath,
    pub life: u64,
    pub generation: u64,
}

impl FromRow<'_, SqliteRow> for Job {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let corrupt = |what: String| sqlx::Error::Decode(what.into());
        let run: String = row.try_get("run_path")?;
        let state: String = row.try_get("state")?;
        let class = row.try_get("error_class")?;
        let side: Option<String> = row.try_get("error_side")?;
        let message = row.try_get("error_message")?;
        let seal: Option<String> = row.try_get("seal_digest")?;
        let level: Option<String> = row.try_get("proof_level")?;
        let small = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        Ok(Job {
            id: row.try_get("id")?,
            run: RunPath::parse(&run).map_err(|error| corrupt(error.to_string()))?,
            life: unsigned(row.try_get("life")?),
            generation: unsigned(row.try_get("generation")?),
            state: JobState::from_text(&state).ok_or_else(|| corrupt(format!("job state {state}")))?,
            attempts: small(row.try_get("attempts")?),
            hash_retries: small(row.try_get("hash_retries")?),
            error: failure_of(class, side.as_deref(), message),
            next_attempt_ms: row.try_get("next_attempt_ms")?,
            waiting: row.try_get::<i64, _>("waiting")? != 0,
            seal: seal.as_deref().and_then(Digest::parse),
            sealed_ms: row.try_get("sealed_ms")?,
            totals: Totals { files: unsigned(row.try_get("files")?), bytes: unsigned(row.try_get("bytes")?) },
            proof_level: level.as_deref().and_then(ProofLevel::from_text),
            proof_method: row.try_get("proof_method")?,
            first_proof_ms: row.try_get("first_proof_ms")?,
            last_proof_ms: row.try_get("last_proof_ms")?,
            verify_passes: small(row.try_get("verify_passes")?),
            nas_path: row.try_get("nas_path")?,
            record_sent: row.try_get::<i64, _>("record_sent")? != 0,
            revision: row.try_get("revision")?,
        })
    }
}

/// A failure as its columns hold it.
pub(super) fn failure_of(class: Option<String>, side: Option<&str>, message: Option<String>) -> Option<Failure> {
    let side = match side {
        Some("source") => Side::Source,
        Some("destination") => Side::Destination,
        _ => Side::Here,
    };
    class.map(|class| Failure { class: FailureClass::from_text(&class), side, message: message.unwrap_or_default() })
}

pub(super) fn side_text(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Destination => "destination",
        Side::Here => "here",
    }
}

impl Store {
    /// Queues a run the gate has let through. The same run, life and generation: the existing job, untouched.
    pub async fn enqueue(
        &self,
        admitted: &Admitted,
        life: u64,
        generation: u64,
        now_ms: i64,
    ) -> Result<Job, StoreError> {
        let run = admitted.run();
        self.insert_job(run, life, generation, JobState::Queued, None, now_ms).await
    }

    pub(super) async fn insert_job(
        &self,
        run: &RunPath,
        life: u64,
        generation: u64,
        state: JobState,
        error: Option<&Failure>,
        now_ms: i64,
    ) -> Result<Job, StoreError> {
        let inserted = sqlx::query_as::<_, Job>(
            "INSERT INTO jobs (id, run_path, equipment_id, life, generation, state, enqueued_ms, error_class, error_side, error_message) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (run_path, life, generation) DO NOTHING RETURNING *",
        )
        .bind(uuid::Uuid::new_v4().to_string())
        .bind(run.as_str())
        .bind(run.equipment())
        .bind(signed(life))
        .bind(signed(generation))
        .bind(state.as_str())
        .bind(now_ms)
        .bind(error.map(|e| e.class.as_str()))
        .bind(error.map(|e| side_text(e.side)))
        .bind(error.map(|e| e.message.clone()))
        .fetch_all(&self.writer)
        .await?
        .pop();
        match inserted {
            Some(job) => Ok(job),
            None => self
                .job_of(JobKey { run, life, generation })
                .await?
                .ok_or_else(|| StoreError::Corrupt(format!("no job for {run}"))),
        }
    }

    async fn job_of(&self, key: JobKey<'_>) -> Result<Option<Job>, StoreError> {
        let query = "SELECT * FROM jobs WHERE run_path = $1 AND life = $2 AND generation = $3";
        let job = sqlx::query_as(query).bind(key.run.as_str()).bind(signed(key.life)).bind(signed(key.generation));
        Ok(job.fetch_optional(&self.writer).await?)
    }

    /// The newest job before this one, of the same life, that was sent.
    pub async fn sent_before(&self, job: &Job) -> Result<Option<Job>, StoreError> {
        let query = "SELECT * FROM jobs WHERE run_path = $1 AND life = $2 AND generation < $3 AND seal_digest IS NOT NULL \
                     ORDER BY generation DESC LIMIT 1";
        let job = sqlx::query_as(query).bind(job.run.as_str()).bind(signed(job.life)).bind(signed(job.generation));
        Ok(job.fetch_optional(&self.readers).await?)
    }

    /// The job of a run's life with the highest generation.
    pub async fn latest_job(&self, run: &RunPath, life: u64) -> Result<Option<Job>, StoreError> {
        let query = "SELECT * FROM jobs WHERE run_path = $1 AND life = $2 ORDER BY generation DESC LIMIT 1";
        Ok(sqlx::query_as(query).bind(run.as_str()).bind(signed(life)).fetch_optional(&self.readers).await?)
    }

    /// Jobs that have not been proven and whose run's life has not ended, newest generation only.
    pub async fn unproven_jobs(&self) -> Result<Vec<Job>, StoreError> {
        let query = "SELECT j.* FROM jobs j WHERE j.state IN ('queued', 'running', 'awaiting_verify', 'failed') \
                     AND NOT EXISTS (SELECT 1 FROM lives l WHERE l.run_path = j.run_path AND l.life >= j.life) \
                     AND NOT EXISTS (SELECT 1 FROM jobs k WHERE k.run_path = j.run_path AND k.life = j.life AND k.generation > j.generation)";
        Ok(sqlx::query_as(query).fetch_all(&self.readers).await?)
    }

    /// A job by id.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM jobs WHERE id = $1").bind(id).fetch_optional(&self.readers).await?)
    }

    /// When the equipment's next queued job is due; `None` when none is queued.
    pub async fn next_due_ms(&self, equipment_id: &str) -> Result<Option<i64>, StoreError> {
        let query = "SELECT MIN(next_attempt_ms) FROM jobs WHERE equipment_id = $1 AND state = 'queued'";
        Ok(sqlx::query_scalar::<_, Option<i64>>(query).bind(equipment_id).fetch_one(&self.readers).await?)
    }
}
