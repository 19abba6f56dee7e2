//! The doctor: tries all that syncing needs, and qualifies a destination by damage.
//!
//! A destination is trusted because of what it says when it is asked for hashes. So it is shown things that are wrong,
//! and must say so: small made-up runs, damaged on this computer before they are sent, are held against the seal of the
//! undamaged one. One that is called proven anyway shows that the destination, or a tool on the way, does not look at
//! what it holds.
//!
//! It is no part of the running engine and knows neither its queue nor its staging tree: its runs lie in a folder of
//! its own below the state folder, and go below a project name of their own. Nothing at the destination is overwritten
//! or deleted; what was left there is named at the end. It may run while the server does.

mod damage;
mod here;
mod qualify;
mod report;
mod sample;
mod scratch;
mod step;
mod there;
mod trial;

pub use report::{Check, EquipmentReport, Outcome, Report};

use crate::transport::Transport;
use crate::transport::mount::MountTransport;
use crate::transport::transport_of;
use domain::settings::{Equipment, Settings, Target};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The project under which made-up runs go to the destination.
pub const PROJECT: &str = "exlab-doctor";

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The orchestrator is off.
    #[error("the orchestrator is off in this config: set orchestrator.staging_root and orchestrator.label")]
    Off,
    #[error("equipment {equipment} is not in the config; there are: {known}")]
    Unknown { equipment: String, known: String },
    #[error("equipment {0} is not synced from here")]
    NotSynced(String),
    #[error("no equipment is synced from here: add one with a transport to the config")]
    Nothing,
}

/// A visit: what all examinations share.
pub struct Visit<'a> {
    pub settings: &'a Settings,
    /// Where made-up runs lie while they are sent.
    pub state_folder: &'a Path,
    /// Ends it soon; what was found so far is reported.
    pub cancel: &'a CancellationToken,
    /// Is told what is being done.
    pub tell: &'a (dyn Fn(&str) + Send + Sync),
}

impl Visit<'_> {
    /// Looks at one equipment, or at all that are synced from here, one after the other.
    pub async fn examine(&self, equipment: Option<&str>) -> Result<Report, DoctorError> {
        let staging_root = &self.settings.orchestrator.as_ref().ok_or(DoctorError::Off)?.staging_root;
        let mut reports = Vec::new();
        for equipment in self.chosen(equipment)? {
            let transport =
                self.transport(equipment, staging_root).ok_or_else(|| DoctorError::NotSynced(equipment.id.clone()))?;
            reports.push(self.examine_over(equipment, transport, staging_root).await);
        }
        let ok = reports.iter().all(EquipmentReport::is_ok);
        Ok(Report { equipment: reports, ok })
    }

    fn chosen(&self, equipment: Option<&str>) -> Result<Vec<&Equipment>, DoctorError> {
        let all = &self.settings.equipment;
        match equipment {
            Some(id) => {
                let known = || all.iter().map(|equipment| equipment.id.clone()).collect::<Vec<_>>().join(", ");
                let found = self.settings.equipment(id);
                let found = found.ok_or_else(|| DoctorError::Unknown { equipment: id.to_owned(), known: known() })?;
                if found.synced_here { Ok(vec![found]) } else { Err(DoctorError::NotSynced(found.id.clone())) }
            }
            None => {
                let synced: Vec<&Equipment> = all.iter().filter(|equipment| equipment.synced_here).collect();
                if synced.is_empty() { Err(DoctorError::Nothing) } else { Ok(synced) }
            }
        }
    }

    fn transport(&self, equipment: &Equipment, staging_root: &str) -> Option<Arc<dyn Transport>> {
        match &equipment.transport.as_ref()?.target {
            Target::Mount { path } => {
                let transport = MountTransport::new(PathBuf::from(path), PathBuf::from(staging_root));
                Some(Arc::new(transport.beside_others()))
            }
            _ => transport_of(self.settings, equipment, staging_root, self.state_folder, None),
        }
    }

    /// The same over a transport that is given.
    pub async fn examine_over(
        &self,
        equipment: &Equipment,
        transport: Arc<dyn Transport>,
        staging_root: &str,
    ) -> EquipmentReport {
        let target = transport.describe();
        let mut exam = Exam { visit: self, equipment, transport, checks: Vec::new() };
        let qualified = exam.all(staging_root).await;
        EquipmentReport { id: equipment.id.clone(), target, checks: exam.checks, qualified }
    }
}

/// The examination of one equipment while it goes on.
struct Exam<'a> {
    visit: &'a Visit<'a>,
    equipment: &'a Equipment,
    transport: Arc<dyn Transport>,
    checks: Vec<Check>,
}

/// What is asked of the destination before anything is sent.
const ASKED: [&str; 3] = [there::IDENTITY, there::FREE_SPACE, there::CLOCK];

impl Exam<'_> {
    /// True when the destination is qualified.
    async fn all(&mut self, staging_root: &str) -> bool {
        let staging = self.check_staging(staging_root).await;
        if staging {
            self.check_open_files(staging_root).await;
        }
        let prepared = self.check_state_folder().await;
        let tools = self.check_tools().await;
        let hindrance = match (&prepared, staging, tools) {
            (None, ..) => Some("the state folder cannot be used"),
            (_, false, _) => {
                Some("the staging root is not there, so it is unknown whether the destination is a different place")
            }
            (.., false) => Some("a tool is missing"),
            _ => None,
        };
        let Some(prepared) = prepared.filter(|_| hindrance.is_none()) else {
            self.skip(&ASKED, hindrance.unwrap_or_default());
            self.skip_qualification(hindrance.unwrap_or_default());
            return false;
        };
        if !self.check_identity(&prepared.installation).await {
            self.skip(&ASKED[1..], "the destination did not show that it is ours");
            self.skip_qualification("the destination did not show that it is ours");
            return false;
        }
        self.check_free_space().await;
        self.check_free_files().await;
        self.check_clock().await;
        self.qualify(prepared.scratch).await
    }

    fn tell(&self, what: &str) {
        (self.visit.tell)(&format!("{}: {what}", self.equipment.id));
    }

    fn note(&mut self, name: &str, outcome: Outcome, message: impl Into<String>) {
        self.checks.push(Check::new(name, outcome, message));
    }

    fn skip(&mut self, names: &[&str], why: &str) {
        let why = if self.visit.cancel.is_cancelled() { "interrupted" } else { why };
        for name in names {
            self.note(name, Outcome::Skipped, why);
        }
    }
}
