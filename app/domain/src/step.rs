//! The one decision of the watcher (docs/lifecycle.md): given what was observed, what is the next step. One step at
//! most.

use crate::job::JobState;
use crate::lifecycle::RunState;

/// What stands at the run's path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Folder {
    /// Nothing.
    Gone,
    /// No data file: only the record, or nothing at all.
    WithoutData,
    /// At least one data file.
    WithData,
}

/// What was seen of a run, all at one time.
#[derive(Clone, Debug)]
pub struct Observation {
    /// State of its readable ingest.json; `None` when there is none.
    pub state: Option<RunState>,
    /// Its folder.
    pub folder: Folder,
    /// The completeness signal is there.
    pub signal_present: bool,
    /// Nothing changed for the equipment's settle time.
    pub settled: bool,
    /// The job of this life, if it has one.
    pub job: Option<JobState>,
    /// The job's seal has been recorded as verified in ingest.json already (generation and digest agree).
    pub proof_recorded: bool,
    /// An intent to clear this path has not ended.
    pub intent_pending: bool,
    /// Policy and interlocks allow clearing by itself, now.
    pub clear_due: bool,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing, until something changes.
    Wait,
    /// Write the first ingest.json.
    RecordSeen,
    /// Count, and append `complete`.
    RecordComplete,
    /// Ask the gate and queue it; when queued, append `sync_queued`.
    Enqueue,
    /// Append `sync_verified`.
    RecordVerified,
    /// Clear it.
    Clear,
    /// Move the old life's record aside and write a first ingest.json.
    BeginNewLife,
}

/// Decides. Idempotent: the same observation gives the same step, and a step taken changes the observation.
pub fn next_step(seen: &Observation) -> Step {
    // A cleaned job is retired: it speaks of what was cleared, not of what lies here now (D5).
    let job = seen.job.filter(|job| *job != JobState::Cleaned);
    let proven = job.is_some_and(JobState::is_proven);
    match seen.state {
        _ if seen.intent_pending => Step::Wait,
        None if seen.folder == Folder::Gone => Step::Wait,
        None => Step::RecordSeen,
        Some(RunState::Staging) if seen.signal_present && seen.settled => Step::RecordComplete,
        Some(RunState::Staging) => Step::Wait,
        Some(RunState::Complete) => Step::Enqueue,
        // A missing job is queued again: our state folder may have been lost.
        Some(RunState::SyncQueued) if job.is_none() => Step::Enqueue,
        Some(RunState::SyncQueued) if proven => Step::RecordVerified,
        Some(RunState::SyncQueued) => Step::Wait,
        Some(RunState::SyncVerified) if proven && !seen.proof_recorded => Step::RecordVerified,
        Some(RunState::SyncVerified) if proven && seen.clear_due => Step::Clear,
        Some(RunState::SyncVerified) => Step::Wait,
        Some(RunState::Cleared) if seen.folder == Folder::WithData => Step::BeginNewLife,
        Some(RunState::Cleared) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn seen(state: Option<RunState>) -> Observation {
        Observation {
            state,
            folder: Folder::WithData,
            signal_present: false,
            settled: false,
            job: None,
            proof_recorded: false,
            intent_pending: false,
            clear_due: false,
        }
    }

    #[rstest]
    #[case(seen(None), Step::RecordSeen)]
    #[case(Observation { folder: Folder::WithoutData, ..seen(None) }, Step::RecordSeen)]
    #[case(Observation { folder: Folder::Gone, ..seen(None) }, Step::Wait)]
    #[case(seen(Some(RunState::Staging)), Step::Wait)]
    #[case(Observation { signal_present: true, ..seen(Some(RunState::Staging)) }, Step::Wait)]
    #[case(Observation { settled: true, ..seen(Some(RunState::Staging)) }, Step::Wait)]
    #[case(Observation { signal_present: true, settled: true, ..seen(Some(RunState::Staging)) }, Step::RecordComplete)]
    #[case(seen(Some(RunState::Complete)), Step::Enqueue)]
    #[case(seen(Some(RunState::SyncQueued)), Step::Enqueue)]
    #[case(Observation { job: Some(JobState::Failed), ..seen(Some(RunState::SyncQueued)) }, Step::Wait)]
    #[case(Observation { job: Some(JobState::Verified), ..seen(Some(RunState::SyncQueued)) }, Step::RecordVerified)]
    #[case(Observation { job: Some(JobState::Verified), ..seen(Some(RunState::SyncVerified)) }, Step::RecordVerified)]
    #[case(Observation { job: Some(JobState::Verified), proof_recorded: true, ..seen(Some(RunState::SyncVerified)) }, Step::Wait)]
    #[case(Observation { clear_due: true, ..seen(Some(RunState::SyncVerified)) }, Step::Wait)]
    #[case(Observation { job: Some(JobState::CleanupEligible), proof_recorded: true, clear_due: true, ..seen(Some(RunState::SyncVerified)) }, Step::Clear)]
    #[case(seen(Some(RunState::Cleared)), Step::BeginNewLife)]
    #[case(Observation { intent_pending: true, ..seen(Some(RunState::Cleared)) }, Step::Wait)]
    #[case(Observation { folder: Folder::WithoutData, ..seen(Some(RunState::Cleared)) }, Step::Wait)]
    fn table(#[case] observation: Observation, #[case] expected: Step) {
        assert_eq!(next_step(&observation), expected);
    }

    #[rstest]
    #[case(RunState::SyncQueued, Step::Enqueue)]
    #[case(RunState::SyncVerified, Step::Wait)]
    fn d5_a_cleaned_job_vouches_for_nothing_that_lies_here_now(#[case] state: RunState, #[case] expected: Step) {
        for proof_recorded in [false, true] {
            let observation =
                Observation { job: Some(JobState::Cleaned), proof_recorded, clear_due: true, ..seen(Some(state)) };
            assert_eq!(next_step(&observation), expected);
        }
    }

    #[test]
    fn nothing_is_cleared_without_a_proven_job_of_ours() {
        let jobs = JobState::ALL.into_iter().map(Some).chain([None]);
        for job in jobs.filter(|job| !job.is_some_and(JobState::is_proven)) {
            for state in RunState::ALL {
                let observation = Observation { job, clear_due: true, proof_recorded: true, ..seen(Some(state)) };
                assert_ne!(next_step(&observation), Step::Clear, "{state} {job:?}");
            }
        }
    }
}
