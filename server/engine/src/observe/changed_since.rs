//! Which runs need no look in this poll, so that a poll costs what can change and not what exists.
//!
//! A sealed run is quiet while its documents and its folder's own mtime are as they were last seen and no date has come
//! that changes anything. Whether files deep inside are late is the slow sweep's question, and every clear asks it
//! again anyway.

use crate::core::Core;
use crate::keep::ingest_store::{CREATION, INGEST};
use crate::keep::record::Stamp;
use crate::tell::index::Facts;
use domain::cleanup::{cleanup_eligible, interlocks_hold};
use domain::job::JobState;
use domain::lifecycle::RunState;
use domain::path::{RECORD_FOLDER, RunPath};
use domain::settings::StagingCleanup;
use domain::timestamp::Timestamp;
use std::path::Path;

use super::look::SWEEP_EVERY;

/// The runs that have to be looked at. Blocking: three `stat` calls a quiet run.
pub fn changed_since(core: &Core, runs: &[RunPath]) -> Vec<RunPath> {
    let root = Path::new(core.staging.root());
    runs.iter().filter(|run| !is_quiet(core, root, run)).cloned().collect()
}

fn is_quiet(core: &Core, root: &Path, run: &RunPath) -> bool {
    let Some(Some((ingest, creation, folder_mtime_ns))) = core.index.look(run, |facts| remembered(core, facts)) else {
        return false;
    };
    let folder = root.join(run.as_str());
    let record = folder.join(RECORD_FOLDER);
    mtime_ns(&folder) == Some(folder_mtime_ns)
        && Stamp::of_path(&record.join(INGEST)) == ingest
        && Stamp::of_path(&record.join(CREATION)) == creation
}

/// What must still be the same on disk; `None` when the run has to be looked at in any case.
fn remembered(core: &Core, facts: &Facts) -> Option<(Option<Stamp>, Option<Stamp>, i128)> {
    let watch = &facts.watch;
    let calm =
        facts.clearing.is_none() && watch.last_failure.is_none() && watch.fingerprint.is_some() && !facts.is_troubled();
    if !calm || watch.ingest.is_none() {
        return None;
    }
    let job = facts.job.as_ref();
    match facts.state()? {
        RunState::SyncQueued if !job?.state.is_proven() => {}
        RunState::SyncVerified if waits_for_a_date(core, facts) => {
            let swept = watch.swept_at?;
            if core.site.clock.monotonic().saturating_sub(swept) >= SWEEP_EVERY {
                return None;
            }
        }
        _ => return None,
    }
    Some((watch.ingest, watch.creation, watch.folder_mtime_ns))
}

/// True while neither eligibility nor automatic clearing has anything to do.
fn waits_for_a_date(core: &Core, facts: &Facts) -> bool {
    let Some(job) = &facts.job else { return true };
    if job.state.is_proven() && !facts.proof_recorded() {
        return false;
    }
    match job.state {
        JobState::Verified => !eligible(core, facts),
        JobState::CleanupEligible => eligible(core, facts) && !automatic(core),
        _ => true,
    }
}

fn automatic(core: &Core) -> bool {
    let policy = core.site.settings.orchestrator.as_ref().map(|orchestrator| orchestrator.staging_cleanup);
    core.site.settings.nas_cleanup.enabled && matches!(policy, Some(StagingCleanup::Scheduled { .. }))
}

/// Every automatic-clear interlock holds.
pub fn eligible(core: &Core, facts: &Facts) -> bool {
    let Some(job) = &facts.job else { return false };
    let now = core.site.clock.now();
    let first_proof = job.first_proof_ms.map(|ms| Timestamp::from_unix_seconds(ms.div_euclid(1000)));
    let reachable =
        core.destinations.get(facts.run.equipment()).is_some_and(|destination| destination.last_known().is_ok());
    let policy = core
        .site
        .settings
        .orchestrator
        .as_ref()
        .map_or(StagingCleanup::Manual, |orchestrator| orchestrator.staging_cleanup);
    let state = facts.state().unwrap_or(RunState::Staging);
    let retained = policy == StagingCleanup::Manual || cleanup_eligible(policy, state, first_proof, now);
    retained
        && interlocks_hold(
            &core.site.settings.nas_cleanup,
            job.verify_passes,
            first_proof,
            reachable,
            &facts.overrides,
            now,
        )
}

fn mtime_ns(folder: &Path) -> Option<i128> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(folder).ok()?;
    Some(i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()))
}
