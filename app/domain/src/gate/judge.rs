//! The judge of one run: takes its circumstances, its entries and the contents it asks for, in any order, and ends in a
//! verdict.

use super::collected::Collected;
use super::content::{self, Wanted};
use super::mode::{self, Place};
use super::names::{self, Fault};
use super::project::project_name_faults;
use super::{Circumstances, EntryKind, EquipmentStanding, Verdict};
use crate::document::creation::Creation;
use crate::finding::{Finding, OffendingKind, Rule, sort};
use crate::overrides::is_overridden;
use crate::path::{FilePath, RECORD_FOLDER, Shelf, escape_bytes};

/// From this minor on a producer always writes `lims_project`.
const LIMS_PROJECT_SINCE_MINOR: u64 = 5;

/// Judges a run entry by entry, so that a run of a million files need not be in memory.
#[derive(Debug)]
pub struct Judge<'a> {
    about: Circumstances<'a>,
    wanted: Wanted<'a>,
    found: Collected,
    /// The folder judged last, so that it is not judged again for each of its files.
    last_folder: Vec<u8>,
    readme_size: Option<u64>,
    readme_judged: bool,
}

impl<'a> Judge<'a> {
    /// Judges the path and the circumstances.
    pub fn new(about: Circumstances<'a>) -> Judge<'a> {
        let mut judge = Judge {
            about,
            wanted: Wanted::new(about.validator, about.creation, about.run.leaf()),
            found: Collected::new(),
            last_folder: Vec::new(),
            readme_size: None,
            readme_judged: false,
        };
        judge.judge_path();
        judge.judge_equipment();
        judge.judge_mode();
        judge.judge_creation();
        judge
    }

    /// Judges one entry of the run's folder, the record's own folder left out. Order does not matter; each entry comes
    /// once.
    ///
    /// Folders are entries too. Those on the way to an entry are judged with it, so that none is missed.
    pub fn entry(&mut self, path: &FilePath, kind: EntryKind) {
        let is_record_folder = kind == EntryKind::Folder && path.as_bytes() == RECORD_FOLDER.as_bytes();
        if is_record_folder || path.is_record() {
            return;
        }
        let bytes = path.as_bytes();
        let name_start = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        if name_start > 0 && bytes[..name_start - 1] != self.last_folder {
            self.last_folder = bytes[..name_start - 1].to_vec();
            for end in (0..name_start).filter(|at| bytes[*at] == b'/') {
                self.judge_name(&bytes[..end], OffendingKind::DirectorySegment);
            }
        }
        let offending_kind =
            if kind == EntryKind::Folder { OffendingKind::DirectorySegment } else { OffendingKind::FileName };
        self.judge_name(bytes, offending_kind);
        match kind {
            EntryKind::Folder => {}
            EntryKind::File { size } => {
                if content::is_readme(path) {
                    self.readme_size = Some(size);
                }
            }
            EntryKind::Link => self.unsupported(path, "a symbolic link (links are never followed)"),
            EntryKind::Fifo => self.unsupported(path, "a named pipe"),
            EntryKind::Socket => self.unsupported(path, "a socket"),
            EntryKind::Device => self.unsupported(path, "a device"),
        }
    }

    /// Whether the content of this file must be given to [`Judge::content`].
    pub fn wants_content(&self, path: &FilePath, size: u64) -> bool {
        self.wanted.wants(path, size)
    }

    /// Judges a content that was asked for; any other is left alone.
    pub fn content(&mut self, path: &FilePath, bytes: &[u8]) {
        if !self.wants_content(path, bytes.len() as u64) {
            return;
        }
        self.readme_judged |= content::is_readme(path);
        for fault in content::faults(path, bytes, self.about.validator) {
            self.collect(fault, OffendingKind::FileContent, path.to_string());
        }
    }

    /// Adds a finding made elsewhere (e.g. an unusable manifest). Its tier and its override are decided here as for all
    /// others.
    pub fn add(&mut self, finding: Finding) {
        self.found.insert(Finding { tier: finding.rule.tier(), ..finding });
    }

    /// Sorted findings with overrides applied.
    pub fn finish(mut self) -> Verdict {
        if !self.readme_judged {
            for fault in content::unjudged_readme(self.readme_size, &self.wanted) {
                self.collect(fault, OffendingKind::FileContent, content::README.to_owned());
            }
        }
        let about = self.about;
        let overrides = about.creation.map(Creation::overrides).unwrap_or_default();
        let active: Vec<Rule> = Rule::ALL
            .into_iter()
            .filter(|rule| rule.can_be_overridden() && is_overridden(&overrides, rule.as_str(), about.now))
            .collect();
        let mut findings = self.found.finish(about.run);
        for finding in &mut findings {
            finding.synced_under_prior_policy = about.already_verified;
            finding.override_active = active.contains(&finding.rule);
        }
        sort(&mut findings);
        Verdict::new(about.run.clone(), findings)
    }

    /// Takes in what others found of the run.
    pub fn also(&mut self, finding: Finding) {
        self.found.insert(finding);
    }

    fn collect(&mut self, fault: Fault, kind: OffendingKind, offending_path: String) {
        self.found.insert(Finding::new(fault.rule, self.about.run, (kind, offending_path), fault.token, fault.detail));
    }

    /// Judges the last segment of a path inside the run.
    fn judge_name(&mut self, path: &[u8], kind: OffendingKind) {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        for fault in names::faults(name, kind) {
            self.collect(fault, kind, escape_bytes(path));
        }
    }

    fn unsupported(&mut self, path: &FilePath, what: &str) {
        let name = path.segments().last().map(escape_bytes).unwrap_or_default();
        let detail = format!(
            "This is {what}, which cannot be sent: put a regular file in its place or remove it, or override this class to leave it out."
        );
        let fault = Fault { rule: Rule::UnsupportedFileType, token: name, detail };
        self.collect(fault, OffendingKind::FileName, path.to_string());
    }

    fn judge_path(&mut self) {
        let run = self.about.run;
        let kind = OffendingKind::DirectorySegment;
        for segment in run.segments() {
            for fault in names::faults(segment.as_bytes(), kind) {
                self.collect(fault, kind, segment.to_owned());
            }
        }
        let project = run.project();
        for fault in project_name_faults(project) {
            let detail = format!(
                "The project's name {fault}: rename the project folder while no run in it is being pushed or sent."
            );
            let fault = Fault { rule: Rule::UnsafeProjectName, token: fault.token(project), detail };
            self.collect(fault, kind, project.to_owned());
        }
    }

    fn judge_equipment(&mut self) {
        let id = self.about.run.equipment();
        let detail = match self.about.equipment {
            EquipmentStanding::SyncedHere => return,
            EquipmentStanding::NotSyncedHere => {
                format!(
                    "The equipment {id} is not synced from here (sync_mode: stage): move the run to where it belongs, or change its sync_mode."
                )
            }
            EquipmentStanding::Unconfigured => {
                format!(
                    "The equipment {id} is not in the config, so nobody knows where its runs go: add it to the config, or correct the folder's name."
                )
            }
        };
        let fault = Fault { rule: Rule::UnconfiguredEquipment, token: id.to_owned(), detail };
        self.collect(fault, OffendingKind::DirectorySegment, id.to_owned());
    }

    fn judge_mode(&mut self) {
        let run = self.about.run;
        let parent = match run.shelf() {
            Shelf::Direct => run.project(),
            Shelf::Runs => "Runs",
            Shelf::TestRuns => "TestRuns",
        };
        let documented = self
            .about
            .creation
            .map(|creation| creation.run_kind().ok_or_else(|| creation.run_kind_text().unwrap_or_default()));
        for (token, detail) in mode::disagreements(Place { shelf: run.shelf(), parent, leaf: run.leaf() }, documented) {
            let fault = Fault { rule: Rule::ModePrefixMismatch, token, detail };
            self.collect(fault, OffendingKind::DirectorySegment, run.leaf().to_owned());
        }
    }

    fn judge_creation(&mut self) {
        let leaf = self.about.run.leaf().to_owned();
        match self.about.creation {
            None => {
                let detail = "The run has no creation.json, so nobody knows its project and operator: create runs with the wizard, or add one.";
                let fault = Fault { rule: Rule::Orphan, token: leaf.clone(), detail: detail.into() };
                self.collect(fault, OffendingKind::DirectorySegment, leaf);
            }
            Some(creation) if creation.minor() >= LIMS_PROJECT_SINCE_MINOR && !creation.has_lims_project() => {
                let detail = "creation.json has no lims_project, so the run belongs to no known project: let its producer write one.";
                let fault =
                    Fault { rule: Rule::MissingRequiredField, token: "lims_project".into(), detail: detail.into() };
                self.collect(fault, OffendingKind::FileContent, format!("{RECORD_FOLDER}/creation.json"));
            }
            Some(_) => {}
        }
    }
}
