//! Files that somebody still has open for writing (D18): waited for before a run is complete, and never unlinked.

use crate::support::*;
use domain::lifecycle::RunState;
use domain::problem::ErrorCode;
use domain::timestamp::Timestamp;
use engine::machine::checkpoint::Checkpoint;
use engine::machine::clock::Clock;
use engine::{Engine, Options};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An acquisition program that keeps its log open.
struct Acquisition(Child);

impl Acquisition {
    #[allow(clippy::disallowed_methods, reason = "a test plays the acquisition program")]
    fn opens(log: &Path) -> Acquisition {
        let script = format!("exec 3>>'{}'; echo open; read line; echo \"$line\" >&3", log.display());
        let mut child =
            Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        Acquisition(child)
    }

    /// Without another word.
    fn ends(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn writes_and_closes(mut self, line: &str) {
        self.0.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d18_a_run_whose_log_is_still_open_is_not_complete_until_it_is_closed() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push(&run, &[("raw/frame_1.tif", b"pixels"), ("raw/acquisition.log", b"begin\n")]);
    let acquisition = Acquisition::opens(&lab.staging(run.as_str()).join("raw/acquisition.log"));
    lab.push(&run, &[(SENTINEL, b"")]);
    let told = |row: &domain::api::RunRow| {
        row.waiting_for.as_ref().is_some_and(|what| what.contains("raw/acquisition.log") && what.contains("sh"))
    };
    let row = until_row(&engine, &run, "it says what it waits for", told).await;
    assert_eq!(row.summary.current_state, "staging");
    acquisition.writes_and_closes("end\n");
    until_verified(&engine, &run).await;
    assert_eq!(fs::read(lab.nas(&run).join("raw/acquisition.log")).unwrap(), b"begin\nend\n");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d18_the_wait_for_a_writer_ends_when_the_config_says_so() {
    let mut lab = Lab::new();
    lab.settings.equipment[0].open_files_wait_seconds = 0;
    let run = run("Run_1");
    let engine = lab.start().await;
    lab.push(&run, &[("raw/acquisition.log", b"begin\n")]);
    let acquisition = Acquisition::opens(&lab.staging(run.as_str()).join("raw/acquisition.log"));
    lab.push(&run, &[(SENTINEL, b"")]);
    until_state(&engine, &run, RunState::SyncVerified).await;
    // The clear asks all the same.
    let refused = engine.clear(run.as_str()).await.unwrap_err();
    assert!(refused.message.contains("raw/acquisition.log is open for writing"), "{refused:?}");
    acquisition.writes_and_closes("");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d18_a_file_that_is_open_for_writing_refuses_the_clear_and_is_named() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let acquisition = Acquisition::opens(&lab.staging(run.as_str()).join("notes.txt"));
    let refused = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::StagingNotProven);
    assert!(refused.message.contains("notes.txt is open for writing by sh"), "{refused:?}");
    let plan = engine.clear_plan(run.as_str()).await.unwrap();
    assert!(
        plan.conditions.iter().any(|condition| condition.code == "removable" && condition.value.contains("notes.txt")),
        "{plan:?}"
    );
    assert_eq!(data_below(&lab.staging(run.as_str())), pushed);
    acquisition.writes_and_closes("the last line\n");
    let late = engine.clear(run.as_str()).await.unwrap_err();
    assert_eq!(files_of(&late), ["notes.txt"], "what it wrote is late, and nothing went");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d18_a_file_that_is_opened_in_the_last_moment_is_kept_and_put_back() {
    for step in [Checkpoint::RenamedAside, Checkpoint::FoundWhole] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let (opened, hold) = std::sync::mpsc::channel();
        let staging = lab.path("staging");
        let hook = once(step, move || {
            let aside = fs::read_dir(staging.join(".exlab-clearing")).unwrap().next().unwrap().unwrap().path();
            opened.send(Acquisition::opens(&aside.join("raw/frame_1.tif"))).unwrap();
        });
        let engine = lab.start_with(hook).await;
        lab.push_usual(&run);
        until_verified(&engine, &run).await;
        let pushed = data_below(&lab.staging(run.as_str()));
        let refused = engine.clear(run.as_str()).await.unwrap_err();
        assert!(refused.message.contains("raw/frame_1.tif is open for writing by"), "{refused:?}");
        assert_eq!(data_below(&lab.staging(run.as_str())), pushed, "with all of its run");
        hold.recv().unwrap().writes_and_closes("the last line\n");
        let kept = fs::read(lab.staging(run.as_str()).join("raw/frame_1.tif")).unwrap();
        assert!(kept.ends_with(b"the last line\n"), "what it wrote after the last look is here");
        engine.stop().await;
    }
}

/// The clock stands still, so that a look at all programs never grows old by itself.
#[tokio::test(flavor = "multi_thread")]
async fn d18_what_was_open_a_while_ago_holds_nothing_back() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    lab.mark().await;
    let clock = Clock::manual(Timestamp::parse("2026-04-17T14:32:00Z").unwrap());
    let engine = Engine::start(lab.settings.clone(), Options { clock: clock.clone(), ..lab.options() }).await.unwrap();
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let look = || {
        engine.core().index.sweep_soon(&run);
        engine.core().desk.look_at(&run);
    };
    let acquisition = Acquisition::opens(&lab.staging(run.as_str()).join("notes.txt"));
    clock.advance(Duration::from_secs(60));
    until("its row says so", async || {
        look();
        shown(&engine, &run).filter(|row| row.actions.clear.reason.as_deref() == Some("not_removable"))
    })
    .await;
    acquisition.ends();
    until("it holds nothing back any more", async || {
        look();
        shown(&engine, &run).filter(|row| row.actions.clear.allowed)
    })
    .await;
    engine.stop().await;
}

/// This process does not look into itself, so that what it has open stands for a mapped file or a disk image in use.
#[tokio::test(flavor = "multi_thread")]
async fn d18_a_file_that_is_open_in_no_list_of_a_process_refuses_the_clear_too() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let engine = lab.start().await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let open = fs::File::options().append(true).open(lab.staging(run.as_str()).join("notes.txt")).unwrap();
    let refused = engine.clear(run.as_str()).await.unwrap_err();
    assert!(refused.message.contains("notes.txt is open for writing by what cannot be named here"), "{refused:?}");
    assert!(!engine.clear_plan(run.as_str()).await.unwrap().clearable);
    assert_eq!(data_below(&lab.staging(run.as_str())), pushed);
    drop(open);
    engine.clear(run.as_str()).await.unwrap();
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d18_a_file_that_is_opened_while_others_of_its_run_go_already_is_kept() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (opened, hold) = std::sync::mpsc::channel();
    let staging = lab.path("staging");
    // The first of them has gone: after the look at all programs, before the turn of the last one.
    let hook = once(Checkpoint::FileUnlinked, move || {
        let aside = fs::read_dir(staging.join(".exlab-clearing")).unwrap().next().unwrap().unwrap().path();
        opened.send(Acquisition::opens(&aside.join("raw/z.log"))).unwrap();
    });
    let engine = lab.start_with(hook).await;
    lab.push(&run, &[("raw/a.tif", b"pixels"), ("raw/z.log", b"begin\n")]);
    lab.push(&run, &[(SENTINEL, b"")]);
    until_verified(&engine, &run).await;
    let kept = engine.clear(run.as_str()).await.unwrap_err();
    assert!(kept.message.contains("raw/z.log is open for writing by"), "{kept:?}");
    hold.recv().unwrap().writes_and_closes("the last line\n");
    assert_eq!(fs::read(lab.staging(run.as_str()).join("raw/z.log")).unwrap(), b"begin\nthe last line\n");
    engine.stop().await;
}
