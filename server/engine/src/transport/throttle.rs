//! The upload limit: one bucket shared by all threads of a transfer, its size asked again while the transfer runs.

use crate::files::hash::CHUNK;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Nobody waits longer than this without asking for the limit and the cancellation anew.
const STEP: Duration = Duration::from_millis(100);
/// Smallest piece worth a read.
const SMALLEST: usize = 16 << 10;

/// Lets bytes pass at the rate that `limit` names, in KiB/s; `None` lets everything pass.
pub(crate) struct Throttle {
    limit: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
    /// When the bytes that passed so far will have been paid for.
    paid_until: Mutex<Option<Instant>>,
    /// Nobody notifies: it is how a thread waits for time here.
    never: Condvar,
}

impl Throttle {
    pub(crate) fn new(limit: Arc<dyn Fn() -> Option<u64> + Send + Sync>) -> Throttle {
        Throttle { limit, paid_until: Mutex::new(None), never: Condvar::new() }
    }

    fn bytes_per_second(&self) -> Option<u64> {
        (self.limit)().map(|kib| kib.max(1).saturating_mul(1024))
    }

    /// How much to read at once, so that a slow limit still moves smoothly and ends soon when cancelled.
    pub(crate) fn piece(&self) -> usize {
        match self.bytes_per_second() {
            None => CHUNK,
            Some(rate) => usize::try_from(rate / 8).unwrap_or(CHUNK).clamp(SMALLEST, CHUNK),
        }
    }

    /// Waits until `bytes` may have passed; false when cancelled meanwhile.
    pub(crate) fn pass(&self, bytes: u64, cancel: &CancellationToken) -> bool {
        let Some(rate) = self.bytes_per_second() else { return !cancel.is_cancelled() };
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Idle time is not saved up.
        let mine = paid_until.map_or(now, |until| until.max(now)) + Duration::from_secs_f64(bytes as f64 / rate as f64);
        *paid_until = Some(mine);
        loop {
            if cancel.is_cancelled() {
                return false;
            }
            let left = mine.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            // A window of the schedule ended: nothing holds these bytes any more.
            if self.bytes_per_second().is_none() {
                *paid_until = None;
                return true;
            }
            paid_until = match self.never.wait_timeout(paid_until, left.min(STEP)) {
                Ok((guard, _)) => guard,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn bytes_pass_no_faster_than_the_limit() {
        let throttle = Throttle::new(Arc::new(|| Some(1024)));
        let began = Instant::now();
        let cancel = CancellationToken::new();
        for _ in 0..4 {
            assert!(throttle.pass(64 << 10, &cancel));
        }
        assert!(began.elapsed() >= Duration::from_millis(245), "{:?}", began.elapsed());
        assert_eq!(throttle.piece(), 128 << 10);
    }

    #[test]
    fn an_end_of_the_limit_or_a_cancellation_ends_the_wait() {
        let limited = Arc::new(AtomicBool::new(true));
        let asked = limited.clone();
        let throttle = Throttle::new(Arc::new(move || asked.load(Ordering::Relaxed).then_some(1)));
        let cancel = CancellationToken::new();
        std::thread::scope(|scope| {
            // An hour at this limit.
            let waiting = scope.spawn(|| throttle.pass(3600 << 10, &cancel));
            limited.store(false, Ordering::Relaxed);
            assert!(waiting.join().unwrap());
            limited.store(true, Ordering::Relaxed);
            let waiting = scope.spawn(|| throttle.pass(3600 << 10, &cancel));
            cancel.cancel();
            assert!(!waiting.join().unwrap());
        });
        assert_eq!(throttle.piece(), SMALLEST);
    }
}
