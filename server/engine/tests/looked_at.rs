//! What an operator looks at besides the table: the whole installation at a glance.

mod support;

use domain::api::AttentionKind;
use support::{EQUIPMENT, Lab, run, until, until_verified};

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_what_moves_and_names_what_needs_someone() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let empty = engine.overview().await.unwrap();
    assert_eq!((empty.equipment.len(), empty.equipment[0].equipment_id.as_str()), (1, EQUIPMENT));
    assert!(empty.attention.is_empty() && empty.hours.len() == 24, "{empty:?}");
    assert!(empty.disk.is_none_or(|disk| disk.trend.is_none()), "a start has no history");

    let run = run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let data = engine.run_detail(run.as_str()).await.unwrap().row.summary.byte_total;
    let seen = engine.overview().await.unwrap();
    let known = &seen.equipment[0];
    assert_eq!(known.states.get("sync_verified"), Some(&1));
    assert_eq!((known.runs_waiting, known.bytes_waiting, known.in_work), (0, 0, 0));
    assert_eq!(known.last_run.as_ref().unwrap().run_path, run.as_str());
    assert_eq!(known.destination.as_ref().unwrap().health, "reachable");
    // The hour may have turned meanwhile.
    let sum = |which: fn(&domain::api::HourTraffic) -> u64| seen.hours.iter().map(which).sum::<u64>();
    assert_eq!((sum(|h| h.received_bytes), sum(|h| h.proven_bytes), sum(|h| h.cleared_bytes)), (data, data, 0));

    lab.push(&run, &[("late.tif", b"late")]);
    let late = until("a late file", async || {
        let overview = engine.overview().await.unwrap();
        overview.attention.into_iter().find(|item| item.kind == AttentionKind::Late)
    })
    .await;
    assert_eq!(late.runs, 1);
    std::fs::remove_file(lab.staging(run.as_str()).join("late.tif")).unwrap();
    until("no late file", async || engine.overview().await.unwrap().attention.is_empty().then_some(())).await;

    let freed = engine.clear(run.as_str()).await.unwrap().bytes_freed;
    let cleared = engine.overview().await.unwrap();
    assert_eq!(cleared.hours.iter().map(|hour| hour.cleared_bytes).sum::<u64>(), freed);
    assert!(cleared.equipment[0].states.is_empty());
    engine.stop().await;
}
