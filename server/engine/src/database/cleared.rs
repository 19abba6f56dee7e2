//! Jobs of cleared runs: their copy on the NAS is the only one, so it is proven again and again. The state stays
//! `cleaned` whatever is found, because nothing local can be sent again; what was found stands beside it.

use super::jobs::{Job, failure_of, side_text};
use super::proofs::{NewProof, ahead_of, insert_proof, proof_of};
use super::{Store, StoreError, signed, unsigned};
use crate::transport::Failure;
use crate::verify::VerifiedManifest;
use domain::api::{ClearedRun, JobError};
use domain::path::RunPath;
use domain::proof::ProofLevel;
use domain::timestamp::Timestamp;

/// Proofs of cleared runs, by the full hour after they were made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClearedHour {
    pub equipment_id: String,
    /// Hours since 1970, UTC.
    pub hour: i64,
    /// Bytes of the runs whose newest proof was made in the hour before.
    pub bytes: u64,
}

/// The full hour after a moment in milliseconds.
pub fn hour_after(ms: i64) -> i64 {
    ms.div_euclid(3_600_000).saturating_add(1)
}

type LifeRow = (
    i64,
    String,
    i64,
    i64,
    i64,
    i64,
    String,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// Cleared lives `l`, each with the job `j` that it ended with.
macro_rules! lives {
    ($from:literal) => {
        concat!(
            "SELECT l.seq, l.run_path, l.life, l.cleared_ms, l.freed_files, l.freed_bytes, l.nas_path, l.seal_digest, \
             j.last_proof_ms, j.proof_level, j.error_class, j.error_side, j.error_message FROM ",
            $from
        )
    };
}

impl Store {
    /// The cleared run of this equipment that waits longest for its copy to be proven again: those whose newest proof
    /// is from `before_ms` or older, or made when the clock was ahead of now, and those at which something was amiss,
    /// from their next look on.
    pub async fn cleared_due(
        &self,
        equipment_id: &str,
        before_ms: i64,
        now_ms: i64,
    ) -> Result<Option<Job>, StoreError> {
        let query = "SELECT * FROM ( \
                     SELECT * FROM (SELECT * FROM jobs WHERE equipment_id = $1 AND state = 'cleaned' AND next_attempt_ms = 0 \
                     AND last_proof_ms <= $2 ORDER BY last_proof_ms LIMIT 1) \
                     UNION ALL \
                     SELECT * FROM (SELECT * FROM jobs WHERE equipment_id = $1 AND state = 'cleaned' AND next_attempt_ms = 0 \
                     AND last_proof_ms > $4 ORDER BY last_proof_ms LIMIT 1) \
                     UNION ALL \
                     SELECT * FROM (SELECT * FROM jobs WHERE equipment_id = $1 AND state = 'cleaned' AND next_attempt_ms > 0 \
                     AND next_attempt_ms <= $3 ORDER BY next_attempt_ms LIMIT 1) \
                     ) ORDER BY MAX(next_attempt_ms, last_proof_ms) LIMIT 1";
        Ok(sqlx::query_as(query)
            .bind(equipment_id)
            .bind(before_ms)
            .bind(now_ms)
            .bind(ahead_of(now_ms))
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Another proof of a cleared run: the pass counts, and what was amiss is no longer. `None` when it is not of the
    /// job's seal.
    pub async fn count_cleared_pass(
        &self,
        job: &Job,
        proven: &VerifiedManifest,
        level: ProofLevel,
        at_ms: i64,
    ) -> Result<Option<Job>, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let updated = sqlx::query_as::<_, Job>(change_jobs!(
            "proof_level = $1, proof_method = $2, last_proof_ms = $3, verify_passes = verify_passes + 1, \
             next_attempt_ms = 0, error_class = NULL, error_side = NULL, error_message = NULL \
             WHERE id = $4 AND seal_digest = $5 AND state = 'cleaned' RETURNING *"
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

    /// A look at a cleared run that proved nothing: the next one is at `next_ms`. What speaks against its copy is kept,
    /// `failure` takes its place; a failed proof is kept beside. `None` when the job is not of a cleared run.
    pub async fn note_cleared_look(
        &self,
        job: &Job,
        failure: Option<&Failure>,
        proof: Option<&NewProof>,
        next_ms: i64,
    ) -> Result<Option<Job>, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let updated = sqlx::query_as::<_, Job>(
            change_jobs!("next_attempt_ms = $1, error_class = COALESCE($2, error_class), \
             error_side = COALESCE($3, error_side), error_message = COALESCE($4, error_message) WHERE id = $5 AND state = 'cleaned' RETURNING *"),
        )
        .bind(next_ms.max(1))
        .bind(failure.map(|f| f.class.as_str()))
        .bind(failure.map(|f| side_text(f.side)))
        .bind(failure.map(|f| f.message.clone()))
        .bind(&job.id)
        .fetch_all(&mut *transaction)
        .await?
        .pop();
        if let (Some(updated), Some(proof)) = (&updated, proof) {
            insert_proof(&mut transaction, updated, proof).await?;
        }
        transaction.commit().await?;
        Ok(updated)
    }

    /// When the copies of cleared runs were last proven.
    pub async fn cleared_hours(&self) -> Result<Vec<ClearedHour>, StoreError> {
        let query = "SELECT equipment_id, last_proof_ms / 3600000 + 1, SUM(bytes) FROM jobs WHERE state = 'cleaned' AND last_proof_ms >= 0 \
                     GROUP BY 1, 2";
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(query).fetch_all(&self.readers).await?;
        Ok(rows
            .into_iter()
            .map(|(equipment_id, hour, bytes)| ClearedHour { equipment_id, hour, bytes: unsigned(bytes) })
            .collect())
    }

    /// Jobs of cleared runs whose copy is damaged or cannot be proven any more.
    pub async fn cleared_damaged_jobs(&self) -> Result<Vec<Job>, StoreError> {
        let query = "SELECT * FROM jobs WHERE state = 'cleaned' AND error_class IS NOT NULL";
        Ok(sqlx::query_as(query).fetch_all(&self.readers).await?)
    }

    /// Ended lives, newest first, before a sequence number; each with its own.
    pub async fn cleared_runs(&self, before: Option<u64>, limit: u32) -> Result<Vec<(u64, ClearedRun)>, StoreError> {
        let query = lives!(
            "lives l LEFT JOIN jobs j ON j.id = (SELECT k.id FROM jobs k WHERE k.run_path = l.run_path AND k.life = l.life \
             ORDER BY k.generation DESC LIMIT 1) WHERE l.seq < $1 ORDER BY l.seq DESC LIMIT $2"
        );
        let before = before.map_or(i64::MAX, signed);
        let rows: Vec<LifeRow> =
            sqlx::query_as(query).bind(before).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().filter_map(cleared_run).collect())
    }

    /// The newest ended lives whose copy is damaged or cannot be proven any more.
    pub async fn damaged_runs(&self, limit: u32) -> Result<Vec<ClearedRun>, StoreError> {
        let query = lives!(
            "jobs j JOIN lives l ON l.run_path = j.run_path AND l.life = j.life \
             WHERE j.state = 'cleaned' AND j.error_class IS NOT NULL ORDER BY l.seq DESC LIMIT $1"
        );
        let rows: Vec<LifeRow> = sqlx::query_as(query).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().filter_map(cleared_run).map(|(_, run)| run).collect())
    }
}

fn cleared_run(
    (seq, run, life, cleared_ms, files, bytes, nas_path, seal, proof_ms, level, class, side, message): LifeRow,
) -> Option<(u64, ClearedRun)> {
    let at = |ms: i64| Timestamp::from_unix_seconds(ms.div_euclid(1000));
    let run = ClearedRun {
        run_path: RunPath::parse(&run).ok()?.as_str().to_owned(),
        life: unsigned(life),
        cleared_at: at(cleared_ms),
        files_freed: unsigned(files),
        bytes_freed: unsigned(bytes),
        nas_path,
        seal,
        proven_at: proof_ms.map(at),
        proof_level: level.as_deref().and_then(ProofLevel::from_text),
        damage: failure_of(class, side.as_deref(), message).map(|failure| damage_of(&failure)),
    };
    Some((unsigned(seq), run))
}

/// What speaks against the copy of a cleared run, with the way out.
pub fn damage_of(failure: &Failure) -> JobError {
    JobError {
        code: failure.class,
        side: failure.side,
        message: failure.message.clone(),
        remedy: failure.class.remedy_when_cleared().to_owned(),
    }
}
