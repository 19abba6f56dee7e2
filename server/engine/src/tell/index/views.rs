//! Jobs and proofs as rows show them.

use crate::database::{Job, damage_of};
use domain::api::{JobError, JobView, Progress, ProofView};
use domain::job::JobState;
use domain::timestamp::Timestamp;

/// A job as shown.
pub fn job_view(job: &Job, progress: Option<Progress>) -> JobView {
    let at = |ms: i64| Timestamp::from_unix_seconds(ms.div_euclid(1000));
    JobView {
        job_id: job.id.clone(),
        state: job.state,
        generation: job.generation,
        attempts: job.attempts,
        hash_retries: job.hash_retries,
        verify_passes: job.verify_passes,
        error: job.error.as_ref().map(|failure| match job.state {
            JobState::Cleaned => damage_of(failure),
            _ => JobError {
                code: failure.class,
                side: failure.side,
                message: failure.message.clone(),
                remedy: failure.class.remedy().to_owned(),
            },
        }),
        next_attempt_at: (job.state == JobState::Queued && job.next_attempt_ms > 0).then(|| at(job.next_attempt_ms)),
        waiting_for_destination: job.waiting,
        progress,
        nas_path: job.nas_path.clone(),
        record_sent: job.record_sent,
    }
}

/// The newest proof as shown; `None` before the first.
pub fn proof_view(job: &Job) -> Option<ProofView> {
    let at = |ms: i64| Timestamp::from_unix_seconds(ms.div_euclid(1000));
    if !job.state.is_proven() {
        return None;
    }
    Some(ProofView {
        level: job.proof_level?,
        method: job.proof_method.clone().unwrap_or_default(),
        at: at(job.last_proof_ms?),
        first_at: at(job.first_proof_ms?),
        passes: job.verify_passes,
        files: job.totals.files,
        bytes: job.totals.bytes,
    })
}
