//! Answers: header, list, detail, history of what is gone, and why a run can or cannot be cleared.

use super::Engine;
use crate::database::{Job, StoreError};
use crate::machine::blocking::blocking;
use crate::prove::seal_of;
use crate::tell::index::{Facts, LateKind, job_view, proof_view};
use crate::transport::destination::Destination;
use domain::api::{
    Action, Actions, ClearPlan, ClearedRuns, DestinationView, DiskGauge, FileDifference, FindingCounts, HistoryView,
    PanelStatus, ProofRecord, RunDetail, RunRow, SealSummary, StagedRunSummary, StagingList,
};
use domain::cleanup::{automatic_clear_due, conditions, manual_clear_allowed};
use domain::document::ingest::Ingest;
use domain::job::JobState;
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use domain::reread::{Proven, read_again_by};
use domain::settings::StagingCleanup;
use domain::timestamp::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long `staging` waits for the first scan.
pub(super) const FIRST_SCAN_PATIENCE: Duration = Duration::from_secs(10);

/// Findings of one run, in its detail.
const FINDINGS_SHOWN: usize = 500;

/// Folders that are not runs, named in the header.
const UNRECOGNISED_SHOWN: usize = 100;

/// Cleared runs whose copy is damaged, listed apart.
const DAMAGED_SHOWN: u32 = 100;

pub(super) fn store_problem(error: StoreError) -> Problem {
    Problem::new(ErrorCode::StateUnavailable, error.to_string())
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_seconds(ms.div_euclid(1000))
}

impl Engine {
    /// Every destination, and by when what it holds of runs in staging and of cleared ones will have been read again;
    /// to the hour, so that it rests.
    fn destinations(&self) -> Vec<DestinationView> {
        let core = &self.core;
        let verify = &core.site.settings.verify;
        let proven = core.index.fold(BTreeMap::<String, Vec<Proven>>::new(), |mut proven, facts| {
            if let Some(job) =
                facts.job.as_ref().filter(|job| matches!(job.state, JobState::Verified | JobState::CleanupEligible))
            {
                let run =
                    Proven::due_after(at(job.last_proof_ms.unwrap_or(0)), verify.reverify_seconds, job.totals.bytes);
                proven.entry(facts.run.equipment().to_owned()).or_default().push(run);
            }
            proven
        });
        let now = core.site.clock.now();
        let by = |equipment: &str| {
            let mut proven = proven.get(equipment).cloned().unwrap_or_default();
            if let Some(age) = verify.reverify_cleared_seconds {
                proven.extend(
                    core.only_copies.proven(equipment).into_iter().map(|(at, bytes)| Proven::due_after(at, age, bytes)),
                );
            }
            let by = read_again_by(now, &mut proven, verify.bytes_per_second)?;
            Some(Timestamp::from_unix_seconds(
                by.unix_seconds().div_euclid(3_600).saturating_add(1).saturating_mul(3_600),
            ))
        };
        let view = |(equipment, destination): (&String, &Arc<Destination>)| DestinationView {
            read_again_by: by(equipment),
            ..destination.view()
        };
        core.destinations.iter().map(view).collect()
    }

    /// The header; answers from memory.
    pub fn status(&self) -> PanelStatus {
        let core = &self.core;
        let disk = core.staging.disk();
        let clearable = core.index.clearable();
        PanelStatus {
            orchestrator_on: true,
            label: core.site.label.clone(),
            host: core.site.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            staging_root: core.staging.root().to_owned(),
            staging_cleanup: core
                .site
                .settings
                .orchestrator
                .as_ref()
                .map_or(StagingCleanup::Manual, |o| o.staging_cleanup),
            disk: disk.map(|(total_bytes, free_bytes)| DiskGauge {
                total_bytes,
                free_bytes,
                clearable_bytes: clearable.bytes,
                clearable_runs: clearable.files,
            }),
            state_error: core.site.state_error(),
            staging_error: core.staging.error(),
            queue_paused: !core.site.settings.sync.enabled,
            ready: self.is_ready(),
            destinations: self.destinations(),
            unrecognised: core.staging.unrecognised().into_iter().take(UNRECOGNISED_SHOWN).collect(),
            blocking_findings: core.blocking_findings(),
            cleared_damaged: core
                .site
                .settings
                .verify
                .reverify_cleared_seconds
                .map_or(0, |_| core.only_copies.damaged_count()),
            seq: core.tell.events.seq(),
        }
    }

    /// Asks the staging disk's size anew.
    pub(super) async fn refresh_disk(&self) {
        let core = self.core.clone();
        let disk = blocking(move || core.staging.ask_disk()).await;
        if let Some((_, free)) = disk {
            self.core.tell.tally.disk(free, self.core.site.clock.monotonic());
        }
    }

    /// All rows, most recent activity first, then path.
    pub async fn list_staged_runs(&self) -> Result<StagingList<RunRow>, Problem> {
        self.ready(FIRST_SCAN_PATIENCE).await?;
        Ok(self.core.index.list(self.core.site.clock.now()))
    }

    /// Everything known of a run, also when it is cleared and gone.
    pub async fn run_detail(&self, run: &str) -> Result<RunDetail, Problem> {
        self.ready(FIRST_SCAN_PATIENCE).await?;
        let run = self.parse(run)?;
        match self.core.index.get(&run) {
            Some(facts) => self.staged_detail(facts).await,
            None => self.gone_detail(&run).await,
        }
    }

    async fn staged_detail(&self, facts: Facts) -> Result<RunDetail, Problem> {
        let core = &self.core;
        let row = core.index.row(&facts.run).map(|row| crate::tell::index::at(&row, core.site.clock.now()));
        let row = row.unwrap_or_else(|| facts.row(&core.row_context(facts.run.equipment())));
        let history = facts.ingest.as_ref().ok().and_then(Option::as_ref).map(history_view).unwrap_or_default();
        let late = |(path, what): &(String, LateKind)| FileDifference { path: path.clone(), what: what.to_string() };
        Ok(RunDetail {
            row,
            history,
            seal: seal_summary(facts.job.as_ref()),
            proofs: self.proofs(&facts.run, facts.life).await?,
            clear_plan: self.plan_of(&facts),
            late_files: facts.late.names.iter().map(late).collect(),
            ledger: core.store.ledger(&facts.run).await.map_err(store_problem)?,
            findings: facts.findings.iter().take(FINDINGS_SHOWN).cloned().collect(),
            overrides: facts.overrides,
        })
    }

    async fn gone_detail(&self, run: &RunPath) -> Result<RunDetail, Problem> {
        let core = &self.core;
        let never = || Problem::new(ErrorCode::NotFound, format!("{run} is not in staging and was never known"));
        let life = core.store.last_ended_life(run).await.map_err(store_problem)?.ok_or_else(never)?;
        let job = core.store.latest_job(run, life.life).await.map_err(store_problem)?;
        let ingest = Ingest::parse(life.history.as_bytes()).ok();
        let mut row: RunRow =
            serde_json::from_str(&life.last_row).unwrap_or_else(|_| bare_row(core, run, life.life, life.cleared_ms));
        row.summary.current_state = "cleared".into();
        row.clearing = None;
        row.actions = Actions {
            force_sync: Action::no("cleared"),
            clear: Action::no("cleared"),
            verify: Action::yes(),
            retry: Action::no("cleared"),
            call_off: Action::nothing_to_call_off(),
        };
        row.job = job.as_ref().map(|job| job_view(job, None));
        // It may have been proven again since the last row was kept.
        row.proof = job.as_ref().and_then(proof_view).or(row.proof);
        Ok(RunDetail {
            history: ingest.as_ref().map(history_view).unwrap_or_default(),
            seal: seal_summary(job.as_ref()),
            proofs: self.proofs(run, life.life).await?,
            clear_plan: ClearPlan {
                run_path: run.as_str().to_owned(),
                clearable: false,
                automatic: false,
                files: 0,
                bytes: 0,
                proof: row.proof.clone(),
                conditions: Vec::new(),
            },
            findings: Vec::new(),
            overrides: Vec::new(),
            late_files: Vec::new(),
            ledger: core.store.ledger(run).await.map_err(store_problem)?,
            row,
        })
    }

    async fn proofs(&self, run: &RunPath, life: u64) -> Result<Vec<ProofRecord>, Problem> {
        let proofs = self.core.store.proofs(run, life).await.map_err(store_problem)?;
        let record = |(generation, proof): (u64, crate::database::NewProof)| ProofRecord {
            at: at(proof.at_ms),
            generation,
            proven: proof.proven,
            level: proof.level,
            method: proof.method,
            files: proof.totals.files,
            bytes: proof.totals.bytes,
            detail: proof.detail,
        };
        Ok(proofs.into_iter().map(record).collect())
    }

    /// Runs that are gone, newest first; the first page also has those whose copy on the NAS is damaged.
    pub async fn cleared_runs(&self, before: Option<u64>, limit: u32) -> Result<ClearedRuns, Problem> {
        let limit = limit.clamp(1, 1_000);
        let found = self.core.store.cleared_runs(before, limit).await.map_err(store_problem)?;
        let full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
        let next_before = found.last().map(|(seq, _)| *seq).filter(|_| full);
        let damaged = match before {
            None => self.core.store.damaged_runs(DAMAGED_SHOWN).await.map_err(store_problem)?,
            Some(_) => Vec::new(),
        };
        Ok(ClearedRuns { runs: found.into_iter().map(|(_, run)| run).collect(), next_before, damaged })
    }

    /// Every condition of clearing with its value. Local files are compared now; the NAS is asked when it is carried
    /// out.
    pub async fn clear_plan(&self, run: &str) -> Result<ClearPlan, Problem> {
        self.ready(FIRST_SCAN_PATIENCE).await?;
        let run = self.parse(run)?;
        let Some(facts) = self.core.index.get(&run) else {
            return match self.core.store.last_ended_life(&run).await.map_err(store_problem)? {
                Some(_) => Err(Problem::new(ErrorCode::RunCleared, format!("{run} is already cleared"))),
                None => Err(Problem::new(ErrorCode::NotFound, format!("{run} is not in staging and was never known"))),
            };
        };
        let core = self.core.clone();
        let facts = blocking(move || {
            // While a clear is open the run may stand aside, and something else at its path.
            let job = facts.job.clone().filter(|job| job.state.is_proven() && facts.clearing.is_none());
            if let (Some(job), Ok(folder)) = (job, core.staging.run(&facts.run))
                && let Ok(seal) = seal_of(&core, &job)
                && let Ok(compared) =
                    crate::keep::seal::compare(&folder, &seal, crate::keep::seal::Rehash::Never, &core.site.stop)
            {
                let late = crate::tell::index::Late::of(&compared);
                let obstacles = crate::clear::obstacles::obstacles(
                    &core,
                    &facts.run,
                    &folder,
                    &crate::machine::writers::Writers::now_and_each_file(),
                );
                core.change(&facts.run, |facts| {
                    facts.late = late;
                    facts.obstacles = obstacles;
                });
                if compared.touched > 0 {
                    core.index.sweep_soon(&facts.run);
                    core.desk.look_at(&facts.run);
                }
            }
            core.index.get(&facts.run).unwrap_or(facts)
        })
        .await;
        let mut plan = self.plan_of(&facts);
        let freed = {
            let (core, run) = (self.core.clone(), facts.run.clone());
            blocking(move || core.staging.run(&run).and_then(|f| freed_bytes_and_count(&f))).await
        };
        if let Ok(freed) = freed
            && facts.clearing.is_none()
        {
            (plan.files, plan.bytes) = (freed.files, freed.bytes);
        }
        Ok(plan)
    }

    fn plan_of(&self, facts: &Facts) -> ClearPlan {
        let context = self.core.row_context(facts.run.equipment());
        let late_names = facts.late_names();
        let conditions = conditions(&facts.clear_facts(&context, &late_names));
        ClearPlan {
            run_path: facts.run.as_str().to_owned(),
            clearable: manual_clear_allowed(&conditions),
            automatic: automatic_clear_due(&conditions),
            files: facts.totals.files,
            bytes: facts.totals.bytes,
            proof: facts.job.as_ref().and_then(crate::tell::index::proof_view),
            conditions,
        }
    }
}

/// Files and bytes that clearing frees: all regular files of the run, the record's included (docs/clearing.md).
pub fn freed_bytes_and_count(
    folder: &crate::files::source::RunFolder,
) -> Result<domain::proof::Totals, crate::files::source::SourceError> {
    let mut totals = domain::proof::Totals::default();
    for entry in folder.walk()? {
        match entry {
            Ok(entry) => {
                if let domain::gate::EntryKind::File { size } = entry.kind {
                    totals.add(size);
                }
            }
            Err(crate::files::source::SourceError::Vanished { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(totals)
}

fn bare_row(core: &crate::core::Core, run: &RunPath, life: u64, cleared_ms: i64) -> RunRow {
    let cleared_at = at(cleared_ms);
    RunRow {
        summary: StagedRunSummary {
            path: format!("{}/{run}", core.staging.root()),
            current_state: "cleared".into(),
            equipment_id: run.equipment().to_owned(),
            project_name: run.project().to_owned(),
            run_kind: run.kind().as_str().to_owned(),
            file_count: 0,
            byte_total: 0,
            elapsed_seconds_since_last_activity: u64::try_from(core.site.clock.now().seconds_since(cleared_at))
                .unwrap_or(0),
            last_activity_at: cleared_at.to_string(),
        },
        run_path: run.as_str().to_owned(),
        life,
        job: None,
        proof: None,
        problem: None,
        waiting_for: None,
        findings: FindingCounts::default(),
        late_files: 0,
        clearing: None,
        actions: Actions {
            force_sync: Action::no("cleared"),
            clear: Action::no("cleared"),
            verify: Action::yes(),
            retry: Action::no("cleared"),
            call_off: Action::nothing_to_call_off(),
        },
    }
}

fn history_view(ingest: &Ingest) -> Vec<HistoryView> {
    let view = |entry: domain::document::ingest::HistoryEntry| HistoryView {
        state: entry.state.as_str().to_owned(),
        at: entry.at,
        host: entry.host,
        notes: entry
            .fields
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "state" | "at" | "host"))
            .map(|(key, value)| format!("{key}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect(),
    };
    ingest.history().into_iter().map(view).collect()
}

fn seal_summary(job: Option<&Job>) -> Option<SealSummary> {
    let job = job?;
    Some(SealSummary {
        generation: job.generation,
        files: job.totals.files,
        bytes: job.totals.bytes,
        sealed_at: at(job.sealed_ms?),
        digest: job.seal?.to_string(),
    })
}
