//! One job: seal, send, verify, settle. Every way out of here settles the claim; a panic is a recorded failure (S3).

use super::failures::{fault, seal_failure, source_failure, state_failure, store_failure};
use super::placed_files::PlacedFiles;
use super::sending::{Prepared, Sending};
use super::settling::settle_outcome;
use super::unsent;
use crate::core::{Core, unless_it_panics};
use crate::database::{Claim, Failure, Job, NewProof, StoreError};
use crate::files::source::RunFolder;
use crate::judge::gatekeeper::{Examiner, creation_of};
use crate::keep::ingest_store::{CHECKSUMS, METADATA, UNSENT};
use crate::keep::metadata::{self, MetadataError};
use crate::keep::record::{RecordError, RecordFolder};
use crate::keep::seal::{Early, EarlyHashes, Listing, SealReader, SealWriter, checksums_file, seal_file};
use crate::machine::blocking::blocking;
use crate::machine::checkpoint::Checkpoint;
use crate::machine::progress::ProgressSink;
use crate::prove::{Differences, Proof};
use crate::tell::index::Facts;
use crate::transport::CallContext;
use crate::transport::destination::Destination;
use crate::verify::{VerifiedManifest, verify_rest};
use domain::api::Phase;
use domain::gate::Verdict;
use domain::job::{FailureClass, Side};
use domain::lifecycle::RunState;
use domain::log_line::Level;
use domain::path::{FilePath, RunPath};
use domain::proof::ProofLevel;
use domain::retry::{Settlement, Tried, settle};
use domain::units;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

/// Runs a claimed job to its settlement.
pub async fn run(
    core: &Arc<Core>,
    destination: &Arc<Destination>,
    mut claim: Claim,
    progress: &ProgressSink,
) -> Result<(), StoreError> {
    let job = claim.job().clone();
    core.site.checkpoints.reached(Checkpoint::Claimed);
    progress.begin(Phase::Listing, 0, 0);
    core.job_changed(job.clone());
    let stop = core.site.stop.child_token();
    let shown = core.show(&job.run, progress);
    core.change(&job.run, |facts| facts.sending = Some(stop.clone()));
    let outcome = unless_it_panics(work(core, destination, &mut claim, progress, &stop)).await;
    let outcome = outcome.unwrap_or_else(|text| Err(fault(&text)));
    let is_proven = outcome.is_ok();
    let settled = settle_outcome(core, destination, &claim, outcome).await;
    if is_proven {
        // The seal holds all that the listing does; a listing that stays does no harm.
        let listing = listing_file(&core.site.work_folder(&job.run, job.life), job.generation);
        let _ = blocking(move || std::fs::remove_file(listing)).await;
    }
    core.change(&job.run, |facts| facts.sending = None);
    drop(shown);
    core.desk.look_at(&job.run);
    settled
}

/// Takes the next due job only to record why it cannot run.
pub async fn fail_next(core: &Arc<Core>, destination: &Arc<Destination>, failure: Failure) -> Result<(), StoreError> {
    let now_ms = core.site.clock.now_ms();
    match core.store.claim(&destination.equipment.id, now_ms).await? {
        Some(claim) => settle_outcome(core, destination, &claim, Err(failure)).await,
        None => Ok(()),
    }
}

async fn work(
    core: &Arc<Core>,
    destination: &Arc<Destination>,
    claim: &mut Claim,
    progress: &ProgressSink,
    stop: &CancellationToken,
) -> Result<VerifiedManifest, Failure> {
    let job = claim.job().clone();
    let context = core.site.call_context(job.run.equipment(), stop, progress);
    let prepared = {
        let (core, job, progress) = (core.clone(), job.clone(), progress.clone());
        blocking(move || prepare(&core, &job, &progress)).await?
    };
    core.site.checkpoints.reached(Checkpoint::Listed);
    // It waited for its place, and was listed: the destination may be another's by now.
    destination.prove_identity(&context).await?;
    let sending = Sending { core, destination, job: &job, run: &prepared, context: &context };
    sending.make_way().await?;
    let sent = sending.everything().await;
    let broke_on_its_way = matches!(&sent, Err(failure) if failure.class == FailureClass::Network);
    if broke_on_its_way && prepared.noted.load(Ordering::Relaxed) > 0 {
        core.store.got_on(claim).await.map_err(store_failure)?;
    }
    sent?;
    core.site.checkpoints.reached(Checkpoint::Pushed);
    let now_ns = core.site.clock.now_ms().saturating_mul(1_000_000);
    let finished = {
        let seal = prepared.seal.clone();
        blocking(move || seal.finish(now_ns)).await.map_err(seal_failure)?
    };
    core.site.checkpoints.reached(Checkpoint::Sealed);
    let early = {
        let (early, seal) = (prepared.early.clone(), finished.clone());
        blocking(move || early.finish(&seal))
    };
    let (written, early) = tokio::join!(write_checksums(&prepared.folder, &finished), early);
    written?;
    if metadata::not_carried(&prepared.folder).is_some() {
        // The gate has not seen that yet.
        core.change(&job.run, |facts| facts.watch.judged = None);
    }
    core.site.checkpoints.reached(Checkpoint::ChecksumsWritten);
    sending.supersede(&finished).await?;
    let place = destination.transport.place_of(&job.run);
    core.store
        .sent(claim, finished.digest(), core.site.clock.now_ms(), finished.totals(), &place)
        .await
        .map_err(store_failure)?;
    core.job_changed(claim.job().clone());
    core.site.checkpoints.reached(Checkpoint::Sent);

    let early = early.unwrap_or_else(|error| {
        tracing::warn!(run = %job.run, %error, "hashes made meanwhile cannot be used; they are asked for again");
        None
    });
    let differences =
        match verify_once(destination, &job, &finished, early.as_ref(), &prepared.folder, &context).await? {
            Proof::Holds(manifest) => {
                sending.all_placed(&finished).await;
                return Ok(manifest);
            }
            Proof::Broken(differences) => differences,
        };
    note_disproof(core, claim.job(), &differences).await;
    let failure = differences.failure();
    let tried = Tried { attempts: job.attempts, hash_retries: claim.job().hash_retries };
    if settle(failure.class, tried, core.site.settings.sync.retry_attempts) != Settlement::PushAgain {
        return Err(failure);
    }
    core.store.count_hash_retry(claim, &failure).await.map_err(store_failure)?;
    core.log(
        Some(&prepared.folder),
        &job.run,
        Level::Error,
        &format!("hash mismatch, sent once more: {}", failure.message),
    );
    // All that are named are sent at once. While more than those differed, and fewer differ each time, the next ones
    // follow.
    let mut differences = differences;
    loop {
        let again: Vec<FilePath> = differences.first.iter().map(|difference| difference.path.clone()).collect();
        sending.again(&again).await?;
        match verify_once(destination, &job, &finished, None, &prepared.folder, &context).await? {
            Proof::Holds(manifest) => {
                sending.all_placed(&finished).await;
                return Ok(manifest);
            }
            Proof::Broken(left) => {
                note_disproof(core, claim.job(), &left).await;
                let there_were_more = differences.total > differences.first.len() as u64;
                if !there_were_more || left.total >= differences.total || left.class != FailureClass::HashMismatch {
                    return Err(left.failure());
                }
                differences = left;
            }
        }
    }
}

/// Opens the run, lists it under the gate's eyes, and opens its seal. Blocking.
fn prepare(core: &Core, job: &Job, progress: &ProgressSink) -> Result<Prepared, Failure> {
    let folder = core.staging.run(&job.run).map_err(source_failure)?;
    let state = core.index.look(&job.run, |facts| to_send(&job.run, facts)).unwrap_or_else(|| {
        let message = format!("{} was not looked at yet since this program started", job.run);
        Err(Failure { class: FailureClass::LocalRead, side: Side::Source, message })
    })?;
    let work_folder = core.site.work_folder(&job.run, job.life);
    std::fs::create_dir_all(&work_folder).map_err(|error| state_failure(&error))?;
    let creation = creation_of(&folder).map_err(|error| Failure {
        class: FailureClass::LocalRead,
        side: Side::Source,
        message: error.to_string(),
    })?;
    let verified = state == RunState::SyncVerified;
    let mut examiner = Examiner::new(core, &folder, &job.run, creation.as_ref(), verified);
    let now_ns = core.site.clock.now_ms().saturating_mul(1_000_000);
    let mut examine = |entry: &_| {
        progress.alive();
        examiner.entry(entry)
    };
    let listing = Listing::of_run(&folder, &listing_file(&work_folder, job.generation), now_ns, &mut examine);
    let listing = listing.map_err(seal_failure)?;
    let verdict = examiner.finish().map_err(source_failure)?;
    admitted(core, job, &verdict)?;
    if listing.totals().files == 0 {
        let message = format!("{} holds no data file: an empty run is never verified", job.run);
        return Err(Failure { class: FailureClass::LocalFileVanished, side: Side::Source, message });
    }
    let seal = SealWriter::open(&listing, &seal_file(&work_folder, job.generation)).map_err(seal_failure)?;
    let placed = Arc::new(PlacedFiles::open(&work_folder).map_err(|error| state_failure(&error))?);
    let early =
        Arc::new(EarlyHashes::begin(&work_folder.join(format!("early-{}", job.generation))).map_err(seal_failure)?);
    Ok(Prepared { folder, listing, seal, placed, noted: AtomicU64::new(0), early })
}

/// The state of a run that may be sent. One whose record cannot be read is waited for; one that says that it is not
/// complete was changed.
fn to_send(run: &RunPath, facts: &Facts) -> Result<RunState, Failure> {
    let refused = |class, message| Err(Failure { class, side: Side::Source, message });
    if let Some(token) = run.arriving() {
        let message = format!("{run} is not sent: the {token} in its name says that it is still arriving; rename it");
        return refused(FailureClass::LocalRead, message);
    }
    match (&facts.ingest, facts.state()) {
        (_, Some(state @ (RunState::Complete | RunState::SyncQueued | RunState::SyncVerified))) => Ok(state),
        (Err(problem), _) => {
            refused(FailureClass::LocalRead, format!("the record of {run} cannot be read: {}", problem.message))
        }
        (Ok(_), _) => {
            let message = format!("{run} is not complete (its state is {})", facts.state_text());
            refused(FailureClass::LocalFileChanged, message)
        }
    }
}

fn listing_file(work_folder: &Path, generation: u64) -> PathBuf {
    work_folder.join(format!("listing-{generation}"))
}

/// The gate has the last word on what is really sealed: the run may have changed since it was queued.
fn admitted(core: &Core, job: &Job, verdict: &Verdict) -> Result<(), Failure> {
    core.change(&job.run, |facts| {
        facts.findings = Arc::new(verdict.findings().to_vec());
        facts.watch.judged = facts.to_judge(core.site.clock.now());
    });
    verdict.admit().map(|_| ()).map_err(|blocking| {
        let first = blocking
            .first()
            .map(|finding| format!("{}: {}", finding.rule.as_str(), finding.rule_detail))
            .unwrap_or_default();
        let message = format!(
            "{} it back since it was queued; {first}",
            units::plural(blocking.len() as u64, "finding holds", "findings hold")
        );
        Failure { class: FailureClass::BlockedByValidation, side: Side::Source, message }
    })
}

async fn write_checksums(folder: &RunFolder, seal: &SealReader) -> Result<(), Failure> {
    let (folder, seal) = (folder.clone(), seal.clone());
    let written = blocking(move || {
        let record = RecordFolder::open_or_create(folder.dir())?;
        record.replace_with(CHECKSUMS, |out| checksums_file(&seal, out).map(|_| ()))?;
        unsent::list(&folder, &seal, &record)?;
        metadata::list(&folder, &seal, &record)
    })
    .await;
    written.map_err(|error| match error {
        MetadataError::Source(error) => source_failure(error),
        MetadataError::Seal(error) => seal_failure(error),
        MetadataError::Changed(_) => {
            Failure { class: FailureClass::LocalFileChanged, side: Side::Source, message: error.to_string() }
        }
        MetadataError::Record(RecordError::Full { .. }) => {
            Failure { class: FailureClass::LocalFull, side: Side::Source, message: error.to_string() }
        }
        other => Failure {
            class: FailureClass::LocalRead,
            side: Side::Source,
            message: format!("{CHECKSUMS}, {UNSENT} or {METADATA} could not be written: {other}"),
        },
    })
}

async fn verify_once(
    destination: &Destination,
    job: &Job,
    seal: &SealReader,
    early: Option<&Early>,
    folder: &RunFolder,
    context: &CallContext,
) -> Result<Proof, Failure> {
    let verified =
        verify_rest(&*destination.transport, &job.run, seal, early, Some(folder), context).await.map_err(Failure::from);
    if let Err(failure) = &verified {
        destination.note_failure(failure);
    }
    verified.map(Proof::from)
}

async fn note_disproof(core: &Core, job: &Job, differences: &Differences) {
    let proof = NewProof {
        at_ms: core.site.clock.now_ms(),
        proven: false,
        level: ProofLevel::L1,
        method: String::new(),
        totals: job.totals,
        detail: differences.sentence.clone(),
    };
    if let Err(error) = core.store.record_disproof(job, &proof).await {
        tracing::error!(run = %job.run, %error, "a failed proof could not be recorded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::api::RowProblem;
    use domain::document::ingest::{FirstIngest, Ingest};
    use domain::timestamp::Timestamp;

    #[test]
    fn what_cannot_be_read_is_waited_for_and_what_is_not_complete_was_changed() {
        let run = RunPath::parse("E/P/Runs/Run_1").unwrap();
        let seen = Ingest::first(&FirstIngest {
            rest_of: None,
            project_name: "P",
            run_kind: run.kind(),
            run: &run,
            transport: "smb_mount",
            at: Timestamp::default(),
            host: "h",
        });
        let problem = |code: &str| Err(RowProblem { code: code.into(), message: "Permission denied".into() });
        for (ingest, class) in [
            (problem("staging_unreadable"), FailureClass::LocalRead),
            (problem("document_unreadable"), FailureClass::LocalRead),
            (Ok(None), FailureClass::LocalFileChanged),
            (Ok(Some(seen)), FailureClass::LocalFileChanged),
        ] {
            let failure = to_send(&run, &Facts { ingest, ..Facts::new(run.clone(), 1) }).unwrap_err();
            assert_eq!(failure.class, class, "{}", failure.message);
        }
        let arriving = RunPath::parse("E/P/Runs/Run_1.tmp").unwrap();
        let failure = to_send(&arriving, &Facts::new(arriving.clone(), 1)).unwrap_err();
        assert!(failure.class == FailureClass::LocalRead && failure.message.contains(".tmp"), "{}", failure.message);
    }
}
