//! Nothing is held up by what is another's matter, and no row says what is no longer so.

use crate::support::*;
use domain::api::Event;
use domain::path::RunPath;
use engine::machine::checkpoint::{Checkpoint, Checkpoints};
use engine::machine::progress::ProgressSink;
use engine::{Engine, Options};
use futures::{FutureExt, StreamExt};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn of_second(name: &str) -> RunPath {
    RunPath::parse(&format!("SCOPE_02/P/Runs/{name}")).unwrap()
}

async fn two_equipments() -> Lab {
    let mut lab = Lab::new();
    let target = lab.path("nas/SCOPE_02");
    fs::create_dir_all(&target).unwrap();
    lab.settings.equipment.push(equipment("SCOPE_02", &target));
    engine::mark_destination(&lab.settings, "SCOPE_02", &lab.path("state"), "lab-pc", false).await.unwrap();
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn d24_a_clear_that_takes_long_holds_up_none_of_another_equipment() {
    let lab = two_equipments().await;
    let runs = [run("Run_1"), of_second("Run_1")];
    // Both clears end as if the program had.
    let ended = |taken| assert!(taken != Checkpoint::IntentRecorded, "as if the program ended here");
    let engine = lab.start_with(Checkpoints::listening(ended)).await;
    for run in &runs {
        lab.push_usual(run);
        until_verified(&engine, run).await;
        engine.clear(run.as_str()).await.unwrap_err();
    }
    engine.stop().await;
    assert_eq!(runs.iter().filter(|run| lab.staging(run.as_str()).exists()).count(), 2);

    // Whichever is the first hangs until the other is done.
    let first = Arc::new(AtomicBool::new(true));
    let (go_on, hangs) = std::sync::mpsc::channel::<()>();
    let hangs = Mutex::new(hangs);
    let hang = move |taken| {
        if taken == Checkpoint::RenamedAside && first.swap(false, Ordering::SeqCst) {
            // Nothing is sent, it is dropped.
            hold_up(|| assert!(hangs.lock().unwrap().recv().is_err()));
        }
    };
    let engine = lab.start_with(Checkpoints::listening(hang)).await;
    let cleared = async || engine.cleared_runs(None, 10).await.unwrap().runs.len();
    until("the other one is cleared", async || (cleared().await == 1).then_some(())).await;
    drop(go_on);
    until("both are", async || (cleared().await == 2).then_some(())).await;
    until_no_clear_is_open(&engine).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s27_a_run_that_vanished_unproven_stays_on_the_list_and_is_told_once() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    fs::rename(lab.path("nas/SCOPE_01"), lab.path("away")).unwrap();
    let engine =
        Engine::start(lab.settings.clone(), Options { poll_interval: Duration::from_secs(3_600), ..lab.options() })
            .await
            .unwrap();
    lab.push_usual(&run);
    until_row(&engine, &run, "it waits for the NAS", |row| row.job.as_ref().is_some_and(|job| job.error.is_some()))
        .await;
    fs::rename(lab.staging(run.as_str()), lab.path("taken away")).unwrap();
    engine.watcher().poll_once().await;
    let says =
        |row: &domain::api::RunRow| row.problem.as_ref().is_some_and(|problem| problem.code == "local_file_vanished");
    until_row(&engine, &run, "it says that it is gone", says).await;
    let mut events = Box::pin(engine.subscribe(None));
    for _ in 0..3 {
        engine.watcher().poll_once().await;
        assert!(shown(&engine, &run).is_some_and(|row| says(&row)));
    }
    let told: Vec<Event> = std::iter::from_fn(|| events.next().now_or_never().flatten()).collect();
    let gone =
        told.iter().filter(|event| matches!(event, Event::Gone { run_path, .. } if run_path == run.as_str())).count();
    assert_eq!(gone, 0, "{told:?}");

    // Put back, it goes on as if nothing had been.
    fs::rename(lab.path("taken away"), lab.staging(run.as_str())).unwrap();
    fs::rename(lab.path("away"), lab.path("nas/SCOPE_01")).unwrap();
    engine.watcher().poll_once().await;
    engine.core().destinations.get(EQUIPMENT).unwrap().probe_now();
    engine.core().destinations.work_now(EQUIPMENT);
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.problem, None);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s28_work_that_ends_takes_no_other_work_off_the_row() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let core = engine.core();
    let is_shown = |progress: &ProgressSink| {
        core.index.look(&run, |facts| facts.progress.as_ref().is_some_and(|shown| shown.is(progress))).unwrap()
    };
    let [clear, proof, next] = [ProgressSink::new(), ProgressSink::new(), ProgressSink::new()];
    let shown = core.show(&run, &clear);
    drop(core.show_beside(&run, &proof));
    assert!(is_shown(&clear), "a proof beside it began and ended");
    let other = core.show(&run, &next);
    drop(shown);
    assert!(is_shown(&next));
    drop(other);
    assert!(core.index.look(&run, |facts| facts.progress.is_none()).unwrap());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s29_more_files_that_rot_than_are_named_are_all_sent_once_more() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let there = lab.nas(&run);
    let rot = once(Checkpoint::Pushed, move || {
        (0..1_300).for_each(|n| fs::write(there.join(format!("raw/{n}")), "rotten").unwrap())
    });
    let engine = lab.start_with(rot).await;
    (0..1_300).for_each(|n| lab.push(&run, &[(&format!("raw/{n}"), b"mellow")]));
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    assert_eq!(row(&engine, &run).await.job.unwrap().hash_retries, 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v26_a_job_whose_destination_becomes_another_s_proves_nothing_there() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let marker = lab.path("nas/SCOPE_01/.exlab-orchestrator/identity.json");
    let (place, kept) = (marker.clone(), lab.path("marker"));
    let hook = once(Checkpoint::Pushed, move || {
        fs::copy(&place, kept).unwrap();
        let theirs = fs::read_to_string(&place).unwrap().replace("SCOPE_01", "SCOPE_99");
        fs::write(&place, theirs).unwrap();
    });
    let engine = lab.start_with(hook).await;
    lab.push_usual(&run);
    until_job(&engine, &run, domain::job::JobState::Failed).await;
    let error = row(&engine, &run).await.job.unwrap().error.unwrap();
    assert!(error.message.contains("marked for equipment SCOPE_99"), "{error:?}");
    fs::copy(lab.path("marker"), &marker).unwrap();
    engine.retry(run.as_str()).await.unwrap();
    until_verified(&engine, &run).await;
    engine.stop().await;
}
