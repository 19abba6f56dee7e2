//! What the gate says of a run, and the key it hands out. A file of its own, so that nothing else can make the key.

use crate::api::FindingCounts;
use crate::finding::Finding;
use crate::path::RunPath;

/// What the gate says of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    run: RunPath,
    findings: Vec<Finding>,
}

impl Verdict {
    /// Of sorted findings with overrides applied.
    pub(super) fn new(run: RunPath, findings: Vec<Finding>) -> Verdict {
        Verdict { run, findings }
    }

    /// Hard before soft, then by run, rule, offending path.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Counts for the run's row.
    pub fn counts(&self) -> FindingCounts {
        FindingCounts::of(&self.findings)
    }

    /// The key to the queue, or what blocks.
    pub fn admit(&self) -> Result<Admitted, Vec<Finding>> {
        let blocking: Vec<Finding> = self.findings.iter().filter(|finding| finding.blocks()).cloned().collect();
        if blocking.is_empty() { Ok(Admitted { run: self.run.clone() }) } else { Err(blocking) }
    }
}

/// Proof that the gate let this run through: only [`Verdict::admit`] makes one, and enqueueing takes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    run: RunPath,
}

impl Admitted {
    /// The run.
    pub fn run(&self) -> &RunPath {
        &self.run
    }
}
