//! Findings of one run, at most [`MAX_FINDINGS`] of them: a run of a million odd names must not fill the memory.
//!
//! Which are kept depends on what was found and never on the order it came in. What is left out still counts: every
//! rule with findings left out gets one finding of its own that says how many, so that an override of one class cannot
//! let another through unseen.

use crate::finding::{Finding, OffendingKind, Rule};
use crate::path::RunPath;
use crate::units;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Findings of one run that are kept one by one.
pub const MAX_FINDINGS: usize = 10_000;

#[derive(Debug)]
pub(super) struct Collected {
    kept: BTreeSet<Ranked>,
    capacity: usize,
    left_out: BTreeMap<Rule, u64>,
    /// Hashes of folder findings left out: a folder is judged again for whatever lies in it, and must count once.
    folders_left_out: HashSet<u64>,
}

impl Collected {
    pub(super) fn new() -> Collected {
        Collected::with_capacity(MAX_FINDINGS)
    }

    fn with_capacity(capacity: usize) -> Collected {
        Collected { kept: BTreeSet::new(), capacity, left_out: BTreeMap::new(), folders_left_out: HashSet::new() }
    }

    pub(super) fn insert(&mut self, finding: Finding) {
        let finding = Ranked(finding);
        if self.kept.contains(&finding) {
            return;
        }
        let is_early = self.kept.last().is_some_and(|last| finding < *last);
        if self.kept.len() < self.capacity {
            self.kept.insert(finding);
        } else if is_early {
            self.kept.insert(finding);
            if let Some(last) = self.kept.pop_last() {
                self.leave_out(&last.0);
            }
        } else {
            self.leave_out(&finding.0);
        }
    }

    fn leave_out(&mut self, finding: &Finding) {
        let again = finding.offending_kind == OffendingKind::DirectorySegment && {
            let mut hasher = DefaultHasher::new();
            (finding.rule, &finding.offending_path, &finding.matched_token).hash(&mut hasher);
            !self.folders_left_out.insert(hasher.finish())
        };
        if !again {
            *self.left_out.entry(finding.rule).or_default() += 1;
        }
    }

    /// All that is kept, then one finding for every rule with findings left out.
    pub(super) fn finish(self, run: &RunPath) -> Vec<Finding> {
        let mut findings: Vec<_> = self.kept.into_iter().map(|ranked| ranked.0).collect();
        findings.extend(self.left_out.into_iter().map(|(rule, n)| {
            let detail = format!(
                "{} of {} {} not listed here: deal with those that are, then the run is judged again.",
                units::counted(n, "more finding"),
                rule.as_str(),
                if n == 1 { "is" } else { "are" },
            );
            let offending = (OffendingKind::DirectorySegment, run.leaf().to_owned());
            Finding::new(rule, run, offending, String::new(), detail)
        }));
        findings
    }
}

/// A finding in the order of all listings, told apart by everything that says what it is.
#[derive(PartialEq, Eq, Debug)]
struct Ranked(Finding);

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        crate::finding::order(a, b)
            .then_with(|| a.offending_kind.cmp(&b.offending_kind))
            .then_with(|| a.rule_detail.cmp(&b.rule_detail))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run() -> RunPath {
        RunPath::parse("E/P/Runs/Run_1").unwrap()
    }

    fn finding(rule: Rule, path: u32, folder: bool) -> Finding {
        let kind = if folder { OffendingKind::DirectorySegment } else { OffendingKind::FileName };
        Finding::new(rule, &run(), (kind, format!("raw/{path:03}")), ":".into(), "detail".into())
    }

    fn collect(capacity: usize, findings: &[Finding]) -> Vec<Finding> {
        let mut collected = Collected::with_capacity(capacity);
        findings.iter().for_each(|finding| collected.insert(finding.clone()));
        collected.finish(&run())
    }

    #[test]
    fn what_is_left_out_is_counted_by_rule() {
        let mut all: Vec<_> = (0..30).map(|n| finding(Rule::IllegalFilesystemCharacter, n, false)).collect();
        all.extend((0..5).map(|n| finding(Rule::UnsupportedFileType, n, false)));
        all.push(finding(Rule::Orphan, 0, false));
        let kept = collect(20, &all);
        assert_eq!(kept.len(), 20 + 3);
        let left_out: Vec<_> = kept[20..].iter().map(|f| (f.rule, f.rule_detail.split(':').next().unwrap())).collect();
        let expected = [
            (Rule::IllegalFilesystemCharacter, "10 more findings of illegal_filesystem_character are not listed here"),
            (Rule::Orphan, "1 more finding of orphan is not listed here"),
            (Rule::UnsupportedFileType, "5 more findings of unsupported_file_type are not listed here"),
        ];
        assert_eq!(left_out, expected);
        assert!(kept[20].blocks() && !kept[21].blocks() && kept[22].blocks());
    }

    fn any_findings() -> impl Strategy<Value = Vec<Finding>> {
        let one = (0..Rule::ALL.len(), 0_u32..6, any::<bool>())
            .prop_map(|(rule, path, folder)| finding(Rule::ALL[rule], path, folder));
        proptest::collection::vec(one, 0..60).prop_map(|mut all| {
            // A file is judged once; only folders come again.
            let mut seen = HashSet::new();
            all.retain(|f| {
                f.offending_kind == OffendingKind::DirectorySegment || seen.insert((f.rule, f.offending_path.clone()))
            });
            all
        })
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter((all, shuffled) in any_findings().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())), capacity in 1_usize..20) {
            prop_assert_eq!(collect(capacity, &all), collect(capacity, &shuffled));
        }

        #[test]
        fn nothing_is_lost_from_the_count(all in any_findings(), capacity in 1_usize..20) {
            let distinct: BTreeSet<_> = all.iter().cloned().map(Ranked).collect();
            let kept = collect(capacity, &all);
            let left_out: u64 = kept.iter().skip(distinct.len().min(capacity)).map(|f| f.rule_detail.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
            prop_assert_eq!(left_out as usize, distinct.len().saturating_sub(capacity));
        }
    }
}
