//! Tests of filters, counts and order.

use super::*;
use crate::sample;
use domain::api::Action;
use domain::job::JobState;
use rstest::rstest;

fn rows() -> Vec<RunRow> {
    let mut rows = vec![
        sample::row("CONFOCAL_01/Cortex/Runs/Run_1", "staging"),
        sample::row("CONFOCAL_01/Cortex/TestRuns/TestRun_2", "complete"),
        sample::row("SEQ_02/Liver atlas/Runs/Run_3", "sync_verified"),
        sample::row("SEQ_02/Liver atlas/Runs/Run_4", "sync_queued"),
        sample::row("SEQ_02/Cortex/Runs/Run_5", "hibernating"),
    ];
    rows[1].findings.blocking = 2;
    rows[2].actions.clear = Action::yes();
    rows[2].summary.byte_total = 500;
    rows[3].job = Some(sample::job(JobState::Failed));
    for (minute, row) in rows.iter_mut().enumerate() {
        row.summary.last_activity_at = format!("2026-04-17T14:3{minute}:00Z");
    }
    rows
}

fn shown(search: &str) -> Vec<String> {
    let rows = rows();
    let selection = select(rows.iter().map(|row| (words::leaf(&row.run_path), row)), &ViewQuery::parse(search));
    selection.keys.into_iter().map(str::to_owned).collect()
}

#[rstest]
#[case("", &["Run_5", "Run_4", "Run_3", "TestRun_2", "Run_1"])]
#[case("dir=asc", &["Run_1", "TestRun_2", "Run_3", "Run_4", "Run_5"])]
#[case("sort=bytes", &["Run_3", "Run_1", "TestRun_2", "Run_5", "Run_4"])]
#[case("sort=state", &["Run_1", "TestRun_2", "Run_4", "Run_3", "Run_5"])]
#[case("sort=run&dir=desc", &["TestRun_2", "Run_5", "Run_4", "Run_3", "Run_1"])]
#[case("state=staging,sync_queued", &["Run_4", "Run_1"])]
#[case("equipment=SEQ_02&q=CORTEX", &["Run_5"])]
#[case("why=failed", &["Run_4"])]
#[case("why=blocked", &["TestRun_2"])]
#[case("why=unreadable&equipment=CONFOCAL_01", &[])]
#[case("project=Liver%20atlas", &["Run_4", "Run_3"])]
#[case("q=liver+run_4", &["Run_4"])]
#[case("kind=test", &["TestRun_2"])]
#[case("attention=1", &["Run_5", "Run_4", "TestRun_2"])]
fn filters_and_sorts(#[case] search: &str, #[case] expected: &[&str]) {
    assert_eq!(shown(search), expected);
}

#[test]
fn each_count_says_what_pressing_its_filter_would_show() {
    let rows = rows();
    let query = ViewQuery::parse("equipment=SEQ_02&state=sync_verified");
    let Summary { total, matching, clearable, states, equipments, attention, attention_total, tests } =
        select(rows.iter().map(|row| ((), row)), &query).summary;
    assert_eq!((total, matching), (Amount { runs: 5, bytes: 540 }, Amount { runs: 1, bytes: 500 }));
    assert_eq!(clearable, Amount { runs: 1, bytes: 500 });
    assert_eq!(
        states,
        BTreeMap::from([("sync_verified".into(), 1), ("sync_queued".into(), 1), ("hibernating".into(), 1)])
    );
    assert_eq!(equipments, BTreeMap::from([("SEQ_02".into(), 1)]));
    assert_eq!((attention, attention_total, tests), (0, 3, 0));
}

#[test]
fn progress_alone_does_not_move_a_row() {
    let old = sample::row("A/p/Runs/Run_1", "sync_queued");
    let mut new = old.clone();
    new.job = Some(sample::job(JobState::Running));
    assert_eq!(shift(&old, &new), Shift::None);
    new.summary.byte_total += 1;
    assert_eq!(shift(&old, &new), Shift::Order);
    new.late_files = 1;
    assert_eq!(shift(&old, &new), Shift::Membership);
}
