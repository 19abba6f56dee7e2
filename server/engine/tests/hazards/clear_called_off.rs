//! A clear that waits, and what may be done meanwhile (D8, D20): it is called off or it is not, and every answer says
//! what it waits for and what to do.

use crate::support::*;
use domain::api::{AttentionKind, ForceSyncRequest, OverrideRequest, RunRow};
use domain::path::RunPath;
use domain::problem::{ErrorCode, Problem};
use engine::Engine;
use engine::machine::checkpoint::Checkpoint;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The only folder aside.
fn aside(staging: &Path) -> PathBuf {
    let clearing = fs::read_dir(staging.join(".exlab-clearing")).unwrap();
    clearing.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap()
}

/// A clear that waits because this was done when it had come to this step, and what was pushed.
async fn waits_after(
    lab: &Lab,
    run: &RunPath,
    step: Checkpoint,
    act: impl FnOnce() + Send + 'static,
) -> (Engine, Vec<(PathBuf, Vec<u8>)>) {
    let engine = lab.start_with(once(step, act)).await;
    lab.push_usual(run);
    until_verified(&engine, run).await;
    let pushed = data_below(&lab.staging(run.as_str()));
    let answer = engine.clear(run.as_str()).await.unwrap();
    assert!(answer.clearing.is_some_and(|clearing| clearing.waiting.is_some()), "it waits");
    (engine, pushed)
}

/// A way to make a clear wait once its data is gone, and the way back.
type Hindrance = (&'static str, fn(&Path), fn(&Path));

const HINDRANCES: [Hindrance; 2] = [
    (
        "the NAS is away",
        |lab| fs::rename(lab.join("nas"), lab.join("away")).unwrap(),
        |lab| fs::rename(lab.join("away"), lab.join("nas")).unwrap(),
    ),
    (
        "a link is in the record",
        |lab| symlink("/etc/hostname", aside(&lab.join("staging")).join(".exlab-wizard/notes.txt")).unwrap(),
        |lab| fs::remove_file(aside(&lab.join("staging")).join(".exlab-wizard/notes.txt")).unwrap(),
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn d20_what_was_never_known_has_no_clear_to_call_off() {
    let (lab, known) = (Lab::new(), run("Run_1"));
    lab.push_usual(&known);
    let engine = lab.start().await;
    until_verified(&engine, &known).await;
    for (path, code) in [(&known, ErrorCode::NothingToCallOff), (&run("Run_2"), ErrorCode::NotFound)] {
        assert_eq!(engine.call_off(path.as_str()).await.unwrap_err().code, code, "{path}");
    }
    engine.stop().await;
}

/// All data is gone and was proven, and only the record is left: called off, that would be a row that nothing leads
/// out of. So it stays a clear, and ends.
#[tokio::test(flavor = "multi_thread")]
async fn d20_a_clear_of_which_all_data_is_gone_is_not_called_off_and_ends() {
    for (name, hinder, way_back) in HINDRANCES {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let folder = lab.path("");
        let (engine, pushed) = waits_after(&lab, &run, Checkpoint::DataUnlinked, move || hinder(&folder)).await;
        let problem = engine.call_off(run.as_str()).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::NothingToCallOff, "{name}: {problem:?}");
        assert!(problem.message.contains("all of its data is gone and was proven"), "{name}: {problem:?}");
        assert!(!lab.staging(run.as_str()).exists(), "{name}: it stays where it was");
        assert!(row(&engine, &run).await.clearing.is_some_and(|clearing| clearing.waiting.is_some()), "{name}");
        way_back(&lab.path(""));
        assert_eq!(engine.clear(run.as_str()).await.unwrap().clearing, None, "{name}");
        assert_eq!(files_below(&lab.path("staging")), [], "{name}");
        assert_eq!(data_below(&lab.nas(&run)), pushed, "{name}");
        assert_eq!(engine.cleared_runs(None, 10).await.unwrap().runs.len(), 1, "{name}");
        engine.stop().await;
    }
}

/// The same without an operator: the copy is damaged before the record is gone. There is nothing here to send again,
/// and nothing to put back; it waits, says so, and ends when the copy is restored.
#[tokio::test(flavor = "multi_thread")]
async fn d8_damage_found_when_all_data_is_gone_makes_no_row_that_nothing_leads_out_of() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let ((_, hinder, way_back), folder) = (HINDRANCES[1], lab.path(""));
    let (engine, pushed) = waits_after(&lab, &run, Checkpoint::DataUnlinked, move || hinder(&folder)).await;
    let there = lab.nas(&run).join("raw/frame_1.tif");
    let good = fs::read(&there).unwrap();
    fs::write(&there, "rotten").unwrap();
    let waiting = engine.clear(run.as_str()).await.unwrap().clearing.unwrap().waiting.unwrap();
    assert!(waiting.contains("raw/frame_1.tif") && waiting.contains("all of its data is gone"), "{waiting}");
    assert!(!lab.staging(run.as_str()).exists(), "nothing is put back");
    fs::write(&there, good).unwrap();
    way_back(&lab.path(""));
    assert_eq!(engine.clear(run.as_str()).await.unwrap().clearing, None);
    assert_eq!((files_below(&lab.path("staging")), data_below(&lab.nas(&run))), (Vec::new(), pushed));
    engine.stop().await;
}

fn takes_the_place(place: &Path) {
    fs::create_dir_all(place).unwrap();
    fs::write(place.join("new.tif"), "pushed anew").unwrap();
}

/// Says that something stands in the way, what to do, and nothing of what goes on by itself.
fn for_a_person(problem: &Problem, what: &str) {
    assert_eq!(problem.code, ErrorCode::StagingNotProven, "{problem:?}");
    let says = |part: &str| problem.message.contains(part);
    assert!(says(what) && !says("by itself") && !says("an operator called it off"), "{problem:?}");
}

/// What stands in the way of calling it off is a person's matter, and no fault of the disk.
#[tokio::test(flavor = "multi_thread")]
async fn d20_what_stands_in_the_way_of_calling_off_is_said_with_what_to_do() {
    for half in [false, true] {
        let (lab, run) = (Lab::new(), run("Run_1"));
        let (nas, away) = (lab.path("nas"), lab.path("away"));
        let staging = lab.path("staging");
        let (engine, pushed) = waits_after(&lab, &run, Checkpoint::FoundWhole, move || {
            fs::rename(nas, away).unwrap();
            if half {
                fs::remove_file(aside(&staging).join("raw/frame_1.tif")).unwrap();
            }
        })
        .await;
        let left = data_below(&aside(&lab.path("staging")));
        let project = lab.staging("SCOPE_01/Cortex Q3 Pilot");
        fs::rename(&project, lab.path("elsewhere")).unwrap();
        let problem = engine.call_off(run.as_str()).await.unwrap_err();
        for_a_person(&problem, "make it again first");
        fs::rename(lab.path("elsewhere"), &project).unwrap();
        takes_the_place(&lab.staging(run.as_str()));
        let problem = engine.call_off(run.as_str()).await.unwrap_err();
        for_a_person(&problem, "move that away first");
        assert_eq!(data_below(&aside(&lab.path("staging"))), left, "{half}: nothing moved");
        remove(&lab.staging(run.as_str()));
        engine.call_off(run.as_str()).await.unwrap();
        assert_eq!(data_below(&lab.staging(run.as_str())), left, "{half}");
        assert!(half != (left == pushed));
        engine.stop().await;
    }
}

/// Whole, proven, and aside; the NAS went away.
async fn waits_for_the_nas(lab: &Lab, run: &RunPath) -> (Engine, Vec<(PathBuf, Vec<u8>)>) {
    let (nas, away) = (lab.path("nas"), lab.path("away"));
    waits_after(lab, run, Checkpoint::FoundWhole, move || fs::rename(nas, away).unwrap()).await
}

/// What waits to be cleared was proven, and is not gone: whatever else is asked of it is told so, also where something
/// new stands at its path by now.
#[tokio::test(flavor = "multi_thread")]
async fn d20_an_act_on_a_run_whose_clear_waits_is_told_what_that_waits_for() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (engine, _) = waits_for_the_nas(&lab, &run).await;
    for place_taken in [false, true] {
        if place_taken {
            takes_the_place(&lab.staging(run.as_str()));
            engine.watcher().poll_once().await;
        }
        let letting = OverrideRequest {
            problem_class: "unresolved_placeholder_token".into(),
            reason: "The vendor names files so.".into(),
            operator: "kim".into(),
            expires_at: None,
        };
        let asked = [
            ("force-sync", engine.force_sync(run.as_str(), ForceSyncRequest::default()).await.map(drop)),
            ("retry", engine.retry(run.as_str()).await.map(drop)),
            ("override", engine.override_findings(run.as_str(), letting).await.map(drop)),
        ];
        for (act, answer) in asked {
            let problem = answer.unwrap_err();
            assert_eq!(problem.code, ErrorCode::RunBusy, "{act} {place_taken}: {problem:?}");
            let why = "its clear waits: the last look at the NAS had no answer";
            assert!(problem.message.contains(why), "{act} {place_taken}: {problem:?}");
        }
    }
    engine.stop().await;
}

/// While the NAS is away nothing is marked there.
async fn started_again(lab: &Lab) -> Engine {
    Engine::start(lab.settings.clone(), lab.options()).await.unwrap()
}

fn waiting(row: &RunRow) -> bool {
    row.clearing.as_ref().is_some_and(|clearing| clearing.waiting.is_some())
}

/// Why it cannot be cleared now is what its clear waits for; and nothing that was proven is said not to be.
#[tokio::test(flavor = "multi_thread")]
async fn d20_a_clear_that_waits_says_what_for_and_what_waits_also_after_a_restart() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (mut engine, pushed) = waits_for_the_nas(&lab, &run).await;
    let bytes: u64 = pushed.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    for restarted in [false, true] {
        if restarted {
            engine.stop().await;
            engine = started_again(&lab).await;
            until_row(&engine, &run, "it is shown", waiting).await;
        }
        let shown = until_row(&engine, &run, "its clear waits", waiting).await;
        assert_eq!(
            (shown.summary.file_count, shown.summary.byte_total, shown.job.is_some(), shown.proof.is_some()),
            (pushed.len() as u64, bytes, true, true),
            "{restarted}: what waits is shown"
        );
        assert_eq!(shown.actions.clear.reason.as_deref(), Some("clear_waits"), "{restarted}");
        let plan = engine.clear_plan(run.as_str()).await.unwrap();
        let failing: Vec<_> =
            plan.conditions.iter().filter(|condition| !condition.holds && !condition.automatic_only).collect();
        let codes: Vec<_> = failing.iter().map(|condition| condition.code.as_str()).collect();
        assert!(codes.contains(&"not_busy") && !codes.contains(&"sync_verified"), "{restarted}: {failing:?}");
        let busy = failing.iter().find(|condition| condition.code == "not_busy").unwrap();
        assert!(busy.value.starts_with("its clear waits: "), "{restarted}: {busy:?}");
    }
    engine.stop().await;
}

/// A staging disk that is not mounted when the program is started hides no clear that waits.
#[tokio::test(flavor = "multi_thread")]
async fn d20_a_clear_that_waits_for_the_staging_disk_needs_somebody() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (engine, _) = waits_for_the_nas(&lab, &run).await;
    engine.stop().await;
    fs::rename(lab.path("staging"), lab.path("disk")).unwrap();
    fs::create_dir(lab.path("staging")).unwrap();
    let engine = started_again(&lab).await;
    let shown = until_row(&engine, &run, "it is shown", |row| {
        row.clearing.as_ref().and_then(|clearing| clearing.waiting.as_ref()).is_some_and(|why| why.contains("mounted"))
    })
    .await;
    assert!(AttentionKind::ClearWaits.concerns(&shown));
    let attention = engine.overview().await.unwrap().attention;
    assert!(attention.iter().any(|item| item.kind == AttentionKind::ClearWaits), "{attention:?}");
    engine.stop().await;
}

/// A clear that cannot end before a person has moved something is refused with that, and does not "go on by itself".
#[tokio::test(flavor = "multi_thread")]
async fn d8_a_clear_that_waits_for_a_person_is_not_accepted_as_going_on() {
    let (lab, run) = (Lab::new(), run("Run_1"));
    let (engine, pushed) = waits_for_the_nas(&lab, &run).await;
    fs::rename(lab.path("away"), lab.path("nas")).unwrap();
    fs::write(lab.nas(&run).join("raw/frame_1.tif"), "rotten").unwrap();
    takes_the_place(&lab.staging(run.as_str()));
    let problem = engine.clear(run.as_str()).await.unwrap_err();
    for_a_person(&problem, "move that away first");
    assert!(problem.message.contains("raw/frame_1.tif"), "{problem:?}");
    assert!(waiting(&row(&engine, &run).await), "it stands, and its row says so");
    remove(&lab.staging(run.as_str()));
    assert_eq!(engine.clear(run.as_str()).await.unwrap_err().code, ErrorCode::DestinationNotProven);
    assert_eq!(data_below(&lab.staging(run.as_str())), pushed, "put back whole");
    engine.stop().await;
}
