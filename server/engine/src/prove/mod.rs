//! Proves a destination against a seal of ours, now.
//!
//! One way for background re-verification, for an operator's `verify`, and for every clear.

pub mod last_look;
pub mod only_copy;

use crate::core::Core;
use crate::database::{Failure, Job, LedgerKind, NewProof, StoreError};
use crate::files::source::RunFolder;
use crate::keep::seal::{Rehash, SealReader, compare};
use crate::machine::blocking::blocking;
use crate::transport::{CallContext, Transport, TransportError};
use crate::verify::{Verification, VerifiedManifest, verify};
use domain::job::{FailureClass, JobEvent, JobState, Side};
use domain::log_line::Level;
use domain::path::RunPath;
use domain::proof::{Difference, ProofLevel, Totals};
use std::sync::Arc;

/// What proving gave.
pub enum Proof {
    /// The destination holds every sealed byte.
    Holds(VerifiedManifest),
    Broken(Differences),
}

/// How seal and destination differ.
#[derive(Clone, Debug)]
pub struct Differences {
    pub class: FailureClass,
    pub first: Vec<Difference>,
    pub total: u64,
    /// One sentence that names the first.
    pub sentence: String,
}

impl Differences {
    /// As a failure.
    pub fn failure(&self) -> Failure {
        Failure { class: self.class, side: Side::Destination, message: self.sentence.clone() }
    }
}

impl From<Verification> for Proof {
    fn from(verification: Verification) -> Proof {
        match verification {
            Verification::Proven(manifest) => Proof::Holds(manifest),
            Verification::Differs { class, differences, total, reason } => {
                Proof::Broken(Differences { class, first: differences, total, sentence: reason })
            }
        }
    }
}

/// The seal that a job's proof rests on; refused when it is not the one the job names.
pub fn seal_of(core: &Core, job: &Job) -> Result<SealReader, Failure> {
    let here = |message: String| Failure { class: FailureClass::Unknown, side: Side::Here, message };
    let digest = job.seal.ok_or_else(|| here(format!("{} has not been sealed yet", job.run)))?;
    let file = crate::keep::seal::seal_file(&core.site.work_folder(&job.run, job.life), job.generation);
    let seal =
        SealReader::open(&file).map_err(|error| here(format!("our seal of {} cannot be read: {error}", job.run)))?;
    if seal.digest() == digest {
        Ok(seal)
    } else {
        Err(here(format!(
            "our seal of {} is not the one its job was proven with: the state folder was changed or restored",
            job.run
        )))
    }
}

/// True when the run's data is what this job sealed, file by file.
pub async fn still_as_sealed(core: &Arc<Core>, job: &Job) -> bool {
    let (core, job) = (core.clone(), job.clone());
    blocking(move || {
        let (Ok(folder), Ok(seal)) = (core.staging.run(&job.run), seal_of(&core, &job)) else { return false };
        compare(&folder, &seal, Rehash::WhereNeeded, &core.site.stop).is_ok_and(|compared| compared.is_unchanged())
    })
    .await
}

/// Asks the destination's identity, then hashes everything it holds of the job's seal.
pub async fn prove(
    core: &Arc<Core>,
    job: &Job,
    source: Option<&RunFolder>,
    context: &CallContext,
) -> Result<Proof, Failure> {
    let equipment = job.run.equipment();
    let destination = core.destinations.get(equipment).cloned().ok_or_else(|| Failure {
        class: FailureClass::Configuration,
        side: Side::Here,
        message: format!("equipment {equipment} has no destination in the config"),
    })?;
    destination.prove_identity(context).await?;
    let seal = {
        let (core, job) = (core.clone(), job.clone());
        blocking(move || seal_of(&core, &job)).await?
    };
    context.progress.begin(domain::api::Phase::Verifying, seal.totals().files, seal.totals().bytes);
    let outcome =
        look_and_verify(core, &*destination.transport, &job.run, &seal, source, context).await.map_err(Failure::from);
    if let Err(failure) = &outcome {
        destination.note_failure(failure);
    }
    outcome
}

/// What the files look like is noted before they are read: a later look tells what changed since.
async fn look_and_verify(
    core: &Core,
    transport: &dyn Transport,
    run: &RunPath,
    seal: &SealReader,
    source: Option<&RunFolder>,
    context: &CallContext,
) -> Result<Proof, TransportError> {
    let now_ns = core.site.clock.now_ms().saturating_mul(1_000_000);
    // A cleared run has no files here that a later look would guard.
    let noted = match source {
        Some(_) => Some(last_look::note(transport, run, seal, now_ns, context).await?),
        None => None,
    };
    let proof = Proof::from(verify(transport, run, seal, source, context).await?);
    if let (Proof::Holds(_), Some(noted)) = (&proof, noted) {
        blocking(move || noted.keep()).await;
    }
    Ok(proof)
}

/// Counts a proof that held on a job that was proven before.
pub async fn count_pass(core: &Core, job: &Job, manifest: &VerifiedManifest) -> Result<Option<Job>, StoreError> {
    if job.state == JobState::Cleaned {
        return only_copy::count_pass(core, job, manifest).await;
    }
    if domain::job::apply(job.state, JobEvent::Proven).is_none() {
        return Ok(None);
    }
    let now_ms = core.site.clock.now_ms();
    let level = level_of(core, job, manifest, now_ms);
    let updated = core.store.count_pass(job, manifest, level, now_ms).await?;
    if let Some(updated) = &updated {
        core.job_changed(updated.clone());
        core.ledger(
            &job.run,
            job.life,
            LedgerKind::Proven,
            format!("pass {} at level {level}, {}", updated.verify_passes, manifest.method()),
        )
        .await;
    }
    Ok(updated)
}

/// The level of a proof that is made now, after those the job has.
pub fn level_of(core: &Core, job: &Job, manifest: &VerifiedManifest, now_ms: i64) -> ProofLevel {
    let since_first = job.first_proof_ms.map_or(0, |first| now_ms.saturating_sub(first) / 1000);
    let reverify = i64::try_from(core.site.settings.verify.reverify_seconds).unwrap_or(i64::MAX);
    manifest.level().repeated(job.proof_level, since_first, reverify)
}

/// A failed proof, to be kept.
pub fn disproof(core: &Core, job: &Job, detail: &str) -> NewProof {
    NewProof {
        at_ms: core.site.clock.now_ms(),
        proven: false,
        level: ProofLevel::L1,
        method: core.destinations.get(job.run.equipment()).map(|d| d.transport.method()).unwrap_or_default(),
        totals: Totals { files: job.totals.files, bytes: job.totals.bytes },
        detail: detail.to_owned(),
    }
}

/// The destination no longer holds what it was proven to hold: the job fails, the row, the ledger and the log say so.
pub async fn record_broken(core: &Core, job: &Job, differences: &Differences) -> Result<(), StoreError> {
    if job.state == JobState::Cleaned {
        return only_copy::record_broken(core, job, differences).await;
    }
    let failure = differences.failure();
    let detail = failure.message.clone();
    core.store.record_disproof(job, &disproof(core, job, &detail)).await?;
    core.ledger(&job.run, job.life, LedgerKind::Disproven, detail.clone()).await;
    core.log(None, &job.run, Level::Error, &detail);
    // A file that could not be read proves nothing, in either direction: only rot and loss take the job's proof away.
    // A job that is no longer proven has none to take: a second look at the same damage says the same.
    if failure.class == FailureClass::HashMismatch
        && domain::job::apply(job.state, JobEvent::Disproven).is_some()
        && let Some(job) = core.store.advance(job, JobEvent::Disproven, Some(&failure)).await?
    {
        core.job_changed(job);
    }
    Ok(())
}
