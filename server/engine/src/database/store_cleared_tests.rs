//! Cleared runs: when their copies are looked at again, and what is kept of each look.

use super::*;

const LEVEL: ProofLevel = ProofLevel::L3;

/// A run that was tried once, proven at `at`, and cleared.
async fn cleared(store: &Store, n: usize, at: i64) -> Job {
    store.enqueue(&admitted(&run(n)), 1, 1, 0).await.unwrap();
    let claim = store.claim(run(n).equipment(), 0).await.unwrap().unwrap();
    store.settle_postponed(&claim, Some(&failure(FailureClass::Network)), 1, true, false).await.unwrap();
    let mut claim = store.claim(run(n).equipment(), 1).await.unwrap().unwrap();
    sent(store, &mut claim, n).await.unwrap();
    let job = store.settle_verified(&claim, proof(n), at).await.unwrap();
    let life = ClearedLife {
        run: run(n),
        life: 1,
        cleared_ms: at,
        freed: TOTALS,
        nas_path: "/nas".into(),
        seal: job.seal,
        last_row: String::new(),
        history: String::new(),
    };
    store.end_life(&life, None).await.unwrap();
    store.advance(&job, JobEvent::Cleaned, None).await.unwrap().unwrap()
}

fn disproof(at_ms: i64) -> NewProof {
    NewProof {
        at_ms,
        proven: false,
        level: ProofLevel::L1,
        method: "read".into(),
        totals: TOTALS,
        detail: "a differs".into(),
    }
}

async fn due(store: &Store, before: i64, now: i64) -> Option<RunPath> {
    store.cleared_due("E", before, now).await.unwrap().map(|job| job.run)
}

#[tokio::test]
async fn the_copy_that_waits_longest_is_looked_at_next_and_a_damaged_one_holds_up_nobody() {
    let (_folder, store) = store().await;
    let mut jobs = Vec::new();
    for (n, at) in [(0, 10), (1, 20), (2, 30), (3, 5)] {
        jobs.push(cleared(&store, n, at).await);
    }
    assert!(jobs.iter().all(|job| job.next_attempt_ms == 0), "what it waited for once is no next look");
    assert_eq!(due(&store, 9, 1_000).await, None);
    assert_eq!(due(&store, 25, 1_000).await, Some(run(0)));
    store
        .note_cleared_look(&jobs[0], Some(&failure(FailureClass::HashMismatch)), Some(&disproof(26)), 40)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(due(&store, 25, 39).await, Some(run(1)));
    assert_eq!(due(&store, 25, 40).await, Some(run(1)), "it waits longer than the damaged one");
    store.count_cleared_pass(&jobs[1], proof(1), LEVEL, 50).await.unwrap().unwrap();
    assert_eq!(due(&store, 25, 39).await, None);
    assert_eq!(due(&store, 25, 40).await, Some(run(0)), "restored or not, it is looked at again");
    assert_eq!(due(&store, 30, 40).await, Some(run(2)));
    store.count_cleared_pass(&jobs[2], proof(2), LEVEL, 60).await.unwrap().unwrap();
    assert_eq!(due(&store, 60, 70).await, Some(run(0)), "the others do not hold it up for ever either");
}

#[tokio::test]
async fn a_look_at_a_copy_is_kept_and_leaves_the_state_alone() {
    let (_folder, store) = store().await;
    let (job, damage) = (cleared(&store, 0, 10).await, failure(FailureClass::HashMismatch));
    let damaged = store.note_cleared_look(&job, Some(&damage), Some(&disproof(20)), 40).await.unwrap().unwrap();
    assert_eq!(
        (damaged.state, damaged.error.as_ref(), damaged.last_proof_ms),
        (JobState::Cleaned, Some(&damage), Some(10))
    );
    let unread = store.note_cleared_look(&job, None, Some(&disproof(50)), 90).await.unwrap().unwrap();
    assert_eq!(
        (unread.error.as_ref(), unread.next_attempt_ms),
        (Some(&damage), 90),
        "what could not be read proves nothing"
    );
    let unanswered = store.note_cleared_look(&job, None, None, 99).await.unwrap().unwrap();
    assert_eq!(unanswered.error, Some(damage));

    assert_eq!(store.count_cleared_pass(&job, proof(1), LEVEL, 95).await.unwrap(), None, "of another seal");
    let whole = store.count_cleared_pass(&job, proof(0), ProofLevel::L4, 100).await.unwrap().unwrap();
    assert_eq!((whole.state, whole.error, whole.next_attempt_ms, whole.verify_passes), (JobState::Cleaned, None, 0, 2));
    assert_eq!(
        (whole.first_proof_ms, whole.last_proof_ms, whole.proof_level),
        (Some(10), Some(100), Some(ProofLevel::L4))
    );
    assert_eq!(whole.revision, job.revision + 4, "every change counts");
    let kept: Vec<_> =
        store.proofs(&run(0), 1).await.unwrap().into_iter().map(|(_, proof)| (proof.at_ms, proof.proven)).collect();
    assert_eq!(kept, [(100, true), (50, false), (20, false), (10, true)]);
}

#[tokio::test]
async fn only_the_job_of_a_cleared_run_is_changed_by_a_look_at_its_copy() {
    let (_folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 0).await.unwrap();
    let mut claim = store.claim("E", 0).await.unwrap().unwrap();
    sent(&store, &mut claim, 0).await.unwrap();
    let verified = store.settle_verified(&claim, proof(0), 5).await.unwrap();
    assert_eq!(due(&store, i64::MAX, i64::MAX).await, None);
    assert_eq!(store.count_cleared_pass(&verified, proof(0), LEVEL, 6).await.unwrap(), None);
    assert_eq!(store.note_cleared_look(&verified, None, Some(&disproof(6)), 7).await.unwrap(), None);
    assert_eq!(store.job(&verified.id).await.unwrap(), Some(verified));
    assert_eq!(store.proofs(&run(0), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_of_cleared_runs_says_when_each_was_proven_and_which_are_damaged() {
    let (folder, store) = store().await;
    let hour = 3_600_000;
    let first = cleared(&store, 0, 10).await;
    cleared(&store, 1, hour - 1).await;
    cleared(&store, 3, hour).await;
    assert_eq!(store.damaged_runs(9).await.unwrap(), []);
    store.note_cleared_look(&first, Some(&failure(FailureClass::HashMismatch)), None, 40).await.unwrap().unwrap();
    store.close().await;
    // An older database has no index of these; it gets one.
    let store = Store::open(folder.path()).await.unwrap();
    let listed: Vec<_> = store.cleared_runs(None, 9).await.unwrap().into_iter().map(|(_, run)| run).collect();
    let proven: Vec<_> =
        listed.iter().map(|run| (run.proven_at.unwrap().unix_seconds(), run.damage.is_some())).collect();
    assert_eq!(proven, [(3_600, false), (3_599, false), (0, true)]);
    let damaged = store.damaged_runs(9).await.unwrap();
    assert_eq!(damaged, [listed[2].clone()]);
    let damage = damaged[0].damage.as_ref().unwrap();
    assert_eq!(
        (damage.message.as_str(), damage.remedy.as_str()),
        ("it was hash_mismatch", damage.code.remedy_when_cleared())
    );
    assert_eq!(store.cleared_damaged_jobs().await.unwrap().len(), 1);
    let mut hours: Vec<_> =
        store.cleared_hours().await.unwrap().into_iter().map(|of| (of.equipment_id, of.hour, of.bytes)).collect();
    hours.sort();
    assert_eq!(hours, [("E".to_owned(), 1, 2 * TOTALS.bytes), ("F".to_owned(), 2, TOTALS.bytes)]);
    assert_eq!((hour_after(10), hour_after(hour - 1), hour_after(hour)), (1, 1, 2));
}
