//! The queue: who may settle what, and random events against a naive model of it.

use super::*;
use crate::files::hash::Hasher;
use crate::files::source::StagingRoot;
use crate::keep::seal::{Item, Listing, SealWriter};
use crate::machine::clock::Clock;
use crate::machine::progress::ProgressSink;
use crate::transport::mount::MountTransport;
use crate::transport::{CallContext, Marker, Transport};
use crate::verify::{Verification, VerifiedManifest, verify};
use domain::gate::{Admitted, Circumstances, EquipmentStanding, Judge};
use domain::job::{FailureClass, JobEvent, JobState, Side};
use domain::path::RunPath;
use domain::proof::{ProofLevel, Totals};
use domain::settings::Validator;
use domain::timestamp::Timestamp;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

const RUNS: [&str; 4] = ["E/P/Runs/Run_0", "E/P/Runs/Run_1", "E/P/Runs/Run_2", "F/P/Runs/Run_3"];
const EQUIPMENT: [&str; 2] = ["E", "F"];

fn run(n: usize) -> RunPath {
    RunPath::parse(RUNS[n]).unwrap()
}

fn admitted(run: &RunPath) -> Admitted {
    let validator = Validator::default();
    let about = Circumstances {
        run,
        creation: None,
        equipment: EquipmentStanding::SyncedHere,
        validator: &validator,
        now: Timestamp::default(),
        already_verified: false,
    };
    Judge::new(about).finish().admit().unwrap()
}

fn failure(class: FailureClass) -> Failure {
    Failure { class, side: Side::Destination, message: format!("it was {class}") }
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    (folder, store)
}

/// A real proof of every run, made once: there is no other way to get one.
fn proof(n: usize) -> &'static VerifiedManifest {
    static PROOFS: OnceLock<Vec<VerifiedManifest>> = OnceLock::new();
    &PROOFS.get_or_init(|| {
        // A thread of its own: the tests that ask are inside a runtime.
        let made = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { futures::future::join_all((0..RUNS.len()).map(prove)).await })
        });
        made.join().unwrap()
    })[n]
}

async fn prove(n: usize) -> VerifiedManifest {
    let (folder, run) = (tempfile::tempdir().unwrap(), run(n));
    let (staging, nas) = (folder.path().join("staging"), folder.path().join("nas"));
    let there = nas.join(run.below_equipment());
    for place in [staging.join(run.as_str()), there] {
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("a"), run.as_str()).unwrap();
    }
    let source = StagingRoot::open(&staging).unwrap().run(&run).unwrap();
    let listing = Listing::of_run(&source, &folder.path().join("listing"), 0, |_| {}).unwrap();
    let seal = SealWriter::open(&listing, &folder.path().join("seal")).unwrap();
    let cancel = CancellationToken::new();
    for item in listing.items().unwrap() {
        let Item::File { path, stat, .. } = item.unwrap() else { continue };
        let hashed = Hasher::new().local(&source, &path, &stat, &cancel, &|_| ()).unwrap();
        seal.put(&path, stat, hashed.digest, hashed.began_ns).unwrap();
    }
    let seal = seal.finish(0).unwrap();
    let transport = MountTransport::new(nas, staging);
    let context = CallContext { cancel, progress: ProgressSink::new(), limit: Arc::new(|| None) };
    let marker = Marker {
        what: "test".into(),
        installation: "test".into(),
        equipment: run.equipment().into(),
        created_at: Clock::system().now(),
        host: "test".into(),
    };
    transport.mark(&marker, false, &context).await.unwrap();
    match verify(&transport, &run, &seal, Some(&source), &context).await.unwrap() {
        Verification::Proven(manifest) => manifest,
        Verification::Differs { reason, .. } => panic!("{reason}"),
    }
}

const TOTALS: Totals = Totals { files: 1, bytes: 14 };

async fn sent(store: &Store, claim: &mut Claim, n: usize) -> Result<(), StoreError> {
    store.sent(claim, proof(n).seal_digest(), 7, TOTALS, "/nas/P/Runs").await
}

#[tokio::test]
async fn two_claimers_never_get_the_same_job_and_a_claim_settles_once() {
    let (_folder, store) = store().await;
    for n in 0..3 {
        store.enqueue(&admitted(&run(n)), 1, 1, n as i64).await.unwrap();
    }
    let claims = futures::future::join_all((0..8).map(|_| store.claim("E", 10))).await;
    let mut claimed: Vec<_> = claims.into_iter().filter_map(Result::unwrap).collect();
    let mut runs: Vec<_> = claimed.iter().map(|claim| claim.job().run.clone()).collect();
    runs.sort();
    assert_eq!(runs, [run(0), run(1), run(2)]);
    let claim = claimed.pop().unwrap();
    let failed = store.settle_failed(&claim, &failure(FailureClass::Conflict)).await.unwrap();
    assert_eq!((failed.state, failed.error), (JobState::Failed, Some(failure(FailureClass::Conflict))));
    let again = store.settle_postponed(&claim, None, 0, true, false).await;
    assert!(matches!(again, Err(StoreError::Corrupt(_))), "{again:?}");
}

#[tokio::test]
async fn the_oldest_due_job_of_the_equipment_comes_first() {
    let (_folder, store) = store().await;
    for (n, at) in [(2, 30), (0, 10), (1, 20), (3, 5)] {
        store.enqueue(&admitted(&run(n)), 1, 1, at).await.unwrap();
    }
    let first = store.claim("E", 100).await.unwrap().unwrap();
    assert_eq!(first.job().run, run(0));
    store.settle_postponed(&first, Some(&failure(FailureClass::Network)), 500, true, false).await.unwrap();
    assert_eq!(store.claim("E", 100).await.unwrap().unwrap().job().run, run(1));
    assert_eq!(store.claim("E", 100).await.unwrap().unwrap().job().run, run(2));
    assert!(store.claim("E", 499).await.unwrap().is_none());
    assert_eq!(store.next_due_ms("E").await.unwrap(), Some(500));
    assert_eq!(store.claim("E", 500).await.unwrap().unwrap().job().attempts, 1);
    assert_eq!(store.next_due_ms("F").await.unwrap(), Some(0));
}

#[tokio::test]
async fn every_change_of_a_job_counts_and_an_older_answer_never_takes_the_place_of_a_newer_one() {
    let (folder, store) = store().await;
    let queued = store.enqueue(&admitted(&run(0)), 1, 1, 1).await.unwrap();
    let waits =
        store.set_waiting("E", Some(&failure(FailureClass::DestinationUnreachable))).await.unwrap().pop().unwrap();
    store.make_due(&queued.id).await.unwrap();
    let claimed = store.claim("E", 9).await.unwrap().unwrap().job().clone();
    assert_eq!((queued.revision, waits.revision, claimed.revision), (0, 1, 3));
    let mut facts = crate::tell::index::Facts::new(run(0), 1);
    for (told, shown) in [(&waits, &waits), (&queued, &waits), (&claimed, &claimed), (&waits, &claimed)] {
        facts.take_job(told.clone());
        assert_eq!(facts.job.as_ref(), Some(shown));
    }
    let forgetful =
        sqlx::query("UPDATE jobs SET waiting = 1 WHERE id = $1").bind(&queued.id).execute(&store.writer).await;
    assert!(forgetful.unwrap_err().to_string().contains("must count its revision"));
    store.close().await;
    // A database that knew no revisions is taken over.
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
    let options = SqliteConnectOptions::new().filename(folder.path().join("queue.db"));
    let pool = pool.connect_with(options).await.unwrap();
    let older = "DROP TRIGGER jobs_count_their_changes; ALTER TABLE jobs DROP COLUMN revision; DROP TABLE _sqlx_migrations; PRAGMA user_version = 0;";
    sqlx::raw_sql(older).execute(&pool).await.unwrap();
    pool.close().await;
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.recover().await.unwrap().pop().map(|job| (job.id, job.revision)), Some((queued.id, 1)));
}

/// Writing to a mapped file on a full disk that copies what is written (btrfs) is a SIGBUS, which no program outlives.
#[tokio::test]
async fn s22_no_file_of_the_database_is_mapped() {
    let (folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 1).await.unwrap();
    assert!(folder.path().join("queue.db-wal").exists(), "it is in use");
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ours: Vec<&str> = maps.lines().filter(|line| line.contains(folder.path().to_str().unwrap())).collect();
    assert_eq!(ours, [""; 0]);
    store.close().await;
}

#[tokio::test]
async fn enqueueing_the_same_content_again_is_the_same_job() {
    let (_folder, store) = store().await;
    let first = store.enqueue(&admitted(&run(0)), 1, 1, 1).await.unwrap();
    let claim = store.claim("E", 1).await.unwrap().unwrap();
    let again = store.enqueue(&admitted(&run(0)), 1, 1, 9).await.unwrap();
    assert_eq!((again.id, again.state), (first.id, JobState::Running));
    let next = store.enqueue(&admitted(&run(0)), 1, 2, 9).await.unwrap();
    assert_eq!((next.generation, next.state), (2, JobState::Queued));
    let new_life = store.enqueue(&admitted(&run(0)), 2, 1, 9).await.unwrap();
    assert_ne!(new_life.id, next.id);
    assert_eq!(store.latest_job(&run(0), 1).await.unwrap().unwrap().generation, 2);
    let unproven: Vec<_> =
        store.unproven_jobs().await.unwrap().into_iter().map(|job| (job.life, job.generation)).collect();
    assert_eq!(unproven, [(1, 2), (2, 1)], "the newest generation of every life that has not ended");
    drop(claim);
}

#[tokio::test]
async fn s2_s6_what_was_in_work_is_queued_again_and_the_old_claims_are_worth_nothing() {
    let (folder, store) = store().await;
    for n in 0..3 {
        store.enqueue(&admitted(&run(n)), 1, 1, n as i64).await.unwrap();
    }
    let running = store.claim("E", 10).await.unwrap().unwrap();
    let mut awaiting = store.claim("E", 10).await.unwrap().unwrap();
    sent(&store, &mut awaiting, 1).await.unwrap();
    assert_eq!(awaiting.job().state, JobState::AwaitingVerify);
    store.close().await;

    let store = Store::open(folder.path()).await.unwrap();
    let mut recovered: Vec<_> = store.recover().await.unwrap().into_iter().map(|job| job.run).collect();
    recovered.sort();
    assert_eq!(recovered, [run(0), run(1)]);
    for claim in [&running, &awaiting] {
        let job = store.job(&claim.job().id).await.unwrap().unwrap();
        assert_eq!((job.state, job.attempts, job.next_attempt_ms), (JobState::Queued, 0, 0));
    }
    assert!(store.settle_failed(&running, &failure(FailureClass::Unknown)).await.is_err());
    assert!(store.settle_verified(&awaiting, proof(1), 5).await.is_err());
    assert_eq!(store.recover().await.unwrap(), [], "a second time there is nothing to do");
}

#[tokio::test]
async fn s3_what_a_fault_left_in_work_is_failed_for_its_equipment_alone() {
    let (_folder, store) = store().await;
    for n in [0, 1, 3] {
        store.enqueue(&admitted(&run(n)), 1, 1, n as i64).await.unwrap();
    }
    let claim = store.claim("E", 10).await.unwrap().unwrap();
    let other = store.claim("F", 10).await.unwrap().unwrap();
    let failed = store.fail_abandoned("E", &failure(FailureClass::Unknown)).await.unwrap();
    assert_eq!(failed.iter().map(|job| job.run.clone()).collect::<Vec<_>>(), [run(0)]);
    assert!(store.settle_postponed(&claim, None, 0, false, false).await.is_err());
    store.settle_postponed(&other, None, 0, false, false).await.unwrap();
    assert_eq!(store.latest_job(&run(1), 1).await.unwrap().unwrap().state, JobState::Queued);
}

#[tokio::test]
async fn s9_the_second_sending_is_counted_apart_and_nothing_but_a_rearming_resets_it() {
    let (_folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 0).await.unwrap();
    let mut claim = store.claim("E", 0).await.unwrap().unwrap();
    sent(&store, &mut claim, 0).await.unwrap();
    store.count_hash_retry(&mut claim, &failure(FailureClass::HashMismatch)).await.unwrap();
    assert_eq!((claim.job().hash_retries, claim.job().state), (1, JobState::AwaitingVerify));
    let job = store.settle_postponed(&claim, Some(&failure(FailureClass::Network)), 0, true, false).await.unwrap();
    assert_eq!((job.hash_retries, job.attempts, job.error), (1, 1, Some(failure(FailureClass::Network))));
    let claim = store.claim("E", 0).await.unwrap().unwrap();
    assert_eq!(claim.job().hash_retries, 1);
    let failed = store.settle_failed(&claim, &failure(FailureClass::HashMismatch)).await.unwrap();
    assert_eq!(failed.hash_retries, 1);
    let rearmed = store.advance(&failed, JobEvent::Rearmed, None).await.unwrap().unwrap();
    assert_eq!((rearmed.hash_retries, rearmed.attempts, rearmed.error, rearmed.state), (0, 0, None, JobState::Queued));
    assert_eq!(
        store.advance(&failed, JobEvent::Rearmed, None).await.unwrap(),
        None,
        "decided on a state that is no more"
    );
}

#[tokio::test]
async fn jobs_wait_for_their_destination_and_say_why_and_keep_an_earlier_failure_apart() {
    let (_folder, store) = store().await;
    for n in [0, 1, 3] {
        store.enqueue(&admitted(&run(n)), 1, 1, n as i64).await.unwrap();
    }
    let claim = store.claim("E", 0).await.unwrap().unwrap();
    store.settle_postponed(&claim, Some(&failure(FailureClass::Network)), 900, true, false).await.unwrap();
    let gone = failure(FailureClass::DestinationUnreachable);
    assert_eq!(store.set_waiting("E", Some(&gone)).await.unwrap().len(), 2);
    assert_eq!(store.set_waiting("E", Some(&gone)).await.unwrap(), [], "told once");
    let other = failure(FailureClass::DestinationForeign);
    assert_eq!(store.set_waiting("E", Some(&other)).await.unwrap().len(), 2, "another reason is news");
    let waiting = store.latest_job(&run(0), 1).await.unwrap().unwrap();
    assert_eq!(
        (waiting.waiting, waiting.error, waiting.attempts, waiting.next_attempt_ms),
        (true, Some(other), 1, 900)
    );
    let back = store.set_waiting("E", None).await.unwrap();
    assert!(back.len() == 2 && back.iter().all(|job| !job.waiting && job.error.is_none()), "{back:?}");
    assert!(!store.latest_job(&run(3), 1).await.unwrap().unwrap().waiting, "another equipment's");
    store.make_due(&waiting.id).await.unwrap();
    assert_eq!(store.claim("E", 0).await.unwrap().unwrap().job().run, run(0));
}

#[tokio::test]
async fn only_a_proof_of_its_own_seal_verifies_a_job() {
    let (_folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 0).await.unwrap();
    let mut claim = store.claim("E", 0).await.unwrap().unwrap();
    assert!(store.settle_verified(&claim, proof(0), 5).await.is_err(), "nothing was sent yet");
    sent(&store, &mut claim, 0).await.unwrap();
    assert!(store.settle_verified(&claim, proof(1), 5).await.is_err(), "another run's");
    let job = store.settle_verified(&claim, proof(0), 5_000).await.unwrap();
    assert_eq!(
        (job.state, job.verify_passes, job.first_proof_ms, job.record_sent),
        (JobState::Verified, 1, Some(5_000), false)
    );
    let job = store.count_pass(&job, proof(0), ProofLevel::L4, 9_000).await.unwrap().unwrap();
    assert_eq!((job.verify_passes, job.first_proof_ms, job.last_proof_ms), (2, Some(5_000), Some(9_000)));
    assert_eq!(store.count_pass(&job, proof(1), ProofLevel::L4, 9_000).await.unwrap(), None, "of another seal");
    let proofs: Vec<_> =
        store.proofs(&run(0), 1).await.unwrap().into_iter().map(|(_, proof)| (proof.at_ms, proof.level)).collect();
    assert_eq!(proofs, [(9_000, ProofLevel::L4), (5_000, proof(0).level())]);
    let cleaned = store.advance(&job, JobEvent::Cleaned, None).await.unwrap().unwrap();
    assert_eq!(cleaned.state, JobState::Cleaned);
    assert!(store.advance(&cleaned, JobEvent::Rearmed, None).await.is_err(), "D5: retired for good");
    assert_eq!(store.count_pass(&job, proof(0), ProofLevel::L4, 9_500).await.unwrap(), None);
}

#[tokio::test]
async fn of_a_runs_generations_only_the_newest_is_proven_again() {
    let (_folder, store) = store().await;
    for generation in [1, 2] {
        store.enqueue(&admitted(&run(0)), 1, generation, 0).await.unwrap();
        let mut claim = store.claim("E", 0).await.unwrap().unwrap();
        assert_eq!(store.reverify_due("E", 9, 9).await.unwrap(), None, "the first of all, or a newer one on its way");
        sent(&store, &mut claim, 0).await.unwrap();
        let job = store.settle_verified(&claim, proof(0), i64::try_from(generation).unwrap()).await.unwrap();
        assert_eq!(store.reverify_due("E", 9, 9).await.unwrap(), Some(job));
    }
    assert_eq!(store.reverify_due("E", 1, 9).await.unwrap(), None);
}

#[tokio::test]
async fn a_life_and_its_ledger_line_are_recorded_once_and_together() {
    let (_folder, store) = store().await;
    let life = ClearedLife {
        run: run(0),
        life: 1,
        cleared_ms: 1_000,
        freed: TOTALS,
        nas_path: "/nas".into(),
        seal: None,
        last_row: "{}".into(),
        history: "{}".into(),
    };
    assert_eq!(store.current_life(&run(0)).await.unwrap(), 1);
    store.end_life(&life, Some("first")).await.unwrap();
    store.end_life(&ClearedLife { freed: Totals::default(), ..life.clone() }, Some("again")).await.unwrap();
    assert_eq!(store.current_life(&run(0)).await.unwrap(), 2);
    let ended = store.last_ended_life(&run(0)).await.unwrap().unwrap();
    assert_eq!(ended.freed, TOTALS);
    let ledger: Vec<_> =
        store.ledger(&run(0)).await.unwrap().into_iter().map(|entry| (entry.kind, entry.detail)).collect();
    assert_eq!(ledger, [("cleared".to_owned(), "first".to_owned())]);
    for n in 2..6 {
        store.end_life(&ClearedLife { life: n, ..life.clone() }, None).await.unwrap();
    }
    let page = store.cleared_runs(None, 2).await.unwrap();
    assert_eq!(page.iter().map(|(_, cleared)| cleared.life).collect::<Vec<_>>(), [5, 4]);
    let next = store.cleared_runs(Some(page[1].0), 9).await.unwrap();
    assert_eq!(next.iter().map(|(_, cleared)| cleared.life).collect::<Vec<_>>(), [3, 2, 1]);
}

#[tokio::test]
async fn an_intent_advances_from_the_step_it_was_decided_on_and_keeps_what_it_knows() {
    let (folder, store) = store().await;
    let mut intent = store.intend("one", &run(0), 1, "job", 5).await.unwrap();
    let mut stale = intent.clone();
    intent.history = "history".into();
    intent.last_row = "row".into();
    store.advance_intent(&mut intent, ClearStep::Recorded).await.unwrap();
    assert!(store.advance_intent(&mut stale, ClearStep::Recorded).await.is_err(), "somebody else was faster");
    intent.freed = TOTALS;
    intent.record = TOTALS;
    intent.waiting = Some("for the NAS".into());
    store.note_intent(&intent).await.unwrap();
    store.close().await;
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.open_intents().await.unwrap(), [intent.clone()]);
    store.advance_intent(&mut intent, ClearStep::Done).await.unwrap();
    assert_eq!(store.open_intents().await.unwrap(), []);
}

#[path = "store_cleared_tests.rs"]
mod cleared;
#[path = "store_due_tests.rs"]
mod due;
#[path = "store_model_tests.rs"]
mod model;
