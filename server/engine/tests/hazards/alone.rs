//! What there is one of: one deleter (D11), and one list that is answered without looking at any file (S10).

use crate::support::*;
use domain::problem::ErrorCode;
use engine::Engine;

#[tokio::test(flavor = "multi_thread")]
async fn d11_clears_asked_for_at_once_delete_once() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    until_record_sent(&engine, &run).await;
    let asked = (0..6).map(|_| {
        let (engine, run) = (engine.clone(), run.clone());
        tokio::spawn(async move { engine.clear(run.as_str()).await })
    });
    let mut freed = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            Ok(answer) if answer.files_freed > 0 => freed.push(answer.bytes_freed),
            Ok(answer) => assert_eq!((answer.files_freed, answer.bytes_freed), (0, 0), "known and gone"),
            Err(problem) => assert_eq!(problem.code, ErrorCode::RunBusy, "{problem}"),
        }
    }
    assert_eq!(freed.len(), 1, "one of them did it");
    assert_eq!(files_below(&lab.path("staging")), [], "and did all of it");
    let cleared = engine
        .run_detail(run.as_str())
        .await
        .unwrap()
        .ledger
        .into_iter()
        .filter(|entry| entry.kind == "cleared")
        .count();
    assert_eq!(cleared, 1, "told once");
    assert_eq!(
        history_of(&lab.nas(&run).join(".exlab-wizard/ingest.json")).iter().filter(|state| *state == "cleared").count(),
        1
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_the_list_is_answered_from_memory() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    // Nothing looks by itself: what is answered can only come from memory.
    let engine =
        Engine::start(lab.settings.clone(), engine::Options { background: false, ..lab.options() }).await.unwrap();
    lab.push_usual(&run);
    engine.watcher().poll_once().await;
    let before = shown(&engine, &run).unwrap();
    assert!(before.summary.file_count > 0);
    remove(&lab.path("staging"));
    let mut after = shown(&engine, &run).unwrap();
    after.summary.elapsed_seconds_since_last_activity = before.summary.elapsed_seconds_since_last_activity;
    assert_eq!(after.summary, before.summary, "no file was asked");
    engine.stop().await;
}
