//! Rights in the way of a clear (D20): refused before anything is touched, taken back, or waited for; never half way
//! without a word.

use crate::support::*;
use domain::lifecycle::RunState;
use domain::problem::ErrorCode;
use engine::machine::checkpoint::{Checkpoint, Checkpoints};
use std::fs;
use std::path::{Path, PathBuf};

/// Something that cannot be deleted: an immutable file where the file system has the attribute, else a mount point.
struct Stubborn {
    path: PathBuf,
    mounted: Option<Mounted>,
}

impl Stubborn {
    fn make(path: &Path) -> Stubborn {
        let immutable = command("chattr", &["+i", path.to_str().unwrap()]);
        Stubborn { path: path.to_owned(), mounted: immutable.is_err().then(|| Mounted::bind(path, path)) }
    }

    fn yields(self) {
        if self.mounted.is_none() {
            command("chattr", &["-i", self.path.to_str().unwrap()]).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d20_a_run_of_which_something_cannot_be_removed_is_refused_before_anything_is_touched() {
    for name in ["raw/frame_2.tif", "raw"] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let engine = lab.start().await;
        lab.push_usual(&run);
        until_verified(&engine, &run).await;
        let pushed = data_below(&lab.staging(run.as_str()));
        let stubborn = Stubborn::make(&lab.staging(run.as_str()).join(name));
        let problem = engine.clear(run.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::StagingNotProven);
        assert!(problem.message.contains(name), "{name} is named: {}", problem.message);
        let plan = engine.clear_plan(run.as_str()).await.unwrap();
        let condition = plan.conditions.iter().find(|condition| condition.code == "removable").unwrap();
        assert!(!plan.clearable && !condition.holds && condition.value.contains(name), "{condition:?}");
        // The attribute changes the file's ctime: its bytes are looked at first.
        until_row(&engine, &run, "it says why", |row| row.actions.clear.reason.as_deref() == Some("not_removable"))
            .await;
        assert_eq!(data_below(&lab.staging(run.as_str())), pushed);
        let history = |at: PathBuf| history_of(&at.join(".exlab-wizard/ingest.json"));
        assert_eq!(
            history(lab.staging(run.as_str())).last().unwrap(),
            "sync_verified",
            "nothing says that it was cleared"
        );
        assert_eq!(history(lab.nas(&run)).last().unwrap(), "sync_verified");
        assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs, []);
        stubborn.yields();
        engine.clear(run.as_str()).await.unwrap();
        assert!(!lab.staging(run.as_str()).exists());
        assert_eq!(data_below(&lab.nas(&run)), pushed);
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d20_a_folder_that_cannot_be_renamed_takes_cleared_back_and_begins_no_life() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (held, hold) = std::sync::mpsc::channel();
    let place = lab.staging(run.as_str());
    // A mount on the folder itself: it came after the look at what is in the way, and nothing renames a mount point.
    let hook = once(Checkpoint::IntentRecorded, move || held.send(Mounted::bind(&place, &place)).unwrap());
    let engine = lab.start_with(hook).await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    assert!(problem.message.contains("renamed aside"), "{problem:?}");
    drop(hold.recv().unwrap());
    let states = history_of(&lab.staging(run.as_str()).join(".exlab-wizard/ingest.json"));
    assert_eq!(states[states.len() - 2..], ["cleared", "sync_verified"], "taken back, and nothing is rewritten");
    assert_eq!(engine.core().store.open_intents().await.unwrap(), []);
    until("the NAS knows it too", async || {
        (history_of(&lab.nas(&run).join(".exlab-wizard/ingest.json")).last().unwrap() == "sync_verified").then_some(())
    })
    .await;
    let row = row(&engine, &run).await;
    assert_eq!(
        (row.life, row.summary.current_state.as_str(), row.actions.clear.allowed),
        (1, "sync_verified", true),
        "{row:#?}"
    );
    assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs, []);
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs.len(), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_d20_the_rest_of_a_cleared_run_is_a_row_with_its_reason_and_goes_when_it_can() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (made, stubborn) = std::sync::mpsc::channel();
    let staging = lab.path("staging");
    let hook = once(Checkpoint::FileUnlinked, move || {
        let aside = fs::read_dir(staging.join(".exlab-clearing")).unwrap().next().unwrap().unwrap().path();
        made.send(Stubborn::make(&aside.join("raw/frame_2.tif"))).unwrap();
    });
    let engine = lab.start_with(hook).await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let told = |clearing: Option<domain::api::ClearingView>| {
        clearing.and_then(|clearing| clearing.waiting).unwrap_or_default()
    };
    let why = told(engine.clear(run.as_str()).await.unwrap().clearing);
    assert!(why.contains("rest of a cleared run") && why.contains("raw/frame_2.tif"), "{why}");
    assert_eq!(told(row(&engine, &run).await.clearing), why);
    engine.stop().await;

    // Also after a restart there is a row, although no folder stands at the path.
    let engine = lab.start_with(Checkpoints::default()).await;
    let row =
        until_row(&engine, &run, "the rest is shown", |row| row.clearing.as_ref().is_some_and(|c| c.waiting.is_some()))
            .await;
    assert_eq!(row.summary.current_state, "cleared");
    let why = told(engine.clear(run.as_str()).await.unwrap().clearing);
    assert!(why.contains("raw/frame_2.tif"), "{why}");
    stubborn.recv().unwrap().yields();
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert_eq!((answer.clearing, answer.files_freed >= pushed.len() as u64), (None, true));
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    assert_eq!(files_below(&lab.path("staging")), []);
    assert!(
        engine.core().index.look(&run, |facts| facts.state() == Some(RunState::Cleared)).is_none(),
        "the row is gone"
    );
    engine.stop().await;
}
