//! What is recorded when the only copy of a cleared run was looked at again. When that is due is the matter of
//! [`crate::send`].
//!
//! Whatever is found, the job stays `cleaned`: nothing local can be sent again, and a path that is used anew has a job
//! of its own.

use crate::core::Core;
use crate::database::{Failure, Job, LedgerKind, StoreError};
use crate::machine::blocking::blocking;
use crate::prove::{Differences, disproof, level_of, seal_of};
use crate::verify::VerifiedManifest;
use domain::job::{FailureClass, JobEvent, JobState, Side};
use domain::log_line::Level;
use std::sync::Arc;

/// After something was amiss it is looked at again so often, so that a restored copy ends the alarm.
const AGAIN_AFTER_DAMAGE_MS: i64 = 24 * 3_600_000;
/// After a look without an answer, such as a connection that broke.
const AGAIN_WITHOUT_ANSWER_MS: i64 = 3_600_000;

/// Retires the job of a life that ended: from now on its copy on the NAS is the only one.
pub async fn retire(core: &Core, job: &Job) -> Result<(), StoreError> {
    let _recording = core.only_copies.recording().await;
    let Some(current) = core.store.job(&job.id).await? else { return Ok(()) };
    let cleaned = match current.state {
        // A look at its copy failed while the clear waited; the clear has proven it anew, and it is cleared.
        JobState::Failed => core.store.retire_failed(&current).await?,
        state if domain::job::apply(state, JobEvent::Cleaned).is_some() => {
            core.store.advance(&current, JobEvent::Cleaned, None).await?
        }
        _ => None,
    };
    if let Some(cleaned) = cleaned {
        core.only_copies.retired(&cleaned);
    }
    Ok(())
}

/// The copy holds every sealed byte: the pass counts, and what was amiss is no longer.
pub async fn count_pass(core: &Core, job: &Job, manifest: &VerifiedManifest) -> Result<Option<Job>, StoreError> {
    let _recording = core.only_copies.recording().await;
    let Some(before) = core.store.job(&job.id).await?.filter(|job| job.state == JobState::Cleaned) else {
        return Ok(None);
    };
    let now_ms = core.site.clock.now_ms();
    let level = level_of(core, &before, manifest, now_ms);
    let Some(updated) = core.store.count_cleared_pass(&before, manifest, level, now_ms).await? else { return Ok(None) };
    core.ledger(
        &job.run,
        job.life,
        LedgerKind::Proven,
        format!("pass {} at level {level}, {}", updated.verify_passes, manifest.method()),
    )
    .await;
    let was_damaged = core.only_copies.proven_again(before.last_proof_ms, &updated);
    core.job_changed(updated.clone());
    if was_damaged {
        core.log(None, &job.run, Level::Info, "what the NAS holds of this cleared run is proven again");
    }
    Ok(Some(updated))
}

/// The copy is not what was sealed, or could not be hashed. Only the first is an alarm: a file that could not be read
/// proves nothing, in either direction.
pub async fn record_broken(core: &Core, job: &Job, differences: &Differences) -> Result<(), StoreError> {
    let failure = differences.failure();
    let proof = disproof(core, job, &failure.message);
    let damage = Some(&failure).filter(|failure| failure.class == FailureClass::HashMismatch);
    let _recording = core.only_copies.recording().await;
    let Some(noted) = core.store.note_cleared_look(job, damage, Some(&proof), again_after_damage(core)).await? else {
        return Ok(());
    };
    core.ledger(&job.run, job.life, LedgerKind::Disproven, failure.message.clone()).await;
    let what = if damage.is_some() { "is damaged" } else { "could not be proven" };
    core.log(
        None,
        &job.run,
        Level::Error,
        &format!("what the NAS holds of this cleared run, the only copy, {what}: {}", failure.message),
    );
    show(core, noted);
    Ok(())
}

/// Proving gave no answer. If that is because our seal is gone, no later look will give one, and it is an alarm;
/// otherwise it is tried again.
pub async fn no_answer(core: &Arc<Core>, job: &Job, failure: &Failure) -> Result<(), StoreError> {
    if failure.class == FailureClass::Interrupted {
        return Ok(());
    }
    let seal = {
        let (core, job) = (core.clone(), job.clone());
        blocking(move || seal_of(&core, &job).err()).await
    };
    let _recording = core.only_copies.recording().await;
    let Some(gone) = seal else {
        tracing::warn!(run = %job.run, message = failure.message, "the copy of a cleared run could not be proven again; tried again later");
        let again = core.site.clock.now_ms().saturating_add(AGAIN_WITHOUT_ANSWER_MS);
        return core.store.note_cleared_look(job, None, None, again).await.map(|_| ());
    };
    let message = format!("it cannot be proven any more, because our seal is gone or was replaced: {}", gone.message);
    let failure = Failure { class: FailureClass::Unknown, side: Side::Here, message };
    let Some(noted) = core.store.note_cleared_look(job, Some(&failure), None, again_after_damage(core)).await? else {
        return Ok(());
    };
    core.ledger(&job.run, job.life, LedgerKind::Unprovable, failure.message.clone()).await;
    core.log(None, &job.run, Level::Error, &failure.message);
    show(core, noted);
    Ok(())
}

fn again_after_damage(core: &Core) -> i64 {
    let seconds = core.site.settings.verify.reverify_cleared_seconds.and_then(|seconds| i64::try_from(seconds).ok());
    let age_ms = seconds.map_or(i64::MAX, |seconds| seconds.saturating_mul(1000));
    core.site.clock.now_ms().saturating_add(age_ms.min(AGAIN_AFTER_DAMAGE_MS))
}

fn show(core: &Core, noted: Job) {
    core.only_copies.damage(&noted);
    core.job_changed(noted);
}
