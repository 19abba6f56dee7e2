//! Damage at the NAS between the proof of a clear and its unlinking (D16): what is not proven at that moment is not
//! removed.

use crate::support::*;
use domain::api::{AttentionKind, ForceSyncRequest, RunRow};
use domain::job::JobState;
use domain::lifecycle::RunState;
use domain::problem::ErrorCode;
use engine::machine::checkpoint::Checkpoint;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The same size and the same time, other bytes.
fn flip(path: &Path) {
    let (mut bytes, time) = (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap());
    bytes[0] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn d16_a_file_that_the_nas_loses_after_the_proof_is_kept_with_all_of_its_run() {
    for step in
        [Checkpoint::Permitted, Checkpoint::FinishedRecordSent, Checkpoint::RenamedAside, Checkpoint::IntentRenamed]
    {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let there = lab.nas(&run).join("raw/frame_1.tif");
        let engine = lab.start_with(once(step, move || flip(&there))).await;
        lab.push_usual(&run);
        until_verified(&engine, &run).await;
        until_record_sent(&engine, &run).await;
        let pushed = data_below(&lab.staging(run.as_str()));
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(
            (problem.code, files_of(&problem)),
            (ErrorCode::DestinationNotProven, vec!["raw/frame_1.tif".to_owned()]),
            "{step:?}"
        );
        assert_eq!(data_below(&lab.staging(run.as_str())), pushed, "{step:?}: nothing went");
        assert_eq!(fs::read_dir(lab.staging(".exlab-clearing")).unwrap().count(), 0);
        assert!(engine.cleared_runs(None, 10).await.unwrap().runs.is_empty());
        // It is dealt with as any damage: the row says so, a retry sends the file again, and then it can be cleared.
        until_job(&engine, &run, JobState::Failed).await;
        engine.retry(run.as_str()).await.unwrap();
        until_verified(&engine, &run).await;
        engine.clear(run.as_str()).await.unwrap();
        assert_eq!(data_below(&lab.nas(&run)), pushed, "{step:?}");
        assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs.len(), 1);
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d16_of_a_long_clear_what_is_proven_goes_and_what_is_not_is_put_back() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let there = lab.nas(&run).join("raw");
    // When the first batch is under way a file of the second one is damaged, and one of the third is lost.
    let engine = lab
        .start_with(once(Checkpoint::FileUnlinked, move || {
            flip(&there.join("1500.tif"));
            fs::remove_file(there.join("2500.tif")).unwrap();
        }))
        .await;
    let raw = lab.staging(run.as_str()).join("raw");
    fs::create_dir_all(&raw).unwrap();
    for n in 0..3_000 {
        fs::write(raw.join(format!("{n:04}.tif")), format!("frame {n}")).unwrap();
    }
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(files_of(&problem), ["raw/1500.tif", "raw/2500.tif"], "{problem:?}");
    let kept: Vec<_> = pushed
        .iter()
        .filter(|(path, _)| files_of(&problem).iter().any(|name| Path::new(name) == path))
        .cloned()
        .collect();
    assert_eq!(data_below(&lab.staging(run.as_str())), kept, "the only copies are here");
    assert_eq!(problem.details["files_freed"], pushed.len() - 2);
    engine.stop().await;
}

/// What the last look keeps of a run of which the rest is gone is the only copy of it: its row says so until it is
/// proven again, also after a restart, and names the file and the way out, which works.
#[tokio::test(flavor = "multi_thread")]
async fn d16_what_is_kept_of_a_cleared_run_is_told_until_it_is_proven() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let there = lab.nas(&run).join("raw/1199.tif");
    let damage = there.clone();
    let engine = lab.start_with(once(Checkpoint::FileUnlinked, move || flip(&damage))).await;
    let raw = lab.staging(run.as_str()).join("raw");
    fs::create_dir_all(&raw).unwrap();
    for n in 0..1_200 {
        fs::write(raw.join(format!("{n:04}.tif")), format!("frame {n}")).unwrap();
    }
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(files_of(&problem), ["raw/1199.tif"], "{problem:?}");
    let told = |row: &RunRow| {
        row.life == 2
            && row.problem.as_ref().is_some_and(|problem| {
                problem.code == "rest_of_cleared_run"
                    && problem.message.contains("raw/1199.tif is not proven on the NAS any more")
                    && problem.message.contains("sync it although unfinished")
            })
    };
    until_row(&engine, &run, "it is told", told).await;
    let record = lab.staging(run.as_str()).join(".exlab-wizard/ingest.json");
    let begun = until("its record begins", async || fs::read(&record).ok()).await;
    let first = serde_json::from_slice::<serde_json::Value>(&begun).unwrap()["history"][0].clone();
    let kept = first["rest_of"]["kept"][0].as_str().unwrap_or_default();
    assert!(kept.starts_with("raw/1199.tif is not proven"), "{first}");
    engine.stop().await;

    let engine = lab.start().await;
    let shown = until_row(&engine, &run, "it is told after a restart", told).await;
    assert!(AttentionKind::Rest.concerns(&shown) && !AttentionKind::Unreadable.concerns(&shown));
    let attention = engine.overview().await.unwrap().attention;
    let item = attention.into_iter().find(|item| item.kind == AttentionKind::Rest).unwrap();
    assert!(item.message.contains("1 run") && item.message.contains(run.as_str()), "{item:?}");
    let request = ForceSyncRequest {
        assume_complete: true,
        operator: Some("kim".into()),
        reason: Some("The rest of it was cleared.".into()),
    };
    // As it says: the NAS never loses a file to a later one of that name.
    fs::rename(&there, lab.path("damaged.tif")).unwrap();
    engine.force_sync(run.as_str(), request).await.unwrap();
    until_verified(&engine, &run).await;
    assert_eq!(fs::read(&there).unwrap(), b"frame 1199", "the good one is on the NAS");
    let proven = until_row(&engine, &run, "proven", |row| row.problem.is_none()).await;
    assert!(!AttentionKind::Rest.concerns(&proven));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d16_while_the_nas_gives_no_answer_nothing_goes_and_then_it_goes_on() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (there, away) = (lab.path("nas"), lab.path("away"));
    let hook = {
        let (there, away) = (there.clone(), away.clone());
        once(Checkpoint::RenamedAside, move || fs::rename(there, away).unwrap())
    };
    let engine = lab.start_with(hook).await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let clearing = engine.clear(run.as_str()).await.unwrap().clearing.unwrap();
    assert!(
        clearing.waiting.as_deref().is_some_and(|why| why.contains("the last look at the NAS had no answer")),
        "{clearing:?}"
    );
    let aside = fs::read_dir(lab.staging(".exlab-clearing")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(data_below(&aside), pushed);
    fs::rename(away, there).unwrap();
    let cleared = engine.clear(run.as_str()).await.unwrap();
    assert_eq!((cleared.clearing, data_below(&lab.nas(&run))), (None, pushed));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d16_a_record_that_the_nas_loses_meanwhile_is_sent_again_before_it_goes() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let record = lab.nas(&run).join(".exlab-wizard/ingest.json");
    let place = record.clone();
    let engine = lab.start_with(once(Checkpoint::DataUnlinked, move || flip(&place))).await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(history_of(&record).last().map(String::as_str), Some("cleared"));
    assert!(fs::metadata(&record).unwrap().size() > 0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_a_clear_goes_on_when_its_caller_hangs_up() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    {
        let mut act = std::pin::pin!(engine.clear(run.as_str()));
        let polled = futures::poll!(act.as_mut());
        assert!(polled.is_pending());
    }
    until("the run is gone", async || engine.cleared_runs(None, 10).await.unwrap().runs.pop()).await;
    until("its job is retired", async || {
        let job = engine.core().store.latest_job(&run, 1).await.unwrap().unwrap();
        (job.state == JobState::Cleaned).then_some(())
    })
    .await;
    assert!(!lab.staging(run.as_str()).exists());
    engine.stop().await;
}

/// The worker has read the record and is held up; meanwhile somebody clears. The clear waits for it, and the finished
/// record arrives last.
#[tokio::test(flavor = "multi_thread")]
async fn v17_s23_a_clear_waits_for_the_record_in_flight_and_the_finished_one_arrives_last() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (read, is_read) = std::sync::mpsc::channel();
    let (go_on, wait) = std::sync::mpsc::channel();
    let hook = once(Checkpoint::RecordRead, move || {
        read.send(()).unwrap();
        hold_up(|| wait.recv_timeout(PATIENCE).unwrap());
    });
    let engine = lab.start_with(hook).await;
    lab.push_usual(&run);
    until_state(&engine, &run, RunState::SyncVerified).await;
    until("the worker has read the record", async || is_read.try_recv().ok()).await;
    let clear = tokio::spawn({
        let (engine, run) = (engine.clone(), run.clone());
        async move { engine.clear(run.as_str()).await }
    });
    until_row(&engine, &run, "the clear has recorded", |row| row.summary.current_state == "cleared").await;
    let at_nas = lab.nas(&run).join(".exlab-wizard/ingest.json");
    assert!(!at_nas.exists() && !clear.is_finished(), "the finished record is sent by one who holds the turn");
    go_on.send(()).unwrap();
    assert_eq!(clear.await.unwrap().unwrap().clearing, None);
    assert_eq!(history_of(&at_nas).last().unwrap(), "cleared", "what is finished arrives last");
    assert!(!lab.staging(run.as_str()).exists());
    engine.stop().await;
}
