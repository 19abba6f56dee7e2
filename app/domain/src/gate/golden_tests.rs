//! The existing system's judgements, but for where ours decides otherwise on purpose.

use super::*;
use crate::finding::{Finding, OffendingKind, Rule, Tier};
use crate::path::{FilePath, Shelf};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    proposed_path: String,
    run_kind: String,
    file_names: Vec<String>,
    findings: Vec<Expected>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Expected {
    rule: Rule,
    tier: Tier,
    offending_path: String,
    offending_kind: OffendingKind,
    matched_token: String,
}

impl Expected {
    fn of(finding: &Finding) -> Expected {
        let Finding { rule, tier, offending_kind, .. } = *finding;
        let (offending_path, matched_token) = (finding.offending_path.clone(), finding.matched_token.clone());
        Expected { rule, tier, offending_path, offending_kind, matched_token }
    }

    /// Lone angle brackets and the roots of absolute paths are no findings of ours.
    fn is_ours(&self) -> bool {
        let bracket = matches!(self.matched_token.as_str(), "<" | ">");
        !bracket && !self.offending_path.starts_with("\\\\")
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../tests/fixtures/vectors/gate.json")).unwrap()
}

/// The vectors judge an absolute path; ours is the part below the staging root.
fn relative(proposed: &str) -> String {
    let plain = proposed.replace('\\', "/");
    let root = ["/data/lab/", "/d/", "//nas01/lab/"].iter().find_map(|root| plain.strip_prefix(root));
    root.expect("a known root").to_owned()
}

#[test]
fn golden_findings() {
    let mut judged = 0;
    for case in cases() {
        let Ok(run) = RunPath::parse(&relative(&case.proposed_path)) else { continue };
        let document =
            serde_json::json!({"schema_version": "1.9", "run_kind": case.run_kind, "lims_project": {"short_id": "P"}});
        let creation = Creation::parse(document.to_string().as_bytes()).unwrap();
        let validator = Validator::default();
        let mut judge = Judge::new(Circumstances {
            run: &run,
            creation: Some(&creation),
            equipment: EquipmentStanding::SyncedHere,
            validator: &validator,
            now: Timestamp::default(),
            already_verified: false,
        });
        for name in &case.file_names {
            judge.entry(&FilePath::new(name.as_bytes()).unwrap(), EntryKind::File { size: 1 });
        }
        let verdict = judge.finish();
        let found: Vec<_> = verdict.findings().iter().map(Expected::of).collect();
        let expected: Vec<_> = case.findings.into_iter().filter(Expected::is_ours).collect();
        assert_eq!(found, expected, "{}", case.proposed_path);
        assert!(
            verdict
                .findings()
                .iter()
                .all(|finding| finding.rule_detail.ends_with('.') && finding.rule_detail.contains(": "))
        );
        judged += 1;
    }
    assert_eq!(judged, 7, "all but the one whose leaf is no run");
}

#[test]
fn a_golden_leaf_that_is_no_run_is_judged_by_its_segments() {
    let mut cases = cases();
    cases.retain(|case| RunPath::parse(&relative(&case.proposed_path)).is_err());
    let [case] = cases.as_slice() else { panic!("one such case") };
    let path = relative(&case.proposed_path);
    let [_, _, parent, leaf] = path.split('/').collect::<Vec<_>>()[..] else { panic!("four segments") };
    let place = mode::Place { shelf: Shelf::Runs, parent, leaf };
    let tokens: Vec<_> = mode::disagreements(place, Some(Ok(crate::path::RunKind::Experimental)))
        .into_iter()
        .map(|(token, _)| token)
        .collect();
    assert_eq!(tokens, case.findings.iter().map(|finding| finding.matched_token.clone()).collect::<Vec<_>>());
    assert!(
        path.split('/').all(|segment| names::faults(segment.as_bytes(), OffendingKind::DirectorySegment).is_empty())
    );
}
