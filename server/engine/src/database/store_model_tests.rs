//! Random events against a naive model: what a list of jobs in memory would do.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One event, with small numbers that choose what it happens to.
#[derive(Clone, Copy, Debug)]
enum Op {
    Enqueue { run: usize, generation: u64 },
    Claim { equipment: usize, now: i64 },
    Sent { claim: usize },
    HashRetry { claim: usize },
    Verified { claim: usize },
    Postponed { claim: usize, due: i64, attempt: bool, waiting: bool },
    Failed { claim: usize },
    Advance { job: usize, event: usize, stale: bool },
    Waiting { equipment: usize, gone: bool },
    MakeDue { job: usize },
    Pass { job: usize },
    Recover,
}

fn op() -> impl Strategy<Value = Op> {
    let claim = 0..4_usize;
    prop_oneof![
        3 => (0..RUNS.len(), 1..3_u64).prop_map(|(run, generation)| Op::Enqueue { run, generation }),
        4 => (0..2_usize, 0..40_i64).prop_map(|(equipment, now)| Op::Claim { equipment, now }),
        3 => claim.clone().prop_map(|claim| Op::Sent { claim }),
        1 => claim.clone().prop_map(|claim| Op::HashRetry { claim }),
        3 => claim.clone().prop_map(|claim| Op::Verified { claim }),
        2 => (claim.clone(), 0..60_i64, any::<bool>(), any::<bool>())
            .prop_map(|(claim, due, attempt, waiting)| Op::Postponed { claim, due, attempt, waiting }),
        1 => claim.prop_map(|claim| Op::Failed { claim }),
        3 => (0..8_usize, 0..EVENTS.len(), any::<bool>()).prop_map(|(job, event, stale)| Op::Advance { job, event, stale }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(equipment, gone)| Op::Waiting { equipment, gone }),
        1 => (0..8_usize).prop_map(|job| Op::MakeDue { job }),
        1 => (0..8_usize).prop_map(|job| Op::Pass { job }),
        1 => Just(Op::Recover),
    ]
}

const EVENTS: [JobEvent; 5] =
    [JobEvent::Rearmed, JobEvent::BecameEligible, JobEvent::LostEligibility, JobEvent::Disproven, JobEvent::Cleaned];

#[derive(Clone, Debug, PartialEq)]
struct Naive {
    run: usize,
    state: JobState,
    attempts: u32,
    hash_retries: u32,
    passes: u32,
    due: i64,
    waiting: bool,
    sealed: bool,
    enqueued: i64,
    /// Which claim may settle it.
    claim: Option<usize>,
}

/// The model, the store, and every claim ever given out, spent ones too.
struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
    jobs: BTreeMap<String, Naive>,
    /// As last read, for decisions on states that may be no more.
    read: BTreeMap<String, Job>,
    claims: Vec<Claim>,
    clock: i64,
}

impl Bench {
    async fn new() -> Bench {
        let (folder, store) = store().await;
        Bench { _folder: folder, store, jobs: BTreeMap::new(), read: BTreeMap::new(), claims: Vec::new(), clock: 0 }
    }

    fn nth_job(&self, n: usize) -> Option<String> {
        self.jobs.keys().nth(n % self.jobs.len().max(1)).cloned()
    }

    /// The claim's place from the newest, and its job, if the claim may still settle it.
    fn claim(&self, n: usize) -> Option<(usize, Option<String>)> {
        let at = self.claims.len().checked_sub(1 + n)?;
        let id = self.claims[at].job().id.clone();
        Some((at, Some(id.clone()).filter(|id| self.jobs[id].claim == Some(at))))
    }

    async fn apply(&mut self, op: Op) {
        self.clock += 1;
        match op {
            Op::Enqueue { run: n, generation } => {
                let job = self.store.enqueue(&admitted(&run(n)), 1, generation, self.clock).await.unwrap();
                let fresh = Naive {
                    run: n,
                    state: JobState::Queued,
                    attempts: 0,
                    hash_retries: 0,
                    passes: 0,
                    due: 0,
                    waiting: false,
                    sealed: false,
                    enqueued: self.clock,
                    claim: None,
                };
                self.jobs.entry(job.id).or_insert(fresh);
            }
            Op::Claim { equipment, now } => {
                let mine = |job: &Naive| run(job.run).equipment() == EQUIPMENT[equipment];
                let due =
                    self.jobs.iter().filter(|(_, job)| mine(job) && job.state == JobState::Queued && job.due <= now);
                let expected = due.min_by_key(|(_, job)| job.enqueued).map(|(id, _)| id.clone());
                let claim = self.store.claim(EQUIPMENT[equipment], now).await.unwrap();
                assert_eq!(claim.as_ref().map(|claim| claim.job().id.clone()), expected);
                if let (Some(claim), Some(id)) = (claim, expected) {
                    let at = self.claims.len();
                    let job = self.jobs.get_mut(&id).unwrap();
                    (job.state, job.claim, job.waiting) = (JobState::Running, Some(at), false);
                    self.claims.push(claim);
                }
            }
            Op::Recover => {
                self.store.recover().await.unwrap();
                for job in self.jobs.values_mut().filter(|job| job.state.is_in_work()) {
                    (job.state, job.claim, job.due) = (JobState::Queued, None, 0);
                }
            }
            Op::Waiting { equipment, gone } => {
                let why = gone.then(|| failure(FailureClass::DestinationUnreachable));
                self.store.set_waiting(EQUIPMENT[equipment], why.as_ref()).await.unwrap();
                let mine = |job: &&mut Naive| {
                    run(job.run).equipment() == EQUIPMENT[equipment] && job.state == JobState::Queued
                };
                self.jobs.values_mut().filter(mine).for_each(|job| job.waiting = gone);
            }
            Op::MakeDue { job } => {
                if let Some(id) = self.nth_job(job) {
                    self.store.make_due(&id).await.unwrap();
                    let job = self.jobs.get_mut(&id).unwrap();
                    if job.state == JobState::Queued {
                        (job.due, job.waiting) = (0, false);
                    }
                }
            }
            Op::Advance { job, event, stale } => self.advance(job, EVENTS[event], stale).await,
            Op::Pass { job } => self.pass(job).await,
            Op::Sent { claim } => self.settle(claim, Settle::Sent).await,
            Op::HashRetry { claim } => self.settle(claim, Settle::HashRetry).await,
            Op::Verified { claim } => self.settle(claim, Settle::Verified).await,
            Op::Postponed { claim, due, attempt, waiting } => {
                self.settle(claim, Settle::Postponed { due, attempt, waiting }).await
            }
            Op::Failed { claim } => self.settle(claim, Settle::Failed).await,
        }
        self.compare().await;
    }

    async fn advance(&mut self, n: usize, event: JobEvent, stale: bool) {
        let Some(id) = self.nth_job(n) else { return };
        let known = if stale { self.read.get(&id).cloned() } else { None };
        let decided_on = match known {
            Some(job) => job,
            None => self.store.job(&id).await.unwrap().unwrap(),
        };
        let moved = self.store.advance(&decided_on, event, None).await;
        let job = self.jobs.get_mut(&id).unwrap();
        match domain::job::apply(decided_on.state, event) {
            None => assert!(matches!(moved, Err(StoreError::Corrupt(_)))),
            Some(_) if job.state != decided_on.state => assert_eq!(moved.unwrap(), None),
            Some(next) => {
                assert_eq!(moved.unwrap().unwrap().state, next);
                job.state = next;
                if event == JobEvent::Rearmed {
                    (job.attempts, job.hash_retries, job.due, job.waiting) = (0, 0, 0, false);
                }
                if event == JobEvent::Cleaned {
                    job.due = 0;
                }
            }
        }
    }

    async fn pass(&mut self, n: usize) {
        let Some(id) = self.nth_job(n) else { return };
        let now = self.store.job(&id).await.unwrap().unwrap();
        let job = self.jobs.get_mut(&id).unwrap();
        if !matches!(job.state, JobState::AwaitingVerify | JobState::Verified | JobState::CleanupEligible) {
            return;
        }
        let counted = self.store.count_pass(&now, proof(job.run), ProofLevel::L3, 1).await.unwrap();
        if job.state == JobState::AwaitingVerify {
            assert_eq!(counted, None, "its first proof is settled by its claim alone");
        } else {
            assert!(counted.is_some());
            job.passes += 1;
        }
    }

    async fn settle(&mut self, n: usize, how: Settle) {
        let Some((at, id)) = self.claim(n) else { return };
        let state = self.claims[at].job().state;
        let which = self.jobs[&self.claims[at].job().id].run;
        let claim = &mut self.claims[at];
        let (event, done) = match how {
            Settle::Sent => (Some(JobEvent::Sent), sent(&self.store, claim, which).await.is_ok()),
            Settle::HashRetry => {
                (None, self.store.count_hash_retry(claim, &failure(FailureClass::HashMismatch)).await.is_ok())
            }
            Settle::Verified => {
                (Some(JobEvent::Proven), self.store.settle_verified(claim, proof(which), 3).await.is_ok())
            }
            Settle::Failed => (
                Some(JobEvent::GaveUp),
                self.store.settle_failed(claim, &failure(FailureClass::Conflict)).await.is_ok(),
            ),
            Settle::Postponed { due, attempt, waiting } => {
                let why = failure(FailureClass::Network);
                (
                    Some(JobEvent::Postponed),
                    self.store.settle_postponed(claim, Some(&why), due, attempt, waiting).await.is_ok(),
                )
            }
        };
        let next = event.map_or(Some(state), |event| domain::job::apply(state, event));
        assert_eq!(
            done,
            id.is_some() && next.is_some(),
            "{how:?} by a claim that {}",
            if id.is_some() { "holds" } else { "is spent" }
        );
        let (Some(id), Some(next)) = (id, next) else { return };
        let job = self.jobs.get_mut(&id).unwrap();
        job.state = next;
        match how {
            Settle::Sent => job.sealed = true,
            Settle::HashRetry => job.hash_retries += 1,
            Settle::Verified => (job.passes, job.claim, job.due) = (1, None, 0),
            Settle::Failed => (job.claim, job.waiting) = (None, false),
            Settle::Postponed { due, attempt, waiting } => {
                (job.claim, job.due, job.waiting) = (None, due, waiting);
                job.attempts += u32::from(attempt);
            }
        }
    }

    async fn compare(&mut self) {
        for (id, naive) in &self.jobs {
            let job = self.store.job(id).await.unwrap().unwrap();
            let found = Naive {
                run: RUNS.iter().position(|known| *known == job.run.as_str()).unwrap(),
                state: job.state,
                attempts: job.attempts,
                hash_retries: job.hash_retries,
                passes: job.verify_passes,
                due: job.next_attempt_ms,
                waiting: job.waiting,
                sealed: job.seal.is_some(),
                ..naive.clone()
            };
            assert_eq!(&found, naive);
            if self.clock % 3 == 0 {
                self.read.insert(id.clone(), job);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Settle {
    Sent,
    HashRetry,
    Verified,
    Postponed { due: i64, attempt: bool, waiting: bool },
    Failed,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever happens in whatever order, the store is what a list in memory would be, and a spent claim settles
    /// nothing.
    #[test]
    fn the_store_does_what_a_list_in_memory_would(ops in proptest::collection::vec(op(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new().await;
            for op in ops {
                bench.apply(op).await;
            }
            bench.store.close().await;
        });
    }
}
