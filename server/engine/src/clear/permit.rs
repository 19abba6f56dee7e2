//! The permit to clear: everything docs/clearing.md asks for, found true now. Only [`permit`] makes one.

use super::aside;
use super::obstacles::{obstacle_inside, obstacles};
use super::refusal::Refusal;
use crate::core::Core;
use crate::database::Job;
use crate::files::source::RunFolder;
use crate::keep::ingest_store::read_ingest;
use crate::keep::record::RecordFolder;
use crate::keep::seal::{CompareError, Rehash, SealReader, compare};
use crate::machine::blocking::blocking;
use crate::machine::progress::ProgressSink;
use crate::machine::writers::Writers;
use crate::prove::{Proof, count_pass, prove, record_broken, seal_of};
use crate::tell::index::Late;
use crate::verify::VerifiedManifest;
use domain::api::Phase;
use domain::job::FailureClass;
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::units;
use std::sync::Arc;

/// Evidence that every byte of a run that may be deleted is at its destination. Cannot be made elsewhere, nor copied.
#[derive(Debug)]
pub struct ClearPermit {
    job: Job,
    seal: SealReader,
    folder: RunFolder,
    evidence: Evidence,
}

#[derive(Debug)]
enum Evidence {
    /// Hashed a moment ago.
    Now(VerifiedManifest),
    /// Hashed within `verify.max_proof_age`; the identity was asked a moment ago.
    Recent { age_seconds: i64 },
}

impl ClearPermit {
    /// The job whose seal is proven.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What may be deleted: nothing that is not in here, and only while it equals its entry.
    pub fn seal(&self) -> &SealReader {
        &self.seal
    }

    /// The run's folder, by handle: it follows the folder when that is renamed.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// One phrase for the ledger.
    pub fn evidence(&self) -> String {
        match &self.evidence {
            Evidence::Now(manifest) => format!("proven now at level {}, {}", manifest.level(), manifest.method()),
            Evidence::Recent { age_seconds } => {
                format!("proven {age_seconds} s ago (verify.max_proof_age), identity asked now")
            }
        }
    }
}

/// What a permit is asked for.
pub enum PermitFor<'a> {
    /// A run as it stands in staging.
    Run(&'a RunPath),
    /// A clear that goes on, of this job, in the folder wherever it stands by now. What it still holds is compared file
    /// by file when it is deleted; `whole`: nothing of it has been removed, and nothing may be missing.
    Intent { job: &'a Job, folder: &'a RunFolder, whole: bool },
}

/// Checks everything and proves the destination. Nothing is touched.
pub async fn permit(core: &Arc<Core>, asked: PermitFor<'_>, progress: &ProgressSink) -> Result<ClearPermit, Refusal> {
    let (job, folder, whole) = match asked {
        PermitFor::Run(run) => standing(core, run).await.map(|(folder, job)| (job, folder, true))?,
        PermitFor::Intent { job, folder, whole } => (job.clone(), folder.clone(), whole),
    };
    let seal = local(core, &job, &folder, progress, whole).await?;
    let evidence = remote(core, &job, &folder, progress).await?;
    // The proof may have taken hours: what happened to the run meanwhile counts.
    local(core, &job, &folder, progress, whole).await?;
    Ok(ClearPermit { job, seal, folder, evidence })
}

/// For what was renamed aside a moment ago: nobody finds it by its path any more, and what happened to it until then is
/// seen now. Nothing of it has been removed.
pub async fn still_whole(core: &Arc<Core>, permit: &ClearPermit, progress: &ProgressSink) -> Result<(), Refusal> {
    local(core, &permit.job, &permit.folder, progress, true).await?;
    let (run, folder) = (permit.job.run.clone(), permit.folder.clone());
    let obstacle = blocking(move || obstacle_inside(&folder)).await;
    obstacle.map_or(Ok(()), |why| Err(Refusal::held(format!("{run} was not cleared: {why}"))))
}

/// Condition 1: confined, readable, `sync_verified`, sealed by us, and both sides agree on what was verified.
async fn standing(core: &Arc<Core>, run: &RunPath) -> Result<(RunFolder, Job), Refusal> {
    let life = match core.index.look(run, |facts| facts.life) {
        Some(life) => life,
        None => core.store.current_life(run).await?,
    };
    let (folder, ingest, possible) = {
        let (core, run) = (core.clone(), run.clone());
        blocking(move || {
            let folder = core.staging.run(&run)?;
            let record = RecordFolder::open(folder.dir())?;
            let ingest = record.as_ref().map(read_ingest).transpose()?.flatten();
            let possible = can_be_carried_out(&core, &run, &folder, record.as_ref());
            Ok::<_, Refusal>((folder, ingest, possible))
        })
        .await?
    };
    let Some(ingest) = ingest else {
        let sentence = format!("{run} has no ingest.json yet: the instrument may still be pushing it");
        return Err(Refusal::NotVerified { sentence, state: None });
    };
    if ingest.current_state().known() != Some(RunState::SyncVerified) {
        let state = ingest.current_state().as_str().to_owned();
        let sentence = format!("{run} is `{state}`, not `sync_verified`: the NAS is not proven to hold it");
        return Err(Refusal::NotVerified { sentence, state: Some(state) });
    }
    let not_ours = |why: &str| Refusal::NotOurs { run: run.clone(), why: why.to_owned() };
    let job = core.store.latest_job(run, life).await?;
    let Some(job) = job else { return Err(not_ours("it has no seal of it")) };
    if job.state.is_in_work() {
        return Err(Refusal::Busy(format!("{run} is being synced: try again when that has ended")));
    }
    if !job.state.is_proven() || job.seal.is_none() {
        return Err(not_ours(&format!("its job is {}", job.state)));
    }
    let entry = ingest.last(RunState::SyncVerified);
    let agrees = entry.is_some_and(|entry| {
        entry.generation() == Some(job.generation) && entry.seal() == job.seal.map(|seal| seal.to_string()).as_deref()
    });
    if !agrees {
        return Err(not_ours("its ingest.json names another seal"));
    }
    possible.map(|()| (folder, job))
}

/// What would stop the clear half-way stops it here, before anything is touched: a record that cannot be sent,
/// something that cannot be moved or removed. The row says so from then on. Blocking.
fn can_be_carried_out(
    core: &Core,
    run: &RunPath,
    folder: &RunFolder,
    record: Option<&RecordFolder>,
) -> Result<(), Refusal> {
    let refused = |why: String| Refusal::held(format!("{run} cannot be cleared: {why}"));
    if let Some(Err(error)) = record.map(RecordFolder::files) {
        return Err(refused(format!("its record cannot be sent to the NAS: {error}")));
    }
    aside::prepare(core)?;
    let obstacles = obstacles(core, run, folder, &Writers::now_and_each_file());
    core.change(run, |facts| facts.obstacles.clone_from(&obstacles));
    match obstacles.first {
        None => Ok(()),
        Some(why) => Err(refused(why)),
    }
}

/// Condition 2: every data file equals its sealed entry, and there is no other. `whole`: nothing may be missing either.
async fn local(
    core: &Arc<Core>,
    job: &Job,
    folder: &RunFolder,
    progress: &ProgressSink,
    whole: bool,
) -> Result<SealReader, Refusal> {
    progress.begin(Phase::Hashing, job.totals.files, 0);
    let (core, job, folder) = (core.clone(), job.clone(), folder.clone());
    blocking(move || {
        let seal = seal_of(&core, &job).map_err(|failure| not_proven(&job, failure.message, Vec::new()))?;
        if !whole {
            return Ok(seal);
        }
        let compared = compare(&folder, &seal, Rehash::WhereNeeded, &core.site.stop).map_err(|error| match error {
            CompareError::Interrupted => {
                let sentence = format!("{} cannot be compared with its seal now: the program is stopping", job.run);
                Refusal::Stopping { sentence, class: FailureClass::Interrupted }
            }
            CompareError::Seal(error) => {
                not_proven(&job, format!("{} cannot be compared with its seal: {error}", job.run), Vec::new())
            }
        })?;
        if compared.is_unchanged() {
            return Ok(seal);
        }
        let late = Late::of(&compared);
        let names: Vec<String> = late.names.iter().map(|(name, _)| name.clone()).collect();
        let first = late.names.first().map(|(name, what)| format!("{name} {what}")).unwrap_or_default();
        let files = units::plural(late.count, "file is", "files are");
        let sentence =
            format!("{}: {files} not as sealed: {first}; force a sync to seal and send what is there", job.run);
        core.change(&job.run, |facts| facts.late = late);
        Err(not_proven(&job, sentence, names))
    })
    .await
}

fn not_proven(job: &Job, sentence: String, files: Vec<String>) -> Refusal {
    Refusal::Changed { sentence, files, generation: job.generation }
}

/// Condition 3: the destination is proved again, now.
async fn remote(core: &Arc<Core>, job: &Job, folder: &RunFolder, progress: &ProgressSink) -> Result<Evidence, Refusal> {
    let verify = &core.site.settings.verify;
    let context = core.site.call_context(job.run.equipment(), &core.site.stop, progress);
    let age_seconds = job.last_proof_ms.map_or(i64::MAX, |at| core.site.clock.now_ms().saturating_sub(at) / 1000);
    let recent = u64::try_from(age_seconds)
        .is_ok_and(|age| verify.max_proof_age_seconds > 0 && age <= verify.max_proof_age_seconds);
    if recent && job.proof_level.is_some_and(|level| level >= verify.clear_needs) {
        let destination = core.destinations.get(job.run.equipment()).cloned();
        let sentence = || "its equipment has no destination in the config".to_owned();
        let destination = destination.ok_or_else(|| Refusal::NoAnswer { sentence: sentence(), class: None })?;
        destination.prove_identity(&context).await.map_err(|failure| Refusal::unproven(&job.run, &failure))?;
        return Ok(Evidence::Recent { age_seconds });
    }
    match prove(core, job, Some(folder), &context).await {
        Ok(Proof::Holds(manifest)) => {
            let counted = count_pass(core, job, &manifest).await?;
            let level = counted.and_then(|job| job.proof_level).unwrap_or(manifest.level());
            match verify.clear_needs {
                needs if level < needs => Err(Refusal::TooWeak { run: job.run.clone(), level, needs }),
                _ => Ok(Evidence::Now(manifest)),
            }
        }
        Ok(Proof::Broken(differences)) => {
            record_broken(core, job, &differences).await?;
            let files = differences.first.iter().map(|difference| difference.path.to_string()).collect();
            Err(Refusal::Disproven { sentence: differences.sentence, files })
        }
        Err(failure) => Err(Refusal::unproven(&job.run, &failure)),
    }
}
