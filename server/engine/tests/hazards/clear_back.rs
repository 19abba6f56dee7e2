//! Ways back of a clear that is given up (D6, D8): what stands in the way is told, and nothing is called cleared that
//! was put back.

use crate::support::*;
use domain::path::RunPath;
use domain::problem::ErrorCode;
use domain::proof::ProofLevel;
use engine::Engine;
use engine::machine::checkpoint::Checkpoint;
use std::fs;
use std::path::PathBuf;

/// A clear that a fault ended right after the run went aside.
async fn ended_aside(lab: &mut Lab, run: &RunPath) -> Vec<(PathBuf, Vec<u8>)> {
    lab.settings.verify.clear_needs = ProofLevel::L1;
    let engine = lab.start_with(once(Checkpoint::FoundWhole, || panic!("as if the program ended here"))).await;
    lab.push_usual(run);
    until_verified(&engine, run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::Internal);
    engine.stop().await;
    pushed
}

async fn waiting(engine: &Engine) -> String {
    engine.core().store.open_intents().await.unwrap().pop().and_then(|intent| intent.waiting).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_a_clear_given_up_whose_place_is_taken_says_so_and_goes_back_when_it_is_free() {
    let (mut lab, run) = (Lab::new(), run("Run_1"));
    let pushed = ended_aside(&mut lab, &run).await;
    let place = lab.staging(run.as_str());
    fs::create_dir(&place).unwrap();
    lab.settings.verify.clear_needs = ProofLevel::L4;
    let engine = lab.start().await;
    until("it says what is in the way", async || waiting(&engine).await.contains("move that away first").then_some(()))
        .await;
    let ledger = engine.core().store.ledger(&run).await.unwrap();
    assert!(ledger.iter().all(|entry| entry.kind != "kept_aside"), "{ledger:?}");
    remove(&place);
    until_no_clear_is_open(&engine).await;
    until_verified(&engine, &run).await;
    assert_eq!(data_below(&place), pushed);
    assert_eq!(row(&engine, &run).await.life, 1);
    engine.stop().await;
}

/// Killed between putting the folder back and saying that it was not cleared.
#[tokio::test(flavor = "multi_thread")]
async fn d6_a_run_that_was_put_back_is_not_called_cleared() {
    let (mut lab, run) = (Lab::new(), run("Run_1"));
    let pushed = ended_aside(&mut lab, &run).await;
    let clearing = lab.path("staging/.exlab-clearing");
    let aside = fs::read_dir(&clearing).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    fs::rename(aside, lab.staging(run.as_str())).unwrap();
    let engine = lab.start().await;
    until_no_clear_is_open(&engine).await;
    until_verified(&engine, &run).await;
    assert_eq!(data_below(&lab.staging(run.as_str())), pushed);
    let states = history_of(&lab.staging(run.as_str()).join(".exlab-wizard/ingest.json"));
    assert_eq!(states[states.len() - 2..], ["cleared", "sync_verified"]);
    assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs, []);
    assert_eq!(row(&engine, &run).await.life, 1);
    engine.clear(run.as_str()).await.unwrap();
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    engine.stop().await;
}

/// Killed between putting back what a clear keeps or retains and saying that the run's life has ended: files went, and
/// nobody says of the rest that it is the run that was proven.
#[tokio::test(flavor = "multi_thread")]
async fn d6_what_was_put_back_of_a_run_of_which_files_went_is_another_life() {
    for retain in [false, true] {
        let (mut lab, run) = (Lab::new(), run("Run_1"));
        lab.settings.nas_cleanup.retain_cache = retain;
        let step = if retain { Checkpoint::DataUnlinked } else { Checkpoint::FileUnlinked };
        let engine = lab.start_with(once(step, || panic!("as if the program ended here"))).await;
        lab.push_usual(&run);
        until_verified(&engine, &run).await;
        let pushed = data_below(&lab.staging(run.as_str()));
        assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::Internal);
        engine.stop().await;
        let aside = fs::read_dir(lab.path("staging/.exlab-clearing"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_dir());
        let place = lab.staging(run.as_str());
        fs::rename(aside.unwrap(), &place).unwrap();
        let left = data_below(&place).len();
        assert!(left < pushed.len(), "{retain}: files went");

        let engine = lab.start().await;
        until_no_clear_is_open(&engine).await;
        let ended = engine.cleared_runs(None, 10).await.unwrap().runs;
        assert_eq!(
            ended.iter().map(|life| life.files_freed).collect::<Vec<_>>(),
            [(pushed.len() - left) as u64],
            "{retain}"
        );
        // The record may be a new life's by now, or begin with the next look.
        let record = fs::read_to_string(place.join(".exlab-wizard/ingest.json")).unwrap_or_default();
        assert!(!record.contains("clear_taken_back"), "{retain}: {record}");
        assert_eq!(data_below(&lab.nas(&run)), pushed, "{retain}: nothing moves on the NAS");
        engine.stop().await;
    }
}

/// The same, called off by an operator before the program goes on with it: it has ended, what went is told, and no row
/// says that it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn d6_a_clear_that_had_put_back_what_it_kept_ends_when_it_is_called_off() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let clearing = lab.path("staging/.exlab-clearing");
    let aside =
        move || fs::read_dir(&clearing).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    // A record that cannot be sent: the clear waits, with all data gone.
    let found = aside.clone();
    let link = move || std::os::unix::fs::symlink("/etc/hostname", found().join(".exlab-wizard/notes.txt")).unwrap();
    let engine = lab.start_with(once(Checkpoint::DataUnlinked, link)).await;
    lab.push_usual(&run);
    until_verified(&engine, &run).await;
    let pushed = data_below(&lab.nas(&run));
    assert!(engine.clear(run.as_str()).await.unwrap().clearing.is_some(), "it waits");
    fs::rename(aside(), lab.staging(run.as_str())).unwrap();
    assert_eq!(engine.call_off(run.as_str()).await.unwrap().files_freed, 5);
    assert_eq!(engine.core().store.open_intents().await.unwrap(), []);
    assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs.len(), 1);
    engine.core().desk.look_at(&run);
    until_row(&engine, &run, "its record is left, and nothing clears it", |row| row.clearing.is_none()).await;
    assert_eq!(data_below(&lab.nas(&run)), pushed);
    engine.stop().await;
}
