//! What happens to a clear while it is under way (D3, D6, D9, D13, S14): what was not proven is kept, named and put
//! back.

use crate::support::*;
use domain::lifecycle::RunState;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use engine::Engine;
use engine::machine::checkpoint::Checkpoint;
use engine::machine::checkpoint::Checkpoints;
use std::fs;
use std::path::{Path, PathBuf};

async fn verified(lab: &Lab, run: &RunPath, checkpoints: Checkpoints) -> Engine {
    let engine = lab.start_with(checkpoints).await;
    lab.push_usual(run);
    until_verified(&engine, run).await;
    engine
}

/// The only folder aside.
fn aside(staging: &Path) -> PathBuf {
    fs::read_dir(staging.join(".exlab-clearing")).unwrap().next().unwrap().unwrap().path()
}

/// Everything that was proven is on the NAS, and this file, and nothing else, stands where the run stood.
fn only_the_late_one_stands(lab: &Lab, run: &RunPath, late: &str, pushed: &[(PathBuf, Vec<u8>)]) {
    assert_eq!(data_below(&lab.staging(run.as_str())), [(PathBuf::from(late), b"only copy".to_vec())]);
    assert_eq!(data_below(&lab.nas(run)), pushed);
    assert_eq!(fs::read_dir(lab.staging(".exlab-clearing")).unwrap().count(), 0, "nothing stays aside");
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_what_appears_while_files_are_unlinked_is_kept_and_what_went_is_counted() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let staging = lab.path("staging");
    let hook =
        once(Checkpoint::FileUnlinked, move || fs::write(aside(&staging).join("raw/late.tif"), "only copy").unwrap());
    let engine = verified(&lab, &run, hook).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let bytes: usize = pushed.iter().map(|(_, bytes)| bytes.len()).sum();
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(files_of(&problem), ["raw/late.tif"]);
    assert_eq!(
        (&problem.details["files_freed"], &problem.details["bytes_freed"]),
        (&pushed.len().into(), &bytes.into())
    );
    only_the_late_one_stands(&lab, &run, "raw/late.tif", &pushed);
    let life = &engine.cleared_runs(None, 10).await.unwrap().runs[0];
    assert_eq!((life.files_freed, life.bytes_freed), (pushed.len() as u64, bytes as u64));
    // What was kept is a new life: it goes the usual way once it is complete.
    until_state(&engine, &run, RunState::Staging).await;
    lab.push(&run, &[(SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(fs::read(lab.nas(&run).join("raw/late.tif")).unwrap(), b"only copy");
    assert!(lab.nas(&run).join(".exlab-wizard/lives/1/ingest.json").exists(), "the record of the first life is kept");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_clear_that_a_stop_cuts_goes_on_by_itself_and_counts_all_of_it() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (stop_now, mut stops) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let hook = once(Checkpoint::FileUnlinked, move || {
        stop_now.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
    });
    let engine = verified(&lab, &run, hook).await;
    let (all, pushed) = (files_below(&lab.staging(run.as_str())), data_below(&lab.staging(run.as_str())));
    let act = {
        let (engine, run) = (engine.clone(), run.clone());
        tokio::spawn(async move { engine.clear(run.as_str()).await })
    };
    stops.recv().await.unwrap();
    engine.core().site.stop.cancel();
    go_on.send(()).unwrap();
    let clearing = act.await.unwrap().unwrap().clearing.unwrap();
    assert_eq!(clearing.step, "renamed", "accepted, and goes on by itself: {clearing:?}");
    engine.stop().await;
    let left = data_below(&aside(&lab.path("staging"))).len();
    assert_eq!(left, pushed.len() - 1, "one file went before the stop");

    let engine = lab.start().await;
    let life = until("the clear has ended", async || engine.cleared_runs(None, 10).await.unwrap().runs.pop()).await;
    until_no_clear_is_open(&engine).await;
    assert_eq!(files_below(&lab.path("staging")), []);
    assert!(life.files_freed >= all.len() as u64, "{life:?}");
    let record: usize = files_below(&lab.nas(&run).join(".exlab-wizard")).iter().map(|(_, bytes)| bytes.len()).sum();
    let data: usize = pushed.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(life.bytes_freed, (record + data) as u64);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_what_is_swapped_in_right_before_the_rename_is_not_touched() {
    for swapped in ["SCOPE_01/Cortex Q3 Pilot/Runs/Run_1", "SCOPE_01/Cortex Q3 Pilot/Runs"] {
        for link in [true, false] {
            let (lab, run) = (Lab::new(), run("Run_1"));
            let below = run.as_str().strip_prefix(swapped).unwrap().trim_start_matches('/').to_owned();
            let precious = lab.path("precious").join(&below);
            fs::create_dir_all(precious.join("raw")).unwrap();
            fs::write(precious.join("raw/frame_1.tif"), "somebody else's").unwrap();
            let (at, elsewhere, outside) = (lab.staging(swapped), lab.path("elsewhere"), lab.path("precious"));
            let hook = once(Checkpoint::IntentRecorded, move || {
                fs::rename(&at, elsewhere).unwrap();
                match link {
                    true => std::os::unix::fs::symlink(outside, at).unwrap(),
                    false => fs::rename(outside, at).unwrap(),
                }
            });
            let engine = verified(&lab, &run, hook).await;
            let kept = data_below(&lab.staging(run.as_str()));
            let problem = engine.clear(run.as_str()).await.unwrap_err();
            assert_eq!(problem.code, ErrorCode::StagingNotProven, "{swapped} {link}: {problem:?}");
            assert_eq!(data_below(&lab.path("elsewhere").join(&below)), kept, "{swapped} {link}");
            let foreign = if link { precious } else { lab.staging(run.as_str()) };
            assert_eq!(fs::read(foreign.join("raw/frame_1.tif")).unwrap(), b"somebody else's", "{swapped} {link}");
            assert_eq!(fs::read_dir(lab.staging(".exlab-clearing")).unwrap().count(), 0);
            assert_eq!(engine.core().store.open_intents().await.unwrap(), [], "the clear was given up");
            engine.stop().await;
        }
    }
}

/// What happens to a run before it is aside is seen there, and all of it goes back: no half of it is another life.
#[tokio::test(flavor = "multi_thread")]
async fn d3_what_happens_between_proof_and_rename_is_named_and_all_of_the_run_is_kept() {
    type Disturb = fn(&Path);
    let disturbances: [(&str, Disturb); 4] = [
        ("raw/late.tif", |run| fs::write(run.join("raw/late.tif"), "only copy").unwrap()),
        ("new/.late", |run| {
            fs::create_dir(run.join("new")).unwrap();
            fs::write(run.join("new/.late"), "only copy").unwrap();
        }),
        ("raw/frame_2.tif", |run| fs::write(run.join("raw/frame_2.tif"), "written anew").unwrap()),
        ("raw/frame_2.tif", |run| fs::remove_file(run.join("raw/frame_2.tif")).unwrap()),
    ];
    for (n, (file, disturb)) in disturbances.into_iter().enumerate() {
        for step in [Checkpoint::Permitted, Checkpoint::FinishedRecordSent, Checkpoint::IntentRecorded] {
            let (lab, run) = (Lab::new(), run("Run_1"));
            let place = lab.staging(run.as_str());
            let engine = verified(&lab, &run, once(step, move || disturb(&place))).await;
            let pushed = data_below(&lab.staging(run.as_str()));
            let problem = engine.clear(run.as_str()).await.unwrap_err();
            assert_eq!(
                (problem.code, files_of(&problem)),
                (ErrorCode::StagingNotProven, vec![file.to_owned()]),
                "{n} {step:?}"
            );
            let kept = data_below(&lab.staging(run.as_str()));
            let other = |path: &Path| path != Path::new(file);
            assert!(
                pushed.iter().filter(|(path, _)| other(path)).all(|file| kept.contains(file)),
                "{n} {step:?}: nothing went"
            );
            assert!(engine.cleared_runs(None, 10).await.unwrap().runs.is_empty(), "{n} {step:?}");
            // As any late file: it is sealed and sent with the rest, and then all of it goes.
            engine.force_sync(run.as_str(), Default::default()).await.unwrap();
            until_row(&engine, &run, "proven anew", |row| row.job.as_ref().is_some_and(|job| job.generation == 2))
                .await;
            until_verified(&engine, &run).await;
            engine.clear(run.as_str()).await.unwrap();
            assert!(kept.iter().all(|file| data_below(&lab.nas(&run)).contains(file)), "{n} {step:?}");
            assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs.len(), 1);
            engine.stop().await;
        }
    }
}

/// The program ends right after the rename, and every file is written to before it goes on: nothing may go, and so the
/// run is what it was.
#[tokio::test(flavor = "multi_thread")]
async fn d3_a_run_of_which_nothing_may_go_any_more_is_no_new_life() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (stop_now, mut stops) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let hook = once(Checkpoint::RenamedAside, move || {
        stop_now.send(()).unwrap();
        wait.recv().unwrap();
    });
    let engine = verified(&lab, &run, hook).await;
    let act = {
        let (engine, run) = (engine.clone(), run.clone());
        tokio::spawn(async move { engine.clear(run.as_str()).await })
    };
    stops.recv().await.unwrap();
    engine.core().site.stop.cancel();
    go_on.send(()).unwrap();
    assert!(act.await.unwrap().unwrap().clearing.is_some(), "it waits");
    engine.stop().await;
    let aside = aside(&lab.path("staging"));
    for (path, _) in data_below(&aside) {
        fs::write(aside.join(path), "written anew, by whoever still had it").unwrap();
    }
    let written = data_below(&aside);

    let engine = lab.start().await;
    until_no_clear_is_open(&engine).await;
    assert_eq!(data_below(&lab.staging(run.as_str())), written);
    until_row(&engine, &run, "the same life", |row| row.life == 1 && row.late_files > 0).await;
    assert!(engine.cleared_runs(None, 10).await.unwrap().runs.is_empty());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_what_is_renamed_in_after_the_folder_went_aside_is_a_new_life() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let place = lab.staging(run.as_str());
    let hook = once(Checkpoint::RenamedAside, move || {
        fs::create_dir_all(place.join("raw")).unwrap();
        fs::write(place.join("raw/frame_1.tif"), "pushed anew").unwrap();
    });
    let engine = verified(&lab, &run, hook).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.staging(run.as_str())), [(PathBuf::from("raw/frame_1.tif"), b"pushed anew".to_vec())]);
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    until_row(&engine, &run, "the new life", |row| row.life == 2 && row.summary.current_state == "staging").await;
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::StagingNotSyncVerified);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_what_is_kept_stays_aside_where_a_new_life_took_its_place() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (place, staging) = (lab.staging(run.as_str()), lab.path("staging"));
    let hook = once(Checkpoint::FileUnlinked, move || {
        fs::write(aside(&staging).join("raw/late.tif"), "only copy").unwrap();
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("new.tif"), "pushed anew").unwrap();
    });
    let engine = verified(&lab, &run, hook).await;
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(files_of(&problem), ["raw/late.tif"]);
    assert_eq!(fs::read(aside(&lab.path("staging")).join("raw/late.tif")).unwrap(), b"only copy");
    assert_eq!(data_below(&lab.staging(run.as_str())), [(PathBuf::from("new.tif"), b"pushed anew".to_vec())]);
    let ledger = engine.run_detail(run.as_str()).await.unwrap().ledger;
    let told = ledger.iter().find(|entry| entry.kind == "kept_aside").map(|entry| entry.detail.clone()).unwrap();
    assert!(told.contains(".exlab-clearing/"), "{told}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_file_that_arrives_in_the_record_during_the_clear_is_sent_and_proven_before_it_goes() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let staging = lab.path("staging");
    let hook = once(Checkpoint::DataUnlinked, move || {
        fs::write(aside(&staging).join(".exlab-wizard/notes.txt"), "only copy").unwrap()
    });
    let engine = verified(&lab, &run, hook).await;
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert_eq!(answer.clearing, None);
    let record = lab.nas(&run).join(".exlab-wizard");
    assert_eq!(fs::read(record.join("notes.txt")).unwrap(), b"only copy");
    assert_eq!(history_of(&record.join("ingest.json")).last().unwrap(), "cleared");
    assert_eq!(files_below(&lab.path("staging")), []);
    engine.stop().await;
}

/// What cannot be sent stays, whole: half a record is none. The row says what the clear waits for.
#[tokio::test(flavor = "multi_thread")]
async fn d10_a_record_that_cannot_be_sent_is_kept_whole_and_the_clear_waits() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let staging = lab.path("staging");
    let link =
        move || std::os::unix::fs::symlink("/etc/hostname", aside(&staging).join(".exlab-wizard/notes.txt")).unwrap();
    let engine = verified(&lab, &run, once(Checkpoint::DataUnlinked, link)).await;
    let waiting = engine.clear(run.as_str()).await.unwrap().clearing.unwrap().waiting.unwrap();
    assert!(waiting.contains("notes.txt"), "{waiting}");
    assert!(row(&engine, &run).await.clearing.unwrap().waiting.unwrap().contains("notes.txt"));
    let record = aside(&lab.path("staging")).join(".exlab-wizard");
    assert_eq!(history_of(&record.join("ingest.json")).last().unwrap(), "cleared", "half a record is none");
    assert!(record.join("notes.txt").is_symlink());
    engine.stop().await;
}

/// A NAS that takes no finished record holds a clear for as long as an operator lets it; called off, the run is what it
/// was.
#[tokio::test(flavor = "multi_thread")]
async fn d20_a_waiting_clear_that_is_called_off_leaves_the_run_as_it_was() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (nas, away) = (lab.path("nas/SCOPE_01"), lab.path("unmounted"));
    let hook = once(Checkpoint::Intended, move || {
        fs::rename(&nas, away).unwrap();
        fs::create_dir(nas).unwrap();
    });
    let engine = verified(&lab, &run, hook).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    assert_eq!(engine.call_off(run.as_str()).await.unwrap_err().code, ErrorCode::NothingToCallOff);
    assert!(!row(&engine, &run).await.actions.call_off.allowed);
    assert!(engine.clear(run.as_str()).await.unwrap().clearing.is_some());
    assert!(row(&engine, &run).await.actions.call_off.allowed);
    let answer = engine.call_off(run.as_str()).await.unwrap();
    assert_eq!((answer.files_freed, answer.bytes_freed), (0, 0));
    assert_eq!(data_below(&lab.staging(run.as_str())), pushed);
    let states = history_of(&lab.staging(run.as_str()).join(".exlab-wizard/ingest.json"));
    assert_eq!(states[states.len() - 2..], ["cleared", "sync_verified"]);
    fs::remove_dir(lab.path("nas/SCOPE_01")).unwrap();
    fs::rename(lab.path("unmounted"), lab.path("nas/SCOPE_01")).unwrap();
    let clearable =
        until_row(&engine, &run, "clearable as before", |row| row.clearing.is_none() && row.actions.clear.allowed)
            .await;
    assert_eq!((clearable.life, clearable.summary.current_state.as_str()), (1, "sync_verified"));
    assert_eq!(engine.clear(run.as_str()).await.unwrap().clearing, None);
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_the_nas_goes_away_in_the_middle_of_a_clear_and_it_goes_on_when_it_is_back() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (nas, away) = (lab.path("nas/SCOPE_01"), lab.path("unmounted"));
    let hook = once(Checkpoint::Intended, move || {
        fs::rename(&nas, away).unwrap();
        fs::create_dir(nas).unwrap();
    });
    let engine = verified(&lab, &run, hook).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let clearing = engine.clear(run.as_str()).await.unwrap().clearing.unwrap();
    assert!(clearing.waiting.is_some_and(|why| why.contains("finished record")), "no refusal: it goes on by itself");
    assert_eq!(data_below(&lab.staging(run.as_str())), pushed, "nothing goes before the finished record is proven");
    assert!(row(&engine, &run).await.clearing.unwrap().waiting.is_some());
    fs::remove_dir(lab.path("nas/SCOPE_01")).unwrap();
    fs::rename(lab.path("unmounted"), lab.path("nas/SCOPE_01")).unwrap();
    engine.stop().await;
    let engine = lab.start().await;
    until("the clear has ended", async || engine.cleared_runs(None, 10).await.unwrap().runs.pop()).await;
    until("nothing is left", async || files_below(&lab.path("staging")).is_empty().then_some(())).await;
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_rot_found_when_a_clear_resumes_puts_back_what_is_left_and_sends_it_again() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let hook = once(Checkpoint::FileUnlinked, || panic!("as if the program ended here"));
    let engine = verified(&lab, &run, hook).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::Internal, "{problem:?}");
    fs::write(lab.nas(&run).join("raw/frame_2.tif"), [1; 1_000]).unwrap();
    let left = data_below(&aside(&lab.path("staging")));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(
        (problem.code, files_of(&problem)),
        (ErrorCode::DestinationNotProven, vec!["raw/frame_2.tif".to_owned()])
    );
    assert_eq!(data_below(&lab.staging(run.as_str())), left);
    let life = &engine.cleared_runs(None, 10).await.unwrap().runs[0];
    assert_eq!(life.files_freed, (pushed.len() - left.len()) as u64);
    engine.stop().await;
}
