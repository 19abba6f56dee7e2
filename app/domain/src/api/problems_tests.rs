use super::*;
use crate::api::{KnownMark, ProblemList};
use crate::finding::{Finding, OffendingKind};
use crate::path::RunPath;
use crate::timestamp::Timestamp;
use proptest::prelude::*;
use rstest::rstest;

fn found(rule: Rule, path: &str, state: Option<&str>) -> ProblemFinding {
    let run = RunPath::parse("E/P/Runs/Run_1").unwrap();
    ProblemFinding {
        finding: Finding::new(rule, &run, (OffendingKind::FileName, path.to_owned()), "<x>".into(), "Fix.".into()),
        current_state: state.map(str::to_owned),
        equipment_id: "E".into(),
        since: Timestamp::default(),
        known: None,
        overridable: rule.can_be_overridden(),
        active_override: None,
    }
}

fn all() -> Vec<ProblemFinding> {
    let mut known = found(Rule::Orphan, "Run_1", Some("complete"));
    known.known = Some(KnownMark { at: Timestamp::default(), operator: None });
    let mut overridden = found(Rule::LeftoverJinjaMarker, "{{x}}", Some("complete"));
    overridden.finding.override_active = true;
    vec![
        known,
        overridden,
        found(Rule::UnresolvedPlaceholderToken, "raw/<x>", Some("complete")),
        found(Rule::UnresolvedPlaceholderToken, "late/<x>", Some("sync_verified")),
        found(Rule::UnrecognisedFolder, "Other", None),
    ]
}

fn query(text: &str) -> ProblemQuery {
    let mut query = ProblemQuery::default();
    text.split('&').filter(|pair| !pair.is_empty()).for_each(|pair| {
        let (key, value) = pair.split_once('=').unwrap();
        query.set(key, value).unwrap();
    });
    query
}

#[rstest]
#[case("", &["late/<x>", "raw/<x>", "{{x}}", "Run_1", "Other"])]
#[case("scope=open", &["late/<x>", "raw/<x>", "Other"])]
#[case("scope=blocking", &["raw/<x>"])]
#[case("scope=overridden", &["{{x}}"])]
#[case("scope=known", &["Run_1"])]
#[case("tier=soft", &["Run_1", "Other"])]
#[case("rule=orphan", &["Run_1"])]
#[case("state=none", &["Other"])]
#[case("state=sync_verified", &["late/<x>"])]
#[case("q=PLACEHOLDER raw", &["raw/<x>"])]
#[case("q=nowhere", &[])]
#[case("offset=1&limit=2", &["raw/<x>", "{{x}}"])]
#[case("offset=9", &[])]
fn filters(#[case] text: &str, #[case] expected: &[&str]) {
    let list = ProblemList::select(all(), &query(text), None);
    let mut paths: Vec<_> = list.findings.iter().map(|found| found.finding.offending_path.as_str()).collect();
    let mut expected = expected.to_vec();
    assert!(list.findings.is_sorted_by(|a, b| crate::finding::order(&a.finding, &b.finding).is_le()));
    if !text.contains("offset") {
        paths.sort();
        expected.sort();
        assert_eq!(paths, expected);
    } else {
        assert_eq!((paths.len(), list.total), (expected.len(), 5));
    }
}

#[test]
fn counts_say_what_each_choice_would_show() {
    let counts = ProblemList::select(all(), &query("scope=blocking"), None).counts;
    assert_eq!(counts.scopes["all"], 5);
    assert_eq!((counts.scopes["blocking"], counts.scopes["open"]), (1, 3));
    assert_eq!(counts.tiers.into_iter().collect::<Vec<_>>(), [("hard".to_owned(), 1)]);
    assert_eq!(counts.states.into_iter().collect::<Vec<_>>(), [("complete".to_owned(), 1)]);
}

#[rstest]
#[case("scope", "everything")]
#[case("tier", "Hard")]
#[case("rule", "nonsense")]
#[case("state", "blocked")]
#[case("limit", "-1")]
#[case("page", "2")]
fn what_is_not_known_is_refused(#[case] key: &str, #[case] value: &str) {
    assert!(ProblemQuery::default().set(key, value).unwrap_err().contains(key));
}

proptest! {
    #[test]
    fn pages_make_up_the_whole(limit in 1_u64..4, text in proptest::sample::select(vec!["", "scope=open", "tier=hard"])) {
        let whole = ProblemList::select(all(), &query(text), None);
        let mut parts = Vec::new();
        for offset in (0..whole.total).step_by(usize::try_from(limit).unwrap()) {
            parts.extend(ProblemList::select(all(), &ProblemQuery { offset, limit: Some(limit), ..query(text) }, None).findings);
        }
        prop_assert_eq!(parts, whole.findings);
    }
}
