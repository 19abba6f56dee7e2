//! Proofs of jobs, counted and kept, and what follows a proof: the record that has to reach the NAS, and the next
//! proof.

use super::jobs::Job;
use super::settle::legal;
use super::{Store, StoreError, signed, unsigned};
use crate::verify::VerifiedManifest;
use domain::job::JobEvent;
use domain::path::RunPath;
use domain::proof::{ProofLevel, Totals};

/// A proof dated after this was made while the clock was ahead; smaller corrections of the clock do not count.
pub(super) fn ahead_of(now_ms: i64) -> i64 {
    now_ms.saturating_add(3_600_000)
}

/// A proof attempt to record beside a job.
#[derive(Clone, Debug)]
pub struct NewProof {
    pub at_ms: i64,
    pub proven: bool,
    pub level: ProofLevel,
    pub method: String,
    pub totals: Totals,
    pub detail: String,
}

impl Store {
    /// Another proof of a job that is proven already: the state stays, the pass counts. `None` when the job moved on
    /// meanwhile.
    pub async fn count_pass(
        &self,
        job: &Job,
        proven: &VerifiedManifest,
        level: ProofLevel,
        at_ms: i64,
    ) -> Result<Option<Job>, StoreError> {
        legal(job.state, JobEvent::Proven)?;
        let mut transaction = self.writer.begin().await?;
        let updated = sqlx::query_as::<_, Job>(change_jobs!(
            "proof_level = $1, proof_method = $2, first_proof_ms = COALESCE(first_proof_ms, $3), last_proof_ms = $3, \
             verify_passes = verify_passes + 1, next_attempt_ms = 0 WHERE id = $4 AND seal_digest = $5 AND state IN ('verified', 'cleanup_eligible') RETURNING *"
        ))
        .bind(level.as_str())
        .bind(proven.method())
        .bind(at_ms)
        .bind(&job.id)
        .bind(proven.seal_digest().to_string())
        .fetch_all(&mut *transaction)
        .await?
        .pop();
        if let Some(updated) = &updated {
            insert_proof(&mut transaction, updated, &proof_of(proven, level, at_ms)).await?;
        }
        transaction.commit().await?;
        Ok(updated)
    }

    /// Records a proof attempt that failed, beside whatever happens to the job.
    pub async fn record_disproof(&self, job: &Job, proof: &NewProof) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        insert_proof(&mut transaction, job, proof).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The proven job of this equipment whose newest proof is oldest, if that was before `before_ms`, or made when the
    /// clock was ahead of now. A job whose last look gave no answer waits until its next look is due. Of a run's
    /// generations only the newest counts: files of an older one may have been moved aside at the destination since.
    pub async fn reverify_due(
        &self,
        equipment_id: &str,
        before_ms: i64,
        now_ms: i64,
    ) -> Result<Option<Job>, StoreError> {
        let query = "SELECT j.* FROM jobs j WHERE j.equipment_id = $1 AND j.state IN ('verified', 'cleanup_eligible') \
                     AND (j.last_proof_ms <= $2 OR j.last_proof_ms > $4) AND j.next_attempt_ms <= $3 \
                     AND NOT EXISTS (SELECT 1 FROM jobs k WHERE k.run_path = j.run_path AND k.life = j.life AND k.generation > j.generation) \
                     ORDER BY j.last_proof_ms LIMIT 1";
        let query = sqlx::query_as(query).bind(equipment_id).bind(before_ms).bind(now_ms).bind(ahead_of(now_ms));
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// A look at a proven job gave no answer: it is proven again no sooner than this, and those behind it are not held
    /// up.
    pub async fn prove_again_at(&self, job: &Job, at_ms: i64) -> Result<(), StoreError> {
        let query = change_jobs!("next_attempt_ms = $1 WHERE id = $2 AND state IN ('verified', 'cleanup_eligible')");
        sqlx::query(query).bind(at_ms).bind(&job.id).execute(&self.writer).await?;
        Ok(())
    }

    /// When the oldest of this equipment's newest proofs was made.
    pub async fn oldest_proof_ms(&self, equipment_id: &str) -> Result<Option<i64>, StoreError> {
        let query =
            "SELECT MIN(last_proof_ms) FROM jobs WHERE equipment_id = $1 AND state IN ('verified', 'cleanup_eligible')";
        Ok(sqlx::query_scalar::<_, Option<i64>>(query).bind(equipment_id).fetch_one(&self.readers).await?)
    }

    /// All proof attempts of a run's life, newest first.
    pub async fn proofs(&self, run: &RunPath, life: u64) -> Result<Vec<(u64, NewProof)>, StoreError> {
        let query = "SELECT generation, at_ms, proven, level, method, files, bytes, detail FROM proofs WHERE run_path = $1 AND life = $2 ORDER BY id DESC LIMIT 1000";
        type Row = (i64, i64, i64, String, String, i64, i64, String);
        let rows: Vec<Row> =
            sqlx::query_as(query).bind(run.as_str()).bind(signed(life)).fetch_all(&self.readers).await?;
        let proof = |(generation, at_ms, proven, level, method, files, bytes, detail): Row| {
            let totals = Totals { files: unsigned(files), bytes: unsigned(bytes) };
            let level = ProofLevel::from_text(&level).unwrap_or(ProofLevel::L1);
            (unsigned(generation), NewProof { at_ms, proven: proven != 0, level, method, totals, detail })
        };
        Ok(rows.into_iter().map(proof).collect())
    }

    /// A proven job whose record has not reached the NAS and is due; oldest first.
    pub async fn record_due(&self, equipment_id: &str, now_ms: i64) -> Result<Option<Job>, StoreError> {
        let query = "SELECT * FROM jobs WHERE equipment_id = $1 AND state IN ('verified', 'cleanup_eligible') AND record_sent = 0 \
                     AND record_next_ms <= $2 ORDER BY record_next_ms, enqueued_ms LIMIT 1";
        Ok(sqlx::query_as(query).bind(equipment_id).bind(now_ms).fetch_optional(&self.readers).await?)
    }

    /// The record changed, or may go now: it is due at once.
    pub async fn record_due_now(&self, id: &str) -> Result<(), StoreError> {
        let query = change_jobs!("record_sent = 0, record_next_ms = 0, record_attempts = 0 WHERE id = $1");
        sqlx::query(query).bind(id).execute(&self.writer).await?;
        Ok(())
    }

    /// When the equipment's next record is due; `None` when all have reached the NAS.
    pub async fn next_record_ms(&self, equipment_id: &str) -> Result<Option<i64>, StoreError> {
        let query = "SELECT MIN(record_next_ms) FROM jobs WHERE equipment_id = $1 AND state IN ('verified', 'cleanup_eligible') AND record_sent = 0";
        Ok(sqlx::query_scalar::<_, Option<i64>>(query).bind(equipment_id).fetch_one(&self.readers).await?)
    }

    /// Notes that the record reached the NAS, unless the job has changed since `job` was read: then what was sent may
    /// be old, and it stays due.
    pub async fn record_sent(&self, job: &Job) -> Result<(), StoreError> {
        let query = change_jobs!("record_sent = 1, record_attempts = 0 WHERE id = $1 AND revision = $2");
        sqlx::query(query).bind(&job.id).bind(job.revision).execute(&self.writer).await?;
        Ok(())
    }

    /// Notes that sending the record failed and when it is due again, with a wait that doubles from 5 s to 10 min.
    /// Nothing is noted when the job has changed since `job` was read: then it is tried as it is now.
    pub async fn record_failed(&self, job: &Job, now_ms: i64) -> Result<(), StoreError> {
        let query = change_jobs!(
            "record_attempts = record_attempts + 1, \
                     record_next_ms = $1 + MIN(600000, 5000 * (1 << MIN(record_attempts, 7))) WHERE id = $2 AND revision = $3"
        );
        sqlx::query(query).bind(now_ms).bind(&job.id).bind(job.revision).execute(&self.writer).await?;
        Ok(())
    }
}

pub(super) fn proof_of(proven: &VerifiedManifest, level: ProofLevel, at_ms: i64) -> NewProof {
    NewProof {
        at_ms,
        proven: true,
        level,
        method: proven.method().to_owned(),
        totals: proven.totals(),
        detail: String::new(),
    }
}

pub(super) async fn insert_proof(
    transaction: &mut sqlx::SqliteTransaction<'_>,
    job: &Job,
    proof: &NewProof,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO proofs (job_id, run_path, life, generation, at_ms, proven, level, method, files, bytes, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&job.id)
    .bind(job.run.as_str())
    .bind(signed(job.life))
    .bind(signed(job.generation))
    .bind(proof.at_ms)
    .bind(i64::from(proof.proven))
    .bind(proof.level.as_str())
    .bind(&proof.method)
    .bind(signed(proof.totals.files))
    .bind(signed(proof.totals.bytes))
    .bind(&proof.detail)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
