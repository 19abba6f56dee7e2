//! A few threads work on a stream of small things; the results come back in the stream's order, within a bounded
//! window.
//!
//! Things are handed out in batches, so that ten thousand small files do not cost ten thousand wake-ups; a big file is
//! a batch of its own. The calling thread feeds and collects.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Things of one batch at most.
const BATCH: usize = 16;
/// Weight of one batch from which on it is handed out.
const BATCH_WEIGHT: u64 = 1 << 20;
/// Batches whose results may wait for an earlier one.
const WINDOW: u64 = 512;

/// Threads for work on files, whatever the number of cores: with small files they mostly wait, for a disk or a server.
pub(crate) const WORKERS: usize = 4;

/// Runs `work` on everything `next` gives, in `workers` threads each with its own state from `state`, and gives the
/// results to `done` in order. The first error of `next`, `work` or `done` ends it: `stop` is cancelled, which `work`
/// may ask while it is at something long, and what was done out of order is not given on.
pub(crate) fn ordered<T: Send, R: Send, S, E: Send>(
    workers: usize,
    stop: &CancellationToken,
    mut next: impl FnMut() -> Result<Option<T>, E>,
    weight: impl Fn(&T) -> u64,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<R, E> + Sync,
    mut done: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let room = workers * 2;
    let (jobs_in, jobs_out) = sync_channel::<(u64, Vec<T>)>(room);
    let jobs_out = Mutex::new(jobs_out);
    let ended = AtomicBool::new(false);
    let (results_in, results_out) = channel::<(u64, Result<Vec<R>, E>)>();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let results_in = results_in.clone();
            let (jobs_out, state, work, ended) = (&jobs_out, &state, &work, &ended);
            scope.spawn(move || {
                let mut own = state();
                loop {
                    let job = jobs_out.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, batch)) = job else { break };
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    let result = batch.into_iter().map(|thing| work(&mut own, thing)).collect();
                    if results_in.send((number, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results_in);
        // Both dropped on every way out of here: that is what ends the workers.
        let jobs_in = jobs_in;
        let mut ending = StopUnlessDone { stop, ended: &ended, done: false };
        let mut waiting: BTreeMap<u64, Vec<R>> = BTreeMap::new();
        let (mut handed_out, mut collected, mut delivered) = (0_u64, 0_u64, 0_u64);
        let mut more = true;
        loop {
            while more && handed_out - collected < room as u64 && handed_out - delivered < WINDOW {
                let batch = fill(&mut next, &weight, &mut more)?;
                if batch.is_empty() {
                    break;
                }
                // The receiving ends live as long as this scope.
                let _ = jobs_in.send((handed_out, batch));
                handed_out += 1;
            }
            if collected == handed_out {
                ending.done = true;
                return Ok(());
            }
            // Every worker holds a sender until the jobs end; none left is a panic, which the scope passes on.
            let Ok((number, result)) = results_out.recv() else { return Ok(()) };
            collected += 1;
            waiting.insert(number, result?);
            while let Some(results) = waiting.remove(&delivered) {
                delivered += 1;
                results.into_iter().try_for_each(&mut done)?;
            }
        }
    })
}

/// Tells the workers that nobody waits for their results any more.
struct StopUnlessDone<'a> {
    stop: &'a CancellationToken,
    ended: &'a AtomicBool,
    done: bool,
}

impl Drop for StopUnlessDone<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.ended.store(true, Ordering::Relaxed);
            self.stop.cancel();
        }
    }
}

fn fill<T, E>(
    next: &mut impl FnMut() -> Result<Option<T>, E>,
    weight: &impl Fn(&T) -> u64,
    more: &mut bool,
) -> Result<Vec<T>, E> {
    let (mut batch, mut heavy) = (Vec::new(), 0);
    while batch.len() < BATCH && heavy < BATCH_WEIGHT {
        match next()? {
            Some(thing) => {
                heavy += weight(&thing);
                batch.push(thing);
            }
            None => {
                *more = false;
                break;
            }
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::AtomicUsize;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn everything_comes_back_once_and_in_order(weights in proptest::collection::vec(0_u64..(2 << 20), 0..3_000), workers in 1_usize..5) {
            let mut source = weights.iter().copied().enumerate();
            let mut seen = Vec::new();
            let outcome: Result<(), ()> = ordered(
                workers,
                &CancellationToken::new(),
                || Ok(source.next()),
                |(_, weight)| *weight,
                || (),
                |(), (n, weight)| {
                    if weight % 3 == 0 {
                        std::thread::yield_now();
                    }
                    Ok(n)
                },
                |n| {
                    seen.push(n);
                    Ok(())
                },
            );
            prop_assert!(outcome.is_ok());
            prop_assert_eq!(seen, (0..weights.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        let given = AtomicUsize::new(0);
        let next = || {
            given.fetch_add(1, Ordering::Relaxed);
            Ok(Some(given.load(Ordering::Relaxed)))
        };
        let work = |(): &mut (), n: usize| if n == 100 { Err(n) } else { Ok(n) };
        let stop = CancellationToken::new();
        assert_eq!(ordered(3, &stop, next, |_| 0, || (), work, |_| Ok(())), Err(100));
        assert!(stop.is_cancelled());
        assert_eq!(ordered(3, &stop, || Err::<Option<()>, _>(7), |()| 0, || (), |(), ()| Ok(()), |()| Ok(())), Err(7));
    }
}
