//! What a visit found: checks in the order in which they were made, each with its word, its value, and what to do.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it must be.
    Ok,
    /// Works, with something to know.
    Warn,
    /// Does not work, or does not prove anything.
    Failed,
    /// Not made, with the reason.
    Skipped,
}

impl Outcome {
    /// As printed; a failure shows in a list of small letters.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Warn => "warn",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        }
    }
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// Stable: scripts look for it.
    pub name: String,
    pub outcome: Outcome,
    /// What was found, and what to do.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Check {
    /// A check that came out like this.
    pub fn new(name: &str, outcome: Outcome, message: impl Into<String>) -> Check {
        Check { name: name.to_owned(), outcome, message: message.into(), value: None }
    }

    /// With what was measured.
    pub fn measured(self, value: impl Into<String>) -> Check {
        Check { value: Some(value.into()), ..self }
    }
}

/// Everything about one equipment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EquipmentReport {
    pub id: String,
    /// Its destination, as the operator wrote it.
    pub target: String,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
    /// Our marker is there, what was sent was proven as strongly as clearing needs, and every damage was noticed.
    pub qualified: bool,
}

impl EquipmentReport {
    /// No check failed, and every one that must be made was made.
    pub fn is_ok(&self) -> bool {
        self.qualified && self.checks.iter().all(|check| check.outcome != Outcome::Failed)
    }

    /// The check of this name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// A whole visit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// In the config's order.
    pub equipment: Vec<EquipmentReport>,
    /// All of it is well; warnings do not count.
    pub ok: bool,
}
