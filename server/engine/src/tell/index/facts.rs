//! What is known of one run, and the row it makes. Rows are built from facts alone: no disk, no database, no clock.

use super::Late;
use super::obstacles::Obstacles;
use super::views::{job_view, proof_view};
use crate::database::Job;
use crate::keep::record::Stamp;
use crate::machine::progress::ProgressSink;
use domain::api::{Action, Actions, ClearingView, FindingCounts, RowProblem, RunRow, StagedRunSummary};
use domain::cleanup::{ClearFacts, conditions, first_failing_reason};
use domain::document::ingest::{Ingest, StateText};
use domain::finding::Finding;
use domain::job::JobState;
use domain::lifecycle::RunState;
use domain::overrides::OverrideEntry;
use domain::path::{RunKind, RunPath};
use domain::proof::{Digest, Totals};
use domain::settings::Settings;
use domain::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Everything known of a run that stands in the staging tree.
#[derive(Clone)]
pub struct Facts {
    pub run: RunPath,
    /// Which life of its path.
    pub life: u64,
    /// Its ingest.json: `Ok(None)` before the first one was written.
    pub ingest: Result<Option<Ingest>, RowProblem>,
    /// Kind by creation.json, else by the leaf.
    pub kind: RunKind,
    /// `lims_project.short_id` of creation.json, for log lines.
    pub project_short_id: Option<String>,
    /// Data files and their bytes.
    pub totals: Totals,
    /// Newest mtime of a data file; without data, of the folder.
    pub changed_at: Option<Timestamp>,
    /// The job of this life with the highest generation.
    pub job: Option<Job>,
    /// Set while a worker, a verify or a clear is on it.
    pub progress: Option<ProgressSink>,
    /// Ends what a worker sends of it.
    pub sending: Option<CancellationToken>,
    /// What the watcher waits for while `staging`.
    pub waiting_for: Option<String>,
    /// Findings of the gate.
    pub findings: Arc<Vec<Finding>>,
    /// Files that appeared or changed since sealing.
    pub late: Late,
    /// What would stop a clear half-way, as last looked at.
    pub obstacles: Obstacles,
    /// A clear in work.
    pub clearing: Option<ClearingView>,
    /// Overrides and tombstones of creation.json.
    pub overrides: Vec<OverrideEntry>,
    /// What stands in the way although ingest.json can be read; the row shows the first.
    pub troubles: BTreeMap<Trouble, RowProblem>,
    /// The watcher's own notes.
    pub watch: Watch,
}

/// Where something stands in the way: each is noted and goes by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trouble {
    /// The staging tree, or the run's folder.
    Staging,
    /// The folder went before the run was proven.
    Vanished,
    Creation,
    /// The seal, or what is compared with it.
    Seal,
    /// It was to be cleared by itself, and that was refused; it is tried again.
    Clearing,
    /// It is what was kept of a cleared run, and is not proven.
    Rest,
}

/// What the watcher remembers between two looks at a run.
#[derive(Clone, Default)]
pub struct Watch {
    /// Of ingest.json when it was read.
    pub ingest: Option<Stamp>,
    /// Of creation.json when it was read.
    pub creation: Option<Stamp>,
    /// Over names, sizes, times and inodes of all entries.
    pub fingerprint: Option<[u8; 32]>,
    /// When the fingerprint last changed, monotonic.
    pub unchanged_since: Duration,
    /// Since when it waits for a program that has a file of it open for writing, monotonic.
    pub written_since: Option<Duration>,
    /// What the gate judged last.
    pub judged: Option<Judged>,
    /// When sealed files were last compared with their seal, monotonic.
    pub swept_at: Option<Duration>,
    /// Which folder stands at the run's path (device and inode), and which one stood there before it.
    pub folder: Option<(u64, u64)>,
    pub former_folder: Option<(u64, u64)>,
    /// mtime of the run's folder when it was last looked at.
    pub folder_mtime_ns: i128,
    /// The last failure of evaluating it, so that it is logged once.
    pub last_failure: Option<String>,
    /// Nothing of it could be asked for yet, not even its life and its job.
    pub is_blank: bool,
}

/// What a judgement of the gate rests on: when any of it changes, the run is judged again. The config cannot change
/// while the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judged {
    /// Over names, sizes, times and inodes of all entries.
    pub fingerprint: [u8; 32],
    /// Late or changed files of a sealed run, whose fingerprint is not taken any more.
    pub late: u64,
    pub creation: Option<Stamp>,
    /// When the next active override expires.
    pub expires: Option<Timestamp>,
    /// The run was verified already.
    pub verified: bool,
}

/// What rows need besides the facts of their run.
pub struct RowContext<'a> {
    pub settings: &'a Settings,
    pub staging_root: &'a str,
    /// The equipment's destination: reachable, or why not.
    pub destination: Result<(), String>,
    pub now: Timestamp,
}

impl Facts {
    /// Takes a job as read or changed by somebody, unless what is known is newer or of another life.
    pub fn take_job(&mut self, job: Job) {
        let age = |job: &Job| (job.generation, job.revision);
        if self.life == job.life && self.job.as_ref().is_none_or(|known| age(known) <= age(&job)) {
            self.job = Some(job);
        }
    }

    /// True where what stands in the way keeps it from being looked at well.
    pub fn is_troubled(&self) -> bool {
        self.troubles.keys().any(|trouble| !matches!(trouble, Trouble::Clearing | Trouble::Rest))
    }

    /// True where this folder stood at the run's path when it was last looked at, or before the one that stands there
    /// now.
    pub fn stood_here(&self, folder: (u64, u64)) -> bool {
        [self.watch.folder, self.watch.former_folder].contains(&Some(folder))
    }

    /// Stops the worker that sends it; false when none does.
    pub fn stop_sending(&self) -> bool {
        self.sending.as_ref().inspect(|sending| sending.cancel()).is_some()
    }

    /// A run just seen, nothing known yet.
    pub fn new(run: RunPath, life: u64) -> Facts {
        Facts {
            life,
            kind: run.kind(),
            run,
            ingest: Ok(None),
            project_short_id: None,
            totals: Totals::default(),
            changed_at: None,
            job: None,
            progress: None,
            sending: None,
            waiting_for: None,
            findings: Arc::default(),
            late: Late::default(),
            obstacles: Obstacles::default(),
            clearing: None,
            overrides: Vec::new(),
            troubles: BTreeMap::new(),
            watch: Watch::default(),
        }
    }

    /// The state when it is one of the five.
    pub fn state(&self) -> Option<RunState> {
        self.ingest.as_ref().ok()?.as_ref()?.current_state().known()
    }

    /// The state as rows show it: one of the five, `unknown` for an unreadable run, or a newer version's own text.
    pub fn state_text(&self) -> String {
        match &self.ingest {
            Err(_) => "unknown".to_owned(),
            Ok(None) => RunState::Staging.as_str().to_owned(),
            Ok(Some(ingest)) => ingest.current_state().as_str().to_owned(),
        }
    }

    /// What a judgement made now would rest on; `None` before the run's files were looked at.
    pub fn to_judge(&self, now: Timestamp) -> Option<Judged> {
        Some(Judged {
            fingerprint: self.watch.fingerprint?,
            late: self.late.count,
            creation: self.watch.creation,
            expires: domain::overrides::next_expiry(&self.overrides, now),
            verified: self.state() == Some(RunState::SyncVerified),
        })
    }

    /// True while files, creation.json, overrides and state are as the gate judged them.
    pub fn is_judged(&self, now: Timestamp) -> bool {
        self.watch.judged.is_some() && self.watch.judged == self.to_judge(now)
    }

    /// True when the job is proven and ingest.json's latest `sync_verified` names the same generation and seal.
    pub fn proof_recorded(&self) -> bool {
        let Some(job) = self.job.as_ref().filter(|job| job.state.is_proven()) else { return false };
        let Ok(Some(ingest)) = &self.ingest else { return false };
        let Some(entry) = ingest.verified() else { return false };
        let seal = entry.seal.as_deref().and_then(Digest::parse);
        entry.generation == Some(job.generation) && seal.is_some() && seal == job.seal
    }

    /// Facts for the question "can it be cleared, and why not".
    pub fn clear_facts<'a>(&'a self, context: &RowContext<'_>, late_names: &'a [String]) -> ClearFacts<'a> {
        let settings = context.settings;
        let state = match &self.ingest {
            Err(problem) => Err(problem.message.clone()),
            Ok(None) => Err("it has no ingest.json yet".to_owned()),
            Ok(Some(ingest)) => match ingest.current_state() {
                StateText::Known(state) => Ok(*state),
                StateText::Unknown(text) => Err(format!("its state `{text}` is not known to this version")),
            },
        };
        let proven = self.job.as_ref().filter(|job| job.state.is_proven());
        let sealed_by_us = match (&self.job, proven) {
            (_, Some(job)) if self.proof_recorded() => Ok(job.totals),
            (_, Some(_)) => Err("its ingest.json and our seal do not agree on what was verified".to_owned()),
            (Some(job), None) => Err(format!("its job is {}", job.state)),
            (None, None) => Err("this installation has no seal of it".to_owned()),
        };
        let seconds = |ms: Option<i64>| ms.map(|ms| Timestamp::from_unix_seconds(ms.div_euclid(1000)));
        let in_work = self.job.as_ref().filter(|job| job.state.is_in_work()).map(|_| "a worker is on it".to_owned());
        ClearFacts {
            state,
            sealed_by_us,
            late_files: self.late.count,
            late_names,
            proof_level: proven.and_then(|job| job.proof_level),
            proof_at: seconds(proven.and_then(|job| job.last_proof_ms)),
            first_proof_at: seconds(proven.and_then(|job| job.first_proof_ms)),
            passes: proven.map_or(0, |job| job.verify_passes),
            removable: self.obstacles.first.clone().map_or(Ok(()), Err),
            writers_untold: self.obstacles.writers_untold,
            destination: context.destination.clone(),
            busy: self.clearing.as_ref().map(what_clears).or(in_work),
            clear_open: self.clearing.is_some(),
            overrides: &self.overrides,
            staging_cleanup: settings
                .orchestrator
                .as_ref()
                .map_or(domain::settings::StagingCleanup::Manual, |o| o.staging_cleanup),
            nas_cleanup: settings.nas_cleanup,
            clear_needs: settings.verify.clear_needs,
            now: context.now,
        }
    }

    /// Names of late files as the clear facts want them.
    pub fn late_names(&self) -> Vec<String> {
        self.late.names.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The latest of history and file changes.
    pub fn last_activity(&self) -> Timestamp {
        let history = self.ingest.as_ref().ok().and_then(Option::as_ref).and_then(Ingest::last_activity);
        history.max(self.changed_at).unwrap_or_default()
    }

    /// The row as of `context.now`.
    pub fn row(&self, context: &RowContext<'_>) -> RunRow {
        let last_activity = self.last_activity();
        RunRow {
            summary: StagedRunSummary {
                path: format!("{}/{}", context.staging_root, self.run),
                current_state: self.state_text(),
                equipment_id: self.run.equipment().to_owned(),
                project_name: self.run.project().to_owned(),
                run_kind: self.kind.as_str().to_owned(),
                file_count: self.totals.files,
                byte_total: self.totals.bytes,
                elapsed_seconds_since_last_activity: u64::try_from(context.now.seconds_since(last_activity))
                    .unwrap_or(0),
                last_activity_at: last_activity.to_string(),
            },
            run_path: self.run.as_str().to_owned(),
            life: self.life,
            job: self.job.as_ref().map(|job| job_view(job, self.progress.as_ref().map(ProgressSink::snapshot))),
            proof: self.job.as_ref().and_then(proof_view),
            problem: self.ingest.as_ref().err().cloned().or_else(|| self.troubles.values().next().cloned()),
            waiting_for: self.waiting_for.clone(),
            findings: FindingCounts::of(&self.findings),
            late_files: self.late.count,
            clearing: self.clearing.clone(),
            actions: self.actions(context),
        }
    }

    fn actions(&self, context: &RowContext<'_>) -> Actions {
        let waits = self.clearing.as_ref().is_some_and(|clearing| clearing.waiting.is_some());
        let barred = match &self.ingest {
            Err(problem) if problem.code == "schema_major_mismatch" => Some("schema_major_mismatch"),
            Err(_) => Some("document_unreadable"),
            Ok(Some(ingest)) if ingest.current_state().known().is_none() => Some("unknown_state"),
            _ if waits => Some("clear_waits"),
            _ if self.clearing.is_some() => Some("clearing"),
            _ => None,
        };
        let unless = |reason: Option<&str>| match barred.or(reason) {
            None => Action::yes(),
            Some(reason) => Action::no(reason),
        };
        let in_work = self.job.as_ref().is_some_and(|job| job.state.is_in_work());
        let force_sync = match self.state() {
            None | Some(RunState::Staging) => Some("staging_not_complete"),
            Some(RunState::Cleared) => Some("cleared"),
            Some(RunState::SyncVerified) if self.late.count > 0 && self.waiting_for.is_some() => {
                Some("staging_not_complete")
            }
            _ if in_work => Some("job_in_work"),
            _ => None,
        };
        let verify = match &self.job {
            None => Some("no_job"),
            Some(job) if in_work || job.state == JobState::Queued => Some("job_in_work"),
            Some(job) if job.seal.is_none() => Some("staging_not_proven"),
            Some(_) => None,
        };
        let retry = match &self.job {
            None => Some("no_job"),
            Some(job)
                if job.state == JobState::Failed
                    || (job.state == JobState::Queued && (job.waiting || job.next_attempt_ms > 0)) =>
            {
                None
            }
            Some(_) => Some("not_failed"),
        };
        let call_off = if waits { Action::yes() } else { Action::nothing_to_call_off() };
        let late_names = self.late_names();
        let clear = first_failing_reason(&conditions(&self.clear_facts(context, &late_names)));
        Actions {
            force_sync: unless(force_sync),
            clear: unless(clear),
            verify: unless(verify),
            retry: unless(retry),
            call_off,
        }
    }
}

/// What an open clear does, or waits for.
fn what_clears(clearing: &ClearingView) -> String {
    match &clearing.waiting {
        Some(why) => format!("its clear waits: {why}"),
        None => "it is being cleared".to_owned(),
    }
}
