//! Why a run is not cleared. Decisions are matches over this; what an operator reads of it is made at the edge.

use super::aside::CLEARING_FOLDER;
use crate::database::{Failure, StoreError};
use crate::files::source::SourceError;
use crate::keep::record::RecordError;
use domain::document::DocumentError;
use domain::job::FailureClass;
use domain::path::RunPath;
use domain::proof::{ProofLevel, Totals};
use domain::units;

/// A clear that did not take place, or not of everything. Unless it says so nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The run is neither in staging nor known from before.
    #[error("{0} is not in staging and was never known")]
    Unknown(RunPath),
    /// Another act works on the run, or its job is in work.
    #[error("{0}")]
    Busy(String),
    /// The run's record does not say `sync_verified`.
    #[error("{sentence}")]
    NotVerified {
        /// What it says, and what that means.
        sentence: String,
        /// Its state as written; `None` without a record.
        state: Option<String>,
    },
    /// It is verified, but by no seal of this installation.
    #[error("{run} is not proven by this installation ({why}): force a sync to seal, send and verify it")]
    NotOurs { run: RunPath, why: String },
    /// What is here is not what was sealed.
    #[error("{sentence}")]
    Changed {
        /// What differs, and what to do.
        sentence: String,
        /// Names of files that differ.
        files: Vec<String>,
        generation: u64,
    },
    /// Something here cannot be read, moved or removed, or had to stay.
    #[error("{sentence}")]
    Held {
        sentence: String,
        /// Names of files that are meant.
        files: Vec<String>,
    },
    /// The run's folder is not where it stood.
    #[error("{0}")]
    Gone(String),
    /// The destination answered, and does not hold what was sealed.
    #[error("{sentence}")]
    Disproven {
        sentence: String,
        /// Names of files that differ.
        files: Vec<String>,
    },
    /// The proof that can be made now is weaker than the config asks for.
    #[error("{run} is proven at level {level} ({}), verify.clear_needs asks for {needs}", level.meaning())]
    TooWeak {
        run: RunPath,
        level: ProofLevel,
        /// `verify.clear_needs`
        needs: ProofLevel,
    },
    /// The destination, or something the proof needs, cannot answer now.
    #[error("{sentence}")]
    NoAnswer {
        sentence: String,
        /// What kind of failure; `None` where nothing was asked.
        class: Option<FailureClass>,
    },
    #[error("{sentence}")]
    Stopping {
        /// What was given up.
        sentence: String,
        /// What kind of failure.
        class: FailureClass,
    },
    /// The staging tree cannot be read or written now.
    #[error("{0}")]
    Staging(String),
    /// The state folder cannot be read or written now.
    #[error("{0}")]
    State(String),
    /// A document of the run is of another version, or none.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The run's record cannot be read.
    #[error("{0}")]
    Record(String),
    /// A fault in this program.
    #[error("{0}")]
    Fault(String),
    /// What was not proven is back where it stood; the rest was proven and went.
    #[error("{}", kept_back(.kept))]
    KeptBack {
        freed: Totals,
        /// Names of what stayed, and why.
        kept: Vec<(String, String)>,
    },
}

fn kept_back(kept: &[(String, String)]) -> String {
    let first = kept.first().map(|(name, why)| format!("{name} {why}")).unwrap_or_default();
    format!("{} kept and put back: {first}", units::plural(kept.len() as u64, "entry was", "entries were"))
}

impl Refusal {
    /// Something of a run has to stay, and no file is meant by it.
    pub fn held(sentence: impl Into<String>) -> Refusal {
        Refusal::Held { sentence: sentence.into(), files: Vec::new() }
    }

    /// The destination cannot be asked for a proof, or did not answer.
    pub fn unproven(run: &RunPath, failure: &Failure) -> Refusal {
        let sentence = format!("{run} cannot be proven on the NAS now: {}", failure.message);
        match failure.class {
            FailureClass::Interrupted => Refusal::Stopping { sentence, class: failure.class },
            class => Refusal::NoAnswer { sentence, class: Some(class) },
        }
    }

    /// True where asking again gives the same answer as long as nobody does anything: the run is no longer what was
    /// sealed, or the destination answers that it does not hold it. What a disk, a NAS or this program cannot do now is
    /// waited for.
    pub fn is_final(&self) -> bool {
        match self {
            Refusal::Unknown(_)
            | Refusal::NotVerified { .. }
            | Refusal::NotOurs { .. }
            | Refusal::Changed { .. }
            | Refusal::Held { .. }
            | Refusal::Gone(_)
            | Refusal::Disproven { .. }
            | Refusal::TooWeak { .. }
            | Refusal::KeptBack { .. } => true,
            Refusal::Busy(_)
            | Refusal::NoAnswer { .. }
            | Refusal::Stopping { .. }
            | Refusal::Staging(_)
            | Refusal::State(_)
            | Refusal::Document(_)
            | Refusal::Record(_)
            | Refusal::Fault(_) => false,
        }
    }
}

/// A clear that was not called off.
#[derive(Debug, thiserror::Error)]
pub enum NotCalledOff {
    /// It is at work, or another act is.
    #[error("{run} is busy ({holder}): a running clear ends or begins to wait; call it off while it waits")]
    Busy {
        run: RunPath,
        /// What it is busy with.
        holder: String,
    },
    /// Nobody ever saw it.
    #[error("{run} is not in staging and was never known")]
    Unknown { run: RunPath },
    /// Its clear has ended, or it has none.
    #[error("{run} has no clear that waits")]
    NoClear { run: RunPath },
    /// Everything is gone already.
    #[error("{run}: its folder is neither at its path nor in {CLEARING_FOLDER}: its clear ends by itself")]
    EndsByItself { run: RunPath },
    /// Only the record is left.
    #[error(
        "{run}: all of its data is gone and was proven on the NAS, so there is nothing left to call off: its clear \
         ends by itself when its record has gone too; it waits for: {waiting}"
    )]
    AllIsGone {
        run: RunPath,
        /// Why the clear has not ended yet.
        waiting: String,
    },
    /// It cannot go back to where it stood before a person has made room for it.
    #[error("{run}: its clear cannot be called off now: {remedy}")]
    InTheWay {
        run: RunPath,
        /// What is in the way, and what to do.
        remedy: String,
    },
    /// What calling it off needs cannot be done now.
    #[error("{run}: it cannot be called off now: {why}")]
    NotNow { run: RunPath, why: String },
    /// The state folder cannot be read or written now.
    #[error(transparent)]
    State(#[from] StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::State(error.to_string())
    }
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Refusal {
        match error {
            SourceError::RunGone { .. } => Refusal::Gone(error.to_string()),
            SourceError::Root { .. } => Refusal::Staging(error.to_string()),
            _ => Refusal::held(error.to_string()),
        }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Refusal {
        match error {
            RecordError::Document(document) => document.into(),
            other => Refusal::Record(other.to_string()),
        }
    }
}
