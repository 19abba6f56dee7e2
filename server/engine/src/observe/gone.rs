//! Runs whose folder is gone: their rows go, or stay and say so.

use super::StagingWatcher;
use super::scan::Scan;
use crate::database::Job;
use crate::tell::index::{Facts, Trouble};
use domain::api::{Event, RowProblem};
use domain::path::RunPath;
use std::collections::BTreeSet;

impl StagingWatcher {
    /// Rows of runs whose folder is gone go, unless the folder above cannot be read or a clear still works on them.
    pub(super) fn forget_gone(&self, known: &[RunPath], scan: &Scan, unfinished: Option<&[Job]>) {
        let standing: BTreeSet<&RunPath> = scan.runs.iter().collect();
        let unfinished: Option<BTreeSet<&RunPath>> = unfinished.map(|jobs| jobs.iter().map(|job| &job.run).collect());
        // Where the jobs cannot be read, none is over.
        let is_unfinished = |run: &RunPath| unfinished.as_ref().is_none_or(|runs| runs.contains(run));
        for run in known.iter().filter(|run| !standing.contains(run) && !scan.hides(run)) {
            let in_hand = self.core.index.look(run, |facts| {
                let is_shown_as_gone = is_unfinished(run) && facts.troubles.contains_key(&Trouble::Vanished);
                is_shown_as_gone
                    || facts.clearing.is_some()
                    || facts.job.as_ref().is_some_and(|job| job.state.is_in_work())
            });
            if in_hand == Some(false) && self.core.index.remove(run).is_some() {
                self.core.tell.events.publish(|seq| Event::Gone { seq, run_path: run.as_str().to_owned() });
            }
        }
    }

    /// Jobs of runs that vanished before they were proven; `None` when they cannot be asked for.
    pub(super) async fn unfinished(&self, scan: &Scan) -> Option<Vec<Job>> {
        let standing: BTreeSet<&RunPath> = scan.runs.iter().collect();
        match self.core.store.unproven_jobs().await {
            Ok(jobs) => Some(jobs.into_iter().filter(|job| !standing.contains(&job.run)).collect()),
            Err(error) => {
                tracing::error!(%error, "jobs of vanished runs cannot be read");
                None
            }
        }
    }

    /// A run that vanished before it was proven stays visible: its job waits or has failed, and the row says what is
    /// missing.
    pub(super) fn show_unfinished(&self, unfinished: Vec<Job>) {
        for job in unfinished {
            let run = job.run.clone();
            if self.core.index.look(&run, |_| ()).is_none() {
                self.core.put(Facts::new(run.clone(), job.life));
            }
            self.core.job_changed(job);
            let message = format!(
                "{}/{run} is gone, and the NAS was never proven to hold it: put it back",
                self.core.staging.root()
            );
            let problem = RowProblem { code: "local_file_vanished".into(), message };
            self.core.change(&run, |facts| drop(facts.troubles.insert(Trouble::Vanished, problem)));
        }
    }
}
