//! What is remembered of findings beside the findings themselves: since when each stands, and whether an operator
//! marked it known.
//!
//! Follows the index: whenever findings, overrides or states changed, the notes are brought in line, written down, and
//! everyone who watches is told. A finding that went and comes again is news, so its note goes with it. Nothing here
//! lets a run through.

use super::Core;
use crate::database::{Note, StoreError};
use crate::tell::index::Facts;
use domain::api::{Event, KnownMark, ProblemFinding};
use domain::finding::{Finding, Rule};
use domain::lifecycle::RunState;
use domain::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which finding: run, rule and offending path. Several tokens of one name are one to an operator.
pub type Key = (String, Rule, String);

/// The notes, and what was told last.
#[derive(Default)]
pub struct Notes(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    notes: BTreeMap<Key, Note>,
    /// What held runs back when it was told last; at first, whatever was noted by an earlier start.
    told: BTreeSet<Key>,
    blocking: u64,
}

fn key_of(finding: &Finding) -> Key {
    (finding.run_path.clone(), finding.rule, finding.offending_path.clone())
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_seconds(ms.div_euclid(1000))
}

impl Notes {
    /// As an earlier start left them. Rules that this version does not know are left out.
    pub fn of(stored: Vec<Note>) -> Notes {
        let key = |note: Note| {
            Some(((note.run_path.clone(), Rule::from_text(&note.rule)?, note.offending_path.clone()), note))
        };
        let notes: BTreeMap<Key, Note> = stored.into_iter().filter_map(key).collect();
        Notes(Mutex::new(Noted { told: notes.keys().cloned().collect(), notes, blocking: 0 }))
    }

    fn known(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    /// A finding as listed.
    fn problem(&self, finding: &Finding, facts: Option<&Facts>, now: Timestamp) -> ProblemFinding {
        let note = self.notes.get(&key_of(finding));
        let known = note.and_then(|note| Some(KnownMark { at: at(note.known_ms?), operator: note.known_by.clone() }));
        let active = facts.filter(|_| finding.override_active).and_then(|facts| {
            domain::overrides::active(&facts.overrides, now)
                .find(|entry| entry.problem_class == finding.rule.as_str())
                .cloned()
        });
        ProblemFinding {
            current_state: facts.map(Facts::state_text),
            equipment_id: finding.run_path.split('/').next().unwrap_or_default().to_owned(),
            since: note.map_or(now, |note| at(note.first_ms)),
            known,
            overridable: finding.rule.can_be_overridden(),
            active_override: active,
            finding: finding.clone(),
        }
    }
}

impl Core {
    /// Every finding there is: of runs, and of folders that are none.
    pub fn problems(&self) -> Vec<ProblemFinding> {
        let now = self.site.clock.now();
        let unrecognised = self.staging.unrecognised();
        let notes = self.tell.notes.known();
        let mut all = self.index.fold(Vec::new(), |mut all, facts| {
            // What is cleared is nobody's problem any more, also where its record was kept here.
            let findings = facts.findings.iter().filter(|_| facts.state() != Some(RunState::Cleared));
            all.extend(findings.map(|finding| notes.problem(finding, Some(facts), now)));
            all
        });
        all.extend(unrecognised.iter().map(|finding| notes.problem(finding, None, now)));
        all
    }

    /// Findings that hold runs back, as last told.
    pub fn blocking_findings(&self) -> u64 {
        self.tell.notes.known().blocking
    }

    /// Brings the notes in line with what stands now, writes them down, and tells everyone. A failure to write is tried
    /// again at the next change; what is shown is right meanwhile.
    pub async fn follow_problems(&self) {
        let (written, removed) = self.align_notes();
        if !(written.is_empty() && removed.is_empty())
            && let Err(error) = self.store.change_notes(&written, &removed).await
        {
            tracing::warn!(%error, "notes on findings could not be written");
        }
    }

    fn align_notes(&self) -> (Vec<Note>, Vec<Note>) {
        let problems = self.problems();
        let now_ms = self.site.clock.now_ms();
        // A run that is not judged yet may still have its findings: none counts as gone.
        let unjudged = self.index.fold(BTreeSet::new(), |mut unjudged, facts| {
            if facts.watch.judged.is_none() {
                unjudged.insert(facts.run.as_str().to_owned());
            }
            unjudged
        });
        let mut notes = self.tell.notes.known();
        let standing: BTreeSet<Key> = problems.iter().map(|problem| key_of(&problem.finding)).collect();
        let mut written = Vec::new();
        for key in &standing {
            if !notes.notes.contains_key(key) {
                let (run_path, rule, offending_path) = key.clone();
                let rule = rule.as_str().to_owned();
                let note = Note { run_path, rule, offending_path, first_ms: now_ms, known_ms: None, known_by: None };
                written.push(note.clone());
                notes.notes.insert(key.clone(), note);
            }
        }
        let is_gone = |key: &Key| !standing.contains(key) && !unjudged.contains(&key.0);
        let removed: Vec<Note> = notes.notes.extract_if(.., |key, _| is_gone(key)).map(|(_, note)| note).collect();
        let holding: Vec<&ProblemFinding> = problems.iter().filter(|problem| problem.holds_back()).collect();
        let told: BTreeSet<Key> = holding.iter().map(|problem| key_of(&problem.finding)).collect();
        let new_blocking = told.difference(&notes.told).count() as u64;
        notes.blocking = holding.len() as u64;
        // Findings that an earlier start noted, on runs not judged yet, were told by that start.
        let earlier: Vec<Key> = notes.told.iter().filter(|key| unjudged.contains(&key.0)).cloned().collect();
        notes.told = told.into_iter().chain(earlier).collect();
        let blocking = notes.blocking;
        drop(notes);
        self.tell.events.publish(|seq| Event::Problems { seq, blocking, new_blocking });
        (written, removed)
    }

    /// Marks a finding known, or takes the mark away. `None` when there is no such finding.
    pub async fn mark_finding(
        &self,
        key: &Key,
        operator: Option<&str>,
        known: bool,
    ) -> Result<Option<ProblemFinding>, StoreError> {
        let Some(found) = self.problems().into_iter().find(|problem| key_of(&problem.finding) == *key) else {
            return Ok(None);
        };
        let note = {
            let notes = self.tell.notes.known();
            let first_ms = notes.notes.get(key).map_or_else(|| self.site.clock.now_ms(), |note| note.first_ms);
            Note {
                run_path: key.0.clone(),
                rule: key.1.as_str().to_owned(),
                offending_path: key.2.clone(),
                first_ms,
                known_ms: known.then(|| self.site.clock.now_ms()),
                known_by: operator.filter(|_| known).map(str::to_owned),
            }
        };
        self.store.change_notes(std::slice::from_ref(&note), &[]).await?;
        let mark = note.known_ms.map(|ms| KnownMark { at: at(ms), operator: note.known_by.clone() });
        self.tell.notes.known().notes.insert(key.clone(), note);
        self.index.problems_changed();
        Ok(Some(ProblemFinding { known: mark, ..found }))
    }
}
