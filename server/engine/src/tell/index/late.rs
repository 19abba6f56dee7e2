//! What of a run is not as it was sealed: found by comparing, shown on its row and its page, named by refusals.

use crate::keep::seal::{Change, LocalComparison};
use std::fmt;

/// In what way a file is not as it was sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LateKind {
    /// It was not sealed.
    Arrived,
    /// It is another than was sealed.
    Changed(Change),
    Gone,
}

impl fmt::Display for LateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LateKind::Arrived => f.write_str("arrived after it was sealed"),
            LateKind::Changed(change) => change.fmt(f),
            LateKind::Gone => f.write_str("sealed, but no longer there"),
        }
    }
}

/// Late, changed and missing files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Late {
    pub count: u64,
    /// The first 1,000: shown name, and what is with it.
    pub names: Vec<(String, LateKind)>,
}

impl Late {
    /// What a comparison found.
    pub fn of(compared: &LocalComparison) -> Late {
        const SHOWN: usize = 1_000;
        let late = compared.late.first.iter().map(|path| (path.to_string(), LateKind::Arrived));
        let changed =
            compared.changed.first.iter().map(|(path, change)| (path.to_string(), LateKind::Changed(change.clone())));
        let missing = compared.missing.first.iter().map(|path| (path.to_string(), LateKind::Gone));
        Late {
            count: compared.late.total + compared.changed.total + compared.missing.total,
            names: late.chain(changed).chain(missing).take(SHOWN).collect(),
        }
    }
}
