//! What an operator looks at besides the table: the whole installation at a glance, and a run's files, log and
//! certificate.

mod support;

use domain::api::{AttentionKind, DestinationHealth, FileState, FilesQuery, ForceSyncRequest, LogQuery, Overview};
use domain::log_line::Level;
use domain::problem::ErrorCode;
use std::io::Read;
use support::{EQUIPMENT, Lab, run, until, until_verified};

/// How full the disk of this computer is, is its own matter.
fn needs_nobody(overview: &Overview) -> bool {
    overview.attention.iter().all(|item| item.kind == AttentionKind::Disk)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_what_moves_and_names_what_needs_someone() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let empty = engine.overview().await.unwrap();
    assert_eq!((empty.equipment.len(), empty.equipment[0].equipment_id.as_str()), (1, EQUIPMENT));
    assert!(needs_nobody(&empty), "{empty:?}");
    assert_eq!(empty.hours.len(), 24);
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
    assert_eq!(known.destination.as_ref().unwrap().health, DestinationHealth::Reachable);
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
    until("no late file", async || needs_nobody(&engine.overview().await.unwrap()).then_some(())).await;

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
    assert!(
        proven.files.iter().all(|file| file.state == FileState::Proven && file.sha256.as_ref().unwrap().len() == 64),
        "{proven:?}"
    );
    let window = engine.run_files(run.as_str(), FilesQuery { offset: 1, limit: 2, ..whole() }).await.unwrap();
    assert_eq!(
        (window.files.as_slice(), window.matching, window.total),
        (&proven.files[1..3], proven.total, proven.total)
    );
    let found = engine.run_files(run.as_str(), FilesQuery { text: "RAW frame_1".into(), ..whole() }).await.unwrap();
    assert_eq!((found.files.len(), found.matching, found.files[0].path.as_str()), (1, 1, "raw/frame_1.tif"));

    lab.push(&run, &[("late.tif", b"late"), ("raw/a.tif", b"other")]);
    std::fs::remove_file(lab.staging(run.as_str()).join("raw/b.tif")).unwrap();
    let of = async |state| engine.run_files(run.as_str(), FilesQuery { state: Some(state), ..whole() }).await.unwrap();
    // One look may fall between the three acts: what is told is right when all three are seen.
    let (late, changed, missing) = until("the watcher's own look", async || {
        let seen = (of(FileState::Late).await, of(FileState::Changed).await, of(FileState::Missing).await);
        Some(seen).filter(|(late, changed, missing)| (late.matching, changed.matching, missing.matching) == (1, 1, 1))
    })
    .await;
    assert_eq!((late.files[0].path.as_str(), late.files[0].bytes), ("late.tif", Some(4)));
    assert_eq!((changed.files[0].path.as_str(), missing.files[0].path.as_str()), ("raw/a.tif", "raw/b.tif"));
    assert_eq!(changed.matching + missing.matching + of(FileState::Proven).await.matching, proven.total);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_late_file_is_sent_the_others_stand_as_they_were_proven() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    support::until_record_sent(&engine, &run).await;
    let before = engine.run_files(run.as_str(), FilesQuery::default()).await.unwrap();
    // It cannot be sent: the NAS's disk is not there.
    let (there, away) = (lab.path("nas"), lab.path("nas away"));
    std::fs::rename(&there, &away).unwrap();
    lab.push(&run, &[("late.tif", b"late")]);
    engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.unwrap();
    let waiting = engine.run_files(run.as_str(), FilesQuery::default()).await.unwrap();
    let (late, others): (Vec<_>, Vec<_>) = waiting.files.into_iter().partition(|file| file.state == FileState::Late);
    assert_eq!((late.len(), late[0].path.as_str(), others), (1, "late.tif", before.files));
    std::fs::rename(&away, &there).unwrap();
    engine.retry(run.as_str()).await.unwrap();
    let sent = until("the late file", async || {
        let files = engine.run_files(run.as_str(), FilesQuery::default()).await.unwrap();
        files.files.iter().all(|file| file.state == FileState::Proven).then_some(files)
    })
    .await;
    assert_eq!(sent.total, before.total + 1);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_any_size_opens_at_once_and_no_link_is_followed() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let log = engine.run_log(run.as_str(), LogQuery::default()).await.unwrap();
    assert_eq!(log.file.as_deref(), Some("wizard.lab-pc.log"));
    let (first, proven) = (&log.lines[0], log.lines.iter().any(|line| line.text.contains("NAS sync verified")));
    assert!(
        first.level == Some(Level::Info) && first.text.ends_with("run seen in staging") && proven && !log.cut,
        "{log:?}"
    );
    let none =
        engine.run_log(run.as_str(), LogQuery { level: Some(Level::Error), ..LogQuery::default() }).await.unwrap();
    assert!(none.lines.is_empty());

    let path = lab.staging(run.as_str()).join(".exlab-wizard/wizard.lab-pc.log");
    let text = "2026-04-17T14:32:00Z [INFO ] one of very many lines\n".repeat(2_200_000);
    std::fs::write(&path, &text).unwrap();
    assert!(text.len() > 100 << 20);
    let begun = std::time::Instant::now();
    let log = engine.run_log(run.as_str(), LogQuery::default()).await.unwrap();
    assert_eq!((log.lines.len(), log.cut, log.bytes), (200, true, text.len() as u64));
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    let mut start = [0; 20];
    engine.log_file(run.as_str()).await.unwrap().file.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"2026-04-17T14:32:00Z");

    std::fs::remove_file(&path).unwrap();
    std::fs::write(lab.path("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(lab.path("secret"), &path).unwrap();
    assert_eq!(engine.run_log(run.as_str(), LogQuery::default()).await.unwrap().file, None);
    assert_eq!(engine.log_file(run.as_str()).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(
        engine.run_log("SCOPE_01/p/Runs/Run_never", LogQuery::default()).await.unwrap_err().code,
        ErrorCode::NotFound
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_vouches_for_what_is_proven_and_outlives_the_run() {
    let lab = Lab::new();
    let engine = lab.start().await;
    let run = run("Run_2026-04-17T14-32");
    assert_eq!(engine.certificate(run.as_str()).await.unwrap_err().code, ErrorCode::NotFound);
    lab.push(&run, &[("raw/a.tif", b"a")]);
    let early = until("a row", async || engine.certificate(run.as_str()).await.ok()).await;
    assert!(!early.is_proven() && early.cleared.is_none());

    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let here = engine.certificate(run.as_str()).await.unwrap();
    let marker = support::files_below(&lab.path("nas")).into_iter().find(|(_, bytes)| {
        String::from_utf8_lossy(bytes).contains(&here.installation) && !here.installation.is_empty()
    });
    assert!(here.is_proven() && marker.is_some(), "it names the installation of the marker");
    engine.clear(run.as_str()).await.unwrap();
    let gone = engine.certificate(run.as_str()).await.unwrap();
    let cleared = gone.cleared.as_ref().unwrap();
    assert!(gone.is_proven(), "{gone:?}");
    assert_eq!(
        (gone.run.seal.as_ref().unwrap().digest.as_str(), gone.run.history.last().unwrap().state.as_str()),
        (cleared.seal.as_str(), "cleared")
    );
    assert!(cleared.bytes_freed > 0 && gone.run.ledger.iter().any(|entry| entry.kind == "cleared"));
    engine.stop().await;
}
