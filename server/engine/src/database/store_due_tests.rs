//! When jobs are due: whoever waits is not waited for, and a clock that was ahead holds nothing up.

use super::*;

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn v24_a_run_whose_look_gave_no_answer_holds_up_no_other() {
    let (_folder, store) = store().await;
    for n in [0, 1] {
        store.enqueue(&admitted(&run(n)), 1, 1, n as i64).await.unwrap();
        let mut claim = store.claim("E", 10).await.unwrap().unwrap();
        sent(&store, &mut claim, n).await.unwrap();
        store.settle_verified(&claim, proof(n), 1 + n as i64).await.unwrap();
    }
    let oldest = store.reverify_due("E", 100, 100).await.unwrap().unwrap();
    assert_eq!(oldest.run, run(0));
    store.prove_again_at(&oldest, 200).await.unwrap();
    assert_eq!(store.reverify_due("E", 100, 199).await.unwrap().unwrap().run, run(1));
    let oldest = store.reverify_due("E", 100, 200).await.unwrap().unwrap();
    assert_eq!(oldest.run, run(0), "when its time has come it is looked at again");
    let proven = store.count_pass(&oldest, proof(0), ProofLevel::L4, 250).await.unwrap().unwrap();
    assert_eq!(proven.next_attempt_ms, 0);
}

#[tokio::test]
async fn s25_what_was_noted_while_the_clock_was_ahead_is_due_when_it_is_set_right() {
    let (_folder, store) = store().await;
    let ahead = 3_650 * DAY_MS;
    store.enqueue(&admitted(&run(0)), 1, 1, ahead).await.unwrap();
    let claim = store.claim("E", ahead).await.unwrap().unwrap();
    store.settle_postponed(&claim, Some(&failure(FailureClass::Network)), ahead + 30_000, true, false).await.unwrap();
    store.enqueue(&admitted(&run(1)), 1, 1, ahead).await.unwrap();
    let mut claim = store.claim("E", ahead).await.unwrap().unwrap();
    sent(&store, &mut claim, 1).await.unwrap();
    let proven = store.settle_verified(&claim, proof(1), ahead).await.unwrap();
    store.record_failed(&proven, ahead).await.unwrap();
    assert!(
        store.claim("E", DAY_MS).await.unwrap().is_none() && store.record_due("E", DAY_MS).await.unwrap().is_none()
    );

    assert_eq!(store.clock_went_back(DAY_MS).await.unwrap(), 2);
    assert_eq!(store.claim("E", DAY_MS).await.unwrap().map(|claim| claim.job().run.clone()), Some(run(0)));
    assert_eq!(store.record_due("E", DAY_MS).await.unwrap().map(|job| job.run), Some(run(1)));
    let again = store.reverify_due("E", 0, DAY_MS).await.unwrap();
    assert_eq!(
        again.map(|job| (job.run, job.state)),
        Some((run(1), JobState::Verified)),
        "a proof from days to come is proven anew"
    );
    assert_eq!(store.clock_went_back(DAY_MS).await.unwrap(), 0, "a second time there is nothing to do");
}

#[tokio::test]
async fn s25_a_wait_within_reason_is_kept_when_the_clock_goes_back() {
    let (_folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 0).await.unwrap();
    let claim = store.claim("E", 10).await.unwrap().unwrap();
    store.settle_postponed(&claim, Some(&failure(FailureClass::Network)), 7_200_000, true, false).await.unwrap();
    assert_eq!(store.clock_went_back(0).await.unwrap(), 0);
    assert_eq!(store.next_due_ms("E").await.unwrap(), Some(7_200_000));
}

#[tokio::test]
async fn s26_only_tries_that_bring_nothing_are_used_up() {
    let (_folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 0).await.unwrap();
    for (brought_something, attempts) in [(false, 1), (false, 2), (true, 1), (false, 2)] {
        let mut claim = store.claim("E", 10).await.unwrap().unwrap();
        if brought_something {
            store.got_on(&mut claim).await.unwrap();
            assert_eq!(claim.job().attempts, 0);
        }
        let job = store.settle_postponed(&claim, Some(&failure(FailureClass::Network)), 0, true, false).await.unwrap();
        assert_eq!(job.attempts, attempts);
    }
}

#[tokio::test]
async fn records_are_due_until_they_are_sent_with_a_wait_that_grows() {
    let (_folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 0).await.unwrap();
    let mut claim = store.claim("E", 0).await.unwrap().unwrap();
    sent(&store, &mut claim, 0).await.unwrap();
    let job = store.settle_verified(&claim, proof(0), 0).await.unwrap();
    let mut now = 0;
    for wait in [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000] {
        let due = store.record_due("E", now).await.unwrap().unwrap();
        assert_eq!(due.id, job.id);
        store.record_failed(&due, now).await.unwrap();
        assert_eq!(store.next_record_ms("E").await.unwrap(), Some(now + wait));
        assert_eq!(store.record_due("E", now + wait - 1).await.unwrap(), None);
        now += wait;
    }
    store.recover().await.unwrap();
    let due = store.record_due("E", 0).await.unwrap().expect("a start tries at once");
    // The proof is written into the record while the record without it is sent: what was sent is not the record.
    store.record_due_now(&job.id).await.unwrap();
    store.record_sent(&due).await.unwrap();
    store.record_failed(&due, 0).await.unwrap();
    let due = store.record_due("E", 0).await.unwrap().expect("due as it is now, at once");
    store.record_sent(&due).await.unwrap();
    assert_eq!(
        (store.record_due("E", i64::MAX).await.unwrap(), store.next_record_ms("E").await.unwrap()),
        (None, None)
    );
    store.record_due_now(&job.id).await.unwrap();
    assert!(store.record_due("E", 0).await.unwrap().is_some());
}

#[tokio::test]
async fn d26_a_life_that_was_cleared_is_retired_although_a_look_had_failed_before() {
    let (_folder, store) = store().await;
    store.enqueue(&admitted(&run(0)), 1, 1, 0).await.unwrap();
    let mut claim = store.claim("E", 0).await.unwrap().unwrap();
    assert!(store.retire_failed(claim.job()).await.unwrap().is_none(), "it is in work");
    sent(&store, &mut claim, 0).await.unwrap();
    let job = store.settle_verified(&claim, proof(0), 1).await.unwrap();
    let rot = failure(FailureClass::HashMismatch);
    let failed = store.advance(&job, JobEvent::Disproven, Some(&rot)).await.unwrap().unwrap();
    let retired = store.retire_failed(&failed).await.unwrap().unwrap();
    assert_eq!((retired.state, retired.error, retired.last_proof_ms), (JobState::Cleaned, None, Some(1)));
    assert!(store.cleared_due("E", 9, 9).await.unwrap().is_some(), "its copy is proven again as every other");
}
