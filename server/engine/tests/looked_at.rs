//! What an operator looks at besides the table: the whole installation at a glance, and the files of a run.

mod support;

use domain::api::{AttentionKind, FileState, FilesQuery};
use domain::problem::ErrorCode;
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

#[tokio::test(flavor = "multi_thread")]
async fn files_are_listed_in_windows_before_sealing_after_it_and_when_they_are_gone() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    let whole = FilesQuery::default;
    assert_eq!(engine.run_files(run.as_str(), whole()).await.unwrap_err().code, ErrorCode::NotFound);
    lab.push(&run, &[("raw/b.tif", b"bb"), ("raw/a.tif", b"a"), (".exlab-wizard/note.txt", b"record")]);
    let unsealed = until("a row", async || engine.run_files(run.as_str(), whole()).await.ok()).await;
    let names: Vec<_> = unsealed.files.iter().map(|file| (file.path.as_str(), file.state, file.bytes)).collect();
    assert_eq!(names, [("raw/a.tif", FileState::Unsealed, Some(1)), ("raw/b.tif", FileState::Unsealed, Some(2))]);

    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let proven = engine.run_files(run.as_str(), whole()).await.unwrap();
    assert!(proven.files.iter().all(|file| file.state == FileState::Proven && file.sha256.as_ref().unwrap().len() == 64), "{proven:?}");
    let window = engine.run_files(run.as_str(), FilesQuery { offset: 1, limit: 2, ..whole() }).await.unwrap();
    assert_eq!((window.files.as_slice(), window.matching, window.total), (&proven.files[1..3], proven.total, proven.total));
    let found = engine.run_files(run.as_str(), FilesQuery { text: "RAW frame_1".into(), ..whole() }).await.unwrap();
    assert_eq!((found.files.len(), found.matching, found.files[0].path.as_str()), (1, 1, "raw/frame_1.tif"));

    lab.push(&run, &[("late.tif", b"late"), ("raw/a.tif", b"other")]);
    std::fs::remove_file(lab.staging(run.as_str()).join("raw/b.tif")).unwrap();
    let of = async |state| engine.run_files(run.as_str(), FilesQuery { state: Some(state), ..whole() }).await.unwrap();
    let late = until("the watcher's own look", async || Some(of(FileState::Late).await).filter(|late| late.matching == 1)).await;
    assert_eq!((late.files[0].path.as_str(), late.files[0].bytes), ("late.tif", Some(4)));
    let (changed, missing) = (of(FileState::Changed).await, of(FileState::Missing).await);
    assert_eq!((changed.files[0].path.as_str(), missing.files[0].path.as_str()), ("raw/a.tif", "raw/b.tif"));
    assert_eq!(changed.matching + missing.matching + of(FileState::Proven).await.matching, proven.total);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_runs_files_are_still_told_and_an_edited_seal_is_refused() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let before = engine.run_files(run.as_str(), FilesQuery::default()).await.unwrap();
    engine.clear(run.as_str()).await.unwrap();
    let gone = engine.run_files(run.as_str(), FilesQuery::default()).await.unwrap();
    assert_eq!(gone, before);
    let seal = support::files_below(&lab.path("state")).into_iter().find(|(path, _)| path.ends_with("seal-1")).unwrap();
    let text = String::from_utf8(seal.1).unwrap().replace("notes.txt", "notes.txT");
    std::fs::write(lab.path("state").join(seal.0), text).unwrap();
    let refused = engine.run_files(run.as_str(), FilesQuery::default()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StateUnavailable);
    engine.stop().await;
}
