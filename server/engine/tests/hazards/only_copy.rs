//! What the NAS holds of cleared runs is the only copy: it is proven again, and what is wrong with it is an alarm. The
//! clock is moved by hand.

use crate::support::*;
use domain::api::{AttentionItem, AttentionKind, DestinationHealth};
use domain::job::{FailureClass, JobState};
use domain::path::RunPath;
use domain::proof::ProofLevel;
use domain::timestamp::Timestamp;
use engine::Engine;
use engine::machine::clock::Clock;
use std::fs;
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn started(lab: &Lab, clock: &Clock) -> Engine {
    lab.mark().await;
    let mut options = lab.options();
    options.clock = clock.clone();
    Engine::start(lab.settings.clone(), options).await.unwrap()
}

fn clock() -> Clock {
    Clock::manual(Timestamp::parse("2026-04-17T14:32:00Z").unwrap())
}

/// A run that came, was proven, and was cleared.
async fn cleared(lab: &Lab, engine: &Engine, run: &RunPath) {
    lab.push_usual(run);
    engine.watcher().poll_once().await;
    until_verified(engine, run).await;
    engine.clear(run.as_str()).await.unwrap();
}

/// A minute, in which the worker looks for proofs that are due: each may be paid for with a pause.
fn a_minute_passes(engine: &Engine, clock: &Clock) {
    clock.advance(Duration::from_secs(61));
    engine.core().destinations.work_now(EQUIPMENT);
}

async fn alarms(engine: &Engine) -> Vec<AttentionItem> {
    let items = engine.overview().await.unwrap().attention;
    items.into_iter().filter(|item| item.kind == AttentionKind::ClearedDamaged).collect()
}

async fn until_alarms(engine: &Engine, clock: &Clock, count: usize) -> Vec<AttentionItem> {
    until(&format!("{count} alarms"), async || {
        a_minute_passes(engine, clock);
        Some(alarms(engine).await).filter(|alarms| alarms.len() == count)
    })
    .await
}

/// Another byte in a file, its size and times as before.
fn flip(path: &Path) {
    let (mut bytes, mtime) = (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap());
    bytes[500] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(mtime).unwrap();
}

/// How often the last life of a run was proven.
async fn passes(engine: &Engine, run: &RunPath) -> u32 {
    engine.run_detail(run.as_str()).await.unwrap().row.job.unwrap().verify_passes
}

#[tokio::test(flavor = "multi_thread")]
async fn v4_a_cleared_run_that_rots_on_the_nas_is_an_alarm_until_it_is_restored() {
    let (lab, clock, run) = (Lab::new(), clock(), run("Run_1"));
    let engine = started(&lab, &clock).await;
    cleared(&lab, &engine, &run).await;
    let due = clock.now().plus_seconds(30 * 86_400);
    let by = engine.status().destinations[0].read_again_by.unwrap();
    assert!(by >= due && by <= due.plus_seconds(2 * 3_600), "{by} {due}");
    flip(&lab.nas(&run).join("raw/frame_2.tif"));

    clock.advance(31 * DAY);
    let alarm = until_alarms(&engine, &clock, 1).await.remove(0);
    assert!(
        alarm.runs == 1 && alarm.message.contains(run.as_str()) && alarm.message.contains("raw/frame_2.tif"),
        "{alarm:?}"
    );
    assert!(alarm.remedy.contains("Nothing local is left") && alarm.remedy.contains("snapshot"), "{alarm:?}");
    assert_eq!(engine.status().cleared_damaged, 1);
    let gone = engine.cleared_runs(None, 10).await.unwrap();
    assert_eq!(gone.damaged, gone.runs);
    let damage = gone.runs[0].damage.as_ref().unwrap();
    assert_eq!((damage.code, gone.runs[0].proof_level), (FailureClass::HashMismatch, Some(ProofLevel::L3)));
    let detail = engine.run_detail(run.as_str()).await.unwrap();
    assert_eq!(detail.row.job.as_ref().unwrap().state, JobState::Cleaned, "nothing can be sent again");
    assert!(!detail.proofs[0].proven && detail.ledger[0].kind == "disproven", "{detail:?}");
    assert!(!engine.certificate(run.as_str()).await.unwrap().is_proven());

    // It outlives a start, and ends when the copy is as it was.
    engine.stop().await;
    let engine = started(&lab, &clock).await;
    assert_eq!(alarms(&engine).await, [alarm]);
    flip(&lab.nas(&run).join("raw/frame_2.tif"));
    clock.advance(DAY);
    until_alarms(&engine, &clock, 0).await;
    let detail = engine.run_detail(run.as_str()).await.unwrap();
    let (job, proof) = (detail.row.job.unwrap(), detail.row.proof.unwrap());
    assert_eq!((job.state, job.error, proof.level), (JobState::Cleaned, None, ProofLevel::L4));
    assert!(
        detail.ledger[0].kind == "proven"
            && detail.proofs[0].proven
            && engine.certificate(run.as_str()).await.unwrap().is_proven()
    );
    let gone = engine.cleared_runs(None, 10).await.unwrap();
    assert_eq!(
        (gone.damaged.as_slice(), gone.runs[0].damage.as_ref(), gone.runs[0].proven_at),
        ([].as_slice(), None, Some(proof.at))
    );
    assert!(engine.status().destinations[0].read_again_by.unwrap() > clock.now().plus_seconds(29 * 86_400));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_have_a_cleared_run_proven_at_once() {
    let (lab, clock, run) = (Lab::new(), clock(), run("Run_1"));
    let engine = started(&lab, &clock).await;
    cleared(&lab, &engine, &run).await;
    let before = passes(&engine, &run).await;
    flip(&lab.nas(&run).join("raw/frame_2.tif"));
    let answer = engine.verify(run.as_str()).await.unwrap();
    assert!(!answer.proven && answer.differences[0].path == "raw/frame_2.tif", "{answer:?}");
    assert_eq!(alarms(&engine).await.len(), 1);
    flip(&lab.nas(&run).join("raw/frame_2.tif"));
    let answer = engine.verify(run.as_str()).await.unwrap();
    assert!(answer.proven && answer.proof.as_ref().is_some_and(|proof| proof.passes == before + 1), "{answer:?}");
    assert_eq!(alarms(&engine).await, []);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_what_is_found_of_a_cleared_life_leaves_the_new_life_of_its_path_alone() {
    let (lab, clock, run) = (Lab::new(), clock(), run("Run_1"));
    let engine = started(&lab, &clock).await;
    cleared(&lab, &engine, &run).await;
    lab.push(&run, &[("raw/frame_9.tif", &[9; 1_000]), (SENTINEL, b"")]);
    engine.watcher().poll_once().await;
    until_verified(&engine, &run).await;
    flip(&lab.nas(&run).join("raw/frame_2.tif"));
    clock.advance(31 * DAY);
    let alarm = until_alarms(&engine, &clock, 1).await.remove(0);
    assert!(alarm.message.contains("raw/frame_2.tif"), "{alarm:?}");
    let row = until_row(&engine, &run, "proven before the cleared one", |row| {
        row.job.as_ref().is_some_and(|job| job.verify_passes == 2)
    })
    .await;
    let job = row.job.unwrap();
    assert_eq!((row.life, row.summary.current_state.as_str(), job.error), (2, "sync_verified", None));
    assert!(matches!(job.state, JobState::Verified | JobState::CleanupEligible), "{}", job.state);
    assert_eq!(row.proof.unwrap().level, ProofLevel::L4);
    engine.clear(run.as_str()).await.unwrap();
    let gone = engine.cleared_runs(None, 10).await.unwrap();
    let lives: Vec<_> = gone.runs.iter().map(|run| (run.life, run.damage.is_some())).collect();
    assert_eq!(lives, [(2, false), (1, true)]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_run_whose_seal_is_gone_is_an_alarm_and_holds_up_no_other() {
    let (lab, clock, runs) = (Lab::new(), clock(), [run("Run_1"), run("Run_2")]);
    let engine = started(&lab, &clock).await;
    cleared(&lab, &engine, &runs[0]).await;
    let seal = files_below(&lab.path("state/runs"))
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| path.ends_with("seal-1"))
        .unwrap();
    let seal = lab.path("state/runs").join(seal);
    clock.advance(DAY);
    cleared(&lab, &engine, &runs[1]).await;
    let before = passes(&engine, &runs[1]).await;
    fs::rename(&seal, lab.path("seal")).unwrap();
    clock.advance(32 * DAY);
    let alarm = until_alarms(&engine, &clock, 1).await.remove(0);
    assert!(alarm.message.contains("Run_1: it cannot be proven any more, because our seal is gone"), "{alarm:?}");
    assert!(alarm.remedy.contains("state folder"), "{alarm:?}");
    until("the other one is proven", async || {
        a_minute_passes(&engine, &clock);
        Some(passes(&engine, &runs[1]).await).filter(|passes| *passes == before + 1)
    })
    .await;
    let ledger = engine.run_detail(runs[0].as_str()).await.unwrap().ledger;
    let told = ledger.iter().filter(|entry| entry.kind == "unprovable").count();
    assert_eq!(told, 1, "looked at again after a day, not before");
    fs::rename(lab.path("seal"), &seal).unwrap();
    clock.advance(DAY);
    until_alarms(&engine, &clock, 0).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nas_that_does_not_answer_proves_nothing_of_a_cleared_run() {
    let (lab, clock, run) = (Lab::new(), clock(), run("Run_1"));
    let engine = started(&lab, &clock).await;
    cleared(&lab, &engine, &run).await;
    let before = passes(&engine, &run).await;
    fs::rename(lab.path("nas/SCOPE_01"), lab.path("unmounted")).unwrap();
    clock.advance(31 * DAY);
    until("it is told", async || {
        a_minute_passes(&engine, &clock);
        Some(()).filter(|()| engine.status().destinations[0].health == DestinationHealth::Unreachable)
    })
    .await;
    assert_eq!((alarms(&engine).await, passes(&engine, &run).await), (vec![], before));
    fs::rename(lab.path("unmounted"), lab.path("nas/SCOPE_01")).unwrap();
    until("it is proven when the NAS is back", async || {
        a_minute_passes(&engine, &clock);
        Some(passes(&engine, &run).await).filter(|passes| *passes == before + 1)
    })
    .await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cleared_runs_that_are_never_looked_at_again_are_no_alarm_and_still_listed() {
    let (mut lab, clock, run) = (Lab::new(), clock(), run("Run_1"));
    lab.settings.verify.reverify_cleared_seconds = None;
    let engine = started(&lab, &clock).await;
    cleared(&lab, &engine, &run).await;
    assert_eq!(engine.status().destinations[0].read_again_by, None);
    flip(&lab.nas(&run).join("raw/frame_2.tif"));
    assert!(!engine.verify(run.as_str()).await.unwrap().proven, "who asks is told");
    assert_eq!((alarms(&engine).await, engine.status().cleared_damaged), (vec![], 0));
    assert_eq!(engine.cleared_runs(None, 10).await.unwrap().damaged.len(), 1);
    engine.stop().await;
}
